// Whole models on the kernels of this machine, packed as `tune` packs them: losses and gradients of adapters, and of
// their own last layers, are the reference's.
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "kernels/registry.hpp"
#include "models/adapter.hpp"
#include "models/reference_testing.hpp"
#include "train/parameters.hpp"
#include "train/token_loss.hpp"
#include "train/trainer.hpp"

namespace linnet {
namespace {

struct Pass {
  float loss = 0;
  std::vector<Tensor> grads;
};

TokenBatch two_texts(int64_t vocab) {
  TokenBatch batch;
  Random random(5);
  for (const int64_t length : {38, 25}) {
    const int64_t begin = batch.batch.rows();
    batch.batch.sequences.push_back({.row_begin = begin, .rows = length});
    for (int64_t i = 0; i < length; ++i) {
      batch.batch.tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
      if (i == 0 || i % 3 == 0) continue;
      batch.batch.logit_rows.push_back(static_cast<int32_t>(begin + i - 1));
      batch.targets.push_back(batch.batch.tokens.back());
    }
  }
  return batch;
}

Pass teach(Context& ctx, const Transformer& model, std::span<const Parameter> parameters) {
  Tape tape;
  watch(tape, parameters);
  const RecorderScope recording(ctx, &tape);
  const TokenBatch batch = two_texts(model.config().vocab_size);
  const Tensor loss = value(model.loss(ctx, batch.batch, batch.targets));
  tape.backward(ctx, loss);
  return {loss.data<float>()[0], gradients(tape, parameters)};
}

// The last layer, beside others that are packed.
Pass teach_last(const ModelDescription& description, const KernelTable& kernels, DType compute) {
  ThreadPool pool(2);
  Context ctx(pool, kernels);
  Transformer model = value(load_transformer(description));
  const int64_t first = model.config().num_layers() - 1;
  const std::vector<Parameter> parameters = train_from(model, first);
  model.pack(ctx, description.files.mapped, [&](const TensorSpec& spec) { return is_from_layer(spec, first); });
  ctx.set_compute(compute);
  return teach(ctx, model, parameters);
}

// An adapter in training, with numbers that are not zero in both of its matrices.
Pass teach_adapter(const ModelDescription& description, const KernelTable& kernels, DType compute) {
  ThreadPool pool(2);
  Context ctx(pool, kernels);
  Transformer model = value(load_transformer(description));
  model.pack(ctx, description.files.mapped);
  Adapter adapter = value(new_adapter(model, {.rank = 4, .alpha = 8, .seed = 3}));
  Random random(9);
  for (Adapter::Part& part : adapter.parts) {
    for (float& x : part.b.span<float>()) x = random.normal() * 0.05f;
  }
  EXPECT_TRUE(attach_adapter(model, adapter).ok());
  ctx.set_compute(compute);
  return teach(ctx, model, train_adapters(model));
}

void expect_near(const Pass& got, const Pass& want, double tolerance) {
  EXPECT_NEAR(got.loss / want.loss, 1, tolerance);
  ASSERT_EQ(got.grads.size(), want.grads.size());
  for (size_t i = 0; i < want.grads.size(); ++i) {
    ASSERT_EQ(got.grads[i].defined(), want.grads[i].defined());
    if (!want.grads[i].defined()) continue;
    EXPECT_LT(distance(got.grads[i], want.grads[i]), tolerance) << i;
  }
}

class TeachingTest : public testing::TestWithParam<std::string> {};

void expect_the_reference(const std::string& name, const decltype(&teach_adapter)& run) {
  const ModelDescription description = value(describe_model(golden_dir() / "models" / name));
  const Pass want = run(description, reference_kernels(), DType::kF32);
  for (const Isa isa : all_isas()) {
    if (isa == Isa::kBaseline || !machine_has(isa)) continue;  // the kernels' own tests say which are skipped
    SCOPED_TRACE(isa_name(isa));
    expect_near(run(description, kernel_table(isa), DType::kF32), want, 1e-4);
    if (kernel_table(isa).bf16) expect_near(run(description, kernel_table(isa), DType::kBF16), want, 6e-2);
  }
}

TEST_P(TeachingTest, AdaptersHaveTheGradientsOfTheReference) {
  expect_the_reference(GetParam(), teach_adapter);
}

TEST_P(TeachingTest, LastLayersHaveTheGradientsOfTheReference) {
  expect_the_reference(GetParam(), teach_last);
}

// Of a step in parts the weights are packed once, and gradients are added where they lie.
TEST_P(TeachingTest, PartsOfAStepSumToWhatEachOfThemGives) {
  const ModelDescription description = value(describe_model(golden_dir() / "models" / GetParam()));
  for (const Isa isa : all_isas()) {
    if (isa == Isa::kBaseline || !machine_has(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    ThreadPool pool(2);
    Context ctx(pool, kernel_table(isa));
    ctx.set_compute(DType::kBF16);  // float32 where there is no such kernel
    Transformer model = value(load_transformer(description));
    const std::vector<Parameter> parameters = train_all(model);
    const TokenBatch batch = two_texts(model.config().vocab_size);
    const PartLoss part = [&] { return model.loss(ctx, batch.batch, batch.targets); };
    const Gradients one = value(sum_gradients(ctx, parameters, std::array{part}));
    const Gradients three = value(sum_gradients(ctx, parameters, std::array{part, part, part}));
    EXPECT_NEAR(three.loss, 3 * one.loss, 1e-5 * one.loss);
    for (size_t i = 0; i < parameters.size(); ++i) {
      ASSERT_EQ(three.sums[i].defined(), one.sums[i].defined());
      if (!one.sums[i].defined()) continue;
      Tensor thrice = one.sums[i].clone();
      for (float& x : thrice.span<float>()) x *= 3;
      EXPECT_LT(distance(three.sums[i], thrice), 1e-5) << parameters[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TeachingTest,
                         testing::Values("llama", "gemma2", "gemma3", "gpt2", "phi3", "qwen3", "mistral", "gpt-neox"),
                         [](const auto& param) { return test_name(param.param); });

}  // namespace
}  // namespace linnet
