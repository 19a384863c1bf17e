// Starts tests/hub/server.py, which speaks the hub's protocol on loopback and misbehaves where it is told to.
#pragma once

#include <array>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <signal.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "hub/http.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace linnet {

class HubServer {
 public:
  HubServer() {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
    std::string script = LINNET_SOURCE_DIR "/tests/hub/server.py";
    std::array<std::string, 2> words = {"python3", script};
    std::array<char*, 3> arguments = {words[0].data(), words[1].data(), nullptr};
    posix_spawn_file_actions_t actions{};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    ::posix_spawnp(&pid_, "python3", &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    keep_ = in[1];  // its end is the server's
    std::string line;
    for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(out[0]);
    if (line.starts_with("PORT ")) port_ = line.substr(5);
  }
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;
  ~HubServer() {
    if (keep_ >= 0) ::close(keep_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }

  bool ready() const { return !port_.empty(); }
  // The hub's address; with `modes` ("cut=1000,noetag") that of one that misbehaves so.
  std::string url(const std::string& modes = "") const {
    return "http://127.0.0.1:" + port_ + (modes.empty() ? "" : "/~" + modes);
  }
  std::string text(const std::string& path) const {
    std::string body;
    const HttpOutcome outcome = http_send({.url = url() + path}, {.body = [&](std::span<const std::byte> bytes) {
                                            body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                                            return ok_status();
                                          }});
    EXPECT_EQ(outcome.response.status, 200);
    return body;
  }
  // What was sent to the hub: {"private": {repository: bool}, "summaries": [of commits]}.
  Json pushed() const { return *parse_json(text("/__pushed"), "pushed"); }
  // What was asked since the last reset().
  Json log() const { return *parse_json(text("/__log"), "log"); }
  void reset() const { static_cast<void>(text("/__reset")); }

 private:
  pid_t pid_ = -1;
  int keep_ = -1;
  std::string port_;
};

// Tests against one server, each with a folder of its own and an environment that knows of no other hub.
class HubServerTest : public FolderTest {
 protected:
  static void SetUpTestSuite() {
    for (const char* name :
         {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HF_TOKEN", "HF_HUB_OFFLINE"})
      ::unsetenv(name);
    server_ = std::make_unique<HubServer>();
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    ASSERT_TRUE(server_->ready()) << "tests/hub/server.py did not start";
    server_->reset();
    ::setenv("HF_HOME", (folder_ / "hf").c_str(), 1);
    hub("");
  }
  void TearDown() override {
    ::unsetenv("HF_TOKEN");
    ::unsetenv("HF_HUB_OFFLINE");
  }

  static void hub(const std::string& modes) { ::setenv("HF_ENDPOINT", server_->url(modes).c_str(), 1); }

  static inline std::unique_ptr<HubServer> server_;
};

}  // namespace linnet
