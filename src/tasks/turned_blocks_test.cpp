// The way back through frozen blocks by integers: how near it is to floats, and that keeping the turned blocks
// changes nothing.
#include "nn/turned_blocks.hpp"

#include <cstring>

#include "kernels/registry.hpp"
#include "nn/weight.hpp"
#include "ops/linear.hpp"
#include "quant/format.hpp"
#include "tasks/tensors_testing.hpp"

namespace linnet {
namespace {

std::vector<Isa> integer_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : all_isas()) {
    if (machine_has(isa) && kernel_table(isa).pack_turned != nullptr) isas.push_back(isa);
  }
  return isas;
}

TurnedBlocks::Source source_of(const Tensor& w) {
  return {w.dim(0), w.dim(1),
          [w](int64_t row, float* to) { std::copy_n(w.data<float>() + row * w.dim(1), w.dim(1), to); }};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

// (O, C): one group; columns that are no whole vectors; pieces, the last of them short.
class TurnedBlocksTest : public testing::TestWithParam<std::pair<int64_t, int64_t>> {
 protected:
  int64_t rows() const { return GetParam().first; }
  int64_t cols() const { return GetParam().second; }
  Tensor once(Context& ctx, const Tensor& w, const Tensor& dy) const {
    Tensor dx = Tensor::empty(DType::kF32, {dy.dim(0), cols()});
    TurnedBlocks::product_once(ctx, source_of(w), {dy.data<float>(), dy.dim(0), dx.data<float>(), false});
    return dx;
  }
};

// Six bits of a block's largest number are 1/31 of it, which is about 2.5 times a normal one.
constexpr double kNoiseOfSixBits = 2.5 / 31 / 3.46;

TEST_P(TurnedBlocksTest, IsNearTheProductOfFloats) {
  const Tensor w = random_tensor({rows(), cols()}, 1, 0.1f);
  const Tensor dy = random_tensor({40, rows()}, 2, 1e-4f);
  for (const Isa isa : integer_isas()) {
    SCOPED_TRACE(isa_name(isa));
    ThreadPool pool(2);
    Context ctx(pool, kernel_table(isa));
    const Tensor dx = once(ctx, w, dy);
    const Tensor exact = ops::matmul(ctx, dy, w);
    double error = 0;
    double size = 0;
    for (int64_t i = 0; i < exact.elements(); ++i) {
      const double wanted = exact.data<float>()[i];
      error += std::pow(dx.data<float>()[i] - wanted, 2);
      size += wanted * wanted;
    }
    EXPECT_LT(std::sqrt(error / size), 1.5 * kNoiseOfSixBits);
    EXPECT_GT(error, 0);
  }
}

TEST_P(TurnedBlocksTest, HasTheSameBitsKeptOrNotOnAnyThreads) {
  const Tensor w = random_tensor({rows(), cols()}, 1, 0.1f);
  const Tensor dy = random_tensor({70, rows()}, 2, 1e-4f);
  for (const Isa isa : integer_isas()) {
    Tensor first;
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(testing::Message() << isa_name(isa) << ", threads: " << threads);
      ThreadPool pool(threads);
      Context ctx(pool, kernel_table(isa));
      const Tensor dx = once(ctx, w, dy);
      if (!first.defined()) first = dx;
      EXPECT_TRUE(same_bits(dx, first));
      Tensor kept = Tensor::empty(DType::kF32, dx.shape());
      TurnedBlocks::keep(ctx, source_of(w))->product(ctx, {dy.data<float>(), dy.dim(0), kept.data<float>(), false});
      EXPECT_TRUE(same_bits(kept, first));
    }
  }
}

TEST_P(TurnedBlocksTest, AddsToWhatIsThere) {
  const Tensor w = random_tensor({rows(), cols()}, 1, 0.1f);
  const Tensor dy = random_tensor({5, rows()}, 2, 1);
  for (const Isa isa : integer_isas()) {
    SCOPED_TRACE(isa_name(isa));
    ThreadPool pool(2);
    Context ctx(pool, kernel_table(isa));
    Tensor sum = random_tensor({5, cols()}, 3, 1);
    Tensor expected = once(ctx, w, dy);
    for (int64_t i = 0; i < sum.elements(); ++i) expected.data<float>()[i] += sum.data<float>()[i];
    TurnedBlocks::product_once(ctx, source_of(w), {dy.data<float>(), 5, sum.data<float>(), true});
    expect_near({sum}, {expected}, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, TurnedBlocksTest,
                         testing::Values(std::pair{32, 16}, std::pair{96, 33}, std::pair{4160, 70}));

constexpr int64_t kRows = 64;
constexpr int64_t kCols = 96;

// Weights of one x on the way back, of which one is multiplied in floats and one in blocks, whichever comes first.
TEST(BackThroughWeightsTest, FloatsAndBlocksAddUpInEitherOrder) {
  const Tensor w = random_tensor({kRows, kCols}, 1, 0.1f);
  const Tensor dy = random_tensor({40, kRows}, 2, 1);
  for (const Isa isa : integer_isas()) {
    for (const auto& [one, other] :
         {std::pair{QuantType::kF16, QuantType::kQ8_0}, std::pair{QuantType::kQ8_0, QuantType::kF16}}) {
      SCOPED_TRACE(testing::Message() << isa_name(isa) << " " << quant_format(one).name);
      ThreadPool pool(2);
      Context ctx(pool, kernel_table(isa));
      ctx.set_compute(DType::kF32);
      Weight weights[] = {stored_weight(w, one), stored_weight(w, other)};
      Tensor sum;
      std::vector<Weight::BackFactors> factors;
      for (Weight& weight : weights) {
        weight.pack(ctx, ActivationBits::k8, {});
        factors.push_back({&weight, dy, &sum});
      }
      EXPECT_NE(weights[0].is_turned_as_floats(ctx), weights[1].is_turned_as_floats(ctx));
      Weight::transposed_products(ctx, factors);
      Tensor expected = ops::matmul(ctx, dy, w);
      for (float& x : expected.span<float>()) x *= 2;
      expect_near({sum}, {expected}, 0.03);
    }
  }
}

TEST(BackThroughWeightsTest, PrepackedHasTheSameBits) {
  for (const int64_t rows : {kRows, kRows + 1}) {  // the second in floats: it has no whole groups
    const Tensor w = random_tensor({rows, kCols}, 1, 0.1f);
    const Tensor dy = random_tensor({40, rows}, 2, 1);
    for (const Isa isa : integer_isas()) {
      SCOPED_TRACE(testing::Message() << isa_name(isa) << " " << rows);
      ThreadPool pool(2);
      Context ctx(pool, kernel_table(isa));
      ctx.set_compute(DType::kF32);
      Weight weight = stored_weight(w, QuantType::kQ4_1);
      weight.pack(ctx, ActivationBits::k8, {});
      EXPECT_EQ(weight.is_turned_as_floats(ctx), rows != kRows);
      const Tensor before = weight.transposed_product(ctx, dy);
      weight.prepack(ctx);
      EXPECT_TRUE(same_bits(weight.transposed_product(ctx, dy), before));
      expect_near({before}, {ops::matmul(ctx, dy, weight.unpack())}, 0.03);
    }
  }
}

}  // namespace
}  // namespace linnet
