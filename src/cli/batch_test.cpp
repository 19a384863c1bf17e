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

  // The line of a prompt whose "n" is half of `twice`.
  static std::string answer(int64_t twice) {
    return "{\"text\":\"" + std::to_string(twice) + "\",\"finish_reason\":\"stop\"}\n";
  }

  // Answers with the number of the prompt's "n"; that of 13 fails. Stops before answering `last` more.
  Status run(size_t last = 1000) {
    CancelToken cancel;
    const auto reply = [&](const JsonObject& prompt) -> Result<Json> {
      if (asked_.size() == last) {
        cancel.cancel();
        return cancel.check().error();
      }
      TRY_ASSIGN(const int64_t n, prompt.integer("n", 0, 100));
      asked_.push_back(n);
      if (n == 13) return invalid("is unlucky", {}, "take another");
      return Json{{"text", std::to_string(2 * n)}, {"finish_reason", "stop"}};
    };
    return run_batch(options_, one_by_one(reply), cancel);
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
  EXPECT_EQ(line, R"({"id":"a","text":"2","finish_reason":"stop"})");
  std::getline(lines, line);
  EXPECT_NE(line.find(R"({"error":")" + options_.input + ":3"), std::string::npos) << line;
  std::getline(lines, line);
  EXPECT_NE(line.find(options_.input + ":4"), std::string::npos) << line;
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"id":[7],"error":")" + options_.input + R"(:6: is unlucky"})");
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"text":"4","finish_reason":"stop"})");
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
  std::ofstream(options_.output, std::ios::app) << "{\"te";  // killed while it wrote
  const Status resumed = run();
  EXPECT_EQ(resumed.error().message, "1 of 4 failed");  // the first run's
  EXPECT_EQ(asked_, (std::vector<int64_t>{13, 1, 2, 3}));
  EXPECT_EQ(output(), before + answer(4) + answer(6));
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
  write(options_.output, answer(1) + answer(2));
  EXPECT_EQ(run().error().code, ErrorCode::kUsage);
  write(options_.output, answer(1) + "{\"te");
  EXPECT_EQ(run().error().code, ErrorCode::kUsage);
  EXPECT_EQ(output(), answer(1) + "{\"te");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Batches, AFileThatHoldsNoAnswersStaysAsItIs) {
  options_.resume = true;
  write(options_.input, "{\"n\": 1}\n{\"n\": 2, \"id\": \"b\"}\n");
  for (const std::string& text :
       {std::string("my notes\n"), std::string("my notes"), std::string("{\"text\":\"mine\"}\n"),
        std::string("{\"n\": 1}"), answer(2) + "{\"text\":", answer(2) + "{\"id\":\"c"}) {
    write(options_.output, text);
    const Status refused = run();
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_NE(refused.error().message.find("is no answer to a prompt of"), std::string::npos) << text;
    EXPECT_EQ(output(), text);
  }
  EXPECT_TRUE(asked_.empty());
  write(options_.output, answer(2) + "{\"id\":\"b\",\"te");
  EXPECT_TRUE(run().ok());
  EXPECT_EQ(asked_, std::vector<int64_t>{2});
}

TEST_F(Batches, AnswersToOtherPromptsAreNotGoneOnWith) {
  options_.resume = true;
  const std::string with_ids = "{\"id\":\"a\"," + answer(2).substr(1) + "{\"id\":\"b\",\"error\":\"no\"}\n";
  write(options_.output, with_ids);
  const auto refused_for = [&](const std::string& prompts) -> std::string {
    write(options_.input, prompts);
    const Status status = run();
    return status.ok() ? "" : status.error().place + ": " + status.error().message;
  };
  const std::string third = "{\"n\": 3, \"id\": \"c\"}\n";
  const auto message = [&](int line) {
    return options_.output + ":" + std::to_string(line) + ": is no answer to " + options_.input + ":" +
           std::to_string(line);
  };
  EXPECT_EQ(refused_for("{\"n\": 1, \"id\": \"a\"}\n{\"n\": 2, \"id\": \"B\"}\n" + third), message(2));
  EXPECT_EQ(refused_for("{\"n\": 1, \"id\": null}\n{\"n\": 2, \"id\": \"b\"}\n" + third), message(1));
  EXPECT_EQ(refused_for("{\"n\": 1}\n{\"n\": 2, \"id\": \"b\"}\n" + third), message(1));
  EXPECT_EQ(output(), with_ids);
  EXPECT_TRUE(asked_.empty());
  refused_for("{\"n\": 1, \"id\": \"a\"}\n{\"n\": 2, \"id\": \"b\"}\n" + third);
  EXPECT_EQ(asked_, std::vector<int64_t>{3});

  // Without ids, what answers knows it, or not.
  write(options_.input, "{\"n\": 1}\n{\"n\": 2}\n");
  write(options_.output, answer(4));
  const auto fits = [](const JsonObject& prompt, const Json& line) {
    return line["text"] == std::to_string(2 * *prompt.integer("n", 0, 100));
  };
  const auto nothing = one_by_one([](const JsonObject&) -> Result<Json> { return Json::object(); });
  const Status status = run_batch(options_, nothing, CancelToken(), fits);
  EXPECT_EQ(status.error().place + ": " + status.error().message, message(1));
  EXPECT_EQ(output(), answer(4));
  write(options_.output, answer(2));
  EXPECT_TRUE(run_batch(options_, nothing, CancelToken(), fits).ok());
}

TEST_F(Batches, ThePromptsAreNotWrittenOver) {
  options_.resume = true;
  const std::string prompts = "{\"n\": 1}\n{\"n\": 2}";
  write(options_.input, prompts);
  fs::create_symlink(options_.input, options_.output);
  EXPECT_EQ(run().error().code, ErrorCode::kConflict);
  fs::remove(options_.output);
  fs::create_hard_link(options_.input, options_.output);
  EXPECT_EQ(run().error().code, ErrorCode::kConflict);
  options_.output = options_.input;
  EXPECT_EQ(run().error().code, ErrorCode::kConflict);
  EXPECT_EQ(output(), prompts);
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
