// What is promised beside what is taken: the parts of the plan against the weights, the cache and the buffers of a
// model that runs.
#include "tasks/memory_plan.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "engine/session.hpp"
#include "kernels/registry.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

struct Taken {
  uint64_t weights = 0;
  uint64_t kv_cache = 0;
  uint64_t activations = 0;
};

uint64_t bytes_of(const Tensor& tensor) {
  return tensor.defined() ? static_cast<uint64_t>(tensor.bytes()) : 0;
}

// Fills the context of a model, and counts.
Taken run(const ModelDescription& model, const KernelTable& kernels, int64_t context) {
  ThreadPool pool(2);
  Context ctx(pool, kernels);
  Transformer weights = value(load_transformer(model));
  weights.pack(ctx, model.files.mapped);
  Taken taken;
  weights.for_each([&](const TensorSpec& spec, Slot& slot) {
    if (spec.bias) {
      for (const Linear& part : slot.parts) taken.weights += bytes_of(part.bias);
    } else {
      taken.weights += bytes_of(slot.vector);
      for (const Linear& part : slot.parts) {
        if (part.defined()) taken.weights += static_cast<uint64_t>(part.weight.bytes());
      }
    }
  });
  Session session(weights, ctx, context, kv_dtype(model, kernels));
  std::vector<int32_t> tokens(static_cast<size_t>(context));
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 7 % 50);
  EXPECT_TRUE(session.read(tokens).ok());
  taken.kv_cache = static_cast<uint64_t>(weights.kv_shape(kv_dtype(model, kernels)).bytes_for(context));
  taken.activations = ctx.buffers().bytes_peak();
  return taken;
}

class MemoryPlanTest : public testing::TestWithParam<const char*> {};

TEST_P(MemoryPlanTest, IsWhatIsTaken) {
  const ModelDescription model = value(describe_model(golden_dir() / "models" / GetParam()));
  const KernelTable& kernels = *value(kernel_table_for_this_machine());
  const int64_t longest = model.transformer.max_positions;
  for (const int64_t context : {longest / 2, longest}) {
    const MemoryPlan plan = plan_memory(model, kernels, context);
    const Taken taken = run(model, kernels, context);
    const auto near = [](uint64_t promised, uint64_t real, double tolerance) {
      return std::abs(static_cast<double>(promised) - static_cast<double>(real)) <=
             tolerance * static_cast<double>(real);
    };
    EXPECT_TRUE(near(plan.weights, taken.weights, 0.01)) << plan.weights << " " << taken.weights;
    EXPECT_EQ(plan.kv_cache, taken.kv_cache);
    // Beside the buffers there are quantised activations, which no pool counts.
    EXPECT_TRUE(near(plan.activations, taken.activations, 0.45)) << plan.activations << " " << taken.activations;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, MemoryPlanTest,
                         testing::Values("llama", "llama-biases", "gpt2", "phi3", "gemma3", "gpt-neox", "mixtral",
                                         "gpt-oss-mxfp4", "qwen3-moe"),
                         [](const auto& row) { return test_name(row.param); });

}  // namespace
}  // namespace linnet
