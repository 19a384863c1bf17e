// Every family out to GGUF and back, and from there to a Hugging Face folder and back: the same logits.
#include "export/export.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "base/json.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> golden_folders() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(fs::path(LINNET_SOURCE_DIR) / "tests/golden/models")) {
    if (fs::exists(entry.path() / "model.safetensors")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

template <class T>
T value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

class Export : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    out_ = fs::path(testing::TempDir()) / ("linnet_export_" + GetParam().filename().string());
    fs::remove_all(out_);
  }
  void TearDown() override { fs::remove_all(out_); }

  std::vector<float> outputs(const Transformer& model) {
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 15; ++i) tokens.push_back((7 * i + 3) % static_cast<int32_t>(model.config().vocab_size));
    const ForwardOutput out = value(model.forward(ctx_, whole_sequence(tokens), nullptr));
    const auto numbers = (out.logits.defined() ? out.logits : out.last_hidden).span<float>();
    return {numbers.begin(), numbers.end()};
  }

  // Largest difference over largest magnitude.
  static double distance(const std::vector<float>& got, const std::vector<float>& want) {
    EXPECT_EQ(got.size(), want.size());
    double worst = 0;
    double largest = 1e-30;
    for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
      const double difference = std::abs(double{got[i]} - want[i]);
      worst = std::isfinite(difference) ? std::max(worst, difference) : INFINITY;
      largest = std::max(largest, double{std::abs(want[i])});
    }
    return worst / largest;
  }

  ThreadPool pool_{1};
  Context ctx_{pool_, reference_kernels()};
  fs::path out_;
};

TEST_P(Export, ThroughGgufAndBack) {
  const ModelDescription original = value(describe_model(GetParam()));
  const Transformer weights = value(load_transformer(original));
  const std::vector<float> want = outputs(weights);

  const fs::path file = out_ / "model.gguf";
  const auto written = export_gguf(original, weights, nullptr, file, {.dtype = DType::kF32});
  if (original.family->gguf_arch.empty()) {
    EXPECT_FALSE(written.ok());
    EXPECT_FALSE(fs::exists(file));
    return;
  }
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  const ModelDescription gguf = value(describe_model(file));
  EXPECT_EQ(gguf.family, original.family);
  const Transformer from_gguf = value(load_transformer(gguf));
  EXPECT_LE(distance(outputs(from_gguf), want), 1e-5);

  const auto back = export_hugging_face(gguf, from_gguf, nullptr, out_ / "folder", {.dtype = DType::kF32});
  if (!gguf.transformer.ropes.empty() && !gguf.transformer.ropes[0].divisors.empty()) {
    EXPECT_FALSE(back.ok());  // llama3's rope scaling: said, not guessed
    return;
  }
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  const ModelDescription folder = value(describe_model(out_ / "folder"));
  for (const char* field : {"architectures", "bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (!original.config->contains(field)) continue;
    EXPECT_EQ(folder.config->at(field), original.config->at(field)) << field;
  }
  EXPECT_LE(distance(outputs(value(load_transformer(folder))), want), 1e-5);
}

TEST_P(Export, HalfPrecisionStaysClose) {
  const ModelDescription original = value(describe_model(GetParam()));
  const Transformer weights = value(load_transformer(original));
  value(export_hugging_face(original, weights, nullptr, out_ / "half", {.dtype = DType::kBF16}));
  const ModelDescription half = value(describe_model(out_ / "half"));
  EXPECT_LE(distance(outputs(value(load_transformer(half))), outputs(weights)), 0.2);
  EXPECT_FALSE(export_hugging_face(original, weights, nullptr, out_ / "half", {}).ok()) << "nothing is written over";
}

INSTANTIATE_TEST_SUITE_P(Families, Export, testing::ValuesIn(golden_folders()), [](const auto& row) {
  std::string name = row.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace linnet
