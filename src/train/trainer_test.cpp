// Steps of training: what must not change a bit, and what a checkpoint must hold.
#include <fstream>

#include "base/folder_testing.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "ops/kernel_table.hpp"
#include "train/token_batch_testing.hpp"
#include "train/token_loss.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

TokenBatch joined(const TokenBatch& a, const TokenBatch& b) {
  TokenBatch all = a;
  const auto rows = static_cast<int32_t>(a.batch.rows());
  for (BatchSequence s : b.batch.sequences) {
    s.row_begin += rows;
    all.batch.sequences.push_back(s);
  }
  all.batch.tokens.insert(all.batch.tokens.end(), b.batch.tokens.begin(), b.batch.tokens.end());
  for (const int32_t row : b.batch.logit_rows) all.batch.logit_rows.push_back(row + rows);
  all.targets.insert(all.targets.end(), b.targets.begin(), b.targets.end());
  return all;
}

// A small model in training.
struct Pupil {
  explicit Pupil(int threads = 2)
      : pool(threads),
        model(value(load_transformer(value(describe_model(golden_dir() / "models/llama"))))),
        parameters(train_all(model)),
        trainer(ctx, parameters, {.optimizer = {}, .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-2f}}) {}

  std::vector<float> numbers() const {
    std::vector<float> all;
    for (const Parameter& parameter : parameters) {
      const auto span = parameter.tensor->span<float>();
      all.insert(all.end(), span.begin(), span.end());
    }
    return all;
  }
  Result<StepReport> step(std::span<const TokenBatch> batches) {
    return trainer.step(token_losses(ctx, model, batches));
  }
  double loss(std::span<const TokenBatch> batches) { return value(mean_token_loss(ctx, model, batches)); }
  TokenBatch batch(uint64_t seed) const { return random_batch(model.config().vocab_size, {9, 5, 12}, seed); }

  ThreadPool pool;
  Context ctx{pool, reference_kernels()};
  Transformer model;
  std::vector<Parameter> parameters;
  Trainer trainer;
};

TEST(TrainerTest, LearnsWhatItSees) {
  Pupil pupil;
  const std::vector<TokenBatch> batches{pupil.batch(1)};
  const double before = pupil.loss(batches);
  for (int i = 0; i < 20; ++i) (void)value(pupil.step(batches));
  EXPECT_LT(pupil.loss(batches), before / 2);
}

TEST(TrainerTest, SmallBatchesTogetherAreTheLargeOne) {
  Pupil whole;
  Pupil parts;
  const TokenBatch a = random_batch(whole.model.config().vocab_size, {20}, 1);
  const TokenBatch b = random_batch(whole.model.config().vocab_size, {3, 4}, 2);
  const std::vector<TokenBatch> two{a, b};
  const std::vector<TokenBatch> one{joined(a, b)};
  const StepReport of_one = value(whole.step(one));
  const StepReport of_two = value(parts.step(two));
  EXPECT_NEAR(of_one.loss, of_two.loss, 1e-6);
  EXPECT_NEAR(of_one.norm, of_two.norm, 1e-5);
}

TEST(TrainerTest, TheSameBitsOnAnyThreadsAndFromACheckpoint) {
  const fs::path folder = fs::path(testing::TempDir()) / "linnet_trainer_checkpoint";
  Pupil straight(1);
  for (uint64_t step = 0; step < 6; ++step) {
    const std::vector<TokenBatch> batches{straight.batch(step), straight.batch(100 + step)};
    (void)value(straight.step(batches));
    if (step != 2) continue;
    ASSERT_TRUE(straight.trainer.save(folder / "checkpoint.safetensors", {{"recipe", "ours"}}).ok());
  }
  Pupil resumed(3);
  const auto notes = value(resumed.trainer.restore(folder / "checkpoint.safetensors"));
  EXPECT_EQ(notes.at("recipe"), "ours");
  EXPECT_EQ(resumed.trainer.steps(), 3);
  for (uint64_t step = 3; step < 6; ++step) {
    const std::vector<TokenBatch> batches{resumed.batch(step), resumed.batch(100 + step)};
    (void)value(resumed.step(batches));
  }
  EXPECT_EQ(straight.numbers(), resumed.numbers());
  fs::remove_all(folder);
}

TEST(TrainerTest, WhatIsNotFiniteStopsAndChangesNothing) {
  Pupil pupil;
  Tensor& weight = *pupil.parameters.front().tensor;
  weight.data<float>()[0] = NAN;
  TokenBatch batch = pupil.batch(1);
  batch.batch.tokens[0] = 0;  // its embedding is not a number
  const std::vector<TokenBatch> batches{batch};
  EXPECT_TRUE(value(pupil.step(batches)).diverged);
  EXPECT_EQ(pupil.trainer.steps(), 0);
  const std::vector<TokenBatch> none{TokenBatch{batch.batch, {}}};
  EXPECT_FALSE(pupil.step(none).ok());
}

class CheckpointTest : public FolderTest {};

TEST_F(CheckpointTest, OfAnotherRunOrDamagedIsRefused) {
  Pupil pupil;
  const std::vector<float> before = pupil.numbers();
  EXPECT_FALSE(pupil.trainer.restore(folder_ / "absent.safetensors").ok());
  EXPECT_FALSE(pupil.trainer.restore(golden_dir() / "models/llama/model.safetensors").ok());
  const fs::path file = folder_ / "checkpoint.safetensors";
  ASSERT_TRUE(pupil.trainer.save(file).ok());
  {
    ThreadPool pool(1);
    Context ctx(pool, reference_kernels());
    Transformer other = value(load_transformer(value(describe_model(golden_dir() / "models/gpt2"))));
    Trainer trainer(ctx, train_all(other), {});
    EXPECT_FALSE(trainer.restore(file).ok());
  }
  fs::resize_file(file, fs::file_size(file) - 4);
  EXPECT_FALSE(pupil.trainer.restore(file).ok());
  EXPECT_EQ(pupil.numbers(), before);
}

}  // namespace
}  // namespace linnet
