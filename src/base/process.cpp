#include "base/process.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program

namespace linnet {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kTickMilliseconds = 100;
constexpr std::chrono::seconds kGrace{3};  // between SIGTERM and SIGKILL

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return io_error("cannot make a pipe");
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// The environment of the child: ours, with `changes` put over it.
std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    bool replaced = false;
    for (const auto& [name, value] : changes) {
      replaced |= text.size() > name.size() && text[name.size()] == '=' && text.starts_with(name);
    }
    if (!replaced) merged.emplace_back(text);
  }
  for (const auto& [name, value] : changes) {
    std::string& entry = merged.emplace_back(name);
    entry += '=';
    entry += value;
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  list.reserve(strings.size() + 1);
  for (std::string& text : strings) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

Result<pid_t> spawn(const ProcessOptions& options, int out, int err) {
  std::vector<std::string> command = options.command;
  std::vector<std::string> merged = merged_environment(options.environment);
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawnattr_t attributes{};
  posix_spawnattr_init(&attributes);
  // Its own group: Ctrl-C reaches only us, and we can end the child together with its own children.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = 0;
  const int code = ::posix_spawnp(&child, command[0].c_str(), &actions, &attributes, pointers(command).data(),
                                  pointers(merged).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code == ENOENT) return not_found("no such program", command[0]);
  if (code != 0) return Error{ErrorCode::kIo, std::string("cannot start: ") + std::strerror(code), command[0], {}};
  return child;
}

// One stream of the child: keeps its end, hands out its lines.
class Stream {
 public:
  Stream(FileDescriptor fd, size_t keep) : fd_(std::move(fd)), keep_(keep) {}
  bool open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  std::string take() { return std::move(text_); }

  // Reads what is there; closes at the end.
  void drain(const std::function<void(std::string_view)>& on_line) {
    std::array<char, 16384> buffer{};
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      if (on_line && !line_.empty()) on_line(line_);
      fd_ = FileDescriptor();
      return;
    }
    const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
    text_ += bytes;
    if (text_.size() > 2 * keep_) text_.erase(0, text_.size() - keep_);
    if (on_line) split(bytes, on_line);
  }

  void trim() {
    if (text_.size() > keep_) text_.erase(0, text_.size() - keep_);
  }

 private:
  void split(std::string_view bytes, const std::function<void(std::string_view)>& on_line) {
    for (size_t end = bytes.find('\n'); end != bytes.npos; end = bytes.find('\n')) {
      line_ += bytes.substr(0, end);
      on_line(line_);
      line_.clear();
      bytes.remove_prefix(end + 1);
    }
    // A child that never ends its line is not followed for ever.
    if (line_.size() < keep_) line_ += bytes;
  }

  FileDescriptor fd_;
  size_t keep_;
  std::string text_;
  std::string line_;
};

// Ends and reaps the child's group, whatever happens on the way out.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!reaped_) end();
  }

  // True once it has ended; the status is then in status().
  bool poll_ended() {
    if (!reaped_) reaped_ = ::waitpid(pid_, &status_, WNOHANG) != 0;
    return reaped_;
  }
  int status() const { return status_; }

  void end() {
    ::kill(-pid_, SIGTERM);
    const auto deadline = Clock::now() + kGrace;
    while (!poll_ended() && Clock::now() < deadline) ::poll(nullptr, 0, 20);
    ::kill(-pid_, SIGKILL);
    while (!reaped_) {
      reaped_ = ::waitpid(pid_, &status_, 0) == pid_ || errno != EINTR;
    }
  }

 private:
  pid_t pid_;
  int status_ = 0;
  bool reaped_ = false;
};

void wait_for_bytes(Stream& out, Stream& err, const ProcessOptions& options) {
  std::array<pollfd, 2> watched{};
  watched[0] = {out.open() ? out.fd() : -1, POLLIN, 0};
  watched[1] = {err.open() ? err.fd() : -1, POLLIN, 0};
  if (::poll(watched.data(), watched.size(), kTickMilliseconds) <= 0) return;
  if (watched[0].revents != 0) out.drain(options.on_line);
  if (watched[1].revents != 0) err.drain({});
}

}  // namespace

Result<ProcessResult> run_process(const ProcessOptions& options) {
  CHECK(!options.command.empty());
  TRY_ASSIGN(Pipe out_pipe, make_pipe());
  TRY_ASSIGN(Pipe err_pipe, make_pipe());
  TRY_ASSIGN(const pid_t pid, spawn(options, out_pipe.write.get(), err_pipe.write.get()));
  out_pipe.write = FileDescriptor();
  err_pipe.write = FileDescriptor();
  Child child(pid);
  Stream out(std::move(out_pipe.read), options.keep);
  Stream err(std::move(err_pipe.read), options.keep);
  auto next_tick = Clock::now();
  bool ended = false;
  // A grandchild that keeps the pipes open does not hold us: the child's own end is what counts, plus what it wrote.
  while (!ended && (out.open() || err.open())) {
    if (options.cancel != nullptr) TRY(options.cancel->check());
    wait_for_bytes(out, err, options);
    if (Clock::now() < next_tick) continue;
    next_tick = Clock::now() + std::chrono::milliseconds(kTickMilliseconds);
    if (options.tick) options.tick();
    ended = child.poll_ended();
  }
  for (int i = 0; i < 64 && (out.open() || err.open()); ++i) {
    std::array<pollfd, 2> watched{};
    watched[0] = {out.open() ? out.fd() : -1, POLLIN, 0};
    watched[1] = {err.open() ? err.fd() : -1, POLLIN, 0};
    if (::poll(watched.data(), watched.size(), 0) <= 0) break;
    if (watched[0].revents != 0) out.drain(options.on_line);
    if (watched[1].revents != 0) err.drain({});
  }
  while (!child.poll_ended()) {
    if (options.cancel != nullptr) TRY(options.cancel->check());
    ::poll(nullptr, 0, 10);
  }
  out.trim();
  err.trim();
  const int status = child.status();
  return ProcessResult{WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), out.take(), err.take()};
}

}  // namespace linnet
