#include "train/parameters.hpp"

#include <gtest/gtest.h>

#include "models/adapter.hpp"
#include "models/reference_testing.hpp"
#include "ops/loss.hpp"
#include "train/adamw.hpp"

namespace linnet {
namespace {

// A new DoRA adapter learns, and what it learnt stands in the adapter that was attached.
TEST(TrainAdapters, DoraLearnsIntoTheAdapterThatWasAttached) {
  Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models/llama"))));
  const Adapter adapter = value(new_adapter(model, {.rank = 2, .dora = true, .targets = {"q_proj", "up_proj"}}));
  const Tensor magnitude = adapter.parts[0].magnitude.clone();
  const Tensor b = adapter.parts[0].b.clone();
  ASSERT_TRUE(attach_adapter(model, adapter).ok());
  const std::vector<Parameter> parameters = train_adapters(model);
  ASSERT_EQ(parameters.size(), 3 * adapter.parts.size());
  EXPECT_EQ(parameters[2].name, "model.layers.0.self_attn.q_proj.lora_magnitude_vector");
  EXPECT_FALSE(parameters[2].decays);

  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  AdamW optimizer(parameters, AdamWConfig{});
  const std::vector<int32_t> targets{4, 5, 6, 7, ops::kIgnoreTarget};
  std::vector<float> losses;
  for (int step = 0; step < 10; ++step) {
    Tape tape;
    watch(tape, parameters);
    ctx.set_recorder(&tape);
    const ForwardOutput out = value(model.forward(ctx, whole_sequence({3, 4, 5, 6, 7}), nullptr));
    const Tensor loss = ops::cross_entropy(ctx, out.logits, targets);
    tape.backward(ctx, loss);
    ctx.set_recorder(nullptr);
    losses.push_back(*loss.data<float>());
    optimizer.step(ctx, gradients(tape, parameters), 0.05f);
  }
  EXPECT_LT(losses.back(), 0.7f * losses.front());
  EXPECT_GT(distance(adapter.parts[0].magnitude, magnitude), 1e-3);
  EXPECT_GT(distance(adapter.parts[0].b, b), 1e-3);
}

}  // namespace
}  // namespace linnet
