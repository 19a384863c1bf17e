// Pulls over HTTP against tests/hub/server.py. Every way in which it misbehaves ends in a good model or a clear error.
#include <algorithm>
#include <gtest/gtest.h>
#include <thread>

#include "base/file.hpp"
#include "base/file_lock.hpp"
#include "hub/digest.hpp"
#include "hub/hf.hpp"
#include "hub/hub_server_testing.hpp"
#include "hub/pull.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

const std::string kCommit = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";
const std::string kTagged = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

class HubTest : public HubServerTest {
 protected:
  Store store() const { return Store(folder_ / "models", folder_ / "hf/hub"); }

  Result<StoredModel> get(const std::string& name, PullOptions options = {}) {
    options.retry = milliseconds(1);
    if (options.stall == std::chrono::seconds(30)) options.stall = milliseconds(5000);
    options.notice = [this](std::string_view text) { notices_ += std::string(text) + "\n"; };
    return pull(store(), name, options);
  }

  // Pulls from a hub that misbehaves, and expects the good model all the same.
  void expect_good(const std::string& modes, const std::string& name = "hf:org/tiny:q4_0",
                   const PullOptions& options = {}) {
    hub(modes);
    const auto model = get(name, options);
    ASSERT_TRUE(model.ok()) << modes << ": " << model.error().to_string();
    const auto checks = store().verify(*model, nullptr, {});
    for (const FileCheck& check : *checks) EXPECT_EQ(check.problem, "") << check.name;
    EXPECT_TRUE(fs::is_empty(folder_ / "models/.partial")) << modes;
  }

  // Expects an error that says `words`, and no model.
  std::string expect_bad(const std::string& modes, const std::string& words,
                         const std::string& name = "hf:org/tiny:q4_0", const PullOptions& options = {}) {
    hub(modes);
    const auto model = get(name, options);
    EXPECT_FALSE(model.ok()) << modes;
    if (model.ok()) return {};
    std::string text = model.error().to_string();
    EXPECT_NE(text.find(words), std::string::npos) << modes << " said: " << text;
    EXPECT_TRUE(store().list().empty()) << modes;
    return text;
  }

  // Stops a pull of tiny-Q8_0.gguf after 100,000 bytes; gives back the name of what it leaves.
  std::string leave_a_part() {
    CancelToken token;
    hub("stall=100000");
    server_->reset();
    std::thread stopper([&] {
      while (asked(false) < 1) std::this_thread::sleep_for(milliseconds(5));
      std::this_thread::sleep_for(milliseconds(200));
      token.cancel();
    });
    const auto stopped = get("hf:org/tiny:q8_0", {{.cancel = &token, .stall = std::chrono::seconds(60)}});
    stopper.join();
    EXPECT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
    for (const std::string& name : files()) {
      if (name.starts_with(".partial/") && name.ends_with(".part")) return name;
    }
    ADD_FAILURE() << "nothing was left";
    return {};
  }

  // Names of all files beneath the store but the locks.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    if (!fs::exists(folder_ / "models")) return names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "models")) {
      const std::string name = entry.path().lexically_relative(folder_ / "models").string();
      if (!name.starts_with(".locks") && entry.is_regular_file()) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  // Of the requests to the storage, how many; with a Range, how many.
  static size_t asked(bool range) {
    size_t count = 0;
    for (const Json& entry : server_->log())
      count += entry["storage"].get<bool>() && (!range || entry["range"].is_string()) ? 1 : 0;
    return count;
  }

  std::string notices_;
};

TEST_F(HubTest, AQuantIsPinnedToItsCommit) {
  const auto model = get("hf:org/tiny:q4_0");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_EQ(model->name, "hf:org/tiny:Q4_0");
  EXPECT_EQ(model->path, folder_ / "models/hf/org/tiny" / kCommit / "tiny-Q4_0.gguf");
  EXPECT_EQ(model->manifest.license, "apache-2.0");
  EXPECT_EQ(model->manifest.requested, "main");
  EXPECT_EQ(files(), (std::vector<std::string>{"hf/org/tiny/" + kCommit + "/.linnet.json",
                                               "hf/org/tiny/" + kCommit + "/tiny-Q4_0.gguf"}));
  // Once more: the hub is asked for its commit, and nothing is fetched.
  server_->reset();
  ASSERT_TRUE(get("hf:org/tiny:q4_0").ok());
  EXPECT_EQ(server_->log().size(), 1u);
  // A commit cannot change: nobody is asked.
  server_->reset();
  ASSERT_TRUE(get("hf:org/tiny@" + kCommit + ":q4_0").ok());
  EXPECT_EQ(server_->log().size(), 0u);
}

TEST_F(HubTest, OtherRevisionsLieBesideIt) {
  ASSERT_TRUE(get("hf:org/tiny@v1:q4_0").ok());
  ASSERT_TRUE(get("hf:org/tiny@refs/pr/1:q8_0").ok());
  EXPECT_FALSE(store().resolve("hf:org/tiny:q4_0").ok());
  EXPECT_EQ(store().resolve("hf:org/tiny@v1:q4_0")->folder.filename(), kTagged);
  expect_good("", "hf:org/tiny:q4_0");
  EXPECT_EQ(store().resolve("hf:org/tiny:q4_0")->folder.filename(), kCommit);
}

TEST_F(HubTest, AFolderComesWithItsCompanionsAndWithoutPickles) {
  expect_good("", "hf:org/folder");
  const std::string at = "hf/org/folder/" + kCommit + "/";
  EXPECT_EQ(files(), (std::vector<std::string>{at + ".linnet.json", at + "README.md", at + "config.json",
                                               at + "generation_config.json", at + "model-00001-of-00002.safetensors",
                                               at + "model-00002-of-00002.safetensors",
                                               at + "model.safetensors.index.json", at + "tokenizer.json"}));
  EXPECT_EQ(store().resolve("hf:org/folder")->path, folder_ / "models" / at.substr(0, at.size() - 1));
}

TEST_F(HubTest, SplitFilesAndOddNames) {
  expect_good("", "hf:org/split:q4_0");
  EXPECT_EQ(store().resolve("hf:org/split:q4_0")->manifest.files.size(), 2u);
  expect_good("", "hf:org/split:other name with spaces-Q8_0.gguf");
}

TEST_F(HubTest, OneModelOfARepositoryDoesNotTouchTheOther) {
  expect_good("", "hf:org/tiny:q4_0");
  expect_good("", "hf:org/tiny:q8_0");
  ASSERT_TRUE(store().remove(*store().resolve("hf:org/tiny:q4_0")).ok());
  EXPECT_TRUE(store().resolve("hf:org/tiny:q8_0").ok());
  EXPECT_FALSE(store().resolve("hf:org/tiny:q4_0").ok());
}

TEST_F(HubTest, WhatIsNotThereIsToldApart) {
  expect_bad("", "there is no such repository", "hf:org/none");
  expect_bad("", "no revision \"v9\"", "hf:org/tiny@v9");
  expect_bad("", "holds no \"q2_k\"", "hf:org/tiny:q2_k");
  const std::string several = expect_bad("", "holds 2 models", "hf:org/tiny");
  EXPECT_NE(several.find(":Q8_0"), std::string::npos);
  expect_bad("", "pickle", "hf:org/pickle");
  expect_bad("", "model-00003-of-00002", "hf:org/badindex");
}

TEST_F(HubTest, GatedNamesThePageAndTheToken) {
  const std::string text = expect_bad("", "gated", "hf:org/gated");
  EXPECT_NE(text.find(server_->url() + "/org/gated"), std::string::npos) << text;
  EXPECT_NE(text.find("HF_TOKEN"), std::string::npos) << text;
  ::setenv("HF_TOKEN", "hf_wrong", 1);
  EXPECT_NE(expect_bad("", "gated", "hf:org/gated").find("account of your token"), std::string::npos);
  ::setenv("HF_TOKEN", "hf_right", 1);
  expect_good("", "hf:org/gated");
}

TEST_F(HubTest, APrivateRepositoryNeedsTheTokenFile) {
  expect_bad("", "or it is private", "hf:org/private");
  ASSERT_TRUE(write_file(folder_ / "hf/token", "hf_right\n").ok());
  expect_good("", "hf:org/private");
}

TEST_F(HubTest, TheTokenNeverReachesAnotherHost) {
  ::setenv("HF_TOKEN", "hf_right", 1);
  expect_good("");
  size_t storage = 0;
  for (const Json& entry : server_->log()) {
    EXPECT_EQ(entry["token"].is_string(), !entry["storage"].get<bool>()) << entry["path"];
    storage += entry["storage"].get<bool>() ? 1 : 0;
  }
  EXPECT_EQ(storage, 1u);
}

TEST_F(HubTest, CutsAreContinuedByRange) {
  expect_good("cut=100000");
  EXPECT_EQ(asked(false), 4u);  // 300,004 bytes in pieces of 100,000
  EXPECT_EQ(asked(true), 3u);
  EXPECT_NE(notices_.find("trying again"), std::string::npos);
}

TEST_F(HubTest, AServerThatIgnoresRangeIsReadFromTheStart) {
  expect_good("cutonce=100000,norange");
}
TEST_F(HubTest, WithoutETagTheHashDecides) {
  expect_good("cutonce=100000,noetag");
}
TEST_F(HubTest, ASilentServerIsLeft) {
  expect_good("stall=1000", "hf:org/tiny:q4_0", {{.stall = milliseconds(300)}});
}
TEST_F(HubTest, ABusyServerIsWaitedForAsLongAsItSays) {
  const auto start = std::chrono::steady_clock::now();
  expect_good("busy=1");
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(1000));
  expect_good("ratelimit", "hf:org/tiny:q8_0");
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(2000));
}
TEST_F(HubTest, ABrokenServerIsTriedAgain) {
  expect_good("broken=3");
}
TEST_F(HubTest, AServerThatStaysBrokenIsGivenUp) {
  expect_bad("broken=1000", "the server answered 500");
}
TEST_F(HubTest, ADayIsNotWaitedFor) {
  expect_bad("longwait", "86400 seconds");
}

TEST_F(HubTest, AWrongHashNamesBothAndLeavesNothing) {
  const std::string text = expect_bad("wronghash", "wrong hash");
  const auto model = [&] {
    hub("");
    return get("hf:org/tiny:q4_0");
  }();
  ASSERT_TRUE(model.ok());
  EXPECT_NE(text.find(model->manifest.files[0].sha256), std::string::npos) << text;
  EXPECT_NE(text.find("and what came is"), std::string::npos);
}

TEST_F(HubTest, SmallFilesAreCheckedByTheirGitHash) {
  expect_bad("wronghash", "wrong hash", "hf:org/folder");
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(HubTest, ProgressGoesFromNothingToAll) {
  std::vector<Progress> seen;
  expect_good("", "hf:org/large", {{.progress = [&](const Progress& progress) { seen.push_back(progress); }}});
  ASSERT_GT(seen.size(), 2u);
  uint64_t last = 0;
  for (const Progress& progress : seen) {
    if (progress.stage != "downloading") continue;
    EXPECT_EQ(progress.item, "large-Q8_0.gguf");
    EXPECT_EQ(progress.total, 3000004u);
    EXPECT_GE(progress.done, last);
    last = progress.done;
  }
  EXPECT_EQ(last, 3000004u);
}

TEST_F(HubTest, WhenMainMovesTheNewCommitIsMeant) {
  expect_good("");
  expect_good("moved");
  EXPECT_NE(notices_.find("linnet rm hf:org/tiny@" + kCommit), std::string::npos) << notices_;
  EXPECT_EQ(store().resolve("hf:org/tiny:q4_0")->folder.filename(), kTagged);
  ASSERT_TRUE(store().remove(*store().resolve("hf:org/tiny@" + kCommit + ":q4_0")).ok());
  EXPECT_EQ(store().list().size(), 1u);
}

TEST_F(HubTest, NothingIsLeftOfWhatCanNeverBecomeTheFile) {
  for (const char* mode : {"wronghash", "longer", "shorter", "endless"}) {
    SCOPED_TRACE(mode);
    hub(mode);
    EXPECT_FALSE(get("hf:org/tiny:q4_0").ok());
    EXPECT_EQ(files(), std::vector<std::string>{});
  }
}

TEST_F(HubTest, LengthsThatLieAreRefused) {
  expect_bad("longer", "300104 bytes, and 300004 were published");
  expect_bad("shorter", "299904 bytes, and 300004 were published");
  expect_bad("endless", "more than the 300004 bytes");
}

TEST_F(HubTest, AnotherPartThanAskedForIsNotTaken) {
  expect_good("cutonce=100000,badrange");
}

TEST_F(HubTest, AFileThatChangesUnderWayStartsAgain) {
  // The new file has another hash than was published, so it must be refused, whole or patched together.
  expect_bad("cutonce=100000,changed", "wrong hash");
}

TEST_F(HubTest, RedirectsAreBoundedAndNeverDowngraded) {
  expect_bad("loop", "redirects more than 10 times");
  expect_bad("downgrade", "not a safe place");
  expect_bad("headers", "headers never end");
}

TEST_F(HubTest, RepliesThatLieAreErrors) {
  expect_bad("badjson", "bad JSON");
  expect_bad("lies", "\"size\" must be an integer");
  expect_bad("hugejson", "longer than 67108864 bytes");
  expect_bad("othercommit", kTagged);
  expect_bad("nohash", "publishes no hash");
}

TEST_F(HubTest, NamesThatLeaveTheFolderAreNotSeen) {
  expect_bad("hostile", "holds no", "hf:org/tiny:evil.gguf");
  expect_good("hostile");
}

TEST_F(HubTest, StoppedItKeepsWhatItHasAndGoesOnFromThere) {
  const std::string part = leave_a_part();
  EXPECT_EQ(fs::file_size(folder_ / "models" / part), 100000u);
  EXPECT_TRUE(store().list().empty());
  server_->reset();
  expect_good("", "hf:org/tiny:q8_0");
  ASSERT_EQ(asked(false), 1u);
  EXPECT_EQ(asked(true), 1u);
  EXPECT_NE(notices_.find("continuing tiny-Q8_0.gguf"), std::string::npos);
}

TEST_F(HubTest, APartThatRottedIsFetchedAnew) {
  const fs::path part = folder_ / "models" / leave_a_part();
  std::string text = *read_file(part);
  text[text.size() / 2] ^= 1;
  ASSERT_TRUE(write_file(part, text).ok());
  expect_good("", "hf:org/tiny:q8_0");
  EXPECT_NE(notices_.find("fetching it anew"), std::string::npos);
}

TEST_F(HubTest, APartOfAnotherFileIsDropped) {
  const fs::path part = folder_ / "models" / leave_a_part();
  ASSERT_TRUE(write_file(part, std::string(600000, 'x')).ok());
  expect_good("", "hf:org/tiny:q8_0");
}

TEST_F(HubTest, RemovingAModelRemovesItsUnfinishedFiles) {
  expect_good("", "hf:org/tiny:q4_0");
  leave_a_part();
  ASSERT_TRUE(store().remove(*store().resolve("hf:org/tiny:q4_0")).ok());
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(HubTest, AStalledServerCanBeLeftAtOnce) {
  CancelToken token;
  hub("stall=1000");
  std::thread stopper([&] {
    while (asked(false) < 1) std::this_thread::sleep_for(milliseconds(5));
    std::this_thread::sleep_for(milliseconds(100));
    token.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto stopped = get("hf:org/tiny:q4_0", {{.cancel = &token, .stall = std::chrono::seconds(60)}});
  stopper.join();
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST_F(HubTest, FilesOfAnInterruptedPullAreNotFetchedTwice) {
  expect_good("", "hf:org/folder");
  ASSERT_TRUE(fs::remove(folder_ / "models/hf/org/folder" / kCommit / ".linnet.json"));
  ASSERT_TRUE(fs::remove(folder_ / "models/hf/org/folder" / kCommit / "model-00002-of-00002.safetensors"));
  server_->reset();
  expect_good("", "hf:org/folder");
  EXPECT_EQ(asked(false), 1u);
}

TEST_F(HubTest, AgainMendsAFileThatRotted) {
  expect_good("");
  ASSERT_TRUE(write_file(store().resolve("hf:org/tiny:q4_0")->path, std::string(300004, 'x')).ok());
  PullOptions again;
  again.again = true;
  expect_good("", "hf:org/tiny:q4_0", again);
}

TEST_F(HubTest, AFileThatWasDeletedIsFetchedAgain) {
  expect_good("");
  ASSERT_TRUE(fs::remove(store().resolve("hf:org/tiny:q4_0")->path));
  EXPECT_FALSE(store().resolve("hf:org/tiny:q4_0").ok());
  expect_good("");
}

TEST_F(HubTest, OfflineWorksOncePulled) {
  expect_good("");
  server_->reset();
  EXPECT_TRUE(store().resolve("hf:org/tiny").ok());
  EXPECT_EQ(store().list().size(), 1u);
  EXPECT_EQ(server_->log().size(), 0u);
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_TRUE(get("hf:org/tiny").ok());
  EXPECT_EQ(notices_, "");
  EXPECT_FALSE(get("hf:org/folder").ok());
  EXPECT_EQ(server_->log().size(), 0u);
  ::unsetenv("HF_HUB_OFFLINE");
  hub("offline");
  EXPECT_TRUE(get("hf:org/tiny").ok());
  EXPECT_NE(notices_.find("cannot be reached"), std::string::npos);
}

TEST_F(HubTest, NobodyListeningIsSaid) {
  ::setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
  const auto model = get("hf:org/tiny");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
  ::setenv("HF_ENDPOINT", "http://example.org", 1);
  EXPECT_EQ(get("hf:org/tiny").error().code, ErrorCode::kUsage);
}

TEST_F(HubTest, TheHuggingFaceCacheIsUsedInPlace) {
  const std::string body = server_->text("/org/tiny/resolve/main/README.md");
  expect_good("");
  // Move what was pulled into a cache as the library lays it out.
  const auto model = store().resolve("hf:org/tiny:q4_0");
  const fs::path repo = folder_ / "hf/hub/models--org--tiny";
  fs::create_directories(repo / "blobs");
  fs::create_directories(repo / "snapshots" / kCommit);
  fs::rename(model->path, repo / "blobs" / model->manifest.files[0].sha256);
  fs::create_symlink("../../blobs/" + model->manifest.files[0].sha256, repo / "snapshots" / kCommit / "tiny-Q4_0.gguf");
  ASSERT_TRUE(write_file(repo / "refs/main", kCommit).ok());
  fs::remove_all(folder_ / "models");
  server_->reset();
  const auto cached = get("hf:org/tiny:q4_0");
  ASSERT_TRUE(cached.ok()) << cached.error().to_string();
  EXPECT_EQ(cached->origin, StoredModel::Origin::kHuggingFaceCache);
  EXPECT_EQ(asked(false), 0u);
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(HubTest, TwoPullsAtOnceFetchItOnce) {
  Result<StoredModel> other = invalid("not run");
  std::thread second([&] { other = pull(store(), "hf:org/tiny:q8_0", {}); });
  const auto first = get("hf:org/tiny:q8_0");
  second.join();
  ASSERT_TRUE(first.ok() && other.ok());
  EXPECT_EQ(asked(false), 1u);
}

TEST_F(HubTest, PlainAddresses) {
  const auto model = get(server_->url() + "/plain/model.gguf");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_EQ(model->path.filename(), "model.gguf");
  EXPECT_EQ(fs::relative(model->path, folder_ / "models").begin()->string(), "url");
  EXPECT_EQ(get(server_->url() + "/plain/bare")->path.filename(), "bare.gguf");
  const std::string sum = model->manifest.files[0].sha256;
  ASSERT_TRUE(store().remove(*model).ok());
  EXPECT_TRUE(get(server_->url("cut=60000") + "/plain/model.gguf#sha256=" + sum).ok());
  const auto wrong = get(server_->url() + "/plain/model.gguf#sha256=" + std::string(64, '0'));
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find(sum), std::string::npos);
  EXPECT_NE(get(server_->url() + "/plain/page").error().to_string().find("web page"), std::string::npos);
  EXPECT_NE(get(server_->url() + "/plain/pickle.bin").error().message.find("pickle"), std::string::npos);
  EXPECT_EQ(get(server_->url() + "/plain/none.gguf").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(folder_ / "models/.partial"));
}

TEST_F(HubTest, AChangedPlainFileIsFetchedWholeAgain) {
  // Nobody has published its hash: the ETag says that the first half is of another file.
  const auto model = get(server_->url("cutonce=60000,changed") + "/plain/model.gguf");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  const std::string text = *read_file(model->path);
  ASSERT_EQ(text.size(), 200004u);
  const auto whole = get(server_->url() + "/plain/model.gguf");
  const std::string original = *read_file(whole->path);
  for (size_t i = 4; i < text.size(); ++i) ASSERT_EQ(text[i], static_cast<char>(original[i] ^ 0xff)) << i;
}

TEST_F(HubTest, AHostThatNobodyKnowsIsAskedForTwice) {
  ::setenv("HF_ENDPOINT", "https://nowhere.invalid", 1);  // RFC 2606: never a host
  for (const char* name : {"hf:org/none", "https://nowhere.invalid/model.gguf"}) {
    notices_.clear();
    const auto model = get(name);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
    EXPECT_NE(model.error().hint.find("is this machine connected"), std::string::npos) << model.error().to_string();
    EXPECT_EQ(std::ranges::count(notices_, '\n'), 1) << notices_;
  }
}

TEST_F(HubTest, ProxiesOfTheEnvironmentAreUsed) {
  ::setenv("http_proxy", server_->url().c_str(), 1);
  ::setenv("HF_ENDPOINT", "http://127.9.9.9:9", 1);  // nobody listens there
  const auto found = get("hf:org/none");
  ::unsetenv("http_proxy");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound) << found.error().to_string();
}

TEST(ParseRepository, HostileRepliesAreErrors) {
  const std::string sha(40, 'a');
  const auto reply = [&](const std::string& siblings) {
    return R"({"sha":")" + sha + R"(","siblings":)" + siblings + "}";
  };
  EXPECT_TRUE(parse_repository(reply("[]"), "x").ok());
  EXPECT_EQ(parse_repository(reply(R"([{"rfilename":"../a"},{"rfilename":"a"}])"), "x")->files.size(), 1u);
  for (const std::string& text :
       {std::string("[]"), std::string("{}"), reply("{}"), reply("[1]"), reply("[{}]"),
        reply(R"([{"rfilename":"a","size":-1}])"), reply(R"([{"rfilename":"a"},{"rfilename":"a"}])"),
        reply(R"([{"rfilename":"a","lfs":{"sha256":"x","size":1}}])"), reply(R"([{"rfilename":"a","lfs":[]}])"),
        R"({"sha":"../..","siblings":[]})" + std::string()}) {
    EXPECT_FALSE(parse_repository(text, "x").ok()) << text;
  }
}

TEST(RetryAfter, SecondsDatesAndRateLimits) {
  const auto seconds = [](const char* name, const std::string& value) {
    return retry_after_seconds({.headers = {{name, value}}});
  };
  EXPECT_EQ(seconds("retry-after", "17"), 17);
  EXPECT_EQ(seconds("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), 0);
  EXPECT_EQ(seconds("retry-after", "soon"), -1);
  EXPECT_EQ(seconds("retry-after", "-5"), -1);
  EXPECT_EQ(seconds("ratelimit", "\"api\";r=0;t=55"), 55);
  EXPECT_EQ(seconds("x", "1"), -1);
}

}  // namespace
}  // namespace linnet
