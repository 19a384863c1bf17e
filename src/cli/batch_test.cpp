#include "cli/batch.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"

namespace linnet::cli {
namespace {

namespace fs = std::filesystem;

class Batches : public FolderTest {
 protected:
  void SetUp() override {
    options_.input = (folder_ / "in.jsonl").string();
    options_.output = (folder_ / "out.jsonl").string();
  }

  void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  // Answers with the number of the prompt's "n"; that of 13 fails. Stops before answering `last` more.
  Status run(size_t last = 1000) {
    CancelToken cancel;
    const auto answer = [&](const JsonObject& prompt) -> Result<Json> {
      if (asked_.size() == last) {
        cancel.cancel();
        return cancel.check().error();
      }
      TRY_ASSIGN(const int64_t n, prompt.integer("n", 0, 100));
      asked_.push_back(n);
      if (n == 13) return invalid("is unlucky", {}, "take another");
      return Json{{"twice", 2 * n}};
    };
    return run_batch(options_, one_by_one(answer), cancel);
  }
  std::string output() const {
    const auto text = read_file(options_.output);
    return text.ok() ? *text : "none";
  }

  BatchOptions options_;
  std::vector<int64_t> asked_;
};

TEST_F(Batches, EachLineHasItsLineAndFailuresAreCounted) {
  write(options_.input, "{\"n\": 1, \"id\": \"a\"}\n\n{\"n\": }\n[1]\n  \r\n{\"id\": [7], \"n\": 13}\n{\"n\": 2}");
  const Status status = run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(status.error().message, "3 of 5 failed");
  std::istringstream lines(output());
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"id":"a","twice":2})");
  std::getline(lines, line);
  EXPECT_NE(line.find(R"({"error":")" + options_.input + ":3"), std::string::npos) << line;
  std::getline(lines, line);
  EXPECT_NE(line.find(options_.input + ":4"), std::string::npos) << line;
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"id":[7],"error":")" + options_.input + R"(:6: is unlucky"})");
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"twice":4})");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(Batches, StoppedItKeepsWhatIsDoneAndGoesOn) {
  write(options_.input, "{\"n\": 13}\n{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
  const Status stopped = run(2);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(stopped.error().message, "stopped: 2 of 4 are done");
  const std::string before = output();

  const Status refused = run();
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_EQ(output(), before);

  options_.resume = true;
  std::ofstream(options_.output, std::ios::app) << "{\"twi";  // killed while it wrote
  const Status resumed = run();
  EXPECT_EQ(resumed.error().message, "1 of 4 failed");  // the first run's
  EXPECT_EQ(asked_, (std::vector<int64_t>{13, 1, 2, 3}));
  EXPECT_EQ(output(), before + "{\"twice\":4}\n{\"twice\":6}\n");
  const std::string whole = output();
  EXPECT_EQ(run().error().message, "1 of 4 failed");
  EXPECT_EQ(output(), whole);
}

// Answers come in the order in which they are ready, lines in that of the prompts.
TEST_F(Batches, LinesWaitForThoseBeforeThem) {
  std::string prompts;
  std::string expected;
  for (int n = 0; n < 600; ++n) {
    prompts += "{\"n\":" + std::to_string(n) + "}\n";
    expected += "{\"line\":" + std::to_string(n + 1) + "}\n";
  }
  write(options_.input, prompts);
  CancelToken cancel;
  std::vector<size_t> lengths;  // of the output while answers came
  const auto backwards = [&](std::span<const BatchPrompt> some, const BatchListener& done) -> Status {
    for (size_t i = some.size(); i-- > 0;) {
      TRY(done(i, Json{{"line", some[i].line}}));
      lengths.push_back(output().size());
    }
    return ok_status();
  };
  ASSERT_TRUE(run_batch(options_, backwards, cancel).ok());
  EXPECT_EQ(output(), expected);
  EXPECT_EQ(lengths.size(), 600u);
  EXPECT_EQ(lengths[0], 0u) << "the first of some comes last";
}

TEST_F(Batches, AnotherFilesOutputIsNotGoneOnWith) {
  options_.resume = true;
  write(options_.input, "{\"n\": 1}\n");
  write(options_.output, "{\"twice\": 1}\n{\"twice\": 2}\n");
  EXPECT_EQ(run().error().code, ErrorCode::kUsage);
  write(options_.output, "my notes\n");
  EXPECT_FALSE(run().ok());
  EXPECT_EQ(output(), "my notes\n");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Batches, NothingToDoIsDone) {
  write(options_.input, "\n");
  EXPECT_TRUE(run().ok());
  EXPECT_EQ(output(), "");
  options_.input = (folder_ / "none.jsonl").string();
  EXPECT_EQ(run().error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace linnet::cli
