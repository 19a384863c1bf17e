// Weights that are held in bfloat16 while they are trained: no optimiser loses its small steps, no thread and no
// restart changes a bit, and a model learns as it does in float32.
#include <cmath>
#include <gtest/gtest.h>

#include "base/folder_testing.hpp"
#include "base/random.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "ops/kernel_table.hpp"
#include "train/token_batch_testing.hpp"
#include "train/token_loss.hpp"

namespace linnet {
namespace {

constexpr OptimizerKind kKinds[] = {OptimizerKind::kAdamW, OptimizerKind::kMuon, OptimizerKind::kSgd};

Tensor random_matrix(int64_t rows, int64_t cols, uint64_t seed) {
  Tensor matrix = Tensor::empty(DType::kF32, {rows, cols});
  Random random(seed);
  for (float& x : matrix.span<float>()) x = random.normal();
  return matrix;
}

std::vector<float> numbers_of(const Tensor& tensor) {
  const Tensor floats = to_f32(tensor);
  return {floats.span<float>().begin(), floats.span<float>().end()};
}

// Two matrices after some steps, the first of them hidden.
std::vector<float> after_steps(OptimizerKind kind, DType dtype, int threads, uint64_t seed) {
  constexpr int64_t kRows = 300;  // several chunks of kOptimizerChunk numbers, and a part of one
  constexpr int64_t kCols = 129;
  ThreadPool pool(threads);
  Context ctx(pool, reference_kernels());
  Tensor a = to_dtype(random_matrix(kRows, kCols, 1), dtype);
  Tensor b = to_dtype(random_matrix(kRows, kCols, 2), dtype);
  const auto optimizer = make_optimizer({{.name = "a", .tensor = &a, .decays = true, .hidden = true},
                                         {.name = "b", .tensor = &b, .decays = true, .number = 1}},
                                        {.kind = kind, .rounding_seed = seed});
  for (uint64_t step = 0; step < 3; ++step) {
    optimizer->step(ctx, std::vector{random_matrix(kRows, kCols, 10 + step), random_matrix(kRows, kCols, 20 + step)},
                    1e-3f, 0.5f);
  }
  std::vector<float> all = numbers_of(a);
  const std::vector<float> rest = numbers_of(b);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

TEST(HeldWeights, SeedsChangeBitsAndThreadsDoNot) {
  for (const OptimizerKind kind : kKinds) {
    const std::vector<float> alone = after_steps(kind, DType::kBF16, 1, 5);
    for (const int threads : {2, 3, 4}) EXPECT_EQ(after_steps(kind, DType::kBF16, threads, 5), alone);
    EXPECT_NE(after_steps(kind, DType::kBF16, 1, 6), alone);
  }
}

TEST(HeldWeights, FollowThoseInFloat32WithoutABias) {
  for (const OptimizerKind kind : kKinds) {
    const std::vector<float> want = after_steps(kind, DType::kF32, 2, 5);
    const std::vector<float> got = after_steps(kind, DType::kBF16, 2, 5);
    double sum = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      const double difference = double{got[i]} - want[i];
      sum += difference;
      // The first rounding is off by half of what lies between neighbours, each step by less than all of it.
      ASSERT_LE(std::abs(difference), 3.6 * std::max(std::abs(want[i]), 0.02f) * 0x1p-7) << i;
    }
    // Neighbours lie 0.004 from each other on average: so far off are sums of so many numbers by chance.
    EXPECT_LT(std::abs(sum / static_cast<double>(want.size())), 4 * 0.005 / std::sqrt(want.size()));
  }
}

// The point of it: a hundred steps of a hundredth of what lies between neighbours.
TEST(HeldWeights, LearnFromStepsThatRoundingToNearestLoses) {
  constexpr int64_t kCount = 4096;
  constexpr float kRate = 0x1p-7f / 100;  // with gradients of 1
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  const std::vector<Tensor> grads{Tensor::from(std::vector<float>(kCount, -1.0f), {64, 64})};
  Tensor held = to_dtype(Tensor::from(std::vector<float>(kCount, 1.0f), {64, 64}), DType::kBF16);
  Tensor nearest = held.clone();
  const auto optimizer = make_optimizer({{.name = "held", .tensor = &held, .decays = false}},
                                        {.kind = OptimizerKind::kSgd, .sgd = {.momentum = 0}});
  for (int step = 0; step < 100; ++step) {
    optimizer->step(ctx, grads, kRate);
    for (BFloat16& x : nearest.span<BFloat16>()) x = to_bfloat16(to_float(x) + kRate);
  }
  double mean = 0;
  for (const float x : numbers_of(held)) mean += x / kCount;
  // Each number has gone up once, on average; the deviation of that is its root.
  EXPECT_NEAR(mean, 1 + 0x1p-7, 4 * 0x1p-7 / std::sqrt(kCount));
  EXPECT_EQ(numbers_of(nearest), std::vector<float>(kCount, 1.0f));
}

// A small model in training, and its texts.
struct Pupil {
  Pupil(const std::string& name, DType matrices, int threads = 2, uint64_t seed = 5)
      : pool(threads),
        model(value(load_transformer(value(describe_model(golden_dir() / "models" / name))))),
        parameters(train_all(model, matrices)),
        trainer(ctx, parameters,
                {.optimizer = {.rounding_seed = seed}, .schedule = {.kind = ScheduleKind::kConstant, .rate = 2e-3f}}) {}

  double step(uint64_t seed) { return value(trainer.step(token_losses(ctx, model, batches(seed)))).loss; }
  // The same few texts again and again, in turn.
  std::vector<TokenBatch> batches(uint64_t seed) const {
    const int64_t vocab = model.config().vocab_size;
    return {random_batch(vocab, {20}, 2 * (seed % 3)), random_batch(vocab, {20}, 2 * (seed % 3) + 1)};
  }
  std::vector<std::vector<float>> numbers() const {
    std::vector<std::vector<float>> all;
    all.reserve(parameters.size());
    for (const Parameter& parameter : parameters) all.push_back(numbers_of(*parameter.tensor));
    return all;
  }

  ThreadPool pool;
  Context ctx{pool, reference_kernels()};
  Transformer model;
  std::vector<Parameter> parameters;
  Trainer trainer;
};

// No mixture of experts: which of them a token goes to jumps with a small difference.
TEST(HeldWeights, AModelLearnsAsInFloat32) {
  for (const char* name : {"llama-tied", "gpt2", "gemma3", "olmo2"}) {
    SCOPED_TRACE(name);
    Pupil exact(name, DType::kF32);
    Pupil held(name, DType::kBF16);
    double first = 0;
    double last = 0;
    for (uint64_t step = 0; step < 30; ++step) {
      const double want = exact.step(step);
      EXPECT_NEAR(held.step(step) / want, 1, 0.03) << step;
      if (step == 0) first = want;
      last = want;
    }
    EXPECT_LT(last, 0.8 * first);
  }
}

TEST(HeldWeights, AreMatrices) {
  Pupil pupil("gpt2", DType::kBF16);
  uint32_t matrices = 0;
  for (size_t i = 0; i < pupil.parameters.size(); ++i) {
    const Parameter& parameter = pupil.parameters[i];
    const bool matrix = parameter.tensor->shape().rank() == 2;
    EXPECT_EQ(parameter.tensor->dtype(), matrix ? DType::kBF16 : DType::kF32) << parameter.name;
    if (matrix) {
      EXPECT_EQ(parameter.number, i);
      ++matrices;
    }
  }
  EXPECT_GE(matrices, 10u);
}

class HeldWeightsCheckpoint : public FolderTest {};

TEST_F(HeldWeightsCheckpoint, GoesOnToTheSameBitsOnAnyThreads) {
  const std::filesystem::path file = folder_ / "checkpoint.safetensors";
  Pupil straight("llama", DType::kBF16, 1);
  for (uint64_t step = 0; step < 6; ++step) {
    (void)straight.step(step);
    if (step != 2) continue;
    ASSERT_TRUE(straight.trainer.save(file).ok());
  }
  for (const int threads : {2, 4}) {
    Pupil resumed("llama", DType::kBF16, threads);
    (void)value(resumed.trainer.restore(file));
    for (uint64_t step = 3; step < 6; ++step) (void)resumed.step(step);
    EXPECT_EQ(resumed.numbers(), straight.numbers());
  }
  Pupil other("llama", DType::kBF16, 1, 6);
  (void)value(other.trainer.restore(file));
  for (uint64_t step = 3; step < 6; ++step) (void)other.step(step);
  EXPECT_NE(other.numbers(), straight.numbers());

  Pupil exact("llama", DType::kF32);
  const auto before = exact.numbers();
  const auto refused = exact.trainer.restore(file);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("is BF16"), std::string::npos) << refused.error().message;
  EXPECT_EQ(exact.numbers(), before);
}

}  // namespace
}  // namespace linnet
