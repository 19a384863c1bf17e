#include "hub/push.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/json.hpp"
#include "base/mapped_file.hpp"
#include "hub/digest.hpp"
#include "hub/hf_account.hpp"

namespace linnet {

namespace {

constexpr uint64_t kMostReply = 16 << 20;
constexpr size_t kMostPushed = 10'000;
constexpr size_t kFilesOfARequest = 256;
constexpr size_t kSampleBytes = 512;           // of a file, by which the hub tells text from numbers
constexpr uint64_t kMostInCommit = 256 << 20;  // bytes of small files: they are sent as one request
constexpr size_t kMostParts = 10'000;

constexpr const char* kJson = "application/json";
constexpr const char* kLfs = "application/vnd.git-lfs+json";

// One file on its way.
struct Item {
  const PushFile* file = nullptr;
  std::shared_ptr<const MappedFile> mapped = {};  // null: a text
  std::string sha256 = {};
  std::string git_sha1 = {};
  bool large = false;      // goes to the large-file storage
  bool unchanged = false;  // the branch has it

  std::span<const std::byte> bytes() const { return mapped ? mapped->bytes() : std::as_bytes(std::span(file->text)); }
};

// A list of objects in the hub's answer, by a field of theirs.
Result<std::map<std::string, const Json*>> by_field(const Json& answer, const char* list, const char* field,
                                                    const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(answer, place));
  const Json* items = object.find(list);
  if (items == nullptr || !items->is_array()) return invalid(fmt::format("field \"{}\" must be a list", list), place);
  std::map<std::string, const Json*> found;
  for (const Json& item : *items) {
    TRY_ASSIGN(const JsonObject entry, JsonObject::of(item, place));
    TRY_ASSIGN(const std::string key, entry.string(field));
    found[key] = &item;
  }
  return found;
}

// What one push needs all along.
class HubPush {
 public:
  HubPush(const Source& target, const PushOptions& options, std::string endpoint, std::string token)
      : target_(target), options_(options), endpoint_(std::move(endpoint)), token_(std::move(token)) {}

  Result<Pushed> run(const std::vector<PushFile>& files) {
    TRY(read(files));
    TRY(create());
    TRY(ask_where());
    pushed_.url = page();
    std::erase_if(items_, [](const Item& item) { return item.unchanged; });
    if (items_.empty()) return std::move(pushed_);
    TRY(send_large());
    TRY(commit());
    return std::move(pushed_);
  }

 private:
  std::string name() const { return target_.owner + "/" + target_.repo; }
  std::string page() const { return endpoint_ + "/" + name(); }
  std::string branch() const { return target_.revision.empty() ? "main" : target_.revision; }

  // Opens and hashes everything before the hub is asked for anything.
  Status read(const std::vector<PushFile>& files) {
    uint64_t total = 0;
    for (const PushFile& file : files) {
      Item item{.file = &file};
      if (!file.path.empty()) {
        TRY_ASSIGN(item.mapped, MappedFile::open(file.path));
      }
      total += item.bytes().size();
      items_.push_back(std::move(item));
    }
    uint64_t done = 0;
    for (Item& item : items_) {
      Digest sha256;
      Digest sha1(Digest::Kind::kSha1);
      sha1.update(fmt::format("blob {}", item.bytes().size()) + '\0');
      constexpr size_t kChunk = 4 << 20;
      for (size_t at = 0; at < item.bytes().size(); at += kChunk) {
        if (options_.cancel != nullptr) TRY(options_.cancel->check());
        const auto chunk = item.bytes().subspan(at, std::min(kChunk, item.bytes().size() - at));
        sha256.update(chunk);
        sha1.update(chunk);
        done += chunk.size();
        report("reading", item, done, total);
      }
      item.sha256 = sha256.hex();
      item.git_sha1 = sha1.hex();
    }
    return ok_status();
  }

  Status create() {
    const Json body = {
        {"type", "model"}, {"name", target_.repo}, {"organization", target_.owner}, {"private", !options_.is_public}};
    // A repository that is there is no error: the person may not even be allowed to make one.
    bool exists = false;
    const auto answer = ask("/api/repos/create", dump_json(body), kJson, [&](const HttpResponse& response) {
      exists = response.status == 409;
      may_not_create_ = response.status == 401 || response.status == 403;
      return refused(response);
    });
    pushed_.created = answer.ok();
    if (answer.ok() || exists || may_not_create_) return ok_status();
    return answer.error();
  }

  // Which files are large, and which are there already.
  Status ask_where() {
    for (size_t at = 0; at < items_.size(); at += kFilesOfARequest) {
      const std::span<Item> some(items_.data() + at, std::min(kFilesOfARequest, items_.size() - at));
      Json list = Json::array();
      for (const Item& item : some) {
        const auto bytes = item.bytes();
        list.push_back({{"path", item.file->name},
                        {"size", bytes.size()},
                        {"sample", base64(bytes.first(std::min(kSampleBytes, bytes.size())))}});
      }
      const std::string path = fmt::format("/api/models/{}/preupload/{}", name(), url_segment(branch()));
      TRY_ASSIGN(const Json answer, ask(path, dump_json({{"files", list}}), kJson));
      TRY_ASSIGN(const auto modes, by_field(answer, "files", "path", path));
      for (Item& item : some) TRY(take_mode(item, modes, path));
    }
    return ok_status();
  }

  Status take_mode(Item& item, const std::map<std::string, const Json*>& modes, const std::string& place) {
    const auto found = modes.find(item.file->name);
    if (found == modes.end()) return invalid("says nothing of " + item.file->name, place);
    TRY_ASSIGN(const JsonObject mode, JsonObject::of(*found->second, place));
    TRY_ASSIGN(const std::string upload, mode.string("uploadMode"));
    TRY_ASSIGN(const bool ignored, mode.boolean_or("shouldIgnore", false));
    TRY_ASSIGN(const std::string there, mode.string_or("oid", ""));
    item.large = upload == "lfs" && !item.bytes().empty();
    item.unchanged = ignored || there == (item.large ? item.sha256 : item.git_sha1);
    if (ignored && options_.notice) options_.notice(item.file->name + ": the repository's .gitignore leaves it out");
    return ok_status();
  }

  Status send_large() {
    std::vector<const Item*> large;
    std::set<std::string> seen;  // the same content under two names is sent once
    uint64_t total = 0;
    for (const Item& item : items_) {
      if (!item.large || !seen.insert(item.sha256).second) continue;
      large.push_back(&item);
      total += item.bytes().size();
    }
    uint64_t before = 0;
    for (size_t at = 0; at < large.size(); at += kFilesOfARequest) {
      const std::span<const Item* const> some(large.data() + at, std::min(kFilesOfARequest, large.size() - at));
      TRY_ASSIGN(const Json answer, ask_storage(some));
      TRY_ASSIGN(const auto objects, by_field(answer, "objects", "oid", page()));
      for (const Item* item : some) {
        const auto found = objects.find(item->sha256);
        if (found == objects.end()) return invalid("the storage says nothing of " + item->file->name, page());
        TRY(send_object(*item, *found->second,
                        [&](uint64_t bytes) { report("sending", *item, before + bytes, total); }));
        before += item->bytes().size();
      }
    }
    return ok_status();
  }

  Result<Json> ask_storage(std::span<const Item* const> some) {
    Json objects = Json::array();
    for (const Item* item : some) objects.push_back({{"oid", item->sha256}, {"size", item->bytes().size()}});
    const Json body = {{"operation", "upload"},
                       {"transfers", {"basic", "multipart"}},
                       {"objects", objects},
                       {"hash_algo", "sha256"},
                       {"ref", {{"name", branch()}}}};
    return ask(fmt::format("/{}.git/info/lfs/objects/batch", name()), dump_json(body), kLfs);
  }

  using OnSent = std::function<void(uint64_t)>;

  // As git LFS's batch API says: no actions where the storage has it.
  Status send_object(const Item& item, const Json& json, const OnSent& sent) {
    const std::string& place = item.file->name;
    TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
    if (object.has("error")) {
      TRY_ASSIGN(const JsonObject error, object.object("error"));
      TRY_ASSIGN(const std::string message, error.string_or("message", "no reason given"));
      return Error{ErrorCode::kNetwork, "the storage refuses it: " + printable(message, 300), place, {}};
    }
    if (!object.has("actions")) return ok_status();
    TRY_ASSIGN(const JsonObject actions, object.object("actions"));
    TRY_ASSIGN(const JsonObject upload, actions.object("upload"));
    TRY_ASSIGN(const std::string href, upload.string("href"));
    const Json* header = upload.find("header");
    if (header != nullptr && header->is_object() && header->contains("chunk_size")) {
      TRY(send_parts(item, href, *header, sent));
    } else {
      TRY(put(item, href, item.bytes(), sent));
    }
    if (!actions.has("verify")) return ok_status();
    TRY_ASSIGN(const JsonObject verify, actions.object("verify"));
    TRY_ASSIGN(const std::string address, verify.string("href"));
    return post(address, {{"oid", item.sha256}, {"size", item.bytes().size()}});
  }

  // "multipart", the hub's own transfer: {"chunk_size": "N", "1": url, "2": url, …}.
  Status send_parts(const Item& item, const std::string& href, const Json& header, const OnSent& sent) {
    TRY_ASSIGN(const auto chunk, whole_number(header.at("chunk_size"), item.file->name));
    const uint64_t size = item.bytes().size();
    const uint64_t count = (size + chunk - 1) / chunk;
    if (count > kMostParts) return invalid("the storage wants it in too small parts", item.file->name);
    Json parts = Json::array();
    for (uint64_t i = 0; i < count; ++i) {
      const auto url = header.find(std::to_string(i + 1));
      if (url == header.end() || !url->is_string()) {
        return invalid(fmt::format("the storage names no place for part {} of {}", i + 1, count), item.file->name);
      }
      const auto bytes = item.bytes().subspan(i * chunk, std::min(chunk, size - i * chunk));
      TRY_ASSIGN(const HttpResponse answer,
                 put(item, url->get<std::string>(), bytes, [&](uint64_t done) { sent(i * chunk + done); }));
      const std::string etag = answer.header("etag");
      if (etag.empty()) return invalid("the storage does not confirm a part", item.file->name);
      parts.push_back({{"partNumber", i + 1}, {"etag", etag}});
    }
    return post(href, {{"oid", item.sha256}, {"parts", parts}});
  }

  // The hub writes this number as text.
  static Result<uint64_t> whole_number(const Json& json, const std::string& place) {
    const std::string text = json.is_string() ? json.get<std::string>() : dump_json(json);
    const bool digits =
        !text.empty() && text.size() < 16 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    const uint64_t value = digits ? std::stoull(text) : 0;
    if (value == 0) return invalid("the storage's \"chunk_size\" is no number of bytes", place);
    return value;
  }

  // To the storage, whose address is its own permission: no token goes there.
  Result<HttpResponse> put(const Item& item, const std::string& url, std::span<const std::byte> bytes,
                           const OnSent& sent) {
    const HttpRequest request{.url = url,
                              .method = HttpRequest::Method::kPut,
                              .body = bytes,
                              .on_sent = sent,
                              .cancel = options_.cancel,
                              .stall = options_.stall};
    return send_patiently(request, options_,
                          [&](const HttpResponse& response) { return status_error(response, item.file->name); });
  }

  // To where the hub says, which may be another place than the hub: the token goes to the hub alone.
  Status post(const std::string& url, const Json& json) {
    const std::string body = dump_json(json);
    HttpRequest request = request_to(url, body, kLfs);
    if (url_origin(url) != url_origin(endpoint_)) request.token.clear();
    TRY(send_patiently(request, options_, [&](const HttpResponse& response) { return refused(response); }));
    return ok_status();
  }

  Status commit() {
    const std::string summary = options_.message.empty() ? "Upload with linnet" : options_.message;
    std::string lines = dump_json({{"key", "header"}, {"value", {{"summary", summary}, {"description", ""}}}}) + "\n";
    uint64_t small = 0;
    for (const Item& item : items_) {
      pushed_.bytes += item.bytes().size();
      if (!item.large) small += item.bytes().size();
      if (small > kMostInCommit) {
        return unsupported(fmt::format("the hub wants more than {} of small files in one commit",
                                       static_cast<uint64_t>(kMostInCommit)),
                           item.file->name, "push fewer at once");
      }
      lines += dump_json(line_of(item)) + "\n";
    }
    pushed_.files = items_.size();
    const std::string url = fmt::format("{}/api/models/{}/commit/{}", endpoint_, name(), url_segment(branch()));
    TRY_ASSIGN(const std::string text, commit_once(request_to(url, lines, "application/x-ndjson")));
    TRY_ASSIGN(const Json json, parse_json(text, url));
    TRY_ASSIGN(const JsonObject answer, JsonObject::of(json, url));
    TRY_ASSIGN(pushed_.commit, answer.string("commitOid"));
    if (!is_sha1(pushed_.commit)) return invalid("\"commitOid\" is not a commit", url);
    pushed_.url = page() + "/commit/" + pushed_.commit;
    return ok_status();
  }

  static Json line_of(const Item& item) {
    if (item.large) {
      return {{"key", "lfsFile"},
              {"value",
               {{"path", item.file->name}, {"algo", "sha256"}, {"oid", item.sha256}, {"size", item.bytes().size()}}}};
    }
    return {{"key", "file"},
            {"value", {{"content", base64(item.bytes())}, {"path", item.file->name}, {"encoding", "base64"}}}};
  }

  // A commit whose answer was lost may have been made, so it is not tried again by itself.
  Result<std::string> commit_once(const HttpRequest& request) {
    std::string text;
    HttpSink sink;
    sink.body = [&](std::span<const std::byte> bytes) -> Status {
      if (text.size() + bytes.size() > kMostReply) return invalid("the answer is too long", request.url);
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return ok_status();
    };
    const HttpOutcome outcome = http_send(request, sink);
    if (outcome.kind != HttpOutcome::Kind::kAnswered) {
      Error error = outcome.error;
      if (error.code != ErrorCode::kCancelled)
        error.hint = "it may have been made: look at " + page() + "; the same command again does no harm";
      return error;
    }
    const int status = outcome.response.status;
    if (status < 200 || status >= 300) return refused(outcome.response);
    return text;
  }

  HttpRequest request_to(const std::string& url, const std::string& body, const char* type) const {
    return {.url = url,
            .method = HttpRequest::Method::kPost,
            .body = std::as_bytes(std::span(body)),
            .content_type = type,
            .accept = type == kLfs ? kLfs : kJson,
            .token = token_,
            .cancel = options_.cancel,
            .stall = options_.stall};
  }

  Result<Json> ask(const std::string& path, const std::string& body, const char* type, const Refused& refuse = {}) {
    const std::string url = endpoint_ + path;
    const auto usual = [&](const HttpResponse& response) { return refused(response); };
    TRY_ASSIGN(const std::string text,
               fetch_text(request_to(url, body, type), kMostReply, options_, refuse ? refuse : Refused(usual)));
    return parse_json(text, url);
  }

  // What a final status means.
  Error refused(const HttpResponse& response) const {
    const std::string place = target_.to_string();
    if (response.header("x-error-code") == "RevisionNotFound") {
      return not_found("the repository has no branch \"" + branch() + "\"", place, "make it on the repository's page");
    }
    if (response.status == 401 || response.status == 403 || response.status == 404) {
      Error error{ErrorCode::kNetwork,
                  may_not_create_ ? "the token may neither make this repository nor write to it"
                                  : "the token may not write to this repository",
                  place,
                  {}};
      error.hint = "is the name right? " + token_hint(endpoint_) + ", with the right to write to " + target_.owner;
      return error;
    }
    return status_error(response, place);
  }

  void report(const char* stage, const Item& item, uint64_t done, uint64_t total) {
    if (!options_.progress) return;
    Progress progress{.stage = stage, .item = item.file->name, .done = done, .total = total};
    meter_.fill(progress, RateMeter::Clock::now());
    options_.progress(progress);
  }

  const Source& target_;
  const PushOptions& options_;
  std::string endpoint_;
  std::string token_;
  std::vector<Item> items_;
  bool may_not_create_ = false;
  Pushed pushed_;
  RateMeter meter_;
};

Status check_files(const std::vector<PushFile>& files) {
  if (files.empty()) return usage_error("there is nothing to push");
  if (files.size() > kMostPushed) {
    return usage_error(fmt::format("{} files are more than the {} of one push", files.size(), kMostPushed));
  }
  std::set<std::string_view> names;
  for (const PushFile& file : files) {
    if (!is_safe_relative_path(file.name)) return usage_error("\"" + printable(file.name) + "\" cannot be pushed");
    if (!names.insert(file.name).second) return usage_error("two files are called " + file.name);
  }
  return ok_status();
}

}  // namespace

Result<Pushed> push_hugging_face(const Source& target, const std::vector<PushFile>& files, const PushOptions& options) {
  TRY(check_files(files));
  TRY_ASSIGN(std::string endpoint, hub_endpoint());
  std::string token = hub_token();
  if (token.empty()) return usage_error("there is no token for " + endpoint, token_hint(endpoint));
  return HubPush(target, options, std::move(endpoint), std::move(token)).run(files);
}

}  // namespace linnet
