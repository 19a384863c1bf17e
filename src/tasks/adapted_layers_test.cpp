// Adapted layers against the same arithmetic one step after the other, without kernels.
#include <gtest/gtest.h>

#include "autograd/tape.hpp"
#include "kernels/registry.hpp"
#include "nn/adapted.hpp"
#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "tasks/tensors_testing.hpp"

namespace linnet {
namespace {

// What a layer reads, and what the first of them gives: no whole vectors where floats allow it, whole groups where the
// base has blocks.
int64_t inputs_of(QuantType type) {
  return type == QuantType::kF32 ? 70 : 96;
}
int64_t first_outputs_of(QuantType type) {
  return type == QuantType::kF32 ? 50 : 64;
}

// The layers of one call: two that read the same, one that reads something else.
struct Layers {
  // type: of the bases.
  explicit Layers(QuantType type = QuantType::kF32) {
    const int64_t in = inputs_of(type);
    for (const auto& [outputs, rank] : {std::pair<int64_t, int64_t>{first_outputs_of(type), 8}, {97, 16}, {33, 4}}) {
      const uint64_t seed = 10 * layers.size();
      Linear layer;
      layer.weight = stored_weight(random_tensor({outputs, in}, seed, 0.1f), type);
      layer.adapters.push_back({.a = Weight::from_tensor(random_tensor({rank, in}, seed + 1, 0.1f)),
                                .b = Weight::from_tensor(random_tensor({outputs, rank}, seed + 2, 0.1f)),
                                .scale = 1.5f,
                                .share = 0.5f});
      layers.push_back(layer);
    }
  }
  std::vector<Linear> layers;
};

// Outputs, then the gradients of both x and of every A and B.
using Pass = std::function<std::vector<Tensor>(Context& ctx, const std::vector<LinearInput>& inputs)>;
struct Setup {
  const KernelTable& table;
  DType compute;
  QuantType type;
  int64_t rows;
};
std::vector<Tensor> run(const Setup& setup, const Pass& pass) {
  const auto& [table, compute, type, rows] = setup;
  Layers made(type);
  ThreadPool pool(2);
  Context ctx(pool, table);
  ctx.set_compute(compute);
  Tape tape;
  Tensor x = random_tensor({rows, inputs_of(type)}, 91, 1);
  Tensor other = random_tensor({rows, inputs_of(type)}, 92, 1);
  tape.watch(x);
  tape.watch(other);
  for (Linear& layer : made.layers) {
    layer.weight.pack(ctx, ActivationBits::k16, {});
    layer.weight.prepack(ctx);
    tape.watch(layer.adapters[0].a.tensor());
    tape.watch(layer.adapters[0].b.tensor());
  }
  const RecorderScope recording(ctx, &tape);
  std::vector<Tensor> all = pass(ctx, {{&made.layers[0], x}, {&made.layers[1], x}, {&made.layers[2], other}});
  Tensor sum = random_tensor({rows, 5}, 94, 1);
  for (size_t i = 0; i < made.layers.size(); ++i) {
    const Tensor mix = random_tensor({5, made.layers[i].weight.rows()}, 95 + i, 1);
    sum = ops::add(ctx, sum, ops::matmul_transposed(ctx, all[i], mix));
  }
  tape.backward(ctx, sum, random_tensor(sum.shape(), 99, 1));
  all.push_back(tape.grad(x));
  all.push_back(tape.grad(other));
  for (const Linear& layer : made.layers) {
    all.push_back(tape.grad(layer.adapters[0].a.tensor()));
    all.push_back(tape.grad(layer.adapters[0].b.tensor()));
  }
  return all;
}

std::vector<Tensor> step_by_step(Context& ctx, const std::vector<LinearInput>& inputs) {
  std::vector<Tensor> ys;
  for (const auto& [layer, x] : inputs) {
    const Lora& lora = layer->adapters[0];
    const Tensor low = ops::scale(ctx, ops::matmul_transposed(ctx, x, lora.a.tensor()), lora.scale * lora.share);
    ys.push_back(ops::add(ctx, layer->weight.product(ctx, x), ops::matmul_transposed(ctx, low, lora.b.tensor())));
  }
  return ys;
}

std::vector<Tensor> together(Context& ctx, const std::vector<LinearInput>& inputs) {
  EXPECT_TRUE(can_join_adapted(ctx, inputs));
  return adapted_products(ctx, inputs);
}

// Tolerances of float32, and of bfloat16 or of blocks of eight bits or six on the way back.
void expect_what_steps_give(QuantType type, double fine, double coarse) {
  for (const int64_t rows : {3, 300}) {  // 300: each thread has rows of its own
    const Setup exact{reference_kernels(), DType::kF32, type, rows};
    const std::vector<Tensor> want = run(exact, step_by_step);
    expect_near(run(exact, together), want, 1e-5);
    for (const Isa isa : all_isas()) {
      if (!machine_has(isa)) continue;
      SCOPED_TRACE(testing::Message() << isa_name(isa) << ", " << rows << " rows");
      const KernelTable& table = kernel_table(isa);
      expect_near(run({table, DType::kF32, type, rows}, together), want, fine);
      if (table.bf16) expect_near(run({table, DType::kBF16, type, rows}, together), want, coarse);
    }
  }
}

TEST(AdaptedTest, GivesWhatStepsGive) {
  expect_what_steps_give(QuantType::kF32, 1e-4, 3e-2);
}

// Rows of which 64 are turned, and 97 and 33 have no whole groups.
TEST(AdaptedTest, GivesWhatStepsGiveOnBlocks) {
  expect_what_steps_give(QuantType::kQ8_0, 4e-2, 4e-2);
}

TEST(AdaptedTest, IsForPlainAdaptersThatAreTaught) {
  Layers made;
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  const Tensor x = random_tensor({3, inputs_of(QuantType::kF32)}, 91, 1);
  const auto joins = [&] { return can_join_adapted(ctx, std::vector<LinearInput>{{&made.layers[0], x}}); };
  EXPECT_FALSE(joins());  // nobody records
  Tape tape;
  const RecorderScope recording(ctx, &tape);
  EXPECT_TRUE(joins());
  made.layers[0].adapters[0].magnitude = Tensor::zeros(DType::kF32, {50});
  EXPECT_FALSE(joins());  // DoRA
  made.layers[0].adapters.clear();
  EXPECT_FALSE(joins());
}

}  // namespace
}  // namespace linnet
