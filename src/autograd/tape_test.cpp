#include "autograd/tape.hpp"

#include <gtest/gtest.h>

#include "ops/activation.hpp"
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

TEST_F(TapeTest, GradientsAreAddedToWhatWasSummedBefore) {
  ctx_.set_recorder(&tape_);
  Tensor x = Tensor::from(std::vector<float>{3, 4}, {2});
  Tensor unused = Tensor::from(std::vector<float>{1}, {1});
  tape_.watch(x, Tensor::from(std::vector<float>{100, 200}, {2}));
  tape_.watch(unused, Tensor::from(std::vector<float>{7}, {1}));
  tape_.backward(ctx_, ops::scale(ctx_, x, 2), Tensor::from(std::vector<float>{1, 10}, {2}));
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[0], 102);
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[1], 220);
  EXPECT_FLOAT_EQ(tape_.grad(unused).data<float>()[0], 7);
}

// Sums take the memory of a gradient that nobody else holds, and of no other.
TEST_F(TapeTest, NumbersThatOthersHoldStayWhenGradientsAreSummed) {
  ctx_.set_recorder(&tape_);
  Tensor x = Tensor::from(std::vector<float>{3}, {1});
  const Tensor kept = Tensor::from(std::vector<float>{100}, {1});
  tape_.watch(x, kept);
  const Tensor dy = Tensor::from(std::vector<float>{5}, {1});
  const Tensor y = ops::add(ctx_, ops::add(ctx_, x, x), x);  // whose vjps all return dy itself
  tape_.backward(ctx_, y, dy);
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[0], 115);
  EXPECT_FLOAT_EQ(dy.data<float>()[0], 5);
  EXPECT_FLOAT_EQ(kept.data<float>()[0], 100);
}

TEST_F(TapeTest, ASumInTheMemoryOfATermIsTheSameToAllWhoReadIt) {
  ctx_.set_recorder(&tape_);
  Tensor x = Tensor::from(std::vector<float>{3, 4}, {2});
  tape_.watch(x);
  const Tensor doubled = ops::scale(ctx_, x, 2);
  const Tensor sum = ops::add_to(ctx_, x, doubled);  // which `doubled` shares: in new memory
  EXPECT_FLOAT_EQ(doubled.data<float>()[0], 6);
  const Tensor last = ops::add_to(ctx_, sum, ops::scale(ctx_, sum, 3));  // 12 x, in the memory of what is scaled
  EXPECT_FLOAT_EQ(last.data<float>()[1], 48);
  EXPECT_FLOAT_EQ(sum.data<float>()[1], 12);
  tape_.backward(ctx_, last, Tensor::from(std::vector<float>{1, 10}, {2}));
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[0], 12);
  EXPECT_FLOAT_EQ(tape_.grad(x).data<float>()[1], 120);
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
