#include "hub/download.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/part_file.hpp"
#include "base/system.hpp"
#include "hub/digest.hpp"
#include "hub/source.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kDiskMargin = 64 << 20;
constexpr size_t kHeadBytes = 16;
constexpr int kMostRestarts = 3;

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value > uint64_t{kLargestFile}) return std::nullopt;
  return value;
}

// "bytes 100-199/200"; an unknown total is 0.
struct ContentRange {
  uint64_t first = 0;
  uint64_t total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  const auto first = parse_number(text.substr(0, dash));
  const auto total = text.substr(slash + 1) == "*" ? std::optional<uint64_t>(0) : parse_number(text.substr(slash + 1));
  if (!first || !total) return std::nullopt;
  return ContentRange{*first, *total};
}

std::string unquoted(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

class Download {
 public:
  Download(const DownloadRequest& request, const PullOptions& options, PartFile part)
      : request_(request),
        options_(options),
        part_(std::move(part)),
        sha256_(request.sha256),
        git_sha1_(request.git_sha1) {}

  Result<ModelFile> run(const fs::path& target) {
    TRY(resume());
    Patience patience(options_);
    for (;;) {
      const uint64_t before = part_.size();
      TRY_ASSIGN(const bool complete, attempt(patience));
      if (complete) {
        TRY_ASSIGN(const bool good, check());
        if (good) break;
      }
      if (part_.size() > before) patience.progress_was_made();
    }
    TRY(part_.commit(target));
    std::error_code ignored;
    fs::remove(state_path(), ignored);
    return ModelFile{{}, part_.size(), have_sha256_};
  }

 private:
  fs::path state_path() const { return part_.path().string() + ".json"; }

  // Deletes what has arrived, since it can never become the file.
  Error give_up(Error error) {
    part_.discard();
    std::error_code ignored;
    fs::remove(state_path(), ignored);
    return error;
  }

  // What an earlier run left: hash it again, or drop it when it may be of another file.
  Status resume() {
    if (part_.size() == 0) return ok_status();
    const auto state = read_json_file(state_path().string(), 1 << 16);
    const auto object = state.ok() ? JsonObject::of(*state, "") : Result<JsonObject>(state.error());
    if (object.ok()) {
      const auto url = object->string_or("url", "");
      const auto etag = object->string_or("etag", "");
      const auto total = object->integer_or("total", 0, 0, kLargestFile);
      if (url.ok() && etag.ok() && total.ok() && *url == request_.url) {
        etag_ = *etag;
        total_ = static_cast<uint64_t>(*total);
      }
    }
    // Without an ETag only a published hash can tell afterwards whether both halves belong together.
    if (etag_.empty() && sha256_.empty() && git_sha1_.empty()) return restart();
    if (request_.size && part_.size() > *request_.size) return restart();
    resumed_ = true;
    if (options_.notice)
      options_.notice(fmt::format("continuing {} after {}", request_.name, format_bytes(part_.size())));
    return digest_file(part_.path(), part_.size(), hash_, options_.cancel, {});
  }

  Status restart() {
    hash_ = Digest();
    etag_.clear();
    total_ = 0;
    resumed_ = false;
    head_seen_ = false;
    head_.clear();
    return part_.shorten(0);
  }

  // True when the file is complete; false after a failure that may be tried again.
  Result<bool> attempt(Patience& patience) {
    const uint64_t known = request_.size.value_or(total_);
    if (known > 0 && part_.size() == known) return finish_head();
    HttpRequest http{.url = request_.url, .token = request_.token, .cancel = options_.cancel, .stall = options_.stall};
    http.offset = part_.size();
    if (!etag_.starts_with("W/")) http.if_range = etag_;
    HttpSink sink;
    sink.begin = [&](const HttpResponse& response) { return begin(response); };
    sink.body = [&](std::span<const std::byte> bytes) { return append(bytes); };
    const HttpOutcome outcome = http_send(http, sink);
    const int status = outcome.response.status;
    if (outcome.kind == HttpOutcome::Kind::kFatal) return fatal(outcome.error, patience);
    if (outcome.kind != HttpOutcome::Kind::kAnswered) {
      Error error = outcome.error;
      error.place = request_.name;
      const bool never_there = outcome.kind == HttpOutcome::Kind::kNoHost && part_.size() == 0;
      TRY(never_there ? patience.wait_for_host(std::move(error)) : patience.wait(std::move(error), nullptr));
      return false;
    }
    if (status == 416 && part_.size() > 0) {
      // The file is not that long any more: it is another one.
      TRY(restart());
      TRY(patience.wait(Error{ErrorCode::kNetwork, "the file has changed on the server", request_.name, {}}, nullptr));
      return false;
    }
    if (may_pass(status)) {
      TRY(patience.wait(status_error(outcome.response, request_.name), &outcome.response));
      return false;
    }
    if (status < 200 || status >= 300)
      return request_.refused ? request_.refused(outcome.response) : status_error(outcome.response, request_.name);
    return ended(patience);
  }

  Result<bool> fatal(const Error& error, Patience& patience) {
    if (wants_restart_) {
      wants_restart_ = false;
      TRY(restart());
      TRY(patience.wait(error, nullptr));
      return false;
    }
    return drop_ ? give_up(error) : error;
  }

  // The answer is complete; is the file?
  Result<bool> ended(Patience& patience) {
    const uint64_t expected = request_.size.value_or(total_);
    if (expected == 0 || part_.size() == expected) return finish_head();
    TRY(patience.wait(Error{ErrorCode::kNetwork,
                            fmt::format("the connection ended after {} of {} bytes", part_.size(), expected),
                            request_.name,
                            {}},
                      nullptr));
    return false;
  }

  Result<bool> finish_head() {
    if (head_seen_ || !request_.on_head) return true;
    // It came with an earlier run, or the file is shorter than a head.
    head_.clear();
    TRY(stream_file(part_.path(), std::min<uint64_t>(part_.size(), kHeadBytes), [&](std::span<const std::byte> bytes) {
      head_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return ok_status();
    }));
    if (const Status status = request_.on_head(head_); !status.ok()) return give_up(status.error());
    return true;
  }

  // Decides from the headers where the body belongs.
  Status begin(const HttpResponse& response) {
    if (request_.on_response) {
      if (Status status = request_.on_response(response); !status.ok()) return dropping(status.error());
    }
    take_published_hash(response);
    uint64_t announced = 0;
    if (response.status == 206) {
      const auto range = parse_content_range(response.header("content-range"));
      if (!range || range->first != part_.size()) {
        wants_restart_ = true;
        return invalid("the server sent another part than the one that was asked for", request_.name);
      }
      resumed_ = true;
      announced = range->total;
    } else {
      if (part_.size() > 0) TRY(restart());
      announced = parse_number(response.header("content-length")).value_or(0);
    }
    return take_length(announced, response);
  }

  // Hugging Face: the first answer carries the hash of what its storage will send. `ETag` there is the SHA-256 of large
  // files and the git blob of small ones.
  void take_published_hash(const HttpResponse& response) {
    if (!sha256_.empty() || !git_sha1_.empty()) return;
    const auto linked = response.first_headers.find("x-linked-etag");
    const std::string hash = linked == response.first_headers.end() ? "" : unquoted(linked->second);
    if (is_sha256(hash)) sha256_ = hash;
    if (is_sha1(hash)) git_sha1_ = hash;
  }

  Status take_length(uint64_t announced, const HttpResponse& response) {
    if (request_.need_hash && sha256_.empty() && git_sha1_.empty()) {
      return dropping(invalid("the server publishes no hash of this file, so it could not be checked", request_.name));
    }
    if (request_.size && announced > 0 && announced != *request_.size) {
      return dropping(invalid(
          fmt::format("the server sends {} bytes, and {} were published", announced, *request_.size), request_.name));
    }
    total_ = request_.size.value_or(announced);
    etag_ = response.header("etag");
    const uint64_t missing = total_ > part_.size() ? total_ - part_.size() : 0;
    TRY(check_room(missing));
    const Json state = {{"url", request_.url}, {"etag", etag_}, {"total", total_}};
    return write_file(state_path(), dump_json(state));
  }

  Status check_room(uint64_t missing) {
    room_checked_at_ = part_.size();
    const uint64_t free = free_disk_bytes(part_.path().parent_path());
    if (free >= kDiskMargin && missing <= free - kDiskMargin) return ok_status();
    return dropping(Error{ErrorCode::kIo,
                          fmt::format("not enough room on the disk: {} are needed and {} are free",
                                      format_bytes(missing + kDiskMargin), format_bytes(free)),
                          part_.path().parent_path().string(),
                          "make room (linnet rm MODEL removes one) and run the same command again"});
  }

  Error dropping(Error error) {
    drop_ = true;
    return error;
  }

  Status append(std::span<const std::byte> bytes) {
    const uint64_t limit = request_.size.value_or(total_ > 0 ? total_ : uint64_t{kLargestFile});
    if (bytes.size() > limit - std::min(limit, part_.size())) {
      return dropping(
          invalid(fmt::format("the server sends more than the {} bytes that were published", limit), request_.name));
    }
    TRY(look_at_head(bytes));
    // An answer without a length may never end: then the disk is watched.
    if (total_ == 0 && part_.size() - room_checked_at_ > kDiskMargin) TRY(check_room(kDiskMargin));
    hash_.update(bytes);
    if (Status written = part_.append(bytes); !written.ok()) {
      Error error = written.error();
      error.hint = "make room and run the same command again; what had arrived was removed";
      return dropping(std::move(error));
    }
    if (request_.progress) request_.progress(part_.size(), total_);
    return ok_status();
  }

  Status look_at_head(std::span<const std::byte> bytes) {
    if (head_seen_ || !request_.on_head || part_.size() > head_.size()) return ok_status();
    head_.append(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kHeadBytes));
    if (head_.size() < kHeadBytes) return ok_status();
    head_seen_ = true;
    if (Status status = request_.on_head(head_); !status.ok()) return dropping(status.error());
    return ok_status();
  }

  // True when the file is what was published; false when it was put together from two runs that do not fit, and is to
  // be fetched anew.
  Result<bool> check() {
    have_sha256_ = hash_.hex();
    std::string published = sha256_;
    std::string have = have_sha256_;
    if (published.empty() && !git_sha1_.empty()) {
      published = git_sha1_;
      Digest git(Digest::Kind::kSha1);
      git.update(fmt::format("blob {}", part_.size()) + '\0');
      TRY(digest_file(part_.path(), part_.size(), git, options_.cancel, {}));
      have = git.hex();
    }
    if (published.empty() || have == published) return true;
    const bool patched = resumed_ && ++restarts_ < kMostRestarts;
    TRY(restart());
    if (patched) {
      if (options_.notice)
        options_.notice(fmt::format("{}: what an earlier run left does not fit; fetching it anew", request_.name));
      return false;
    }
    return give_up(invalid(fmt::format("wrong hash: published is {}, and what came is {}", published, have),
                           request_.name,
                           "the file was removed; if it happens again, the server or a proxy on the way changes it"));
  }

  const DownloadRequest& request_;
  const PullOptions& options_;
  PartFile part_;
  std::string sha256_;
  std::string git_sha1_;
  Digest hash_;
  std::string etag_;
  uint64_t total_ = 0;  // 0: unknown
  uint64_t room_checked_at_ = 0;
  std::string head_;
  std::string have_sha256_;
  bool head_seen_ = false;
  bool resumed_ = false;  // what is there came in more than one answer
  bool wants_restart_ = false;
  int restarts_ = 0;   // because of a wrong hash
  bool drop_ = false;  // the error means that the part can never become the file
};

}  // namespace

Result<ModelFile> download(const DownloadRequest& request, const fs::path& target, const PullOptions& options) {
  TRY_ASSIGN(PartFile part, PartFile::open(request.part));
  auto result = Download(request, options, std::move(part)).run(target);
  std::error_code code;
  if (!result.ok() && fs::file_size(request.part, code) == 0 && !code) {
    fs::remove(request.part, code);
    fs::remove(request.part.string() + ".json", code);
  }
  return result;
}

}  // namespace linnet
