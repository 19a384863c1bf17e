// What enters each matrix, against what PyTorch saw (tests/golden/make_importance.py).
#include "export/importance.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <numeric>

#include "formats/safetensors.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

std::map<std::string, Tensor> tensors_of(const std::filesystem::path& path) {
  std::map<std::string, Tensor> out;
  const auto file = value(open_safetensors(path));
  for (const StoredTensor& tensor : file.tensors) out.emplace(tensor.name, to_f32(tensor));
  return out;
}

std::vector<float> over_mean(std::span<const float> columns) {
  const double mean = std::accumulate(columns.begin(), columns.end(), 0.0) / static_cast<double>(columns.size());
  std::vector<float> out(columns.begin(), columns.end());
  for (float& x : out) x = static_cast<float>(x / mean);
  return out;
}

class ImportanceTest : public testing::TestWithParam<const char*> {
 protected:
  // Both texts of the recording, one after the other, a window each.
  Result<Importance> measure(int threads, const CancelToken& cancel = {}) {
    ThreadPool pool(threads);
    Context ctx(pool, reference_kernels());
    std::vector<int32_t> tokens;
    const Tensor ids = tensors_of(folder_ / "expected.safetensors").at("input_ids");
    for (const float id : ids.span<float>()) tokens.push_back(static_cast<int32_t>(id));
    return measure_importance(model_, ctx, tokens, {.window = ids.dim(1)}, cancel, {});
  }

  const std::filesystem::path folder_ = golden_dir() / "models" / GetParam();
  const Transformer model_ = value(load_transformer(value(describe_model(folder_))));
};

TEST_P(ImportanceTest, IsWhatEntersTheMatrices) {
  const Importance importance = value(measure(2));
  const auto recorded = tensors_of(golden_dir() / "importance" / (std::string(GetParam()) + ".safetensors"));
  size_t compared = 0;
  for (const TensorSpec& spec : model_.table()) {
    const std::span<const float> found = importance.of(spec.gguf);
    const auto width = static_cast<size_t>(spec.shape[-1]);
    for (int64_t e = 0; e < std::max<int64_t>(spec.experts, 1); ++e) {
      const bool head = spec.role == Role::kEmbedding && model_.config().tied_head;
      const auto want = recorded.find(head ? "lm_head.weight" : name_of_expert(spec.name, e));
      if (want == recorded.end()) continue;
      ASSERT_GE(found.size(), (static_cast<size_t>(e) + 1) * width) << spec.name;
      const std::vector<float> expected = over_mean(want->second.span<float>());
      for (size_t c = 0; c < width; ++c) {
        const float got = found[static_cast<size_t>(e) * width + c];
        EXPECT_NEAR(got, std::max(expected[c], 1e-6f), 1e-4 * expected[c] + 1e-6) << spec.name << " column " << c;
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, recorded.size());
}

TEST_P(ImportanceTest, ThreadsChangeNothing) {
  const Importance one = value(measure(1));
  const Importance three = value(measure(3));
  for (const TensorSpec& spec : model_.table()) {
    const auto a = one.of(spec.gguf);
    const auto b = three.of(spec.gguf);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << spec.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ImportanceTest, testing::Values("llama", "llama-tied", "gpt2", "phi3", "mixtral"),
                         [](const auto& row) { return test_name(row.param); });

class CalibrationTest : public testing::Test {
 protected:
  Result<Importance> measure(const std::string& model, std::vector<int32_t> tokens, const CancelToken& cancel = {}) {
    ThreadPool pool(1);
    Context ctx(pool, reference_kernels());
    const Transformer weights = value(load_transformer(value(describe_model(golden_dir() / "models" / model))));
    return measure_importance(weights, ctx, tokens, {.window = 8}, cancel, {});
  }
};

// One row reaches two experts of four: the others count all columns alike.
TEST_F(CalibrationTest, ExpertsThatNoRowReachedCountAlike) {
  const Importance importance = value(measure("mixtral", {5}));
  const std::span<const float> experts = importance.of("blk.0.ffn_gate_exps.weight");
  ASSERT_EQ(experts.size() % 4, 0u);
  const size_t width = experts.size() / 4;
  int alike = 0;
  for (size_t e = 0; e < 4; ++e) {
    const auto own = experts.subspan(e * width, width);
    alike += std::all_of(own.begin(), own.end(), [](float x) { return x == 1; });
  }
  EXPECT_EQ(alike, 2);
}

TEST_F(CalibrationTest, AnEmbeddingCountsWhereItIsTheHead) {
  const Importance untied = value(measure("llama", {5}));
  EXPECT_TRUE(untied.of("token_embd.weight").empty());
  EXPECT_FALSE(untied.of("output.weight").empty());
  EXPECT_TRUE(untied.of("blk.9.ffn_up.weight").empty());
  EXPECT_FALSE(value(measure("llama-tied", {5})).of("token_embd.weight").empty());
}

// gpt-oss keeps gate and up woven into one matrix, GGUF does not.
TEST_F(CalibrationTest, WovenMatricesHaveBothNames) {
  const Importance importance = value(measure("gpt-oss", {1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const auto gate = importance.of("blk.0.ffn_gate_exps.weight");
  const auto up = importance.of("blk.0.ffn_up_exps.weight");
  ASSERT_FALSE(gate.empty());
  EXPECT_TRUE(std::equal(gate.begin(), gate.end(), up.begin(), up.end()));
}

TEST_F(CalibrationTest, BadTokensAndCancellationAreErrors) {
  EXPECT_NE(measure("llama", {1, 60, 61}).error().to_string().find("outside the vocabulary"), std::string::npos);
  CancelToken cancel;
  cancel.cancel();
  EXPECT_EQ(measure("llama", {1, 2}, cancel).error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace linnet
