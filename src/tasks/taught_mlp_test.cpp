// The MLP of a block as it is taught, against the same ops one after the other, without kernels.
#include "nn/taught_mlp.hpp"

#include <cstring>
#include <gtest/gtest.h>

#include "autograd/tape.hpp"
#include "kernels/registry.hpp"
#include "ops/linear.hpp"
#include "ops/packed_weights.hpp"
#include "tasks/tensors_testing.hpp"

namespace linnet {
namespace {

constexpr int64_t kIn = 70;
constexpr int64_t kMiddle = 150;
constexpr int64_t kRows = 401;

struct Form {
  bool gated;
  bool adapted;  // else all weights are taught
  ops::Activation activation;
};

std::string name_of(const Form& form) {
  return std::string(form.gated ? "Gated" : "Plain") + (form.adapted ? "Adapted" : "All") +
         (form.activation == ops::Activation::kSilu       ? "Silu"
          : form.activation == ops::Activation::kGeluTanh ? "GeluTanh"
                                                          : "Gelu");
}

// The layers gate, up and down; a plain MLP has biases and no gate.
struct Mlp {
  explicit Mlp(const Form& form) : gated(form.gated) {
    floats.reserve(3);
    for (const auto& [outputs, inputs] : {std::pair{kMiddle, kIn}, {kMiddle, kIn}, {kIn, kMiddle}}) {
      const uint64_t seed = 10 * layers.size();
      floats.push_back(random_tensor({outputs, inputs}, seed, 0.1f));
      Linear layer;
      layer.weight = form.adapted ? Weight::from_blocks(ops::matrix_view(floats.back()), nullptr)
                                  : Weight::from_tensor(floats.back());
      if (form.adapted) {
        layer.adapters.push_back({.a = Weight::from_tensor(random_tensor({8, inputs}, seed + 1, 0.1f)),
                                  .b = Weight::from_tensor(random_tensor({outputs, 8}, seed + 2, 0.1f)),
                                  .scale = 1.5f});
      }
      if (!form.gated) layer.bias = random_tensor({outputs}, seed + 3, 0.5f);
      layers.push_back(layer);
    }
  }

  MlpInput input(const Tensor& x) const { return {gated ? layers.data() : nullptr, &layers[1], &layers[2], x}; }

  // Of the layers that take part.
  std::vector<Tensor*> taught() {
    std::vector<Tensor*> all;
    for (size_t i = gated ? 0 : 1; i < layers.size(); ++i) {
      Linear& layer = layers[i];
      if (layer.adapters.empty()) {
        all.push_back(&layer.weight.tensor());
      } else {
        all.push_back(&layer.adapters[0].a.tensor());
        all.push_back(&layer.adapters[0].b.tensor());
      }
      if (layer.bias.defined()) all.push_back(&layer.bias);
    }
    return all;
  }

  bool gated;
  std::vector<Tensor> floats;
  std::vector<Linear> layers;
};

// As forward_mlps() has it: gate and up together.
Tensor by_steps(Context& ctx, ops::Activation activation, const MlpInput& in) {
  std::vector<LinearInput> first;
  if (in.gate) first.push_back({in.gate, in.x});
  first.push_back({in.up, in.x});
  const std::vector<Tensor> made = forward_together(ctx, first);
  return in.down->forward(
      ctx, in.gate ? ops::gated(ctx, activation, made[0], made[1]) : ops::activate(ctx, activation, made[0]));
}

Tensor joined(Context& ctx, ops::Activation activation, const MlpInput& in) {
  const std::optional<Tensor> y = taught_mlp(ctx, activation, in);
  EXPECT_TRUE(y.has_value());
  return y.value_or(Tensor());
}

// What comes out, then the gradients of x and of all that is taught.
using Pass = decltype(&by_steps);
std::vector<Tensor> run(const KernelTable& table, DType compute, int threads, const Form& form, Pass pass) {
  Mlp mlp(form);
  ThreadPool pool(threads);
  Context ctx(pool, table);
  ctx.set_compute(compute);
  Tape tape;
  Tensor x = random_tensor({kRows, kIn}, 91, 1);
  tape.watch(x);
  for (Linear& layer : mlp.layers) {
    if (form.adapted) layer.weight.prepack(ctx);
  }
  for (Tensor* tensor : mlp.taught()) tape.watch(*tensor);
  const PackedWeights packed_once(ctx);
  const RecorderScope recording(ctx, &tape);
  std::vector<Tensor> all{pass(ctx, form.activation, mlp.input(x))};
  tape.backward(ctx, all[0], random_tensor(all[0].shape(), 99, 1));
  all.push_back(tape.grad(x));
  for (const Tensor* tensor : mlp.taught()) all.push_back(tape.grad(*tensor));
  return all;
}

void expect_same_bits(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(std::memcmp(got[i].raw(), want[i].raw(), static_cast<size_t>(want[i].bytes())), 0) << i;
  }
}

class TaughtMlpTest : public testing::TestWithParam<Form> {};

// Calls body(its kernels) for each instruction set of this machine.
template <class Body>
void each_table(const Body& body) {
  for (const Isa isa : all_isas()) {
    const KernelTable& table = kernel_table(isa);
    if (!machine_has(isa) || !table.f32) continue;
    SCOPED_TRACE(isa_name(isa));
    body(table);
  }
}

TEST_P(TaughtMlpTest, IsItsOpsOneAfterTheOther) {
  const std::vector<Tensor> want = run(reference_kernels(), DType::kF32, 2, GetParam(), by_steps);
  each_table([&](const KernelTable& table) {
    expect_near(run(table, DType::kF32, 2, GetParam(), joined), want, 2e-5);
    if (table.bf16) expect_near(run(table, DType::kBF16, 2, GetParam(), joined), want, 0.03);
  });
}

// Whether it is joined hangs on the number of threads, which may change no bit.
TEST_P(TaughtMlpTest, HasTheSameBitsAsTheOpsOnAnyThreads) {
  each_table([&](const KernelTable& table) {
    for (const DType compute : {DType::kF32, DType::kBF16}) {
      const std::vector<Tensor> one = run(table, compute, 1, GetParam(), joined);
      expect_same_bits(run(table, compute, 3, GetParam(), joined), one);
      expect_same_bits(run(table, compute, 3, GetParam(), by_steps), one);
    }
  });
}

// Few rows, or no recorder: nothing is joined.
TEST(TaughtMlpChoiceTest, LeavesTheRestToTheOps) {
  const KernelTable& table = **kernel_table_for_this_machine();
  ThreadPool pool(2);
  Context ctx(pool, table);
  ctx.set_compute(DType::kF32);
  Mlp mlp({.gated = true, .adapted = false, .activation = ops::Activation::kSilu});
  EXPECT_FALSE(taught_mlp(ctx, ops::Activation::kSilu, mlp.input(random_tensor({kRows, kIn}, 1, 1))));
  Tape tape;
  const RecorderScope recording(ctx, &tape);
  EXPECT_FALSE(taught_mlp(ctx, ops::Activation::kSilu, mlp.input(random_tensor({100, kIn}, 1, 1))));
}

INSTANTIATE_TEST_SUITE_P(Forms, TaughtMlpTest,
                         testing::Values(Form{true, true, ops::Activation::kSilu},
                                         Form{true, false, ops::Activation::kGeluTanh},
                                         Form{false, true, ops::Activation::kGeluTanh},
                                         Form{false, false, ops::Activation::kGeluTanh},
                                         Form{false, false, ops::Activation::kGelu}),
                         [](const auto& param) { return name_of(param.param); });

}  // namespace
}  // namespace linnet
