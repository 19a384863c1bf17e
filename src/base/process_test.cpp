#include "base/process.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace linnet {
namespace {

TEST(Process, CapturesBothStreamsAndTheExitCode) {
  const auto result =
      run_process({.command = {"awk", "BEGIN { print \"one\"; print \"two\" > \"/dev/stderr\"; exit 3 }"}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->out, "one\n");
  EXPECT_EQ(result->err, "two\n");
}

TEST(Process, ArgumentsAreNeverReadByAShell) {
  const auto result = run_process({.command = {"echo", "$HOME; `id` | cat && *"}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->out, "$HOME; `id` | cat && *\n");
}

TEST(Process, EnvironmentIsReplacedNotAppended) {
  ASSERT_EQ(::setenv("LINNET_PROCESS_TEST", "old", 1), 0);
  const auto result = run_process({.command = {"env"}, .environment = {{"LINNET_PROCESS_TEST", "new"}}});
  ASSERT_TRUE(result.ok());
  EXPECT_NE(result->out.find("LINNET_PROCESS_TEST=new\n"), std::string::npos);
  EXPECT_EQ(result->out.find("LINNET_PROCESS_TEST=old"), std::string::npos);
}

TEST(Process, MissingProgramIsNotFound) {
  const auto result = run_process({.command = {"linnet-no-such-program"}});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
}

TEST(Process, SignalIsAnExitCodeAsAShellSaysIt) {
  // timeout(1) kills itself with the signal that it was told to send, so that its parent sees it.
  const auto result = run_process({.command = {"timeout", "--signal=KILL", "0.2", "sleep", "30"}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exit_code, 128 + 9);
}

TEST(Process, LinesArriveOneByOneAndOutputIsBounded) {
  std::vector<std::string> lines;
  ProcessOptions options;
  options.command = {"seq", "1", "20000"};
  options.keep = 100;
  options.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  const auto result = run_process(options);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(lines.size(), 20000u);
  EXPECT_EQ(lines.back(), "20000");
  EXPECT_LE(result->out.size(), 100u);
  EXPECT_TRUE(result->out.ends_with("20000\n"));
}

TEST(Process, CancelEndsTheChild) {
  CancelToken token;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    token.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto result = run_process({.command = {"sleep", "60"}, .cancel = &token});
  canceller.join();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace linnet
