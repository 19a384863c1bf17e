// Pushes to tests/hub/server.py: what arrives is what was sent, and every way in which the hub misbehaves ends in a
// clear error and an unchanged repository.
#include "hub/push.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>

#include "base/file.hpp"
#include "hub/digest.hpp"
#include "hub/hub_server_testing.hpp"

namespace linnet {
namespace {

using std::chrono::milliseconds;

class PushTest : public HubServerTest {
 protected:
  void SetUp() override {
    HubServerTest::SetUp();
    ::setenv("HF_TOKEN", "hf_right", 1);
    weights_ = "GGUF";
    for (size_t i = 0; i < 100'000; ++i) weights_ += static_cast<char>(i * 31 % 251);
    EXPECT_TRUE(write_file(folder_ / "model.gguf", weights_).ok());
    EXPECT_TRUE(write_file(folder_ / "config.json", "{}").ok());
    files_ = {{.name = "sub/model.gguf", .path = folder_ / "model.gguf"},
              {.name = "config.json", .path = folder_ / "config.json"},
              {.name = "README.md", .text = "# card\n"}};
  }

  Result<Pushed> push(const std::string& modes, const std::string& target = "hf:me/shop", PushOptions options = {}) {
    hub(modes);
    options.retry = milliseconds(1);
    options.stall = milliseconds(5000);
    const auto source = parse_source(target);
    EXPECT_TRUE(source.ok());
    return push_hugging_face(*source, files_, options);
  }

  void expect_arrived(const std::string& repo = "me/shop") const {
    EXPECT_EQ(server_->text("/" + repo + "/resolve/main/config.json"), "{}");
    EXPECT_EQ(server_->text("/" + repo + "/resolve/main/README.md"), "# card\n");
    EXPECT_EQ(server_->text("/" + repo + "/resolve/main/sub/model.gguf"), weights_);
  }

  // Expects an error that says `words`, and no commit.
  void expect_bad(const std::string& modes, const std::string& words, const std::string& target = "hf:me/shop") {
    const auto pushed = push(modes, target);
    ASSERT_FALSE(pushed.ok()) << modes;
    const std::string text = pushed.error().to_string();
    EXPECT_NE(text.find(words), std::string::npos) << modes << " said: " << text;
    EXPECT_TRUE(server_->pushed()["summaries"].empty()) << modes;
  }

  // How many requests of a method there were since the last reset; of those to the storage alone.
  static size_t asked(const std::string& method, bool storage) {
    const Json log = server_->log();
    return static_cast<size_t>(std::ranges::count_if(
        log, [&](const Json& entry) { return entry["method"] == method && entry["storage"] == storage; }));
  }

  std::string weights_;
  std::vector<PushFile> files_;
};

TEST_F(PushTest, NewRepositoryHoldsWhatWasSentAndIsPrivate) {
  const auto pushed = push("", "hf:me/shop", {{}, false, "first words"});
  ASSERT_TRUE(pushed.ok()) << pushed.error().to_string();
  EXPECT_TRUE(pushed->created);
  EXPECT_EQ(pushed->files, 3U);
  EXPECT_EQ(pushed->bytes, weights_.size() + 2 + 7);
  EXPECT_TRUE(pushed->url.ends_with("/me/shop/commit/" + pushed->commit)) << pushed->url;
  expect_arrived();
  EXPECT_EQ(server_->pushed()["private"]["me/shop"], true);
  EXPECT_EQ(server_->pushed()["summaries"], Json::array({"first words"}));
}

TEST_F(PushTest, PublicOnlyWhereAsked) {
  ASSERT_TRUE(push("", "hf:me/open", {{}, true, ""}).ok());
  EXPECT_EQ(server_->pushed()["private"]["me/open"], false);
}

TEST_F(PushTest, StorageNeverSeesTheToken) {
  ASSERT_TRUE(push("").ok());
  size_t sent = 0;
  for (const Json& entry : server_->log()) {
    if (!entry["storage"].get<bool>()) continue;
    ++sent;
    EXPECT_TRUE(entry["token"].is_null()) << dump_json(entry);
  }
  EXPECT_EQ(sent, 1U);
  server_->reset();
  ASSERT_TRUE(push("unverified").ok());
  EXPECT_EQ(asked("POST", true), 1U);
  for (const Json& entry : server_->log()) {
    EXPECT_TRUE(!entry["storage"].get<bool>() || entry["token"].is_null()) << dump_json(entry);
  }
}

TEST_F(PushTest, PartsAreJoined) {
  ASSERT_TRUE(push("multipart=30000").ok());
  EXPECT_EQ(asked("PUT", true), 4U);
  expect_arrived();
}

TEST_F(PushTest, BusyStorageIsAskedAgain) {
  ASSERT_TRUE(push("broken=2").ok());
  EXPECT_EQ(asked("PUT", true), 3U);
  expect_arrived();
  server_->reset();
  ASSERT_TRUE(push("multipart=50000,broken=1").ok());
  expect_arrived();
}

TEST_F(PushTest, UnchangedIsNotSentAgain) {
  ASSERT_TRUE(push("").ok());
  const auto again = push("");
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again->commit, "");
  EXPECT_EQ(again->files, 0U);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(server_->pushed()["summaries"].size(), 1U);
  files_[1] = {.name = "config.json", .text = "{\"changed\": true}"};
  const auto changed = push("");
  ASSERT_TRUE(changed.ok()) << changed.error().to_string();
  EXPECT_EQ(changed->files, 1U);
  EXPECT_EQ(asked("PUT", true), 1U);
}

TEST_F(PushTest, SameContentIsSentOnce) {
  files_.push_back({.name = "copy.gguf", .path = folder_ / "model.gguf"});
  ASSERT_TRUE(push("").ok());
  EXPECT_EQ(asked("PUT", true), 1U);
  EXPECT_EQ(server_->text("/me/shop/resolve/main/copy.gguf"), weights_);
}

TEST_F(PushTest, IgnoredFilesAreNamed) {
  files_.push_back({.name = "notes.tmp", .text = "mine"});
  std::string notices;
  PushOptions options;
  options.notice = [&](std::string_view line) { notices += line; };
  const auto pushed = push("", "hf:me/shop", options);
  ASSERT_TRUE(pushed.ok());
  EXPECT_EQ(pushed->files, 3U);
  EXPECT_NE(notices.find("notes.tmp"), std::string::npos);
}

TEST_F(PushTest, EmptyFilesAndBranches) {
  files_.push_back({.name = "empty.gguf", .text = ""});
  ASSERT_TRUE(push("").ok());
  EXPECT_EQ(server_->text("/me/shop/resolve/main/empty.gguf"), "");
  files_.push_back({.name = "more.txt", .text = "more"});
  EXPECT_TRUE(push("", "hf:me/shop@refs/pr/1").ok());
  const auto missing = push("", "hf:me/shop@nowhere");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("no branch \"nowhere\""), std::string::npos);
}

TEST_F(PushTest, WhatMisbehavesIsAnError) {
  expect_bad("lfserror", "quota exceeded");
  expect_bad("multipart=30000,noparts", "no place for part 4 of 4");
  expect_bad("multipart=30000,forgets", "does not confirm a part");
  expect_bad("multipart=1", "too small parts");
  expect_bad("broken=100", "(6 attempts)");
  expect_bad("longwait", "86400");
}

TEST_F(PushTest, WhoMayNotWriteIsTold) {
  expect_bad("", "may neither make this repository nor write to it", "hf:org/tiny");
  ::setenv("HF_TOKEN", "hf_wrong", 1);
  expect_bad("", "settings/tokens");
  ::unsetenv("HF_TOKEN");
  expect_bad("", "there is no token");
}

TEST_F(PushTest, NamesThatCannotBeAreRefused) {
  files_[2].name = "../README.md";
  expect_bad("", "cannot be pushed");
  files_[2].name = "config.json";
  expect_bad("", "two files are called config.json");
  files_.clear();
  expect_bad("", "nothing to push");
}

TEST_F(PushTest, CtrlCEndsItBeforeAnythingChanges) {
  CancelToken token;
  PushOptions options;
  options.cancel = &token;
  options.progress = [&](const Progress& progress) {
    if (progress.stage == "sending") token.cancel();
  };
  const auto pushed = push("", "hf:me/shop", options);
  ASSERT_FALSE(pushed.ok());
  EXPECT_EQ(pushed.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(server_->pushed()["summaries"].empty());
}

TEST(Base64, IsRfc4648s) {
  const auto of = [](std::string_view text) { return base64(std::as_bytes(std::span(text))); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  const std::string large(4 << 20, 'x');  // more than one piece
  EXPECT_EQ(of(large).size(), (large.size() + 2) / 3 * 4);
  EXPECT_EQ(of(large).substr(0, 8), "eHh4eHh4");
  EXPECT_EQ(of(large).find('='), of(large).size() - 2);
}

}  // namespace
}  // namespace linnet
