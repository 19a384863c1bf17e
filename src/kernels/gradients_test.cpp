// Ops forth and back on every instruction set of this machine, against the reference.
#include "kernels/kernels_testing.hpp"
#include "ops/activation.hpp"
#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"
#include "ops/norm.hpp"

namespace linnet {
namespace {

// Keeps the vjp of the one op that is called.
class OneCall : public GradRecorder {
 public:
  void record(std::span<const Tensor> /*inputs*/, std::span<Tensor* const> outputs, Vjp vjp) override {
    for (Tensor* output : outputs) output->set_grad_id(kOutput);
    vjp_ = std::move(vjp);
  }
  void record_again(Tensor&, GraphPiece) override { FAIL() << "no op is a piece"; }
  Vjp take() { return std::move(vjp_); }

 private:
  static constexpr int32_t kOutput = 100;
  Vjp vjp_;
};

using Inputs = std::vector<Tensor>;
using Op = std::function<Tensor(Context&, const Inputs&)>;

std::vector<Tensor> random_inputs(const std::vector<Shape>& shapes) {
  Inputs inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    inputs.push_back(Tensor::from(random_floats(shapes[i].elements(), 10 + i), shapes[i]));
    inputs.back().set_grad_id(static_cast<int32_t>(i));
  }
  return inputs;
}

// What comes out, and the gradients of what goes in.
std::vector<Tensor> results_by(const KernelTable& table, DType compute, const Op& op, const Inputs& inputs) {
  ThreadPool pool(2);
  Context ctx(pool, table);
  ctx.set_compute(compute);
  OneCall call;
  ctx.set_recorder(&call);
  const Tensor out = op(ctx, inputs);
  ctx.set_recorder(nullptr);
  const Tensor dy = Tensor::from(random_floats(out.elements(), 99), out.shape());
  std::vector<Tensor> results = call.take()(ctx, std::vector<Tensor>{dy});
  results.insert(results.begin(), out);
  return results;
}

// The largest difference over the largest magnitude.
double distance_of(const Tensor& got, const Tensor& want) {
  double most = 0;
  double size = 1e-30;
  for (int64_t i = 0; i < want.elements(); ++i) {
    most = std::max<double>(most, std::abs(got.data<float>()[i] - want.data<float>()[i]));
    size = std::max<double>(size, std::abs(want.data<float>()[i]));
  }
  return most / size;
}

class GradientsTest : public testing::TestWithParam<Isa> {
 protected:
  static void compare(const std::string& name, const std::vector<Shape>& shapes, const Op& op) {
    SCOPED_TRACE(name);
    const Inputs inputs = random_inputs(shapes);
    const KernelTable& table = kernel_table(GetParam());
    const std::vector<Tensor> want = results_by(reference_kernels(), DType::kF32, op, inputs);
    expect_near(results_by(table, DType::kF32, op, inputs), want, 1e-5);
    if (table.bf16) expect_near(results_by(table, DType::kBF16, op, inputs), want, 2e-2);
  }

 private:
  static void expect_near(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(got[i].defined(), want[i].defined()) << i;
      if (!want[i].defined()) continue;
      EXPECT_LT(distance_of(got[i], want[i]), tolerance) << (i == 0 ? "the result" : "input ") << i;
    }
  }
};

TEST_P(GradientsTest, OfAttention) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const std::vector<ops::Segment> segments{{0, 130}, {130, 1}, {131, 69}};
  const auto attention = [&](const AttentionParams& params) -> Op {
    return [=](Context& ctx, const Inputs& in) {
      AttentionParams p = params;
      if (in.size() > 3 && in[3].shape().rank() == 1) p.sinks = in[3];
      if (in.size() > 3 && in[3].shape().rank() == 2) p.bias = ops::bias_by_head(ctx, in[3]);
      return ops::attention(ctx, in[0], in[1], in[2], segments, p);
    };
  };
  const std::vector<Shape> shapes{{200, 6, 24}, {200, 2, 24}, {200, 2, 24}};
  compare("causal", shapes, attention({.scale = 0.3f}));
  compare("window and cap", shapes, attention({.scale = 0.3f, .softcap = 2, .window = 40}));
  compare("both ways", shapes, attention({.scale = 0.3f, .causal = false}));
  compare("sinks", {shapes[0], shapes[1], shapes[2], {6}}, attention({.scale = 0.3f}));
  compare("bias", {shapes[0], shapes[1], shapes[2], {2 * 140 - 1, 6}}, attention({.scale = 0.3f, .causal = false}));
  const DropoutMask mask{.rate = 0.25f, .seed = 3, .draw = 1, .place = 6};
  compare("dropout", shapes, attention({.scale = 0.3f, .dropout = mask}));
  compare("dropout and cap", shapes, attention({.scale = 0.3f, .softcap = 2, .dropout = mask}));
  compare("window and dropout", shapes, attention({.scale = 0.3f, .window = 40, .dropout = mask}));
}

// More rows than a block of keys, or of queries, of any kernel has; dimensions of one tile and of several.
TEST_P(GradientsTest, OfAttentionInManyBlocks) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const std::vector<ops::Segment> segments{{0, 37}, {37, 401}};
  for (const int64_t dim : briefly() ? std::vector<int64_t>{80} : std::vector<int64_t>{32, 80}) {
    const std::vector<Shape> shapes{{438, 3, dim}, {438, 1, dim}, {438, 1, dim}, {3}};
    for (const AttentionParams& params : {AttentionParams{.scale = 0.2f}, AttentionParams{.scale = 0.2f, .window = 101},
                                          AttentionParams{.scale = 0.2f, .window = 250, .causal = false}}) {
      if (briefly() && params.window != 101) continue;
      compare("D = " + std::to_string(dim) + ", window " + std::to_string(params.window), shapes,
              [&](Context& ctx, const Inputs& in) {
                AttentionParams p = params;
                p.sinks = in[3];
                return ops::attention(ctx, in[0], in[1], in[2], segments, p);
              });
    }
  }
}

TEST_P(GradientsTest, OfAProduct) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  compare("product", {{77, 50}, {33, 50}},
          [](Context& ctx, const Inputs& in) { return ops::matmul_transposed(ctx, in[0], in[1]); });
}

TEST_P(GradientsTest, OfGates) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const ops::Activation activation :
       {ops::Activation::kSilu, ops::Activation::kGeluTanh, ops::Activation::kGelu, ops::Activation::kRelu}) {
    compare("gate", {{7, 37}, {7, 37}},
            [=](Context& ctx, const Inputs& in) { return ops::gated(ctx, activation, in[0], in[1]); });
  }
}

TEST_P(GradientsTest, OfActivations) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const ops::Activation activation :
       {ops::Activation::kSilu, ops::Activation::kGeluTanh, ops::Activation::kGelu, ops::Activation::kRelu}) {
    compare("activation", {{70, 37}},
            [=](Context& ctx, const Inputs& in) { return ops::activate(ctx, activation, in[0]); });
  }
}

TEST_P(GradientsTest, OfNorms) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const int64_t dim : {1, 16, 37, 96}) {
    compare("rms_norm", {{150, dim}, {dim}},
            [](Context& ctx, const Inputs& in) { return ops::rms_norm(ctx, in[0], in[1], 1e-5f, 1.0f); });
    compare("layer_norm", {{150, dim}, {dim}, {dim}},
            [](Context& ctx, const Inputs& in) { return ops::layer_norm(ctx, in[0], in[1], in[2], 1e-2f); });
  }
}

TEST_P(GradientsTest, OfALoss) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const std::vector<int32_t> targets{3, ops::kIgnoreTarget, 300, 0, 77};
  compare("loss", {{5, 301}}, [&](Context& ctx, const Inputs& in) { return ops::cross_entropy(ctx, in[0], targets); });
}

INSTANTIATE_TEST_SUITE_P(Isas, GradientsTest, testing::ValuesIn(kernel_isas()),
                         [](const auto& param) { return std::string(isa_name(param.param)); });

}  // namespace
}  // namespace linnet
