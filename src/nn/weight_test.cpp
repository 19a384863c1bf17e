#include "nn/weight.hpp"

#include <gtest/gtest.h>

#include "autograd/tape.hpp"
#include "base/random.hpp"

namespace linnet {
namespace {

// Q8_0: a half-precision scale and 32 signed bytes a block.
std::vector<std::byte> random_q8_0(int64_t blocks) {
  Random random(4);
  std::vector<std::byte> bytes(static_cast<size_t>(blocks) * 34);
  for (auto& b : bytes) b = static_cast<std::byte>(random.next_u32());
  for (int64_t i = 0; i < blocks; ++i) {
    const Half scale = to_half(0.01f + 0.001f * static_cast<float>(i % 7));
    bytes[static_cast<size_t>(i) * 34] = static_cast<std::byte>(scale.bits);
    bytes[static_cast<size_t>(i) * 34 + 1] = static_cast<std::byte>(scale.bits >> 8);
  }
  return bytes;
}

class WeightTest : public testing::Test {
 protected:
  WeightTest() : bytes_(random_q8_0(10)) {
    blocks_ = Weight::from_blocks({&quant_format(QuantType::kQ8_0), bytes_.data(), 5, 64}, nullptr);
    dense_ = Weight::from_tensor(blocks_.unpack());
  }
  Tensor random(Shape shape) {
    Random random(9);
    Tensor t = Tensor::empty(DType::kF32, shape);
    for (float& x : t.span<float>()) x = random.normal();
    return t;
  }
  void expect_equal(const Tensor& a, const Tensor& b) {
    ASSERT_EQ(a.shape(), b.shape());
    for (int64_t i = 0; i < a.elements(); ++i) ASSERT_NEAR(a.data<float>()[i], b.data<float>()[i], 1e-4);
  }
  std::vector<std::byte> bytes_;
  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  Weight blocks_, dense_;
};

TEST_F(WeightTest, EveryDoorAgreesWithTheUnpackedMatrix) {
  expect_equal(blocks_.product(ctx_, random({3, 64})), dense_.product(ctx_, random({3, 64})));
  expect_equal(blocks_.transposed_product(ctx_, random({3, 5})), dense_.transposed_product(ctx_, random({3, 5})));
  const std::vector<int32_t> ids{4, 0};
  expect_equal(blocks_.gather(ctx_, ids), dense_.gather(ctx_, ids));
  const std::vector<int32_t> beyond{5};
  EXPECT_THROW(blocks_.gather(ctx_, beyond), ShapeError);
  EXPECT_THROW(blocks_.product(ctx_, random({3, 63})), ShapeError);
}

TEST_F(WeightTest, ATensorOfBFloat16IsTheFloatsThatItStandsFor) {
  Weight held = Weight::from_tensor(to_dtype(blocks_.unpack(), DType::kBF16));
  Weight floats = Weight::from_tensor(held.unpack());
  EXPECT_EQ(held.bytes(), floats.bytes() / 2);
  EXPECT_EQ(held.format(), QuantType::kBF16);
  const std::vector<int32_t> ids{4, 0, 4};
  const auto pass = [&](Weight& weight) {
    Tape tape;
    tape.watch(weight.tensor());
    Tensor x = random({3, 64});
    tape.watch(x);
    const RecorderScope recording(ctx_, &tape);
    const Tensor product = weight.product(ctx_, x);
    tape.backward(ctx_, product, random({3, 5}));
    const Tensor of_x = tape.grad(x);
    const Tensor of_weight = tape.grad(weight.tensor());
    const Tensor rows = weight.gather(ctx_, ids);
    tape.backward(ctx_, rows, random({3, 64}));
    return std::vector{
        product, of_x, of_weight, rows, tape.grad(weight.tensor()), weight.transposed_product(ctx_, random({3, 5}))};
  };
  const std::vector<Tensor> got = pass(held);
  const std::vector<Tensor> want = pass(floats);
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i].dtype(), DType::kF32);
    ASSERT_EQ(got[i].shape(), want[i].shape());
    for (int64_t j = 0; j < want[i].elements(); ++j) ASSERT_EQ(got[i].data<float>()[j], want[i].data<float>()[j]) << i;
  }
  const std::vector<int32_t> beyond{5};
  EXPECT_THROW(held.gather(ctx_, beyond), ShapeError);
}

TEST_F(WeightTest, GradientsFlowThroughAFrozenBase) {
  Tape tape;
  ctx_.set_recorder(&tape);
  Tensor x = random({3, 64});
  tape.watch(x);
  const Tensor y = blocks_.product(ctx_, x);
  tape.backward(ctx_, y, random({3, 5}));
  ctx_.set_recorder(nullptr);
  expect_equal(tape.grad(x), dense_.transposed_product(ctx_, random({3, 5})));
}

}  // namespace
}  // namespace linnet
