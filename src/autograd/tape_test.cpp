#include "autograd/tape.hpp"

#include <gtest/gtest.h>

#include "ops/elementwise.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {
namespace {

class TapeTest : public testing::Test {
 protected:
  ThreadPool pool_{1};
  Context ctx_{pool_, reference_kernels()};
  Tape tape_;
};

TEST_F(TapeTest, ATensorUsedTwiceGetsBothGradients) {
  ctx_.set_recorder(&tape_);
  Tensor x = Tensor::from(std::vector<float>{3}, {1});
  tape_.watch(x);
  const Tensor y = ops::add(ctx_, ops::scale(ctx_, x, 2), ops::gated(ctx_, ops::Activation::kRelu, x, x));  // 2x + x²
  tape_.backward(ctx_, y);
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[0], 8);
}

TEST_F(TapeTest, NothingIsRecordedForWhatAsksForNoGradient) {
  ctx_.set_recorder(&tape_);
  Tensor frozen = Tensor::from(std::vector<float>{3}, {1});
  Tensor x = Tensor::from(std::vector<float>{5}, {1});
  tape_.watch(x);
  EXPECT_FALSE(wants_grad(ops::scale(ctx_, frozen, 2)));
  const Tensor y = ops::add(ctx_, frozen, x);
  tape_.backward(ctx_, y);
  EXPECT_FALSE(tape_.grad(frozen).defined());
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[0], 1);
}

TEST_F(TapeTest, WhatTheLossDoesNotDependOnHasNoGradient) {
  ctx_.set_recorder(&tape_);
  Tensor a = Tensor::from(std::vector<float>{3}, {1});
  Tensor b = Tensor::from(std::vector<float>{4}, {1});
  tape_.watch(a);
  tape_.watch(b);
  ops::scale(ctx_, b, 2);
  const Tensor y = ops::scale(ctx_, a, 2);
  tape_.backward(ctx_, y);
  EXPECT_FALSE(tape_.grad(b).defined());
}

// A piece is computed once for its value and once for the way back; what is inside of it is gone in between.
TEST_F(TapeTest, PieceIsComputedAgainOnTheWayBack) {
  ctx_.set_recorder(&tape_);
  Tensor x = Tensor::from(std::vector<float>{3}, {1});
  Tensor w = Tensor::from(std::vector<float>{5}, {1});
  tape_.watch(x);
  tape_.watch(w);
  int runs = 0;
  const auto square_and_w = [&](Context& ctx, const Tensor& in) {  // in² + in * relu(w)
    ++runs;
    return ops::add(ctx, ops::gated(ctx, ops::Activation::kRelu, in, in),
                    ops::gated(ctx, ops::Activation::kRelu, w, in));
  };
  const Tensor y = ctx_.recomputed([&](Context& ctx) { return square_and_w(ctx, x); });
  const Tensor z = ctx_.recomputed([&](Context& ctx) { return square_and_w(ctx, y); });
  EXPECT_EQ(runs, 2);
  EXPECT_FLOAT_EQ(y.data<float>()[0], 24);
  EXPECT_FLOAT_EQ(z.data<float>()[0], 24 * 24 + 24 * 5);
  tape_.backward(ctx_, z);
  EXPECT_EQ(runs, 4);
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[0], (2 * 24 + 5) * (2 * 3 + 5));
  EXPECT_FLOAT_EQ(tape_.grad(w).data<float>()[0], 24 + (2 * 24 + 5) * 3);
}

TEST_F(TapeTest, PieceThatAsksForNothingIsNotComputedAgain) {
  ctx_.set_recorder(&tape_);
  const Tensor frozen = Tensor::from(std::vector<float>{3}, {1});
  const Tensor y = ctx_.recomputed([&](Context& ctx) { return ops::scale(ctx, frozen, 2); });
  EXPECT_FALSE(wants_grad(y));
}

}  // namespace
}  // namespace linnet
