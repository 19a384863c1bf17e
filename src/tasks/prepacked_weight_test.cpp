// Weights of which teaching holds nothing but what it multiplies with: every product and row is that of the weight
// rounded to bfloat16.
#include <cstring>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "kernels/registry.hpp"
#include "nn/weight.hpp"
#include "ops/linear.hpp"

namespace linnet {
namespace {

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Random random(seed);
  Tensor tensor = Tensor::empty(DType::kF32, shape);
  for (float& x : tensor.span<float>()) x = random.normal();
  return tensor;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

// 1500: more than a part of any kernel's depth; the last panels and parts are not whole.
class PrepackedWeightTest : public testing::TestWithParam<std::pair<int64_t, int64_t>> {
 protected:
  void visit(const std::function<void(Context&, const Weight&, const Tensor& rounded)>& check) {
    const auto [rows, cols] = GetParam();
    const Tensor floats = random_tensor({rows, cols}, 3);
    const Tensor rounded = to_f32(to_dtype(floats, DType::kBF16));
    for (const Isa isa : all_isas()) {
      if (!machine_has(isa) || !kernel_table(isa).bf16) continue;
      SCOPED_TRACE(isa_name(isa));
      ThreadPool pool(2);
      Context ctx(pool, kernel_table(isa));
      ctx.set_compute(DType::kBF16);
      Weight weight = Weight::from_blocks(ops::matrix_view(floats), nullptr);
      weight.pack(ctx, ActivationBits::k16, {});
      EXPECT_EQ(weight.replaced_bytes(ctx), rows * cols * 4);
      weight.prepack(ctx, true);
      EXPECT_GE(weight.bytes(), 2 * rows * cols * 2);
      check(ctx, weight, rounded);
    }
  }
};

TEST_P(PrepackedWeightTest, RowsAreThoseOfTheRoundedWeight) {
  visit([](Context& ctx, const Weight& weight, const Tensor& rounded) {
    EXPECT_TRUE(same_bits(weight.unpack(), rounded));
    const std::vector<int32_t> ids{0, 2, static_cast<int32_t>(weight.rows() - 1)};
    const Tensor rows = weight.gather(ctx, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_TRUE(same_bits(rows.rows(static_cast<int64_t>(i), 1), rounded.rows(ids[i], 1)));
    }
  });
}

TEST_P(PrepackedWeightTest, ProductsOfAnyRowsInAnyArithmeticAreThoseOfTheRoundedWeight) {
  visit([](Context& ctx, const Weight& weight, const Tensor& rounded) {
    for (const DType compute : {DType::kBF16, DType::kF32}) {
      ctx.set_compute(compute);
      for (const int64_t rows : {1, 3, 40, 300}) {
        const Tensor x = random_tensor({rows, weight.cols()}, 5);
        EXPECT_TRUE(same_bits(weight.product(ctx, x), ops::matmul_transposed(ctx, x, rounded)));
        const Tensor y = random_tensor({rows, weight.rows()}, 6);
        EXPECT_TRUE(same_bits(weight.transposed_product(ctx, y), ops::matmul(ctx, y, rounded)));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, PrepackedWeightTest,
                         testing::Values(std::pair{33, 70}, std::pair{100, 1500}, std::pair{1500, 96}));

}  // namespace
}  // namespace linnet
