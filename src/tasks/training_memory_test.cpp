// What is promised beside what is taken: the buffers of a step that was planned without numbers, against those of one
// with them.
#include "tasks/training_memory.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

#include "models/reference_testing.hpp"
#include "train/token_loss.hpp"

namespace linnet {
namespace {

ModelHandle handle(const std::string& name) {
  ModelHandle model;
  model.description = value(describe_model(golden_dir() / "models" / name));
  return model;
}

// The buffers that a step takes. One thread: whether others find work for buffers of their own is a matter of chance.
uint64_t buffers_of(const ModelHandle& model, const PupilSettings& settings, const StepShape& shape) {
  const auto runtime = value(Runtime::create(1));
  Context& ctx = runtime->context();
  ctx.set_compute(shape.bfloat16 ? DType::kBF16 : DType::kF32);
  ctx.set_recompute(shape.recompute);
  const auto pupil = value(Pupil::load(model, *runtime, settings));
  std::vector<TokenBatch> batches(shape.several_rows ? 3 : 1);
  for (TokenBatch& batch : batches) {
    for (int64_t i = 0; i < shape.tokens; ++i) batch.batch.tokens.push_back(static_cast<int32_t>(i * 7 % 50));
    batch.batch.sequences.push_back({.row_begin = 0, .rows = shape.tokens});
    batch.batch.dropout.rate = shape.dropout;
    for (int64_t i = 0; i < shape.learned; ++i) batch.batch.logit_rows.push_back(static_cast<int32_t>(i));
    batch.targets.assign(static_cast<size_t>(shape.learned), 3);
  }
  value(sum_gradients(ctx, pupil->parameters(), token_losses(ctx, pupil->transformer(), batches)));
  return ctx.buffers().bytes_peak();
}

struct Row {
  const char* model;
  PupilSettings settings;
};

class TrainingMemoryTest : public testing::TestWithParam<Row> {};

TEST_P(TrainingMemoryTest, BuffersOfAStepAreThoseThatItTakes) {
  const ModelHandle model = handle(GetParam().model);
  const auto runtime = value(Runtime::create(1));
  const TrainingPlanner planner = value(TrainingPlanner::of(model, *runtime, GetParam().settings));
  // How many rows an expert gets is the data's choice.
  const double tolerance = model.config().moe.experts > 0 ? 0.3 : 0.03;
  const bool bfloat16 = runtime->context().kernels().bf16.matmul != nullptr;
  for (const StepShape& shape :
       {StepShape{40, 36, false, bfloat16}, StepShape{30, 30, true, bfloat16}, StepShape{40, 12, true, false},
        StepShape{40, 36, true, bfloat16, true}, StepShape{40, 36, false, bfloat16, false, 0.1f}}) {
    const TrainingMemory plan = value(planner.plan(shape));
    const uint64_t taken = buffers_of(model, GetParam().settings, shape);
    const uint64_t promised = plan.gradients + plan.activations;
    EXPECT_NEAR(static_cast<double>(promised) / static_cast<double>(taken), 1, tolerance)
        << promised << " of " << taken;
  }
}

// A row holds several samples, none of which is longer than the context.
TEST(TrainingMemory, ARowMayBeLongerThanTheContext) {
  const ModelHandle model = handle("gpt2");
  const auto runtime = value(Runtime::create(1));
  const TrainingPlanner planner = value(TrainingPlanner::of(model, *runtime, {.learns = Learns::kEverything}));
  const int64_t context = model.config().max_positions;
  const TrainingMemory one = value(planner.plan({context, context}));
  const TrainingMemory three = value(planner.plan({3 * context + 1, context}));
  EXPECT_GT(three.activations, one.activations);
}

// What does not hang on the step: weights as they are held, an adapter, two moments of float32.
TEST_P(TrainingMemoryTest, WeightsAreThoseThatAreHeld) {
  const ModelHandle model = handle(GetParam().model);
  const auto runtime = value(Runtime::create(2));
  const TrainingPlanner planner = value(TrainingPlanner::of(model, *runtime, GetParam().settings));
  const TrainingMemory plan = value(planner.plan({30, 30}));
  const auto pupil = value(Pupil::load(model, *runtime, GetParam().settings));
  uint64_t weights = 0;
  pupil->transformer().for_each([&](const TensorSpec& spec, Slot& slot) {
    if (slot.vector.defined()) weights += static_cast<uint64_t>(slot.vector.bytes());
    for (const Linear& part : slot.parts) {
      if (spec.bias) weights += part.bias.defined() ? static_cast<uint64_t>(part.bias.bytes()) : 0;
      if (!spec.bias && part.defined()) weights += static_cast<uint64_t>(part.weight.bytes());
    }
  });
  uint64_t learned = 0;
  for (const Parameter& parameter : pupil->parameters()) {
    learned += static_cast<uint64_t>(parameter.tensor->elements()) * sizeof(float);
  }
  EXPECT_NEAR(static_cast<double>(plan.weights) / static_cast<double>(weights), 1, 0.02);
  EXPECT_EQ(plan.adapters, GetParam().settings.learns == Learns::kAdapter ? learned : 0);
  EXPECT_EQ(plan.optimizer, 2 * learned);
  EXPECT_EQ(static_cast<int64_t>(planner.prepacked_bytes(false)),
            pupil->transformer().prepacked_bytes(runtime->context()));
  EXPECT_GE(plan.total(), plan.weights + plan.optimizer + plan.gradients + plan.activations);
}

const PupilSettings kAdapter{.adapter = {.rank = 4}};
const PupilSettings kDora{.adapter = {.rank = 4, .dora = true}};
const PupilSettings kLast{.learns = Learns::kLastLayers, .layers = 1};
const PupilSettings kWhole{.learns = Learns::kEverything};
const PupilSettings kLastHeld{.learns = Learns::kLastLayers, .layers = 1, .weights = DType::kBF16};
const PupilSettings kWholeHeld{.learns = Learns::kEverything, .weights = DType::kBF16};

INSTANTIATE_TEST_SUITE_P(Models, TrainingMemoryTest,
                         testing::Values(Row{"llama", kAdapter}, Row{"llama", kDora}, Row{"llama", kLast},
                                         Row{"llama-tied", kWhole}, Row{"gemma3", kAdapter}, Row{"gemma3", kWhole},
                                         Row{"gpt2", kWhole}, Row{"gpt-neox", kLast}, Row{"phi3", kAdapter},
                                         Row{"mixtral", kWhole}, Row{"olmo2", kWhole}, Row{"llama", kLastHeld},
                                         Row{"llama-tied", kWholeHeld}, Row{"gpt2", kWholeHeld},
                                         Row{"mixtral", kWholeHeld}),
                         [](const auto& row) { return test_name(row.param.model) + std::to_string(row.index); });

}  // namespace
}  // namespace linnet
