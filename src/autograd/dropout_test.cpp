// Dropout's masks: functions of seed, draw and place, and nothing else.
#include "ops/dropout.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "base/random.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {
namespace {

std::vector<float> numbers_of(const DropoutMask& mask, uint64_t begin, int64_t n) {
  std::vector<uint16_t> levels(static_cast<size_t>(n));
  mask.levels(begin, n, levels.data());
  std::vector<float> numbers;
  for (const uint16_t level : levels) numbers.push_back(mask.factor(level));
  return numbers;
}

TEST(DropoutMask, DropsItsPartAndScalesTheRest) {
  const DropoutMask mask{.rate = 0.2f, .seed = 1, .draw = 3, .place = 2};
  const std::vector<float> numbers = numbers_of(mask, 0, 100'000);
  double sum = 0;
  int dropped = 0;
  for (const float x : numbers) {
    EXPECT_TRUE(x == 0 || std::abs(x - 1.25f) < 1e-4f);
    dropped += x == 0;
    sum += x;
  }
  // Four standard deviations of a binomial: 4 * sqrt(0.2 * 0.8 / 1e5) = 0.005.
  EXPECT_NEAR(dropped / 1e5, 0.2, 0.005);
  EXPECT_NEAR(sum / 1e5, 1, 0.007);
}

TEST(DropoutMask, HangsOnSeedDrawAndPlaceAndOnNothingElse) {
  const DropoutMask mask{.rate = 0.5f, .seed = 1, .draw = 3, .place = 2};
  const std::vector<float> numbers = numbers_of(mask, 0, 256);
  EXPECT_EQ(numbers_of(mask, 0, 256), numbers);
  const std::vector<float> tail = numbers_of(mask, 64, 100);  // wherever one begins to read it
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), numbers.begin() + 64));
  for (const DropoutMask& other :
       {DropoutMask{0.5f, 2, 3, 2}, DropoutMask{0.5f, 1, 4, 2}, DropoutMask{0.5f, 1, 3, 1}}) {
    const std::vector<float> others = numbers_of(other, 0, 256);
    int same = 0;
    for (size_t i = 0; i < numbers.size(); ++i) same += numbers[i] == others[i];
    EXPECT_NEAR(same, 128, 40);
  }
}

TEST(Dropout, ThreadsDoNotChangeABitAndNoRateIsNoChange) {
  const auto run = [](int threads, float rate) {
    ThreadPool pool(threads);
    Context ctx(pool, reference_kernels());
    Tensor x = Tensor::empty(DType::kF32, {300, 61});
    Random random(4);
    for (float& number : x.span<float>()) number = random.normal();
    const Tensor out = ops::dropout(ctx, x, {.rate = rate, .seed = 9, .draw = 1, .place = 8});
    const auto span = out.span<float>();
    return std::vector<float>(span.begin(), span.end());
  };
  EXPECT_EQ(run(3, 0.3f), run(1, 0.3f));
  EXPECT_NE(run(1, 0.3f), run(1, 0.0f));
}

}  // namespace
}  // namespace linnet
