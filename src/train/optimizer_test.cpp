// AdamW, clipping and schedules on whole models, against what PyTorch computes: tests/golden/training (models in
// tests/golden/models), and a second, independent set in ../shared/reference where it is there.
#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "formats/safetensors.hpp"
#include "models/adapter.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "ops/kernel_table.hpp"
#include "ops/loss.hpp"
#include "train/adamw.hpp"
#include "train/schedule.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

// A model of a reference folder, and the texts that it learns from.
struct Lesson {
  explicit Lesson(const fs::path& folder, int threads = 2)
      : pool(threads), model(value(load_transformer(value(describe_model(folder))))) {
    const auto recorded = value(open_safetensors(folder / "expected.safetensors"));
    for (const StoredTensor& tensor : recorded.tensors) {
      if (tensor.name != "input_ids") continue;
      const Tensor ids = to_f32(tensor);
      for (int64_t b = 0; b < ids.dim(0); ++b) add(ids.rows(b, 1).span<float>());
    }
  }

  void add(std::span<const float> text) {
    batch.sequences.push_back({.row_begin = batch.rows(), .rows = static_cast<int64_t>(text.size())});
    for (size_t i = 0; i < text.size(); ++i) {
      batch.logit_rows.push_back(static_cast<int32_t>(batch.rows()));
      batch.tokens.push_back(static_cast<int32_t>(text[i]));
      targets.push_back(i + 1 < text.size() ? static_cast<int32_t>(text[i + 1]) : ops::kIgnoreTarget);
    }
  }

  struct Pass {
    float loss;
    std::vector<Tensor> grads;
  };
  Pass pass(std::span<const Parameter> parameters) {
    Tape tape;
    watch(tape, parameters);
    ctx.set_recorder(&tape);
    const Tensor loss = value(model.loss(ctx, batch, targets));
    tape.backward(ctx, loss);
    ctx.set_recorder(nullptr);
    return {loss.data<float>()[0], gradients(tape, parameters)};
  }

  ThreadPool pool;
  Context ctx{pool, reference_kernels()};
  Transformer model;
  Batch batch;
  std::vector<int32_t> targets;
};

constexpr AdamWConfig kConfig{.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .weight_decay = 0.1f};

class GoldenTraining : public testing::TestWithParam<std::string> {
 protected:
  Json want_ = value(read_json_file((golden_dir() / "training" / (GetParam() + ".json")).string()));
};

// What of a whole run is not as PyTorch recorded it: losses, norms, and the sums of the weights that come out.
std::vector<std::string> differences(const std::string& model, const Json& want, const AdamWConfig& config) {
  std::vector<std::string> found;
  const auto compare = [&](const std::string& what, double got, double right, double tolerance) {
    if (!(std::abs(got - right) <= tolerance)) found.push_back(fmt::format("{}: {} is not {}", what, got, right));
  };
  Lesson lesson(golden_dir() / "models" / model);
  AdamW optimizer(train_all(lesson.model), config);
  const auto steps = static_cast<int64_t>(want["losses"].size());
  const Schedule schedule{.kind = ScheduleKind::kLinear, .rate = 3e-3f, .steps = steps};
  for (int64_t step = 0; step < steps; ++step) {
    const auto at = static_cast<size_t>(step);
    const Lesson::Pass pass = lesson.pass(optimizer.parameters());
    const auto loss = want["losses"][at].get<double>();
    compare(fmt::format("loss of step {}", step), pass.loss, loss, 1e-4 * loss);
    const double norm = global_norm(lesson.pool, pass.grads);
    const auto right = want["norms"][at].get<double>();
    compare(fmt::format("norm of step {}", step), norm, right, 1e-3 * right);
    optimizer.step(lesson.ctx, pass.grads, rate_at(schedule, step), clip_scale(norm, 0.5));
  }
  int compared = 0;
  for (const Json& row : want["sums"]) {
    const auto name = row[0].get<std::string>();
    const auto parameters = optimizer.parameters();
    const auto parameter =
        std::find_if(parameters.begin(), parameters.end(), [&](const Parameter& p) { return p.name == name; });
    if (parameter == parameters.end()) continue;  // experts, which the model's own code stacks
    double sum = 0;
    double magnitudes = 0;
    for (const float x : parameter->tensor->span<float>()) {
      sum += x;
      magnitudes += std::abs(x);
    }
    const auto recorded = row[2].get<double>();
    compare("sum of " + name, sum, row[1].get<double>(), 1e-3 * recorded);
    compare("magnitudes of " + name, magnitudes, recorded, 1e-4 * recorded);
    ++compared;
  }
  if (compared < 10) found.push_back(fmt::format("only {} of the weights were compared", compared));
  return found;
}

TEST_P(GoldenTraining, LossesNormsAndWeightsAreThoseOfPyTorch) {
  EXPECT_EQ(differences(GetParam(), want_, kConfig), std::vector<std::string>());
}

// The deliberately wrong cases: one wrong number of each kind in the recording, and another decay than PyTorch had.
TEST_P(GoldenTraining, OneWrongNumberFails) {
  Json wrong = want_;
  wrong["losses"][1] = want_["losses"][1].get<double>() * 1.0003;
  wrong["norms"][0] = want_["norms"][0].get<double>() * 1.003;
  const auto row = std::find_if(wrong["sums"].begin(), wrong["sums"].end(),
                                [](const Json& sums) { return sums[0].get<std::string>().ends_with("norm.weight"); });
  ASSERT_NE(row, wrong["sums"].end());
  (*row)[2] = (*row)[2].get<double>() * 1.0003;
  EXPECT_EQ(differences(GetParam(), wrong, kConfig).size(), 3u);
  AdamWConfig other = kConfig;
  other.beta2 = 0.99f;
  EXPECT_NE(differences(GetParam(), want_, other).size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTraining, testing::Values("llama-tied", "gemma3", "mixtral", "olmo2"),
                         [](const auto& row) { return test_name(row.param); });

TEST(AdamWTest, EveryFamilyLearnsAsInTheSharedReference) {
  if (!fs::is_directory(shared_reference_dir())) GTEST_SKIP() << "../shared absent";
  int families = 0;
  int compared = 0;
  for (const auto& entry : fs::directory_iterator(shared_reference_dir())) {
    if (!fs::exists(entry.path() / "expected.safetensors")) continue;
    const TensorSource expected =
        value(TensorSource::of(value(open_safetensors(entry.path() / "expected.safetensors")).tensors));
    const StoredTensor* losses = expected.find("adamw.loss");
    if (!losses) continue;  // an encoder
    SCOPED_TRACE(entry.path().filename().string());
    ++families;
    Lesson lesson(entry.path());
    AdamW optimizer(train_all(lesson.model), kConfig);
    std::vector<Tensor> first;
    for (const float want : to_f32(*losses).span<float>()) {
      const Lesson::Pass pass = lesson.pass(optimizer.parameters());
      EXPECT_NEAR(pass.loss / want, 1, 1e-4);
      if (first.empty()) first = pass.grads;
      optimizer.step(lesson.ctx, pass.grads, 1e-3f);
    }
    for (size_t i = 0; i < first.size(); ++i) {
      const Parameter& parameter = optimizer.parameters()[i];
      const StoredTensor* after = expected.find("adamw." + parameter.name);
      if (!after) continue;  // recorded for three of the families
      const std::vector<TensorSpec>& table = lesson.model.table();
      const bool transposed = std::any_of(table.begin(), table.end(), [&](const TensorSpec& spec) {
        return spec.name == parameter.name && spec.transposed;
      });
      const Tensor want = transposed ? transpose(to_f32(*after)) : to_f32(*after);
      for (int64_t j = 0; j < want.elements(); ++j) {
        if (std::abs(first[i].data<float>()[j]) < 1e-6f) continue;  // zero but for noise, which AdamW follows
        ASSERT_NEAR(parameter.tensor->data<float>()[j], want.data<float>()[j], 1e-4) << parameter.name << " " << j;
      }
      ++compared;
    }
  }
  EXPECT_GE(families, 15);
  EXPECT_GE(compared, 80);
}

TEST(AdamWTest, OneStepByHand) {
  Tensor x = Tensor::from(std::vector<float>{2.0f, 1.0f}, {1, 2});
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  AdamW optimizer({{"x", &x, true}}, {.beta1 = 0.5f, .beta2 = 0.75f, .eps = 1e-8f, .weight_decay = 0.5f});
  const Tensor grad = Tensor::from(std::vector<float>{-3.0f, 0.0f}, {1, 2});
  optimizer.step(ctx, std::vector{grad}, 0.1f);
  // Corrected moments are -3 and 9: a step of -rate * sign. Decay takes rate * 0.5 of the number first.
  EXPECT_NEAR(x.data<float>()[0], 2.0f * 0.95f + 0.1f, 1e-6f);
  EXPECT_NEAR(x.data<float>()[1], 0.95f, 1e-6f);
}

TEST(AdamWTest, ThreadsDoNotChangeABit) {
  const auto run = [](int threads) {
    Lesson lesson(golden_dir() / "models/llama", threads);
    AdamW optimizer(train_all(lesson.model), kConfig);
    std::vector<float> losses;
    for (int step = 0; step < 3; ++step) {
      const Lesson::Pass pass = lesson.pass(optimizer.parameters());
      losses.push_back(pass.loss);
      optimizer.step(lesson.ctx, pass.grads, 1e-2f, clip_scale(global_norm(lesson.pool, pass.grads), 1.0));
    }
    return losses;
  };
  const std::vector<float> alone = run(1);
  for (const int threads : {2, 3}) EXPECT_EQ(run(threads), alone);
  EXPECT_LT(alone[2], alone[0]);
}

TEST(AdamWTest, OnlyTheAdapterLearns) {
  Lesson lesson(golden_dir() / "models/llama");
  const Adapter adapter = value(read_adapter(golden_dir() / "adapters/llama"));
  ASSERT_TRUE(attach_adapter(lesson.ctx, lesson.model, adapter).ok());
  AdamW optimizer(train_adapters(lesson.model), kConfig);
  ASSERT_EQ(optimizer.parameters().size(), 2 * adapter.parts.size());
  const float before = lesson.pass(optimizer.parameters()).loss;
  for (int step = 0; step < 10; ++step) {
    const Lesson::Pass pass = lesson.pass(optimizer.parameters());
    for (const Tensor& grad : pass.grads) ASSERT_TRUE(grad.defined());
    optimizer.step(lesson.ctx, pass.grads, 1e-2f);
  }
  EXPECT_LT(lesson.pass(optimizer.parameters()).loss, before - 0.5f);
}

TEST(GlobalNorm, IsExactOverManyChunksAndSeesNaN) {
  ThreadPool pool(3);
  std::vector<Tensor> grads{Tensor::from(std::vector<float>(40000, 0.5f), {40000}), Tensor(),
                            Tensor::from(std::vector<float>{3.0f, 4.0f}, {2})};
  EXPECT_DOUBLE_EQ(global_norm(pool, grads), std::sqrt(40000 * 0.25 + 25));
  EXPECT_FLOAT_EQ(clip_scale(10, 2.5), 0.25f);
  EXPECT_EQ(clip_scale(1, 2.5), 1.0f);
  grads[2].data<float>()[1] = NAN;
  EXPECT_TRUE(std::isnan(global_norm(pool, grads)));
}

}  // namespace
}  // namespace linnet
