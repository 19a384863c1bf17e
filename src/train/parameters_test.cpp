#include "train/parameters.hpp"

#include <gtest/gtest.h>
#include <map>

#include "models/adapter.hpp"
#include "models/reference_testing.hpp"
#include "ops/loss.hpp"
#include "ops/op_clock.hpp"
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

// LoRA+: AdamW's first step is the rate, whatever the gradient.
TEST(TrainAdapters, BLearnsFasterThanAWhereAskedTo) {
  Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models/llama"))));
  const Adapter adapter = value(new_adapter(model, {.rank = 2, .dora = true, .targets = {"q_proj"}}));
  ASSERT_TRUE(attach_adapter(model, adapter).ok());
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  AdamW optimizer(train_adapters(model, 16), AdamWConfig{.eps = 1e-30f});
  std::vector<Tensor> before;
  std::vector<Tensor> grads;
  for (const Parameter& parameter : optimizer.parameters()) {
    before.push_back(parameter.tensor->clone());
    grads.push_back(Tensor::from(std::vector<float>(static_cast<size_t>(parameter.tensor->elements()), 3.0f),
                                 parameter.tensor->shape()));
  }
  optimizer.step(ctx, grads, 1e-3f);
  ASSERT_EQ(before.size(), 6u);
  for (size_t i = 0; i < before.size(); ++i) {
    const Parameter& parameter = optimizer.parameters()[i];
    const bool is_b = parameter.name.find("lora_B") != std::string::npos;
    EXPECT_NEAR(before[i].data<float>()[0] - parameter.tensor->data<float>()[0], is_b ? 16e-3 : 1e-3, 1e-6)
        << parameter.name;
  }
}

// What one pass gives by name, and how often each op ran.
struct Pass {
  std::map<std::string, Tensor> grads;
  std::map<std::string, int64_t> calls;
};

Pass pass(const std::string& name, int64_t first) {  // first below 0: everything
  Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models" / name))));
  const std::vector<Parameter> parameters = first < 0 ? train_all(model) : train_from(model, first);
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  OpClock clock;
  ctx.set_clock(&clock);
  Tape tape;
  watch(tape, parameters);
  const RecorderScope recording(ctx, &tape);
  const std::vector<int32_t> targets{4, 5, 6, 7, ops::kIgnoreTarget};
  tape.backward(ctx, value(model.loss(ctx, whole_sequence({3, 4, 5, 6, 7}), targets)));
  Pass out;
  for (const Parameter& parameter : parameters) out.grads[parameter.name] = tape.grad(*parameter.tensor);
  for (const OpTime& time : clock.times()) out.calls[std::string(time.name)] = time.calls;
  return out;
}

// The last layers have the gradients that they have in training of everything, and there is no way back below them.
TEST(TrainFrom, LastLayersLearnAsInTheWholeAndNothingFlowsBelow) {
  for (const char* name : {"llama", "llama-tied", "gemma3", "gpt2", "gpt-neox"}) {
    SCOPED_TRACE(name);
    const Pass whole = pass(name, -1);
    const int64_t layers = whole.calls.at("attention");
    for (int64_t first = 0; first < layers; ++first) {
      const Pass last = pass(name, first);
      EXPECT_EQ(last.calls.at("attention"), layers);
      EXPECT_EQ(last.calls.at("attention back"), layers - first);
      // Layer 0's norm learns from what comes back through its products.
      if (first > 0) {
        EXPECT_LT(last.calls.at("product back"), whole.calls.at("product back"));
      }
      EXPECT_LT(last.grads.size(), whole.grads.size());
      for (const auto& [parameter, grad] : last.grads) {
        ASSERT_TRUE(grad.defined()) << parameter;
        EXPECT_EQ(distance(grad, whole.grads.at(parameter)), 0) << parameter;
      }
    }
  }
}

TEST(TrainFrom, NamesTheLastLayersAndWhatFollowsThem) {
  Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models/llama"))));
  for (const Parameter& parameter : train_from(model, 1)) {
    const bool last = parameter.name.starts_with("model.layers.1.") || parameter.name == "model.norm.weight" ||
                      parameter.name == "lm_head.weight";
    EXPECT_TRUE(last) << parameter.name;
  }
}

}  // namespace
}  // namespace linnet
