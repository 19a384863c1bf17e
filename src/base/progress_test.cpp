#include "base/progress.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>

namespace linnet {
namespace {

using std::chrono::milliseconds;

Progress half() {
  return {.stage = "downloading",
          .item = "a.gguf",
          .done = 50'000'000,
          .total = 100'000'000,
          .per_second = 10e6,
          .seconds_left = 5};
}

TEST(Progress, BarHoldsBytesRateAndTimeLeftAndFits) {
  const std::string bar = progress_bar(half(), 120);
  EXPECT_EQ(bar, "downloading a.gguf  [===============>              ]   50%  50.0 MB of 100 MB  10.0 MB/s  5 s left");
  for (const int columns : {1, 20, 40, 80, 200}) {
    EXPECT_LT(progress_bar(half(), columns).size(), static_cast<size_t>(std::max(columns, 20)));
  }
}

TEST(Progress, UnknownTotalHasNoPercentAndNoEnd) {
  Progress progress = half();
  progress.total = 0;
  progress.seconds_left = -1;
  EXPECT_EQ(progress_line(progress), "downloading a.gguf  50.0 MB  10.0 MB/s");
}

TEST(Progress, PartsAreNamedAndALongNameIsCutBeforeTheFigures) {
  Progress progress = half();
  progress.item = "a-package-with-a-very-long-name-indeed.gguf";
  progress.part = 2;
  progress.parts = 4;
  EXPECT_EQ(progress_line(progress),
            "downloading part 2 of 4 of a-package-with-a-very-long-name-indeed.gguf   50%  50.0 MB of 100 MB"
            "  10.0 MB/s  5 s left");
  EXPECT_EQ(progress_bar(progress, 80),
            "downloading part 2 of 4 of a-pac…   50%  50.0 MB of 100 MB  10.0 MB/s  5 s left");
  progress.item = "a.zip";
  progress.parts = 0;
  EXPECT_EQ(progress_line(progress), "downloading part 2 of a.zip   50%  50.0 MB of 100 MB  10.0 MB/s  5 s left");
}

TEST(Progress, ALogHasALineForEachTenthThatTakesLong) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter log(false, milliseconds(0));
    Progress progress = half();
    for (progress.done = 0; progress.done < progress.total; progress.done += 1'000'000) log.update(progress);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 9) << text;
}

TEST(Progress, ANoteStandsBelowAFullBarAndInPlaceOfAnother) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter bar(true);
    Progress progress = half();
    bar.update(progress);
    bar.note("in between");
    progress.done = progress.total;
    bar.update(progress);
    bar.note("after");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("\r\x1b[Kin between\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\x1b[K\nafter\n")) << text;
}

TEST(Progress, NeverClaimsMoreThanAllOfIt) {
  Progress progress = half();
  progress.done = 150'000'000;
  EXPECT_NE(progress_line(progress).find("100%"), std::string::npos);
}

TEST(Progress, ALogHasNoLineForBriefWorkAndOneAtTheEndOfLongWork) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter brief(false);
    brief.update(half());
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  {
    ProgressPrinter long_work(false);
    Progress progress = half();
    long_work.update(progress);
    std::this_thread::sleep_for(milliseconds(1050));
    progress.done = progress.total;
    long_work.update(progress);
    long_work.note("a note");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "downloading a.gguf  100%  100 MB of 100 MB  10.0 MB/s\na note\n");
}

TEST(Progress, ABarIsDrawnInOneLineAndEndsIt) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter bar(true);
    bar.update(half());
    Progress progress = half();
    progress.done = progress.total;
    bar.update(progress);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 2);
  EXPECT_NE(text.find("100%"), std::string::npos);
}

TEST(Progress, DurationsReadWell) {
  EXPECT_EQ(format_duration(0), "0 s");
  EXPECT_EQ(format_duration(59.2), "1 min 0 s");
  EXPECT_EQ(format_duration(7500), "2 h 5 min");
  EXPECT_EQ(format_duration(1e9), "11574 days");
  EXPECT_EQ(format_duration(-3), "0 s");
}

TEST(Progress, RateFollowsAndForgetsARestart) {
  RateMeter meter;
  RateMeter::Clock::time_point now{};
  for (uint64_t step = 0; step <= 50; ++step) meter.add(step * 1'000'000, now + milliseconds(step * 500));
  EXPECT_NEAR(meter.per_second(), 2e6, 1);
  Progress progress = half();
  progress.done = 52'000'000;
  meter.fill(progress, now + milliseconds(26000));
  EXPECT_NEAR(progress.seconds_left, 24, 0.1);
  meter.add(0, now + milliseconds(27000));
  EXPECT_EQ(meter.per_second(), 0);
}

}  // namespace
}  // namespace linnet
