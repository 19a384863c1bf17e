// Muon and SGD against what torch.optim makes of the same gradients: tests/golden/training/optimizers.json.
#include <cmath>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "base/random.hpp"
#include "models/reference_testing.hpp"
#include "ops/kernel_table.hpp"
#include "ops/linear.hpp"
#include "train/muon.hpp"
#include "train/sgd.hpp"

namespace linnet {
namespace {

Tensor matrix_of(const Json& numbers, const Json& shape) {
  return Tensor::from(numbers.get<std::vector<float>>(), {shape[0].get<int64_t>(), shape[1].get<int64_t>()});
}

// The largest distance of our matrix from PyTorch's after any step.
float distance_from_recorded(const Json& row) {
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  Tensor matrix = matrix_of(row["start"], row["shape"]);
  const std::vector<Parameter> parameters{{"matrix", &matrix, true, true}};
  const Json& settings = row["settings"];
  OptimizerConfig config;
  config.kind = row["optimizer"] == "sgd" ? OptimizerKind::kSgd : OptimizerKind::kMuon;
  config.muon = {.momentum = settings.value("momentum", 0.0f), .weight_decay = settings.value("weight_decay", 0.0f)};
  config.sgd = {.momentum = settings.value("momentum", 0.0f),
                .nesterov = settings.value("nesterov", false),
                .weight_decay = settings.value("weight_decay", 0.0f)};
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(parameters, config);
  float worst = 0;
  for (size_t step = 0; step < row["grads"].size(); ++step) {
    const std::vector<Tensor> grads{matrix_of(row["grads"][step], row["shape"])};
    optimizer->step(ctx, grads, settings["lr"].get<float>());
    const Tensor want = matrix_of(row["ends"][step], row["shape"]);
    for (int64_t i = 0; i < want.elements(); ++i) {
      worst = std::max(worst, std::abs(matrix.data<float>()[i] - want.data<float>()[i]));
    }
  }
  EXPECT_EQ(optimizer->steps(), static_cast<int64_t>(row["grads"].size()));
  return worst;
}

TEST(Optimizers, StepsAreThoseOfPyTorch) {
  const Json rows = value(read_json_file((golden_dir() / "training/optimizers.json").string()));
  int muon = 0;
  int sgd = 0;
  for (const Json& row : rows) {
    SCOPED_TRACE(row["optimizer"].get<std::string>() + " " + row["settings"].dump());
    const bool rounded = row["optimizer"] == "muon bfloat16";
    // A step of Muon is 0.02 * 0.2 * sqrt(10) long in each number; in bfloat16, each of four is off by some hundredths.
    EXPECT_LT(distance_from_recorded(row), rounded ? 4e-3f : 2e-6f);
    (row["optimizer"] == "sgd" ? sgd : muon) += 1;
  }
  EXPECT_EQ(muon, 6);
  EXPECT_EQ(sgd, 3);
}

Tensor random_matrix(int64_t rows, int64_t cols, uint64_t seed) {
  Tensor matrix = Tensor::empty(DType::kF32, {rows, cols});
  Random random(seed);
  for (float& x : matrix.span<float>()) x = random.normal();
  return matrix;
}

TEST(NewtonSchulz, MakesRowsOrColumnsNearlyOrthogonal) {
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{12, 40}, {40, 12}}) {
    const Tensor x = newton_schulz(ctx, random_matrix(rows, cols, 3));
    // The singular values lie around 1: the sum of their squares is that of all numbers.
    double squares = 0;
    for (const float number : x.span<float>()) squares += double{number} * number;
    EXPECT_NEAR(std::sqrt(squares / 12), 0.95, 0.25);
    const double norm = global_norm(pool, std::vector{x});
    EXPECT_GT(norm * norm, 12 * 0.4);
  }
}

TEST(Muon, TakesHiddenMatricesAndLeavesTheRestToAdamW) {
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  Tensor hidden = random_matrix(4, 6, 1);
  Tensor embedding = random_matrix(5, 6, 2);
  Tensor same = embedding.clone();
  const std::vector<Parameter> both{{"embedding", &embedding, true}, {"hidden", &hidden, true, true}};
  Muon muon(both, {}, {});
  AdamW adamw({{"embedding", &same, true}}, {});
  for (uint64_t step = 0; step < 3; ++step) {
    const Tensor grad = random_matrix(5, 6, 10 + step);
    muon.step(ctx, std::vector{grad, random_matrix(4, 6, 20 + step)}, 0.01f, 0.5f);
    adamw.step(ctx, std::vector{grad}, 0.01f, 0.5f);
  }
  for (int64_t i = 0; i < same.elements(); ++i) EXPECT_EQ(embedding.data<float>()[i], same.data<float>()[i]);
  std::vector<std::string> names;
  for (const Optimizer::State& state : muon.state()) names.push_back(state.name);
  EXPECT_EQ(names, (std::vector<std::string>{"hidden.momentum", "embedding.mean", "embedding.square"}));
}

TEST(Muon, ThreadsDoNotChangeABit) {
  const auto run = [](int threads) {
    ThreadPool pool(threads);
    Context ctx(pool, reference_kernels());
    Tensor matrix = random_matrix(96, 64, 1);
    Muon muon({{"matrix", &matrix, true, true}}, {}, {});
    for (uint64_t step = 0; step < 2; ++step) muon.step(ctx, std::vector{random_matrix(96, 64, 5 + step)}, 0.1f);
    const auto numbers = matrix.span<float>();
    return std::vector<float>(numbers.begin(), numbers.end());
  };
  EXPECT_EQ(run(3), run(1));
}

}  // namespace
}  // namespace linnet
