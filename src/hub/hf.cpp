#include "hub/hf.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <set>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/paths.hpp"
#include "hub/digest.hpp"
#include "hub/download.hpp"
#include "hub/hf_account.hpp"
#include "hub/hf_cache.hpp"
#include "hub/store.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostReply = 64 << 20;
constexpr size_t kMostSiblings = 100000;
constexpr uint64_t kWorthShowing = 1 << 20;

Result<RepoFile> parse_sibling(const Json& json, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  RepoFile file;
  TRY_ASSIGN(file.name, object.string("rfilename"));
  TRY_ASSIGN(file.size, object.integer_or("size", 0, 0, kLargestFile));
  TRY_ASSIGN(file.git_sha1, object.string_or("blobId", ""));
  if (!is_sha1(file.git_sha1)) file.git_sha1.clear();
  if (!object.has("lfs")) return file;
  TRY_ASSIGN(const JsonObject lfs, object.object("lfs"));
  TRY_ASSIGN(file.sha256, lfs.string("sha256"));
  TRY_ASSIGN(file.size, lfs.integer("size", 0, kLargestFile));
  if (!is_sha256(file.sha256))
    return invalid("\"sha256\" of " + printable(file.name) + " is not 64 hexadecimal digits", place);
  file.git_sha1.clear();  // the blob that git holds is a pointer, not the file
  return file;
}

// "cardData": {"license": "apache-2.0"}, or the tag "license:apache-2.0".
std::string find_license(const JsonObject& reply) {
  if (const Json* card = reply.find("cardData"); card != nullptr && card->is_object()) {
    const auto license = card->find("license");
    if (license != card->end() && license->is_string()) return printable(license->get<std::string>(), 100);
  }
  const Json* tags = reply.find("tags");
  if (tags == nullptr || !tags->is_array()) return {};
  for (const Json& tag : *tags) {
    constexpr std::string_view kPrefix = "license:";
    if (tag.is_string() && tag.get_ref<const std::string&>().starts_with(kPrefix)) {
      return printable(tag.get<std::string>().substr(kPrefix.size()), 100);
    }
  }
  return {};
}

bool is_true(const std::optional<std::string>& value) {
  return value && (*value == "1" || same_ignoring_case(*value, "true") || same_ignoring_case(*value, "yes") ||
                   same_ignoring_case(*value, "on"));
}

// What one pull needs all along.
class HubPull {
 public:
  HubPull(const Store& store, const Source& source, const PullOptions& options, std::string endpoint)
      : store_(store), source_(source), options_(options), endpoint_(std::move(endpoint)), token_(hub_token()) {}

  Result<StoredModel> run(const Result<StoredModel>& have) {
    auto repository = look(have.ok());
    if (!repository.ok()) {
      // Offline with the model here is no failure, only a commit that may not be the newest.
      if (repository.error().code != ErrorCode::kNetwork || !have.ok()) return repository.error();
      if (options_.notice)
        options_.notice("the hub cannot be reached, so the model that is here was not compared with it");
      return have;
    }
    TRY_ASSIGN(const Selection selection, select_files(repository->files, source_.selector, source_.to_string()));
    Source pinned = source_;
    pinned.revision = repository->commit;
    if (!options_.again) {
      auto cached = find_in_hugging_face_cache(store_.hugging_face_cache(), pinned);
      if (cached.ok() && is_whole(*cached, *repository, selection)) return named(*std::move(cached));
      if (have.ok() && have->origin == StoredModel::Origin::kStore && have->manifest.revision == repository->commit &&
          have->manifest.model == selection.model) {
        return have;
      }
    }
    TRY_ASSIGN(StoredModel model, fetch(*repository, selection));
    const bool newer =
        have.ok() && have->origin == StoredModel::Origin::kStore && have->manifest.revision != model.manifest.revision;
    if (newer && options_.notice) {
      Source old = source_;
      old.revision = have->manifest.revision;
      options_.notice("the older commit stays beside it; remove it with: linnet rm " + old.to_string());
    }
    return model;
  }

 private:
  std::string revision() const { return source_.revision.empty() ? "main" : source_.revision; }
  std::string page() const { return fmt::format("{}/{}/{}", endpoint_, source_.owner, source_.repo); }

  StoredModel named(StoredModel model) const {
    Source plain = source_;
    plain.selector.clear();
    const auto found = parse_source(model.name);
    if (found.ok()) plain.selector = found->selector;
    model.name = plain.to_string();
    return model;
  }

  // Whether the cache holds every chosen file with its published size; its library has checked their hashes.
  static bool is_whole(const StoredModel& model, const Repository& repository, const Selection& selection) {
    return std::ranges::all_of(selection.files, [&](size_t i) {
      const RepoFile& wanted = repository.files[i];
      return std::ranges::any_of(model.manifest.files, [&](const ModelFile& file) {
        return file.name == wanted.name && file.size == wanted.size;
      });
    });
  }

  Result<Repository> look(bool have) const {
    PullOptions options = options_;
    // With the model here, the hub is only asked for news.
    if (have) options.retry = std::min(options.retry, std::chrono::milliseconds(200));
    const std::string url = fmt::format("{}/api/models/{}/{}/revision/{}?blobs=true", endpoint_, source_.owner,
                                        source_.repo, url_segment(revision()));
    const HttpRequest request{.url = url, .token = token_, .cancel = options_.cancel, .stall = options_.stall};
    TRY_ASSIGN(const std::string text, fetch_text(request, kMostReply, options,
                                                  [&](const HttpResponse& response) { return refused(response, ""); }));
    return parse_repository(text, source_.to_string());
  }

  // What a final status means; the hub says it precisely in X-Error-Code.
  Error refused(const HttpResponse& response, const std::string& file) const {
    const std::string code = response.header("x-error-code");
    const std::string place = source_.to_string();
    if (code == "RevisionNotFound") return not_found("the repository has no revision \"" + revision() + "\"", place);
    if (code == "EntryNotFound") return not_found("the repository has no file \"" + printable(file) + "\"", place);
    const bool denied = response.status == 401 || response.status == 403;
    if (code == "GatedRepo" || (denied && !file.empty())) {
      Error error{ErrorCode::kNetwork,
                  "its maker wants the terms accepted before it is given out (a gated repository)",
                  place,
                  {}};
      error.hint = "accept them at " + page() +
                   (token_.empty() ? ", then " + token_hint(endpoint_)
                                   : " with the account of your token, which does not have access yet");
      return error;
    }
    if (denied || code == "RepoNotFound" || response.status == 404) {
      // The hub answers 401 for what does not exist as well, so that private names stay private.
      Error error = not_found(
          response.status == 404 ? "there is no such repository" : "there is no such repository, or it is private",
          place);
      if (denied && token_.empty()) error.hint = "is the name right? for a private one " + token_hint(endpoint_);
      if (denied && !token_.empty()) {
        error.hint = "is the name right, and has the account of your HF_TOKEN access? The hub says: " +
                     printable(response.header("x-error-message"));
      }
      return error;
    }
    return status_error(response, place);
  }

  Result<StoredModel> fetch(const Repository& repository, const Selection& selection) {
    TRY_ASSIGN(const fs::path folder, store_.folder_of(source_, repository.commit));
    Manifest manifest{.source = named_source(selection),
                      .revision = repository.commit,
                      .requested = revision(),
                      .license = repository.license,
                      .pulled = utc_now(),
                      .model = selection.model};
    for (const size_t i : selection.files) total_ += repository.files[i].size;
    for (const size_t i : selection.files) {
      TRY_ASSIGN(ModelFile file, fetch_file(repository, repository.files[i], folder));
      done_ += file.size;
      manifest.files.push_back(std::move(file));
    }
    TRY(check_index(folder, manifest));
    TRY_ASSIGN(StoredModel model, store_.add(manifest));
    std::error_code ignored;
    fs::remove_all(store_.partial_of(source_), ignored);
    return model;
  }

  std::string named_source(const Selection& selection) const {
    Source plain = source_;
    plain.revision.clear();
    plain.selector = selection.quant.empty() ? selection.model : selection.quant;
    return plain.to_string();
  }

  Result<ModelFile> fetch_file(const Repository& repository, const RepoFile& file, const fs::path& folder) {
    TRY_ASSIGN(const fs::path target, store_.beneath(folder.lexically_relative(store_.root()) / file.name));
    TRY_ASSIGN(ModelFile present, already_there(target, file));
    if (!present.name.empty()) return present;
    DownloadRequest request;
    request.url = fmt::format("{}/{}/{}/resolve/{}/{}", endpoint_, source_.owner, source_.repo, repository.commit,
                              url_path(file.name));
    request.token = token_;
    request.name = file.name;
    request.part = store_.partial_of(source_) / part_name(repository.commit, file.name);
    request.size = file.size;
    request.sha256 = file.sha256;
    request.git_sha1 = file.git_sha1;
    request.need_hash = true;
    request.refused = [&](const HttpResponse& response) { return refused(response, file.name); };
    request.progress = [&](uint64_t done, uint64_t) { report("downloading", file, done); };
    request.on_response = [&](const HttpResponse& response) -> Status {
      const auto commit = response.first_headers.find("x-repo-commit");
      if (commit == response.first_headers.end() || commit->second == repository.commit) return ok_status();
      return invalid(
          "the hub sends a file of the commit " + printable(commit->second) + ", not of " + repository.commit,
          file.name);
    };
    TRY_ASSIGN(ModelFile got, download(request, target, options_));
    got.name = file.name;
    return got;
  }

  static std::string part_name(std::string_view commit, std::string_view file) {
    Digest digest;
    digest.update(commit);
    digest.update(file);
    return digest.hex().substr(0, 32) + ".part";
  }

  void report(const char* stage, const RepoFile& file, uint64_t done) {
    if (!options_.progress || total_ < kWorthShowing) return;
    if (file.size >= kWorthShowing) shown_ = file.name;
    Progress progress{
        .stage = stage, .item = shown_.empty() ? source_.repo : shown_, .done = done_ + done, .total = total_};
    meter_.fill(progress, RateMeter::Clock::now());
    options_.progress(progress);
  }

  // The file, when an interrupted pull (or another model of the repository) has put it there whole; else an empty name.
  Result<ModelFile> already_there(const fs::path& target, const RepoFile& file) {
    std::error_code code;
    if (fs::file_size(target, code) != file.size || code) return ModelFile{};
    ModelFile expected{file.name, file.size, file.sha256.empty() ? file.git_sha1 : file.sha256};
    if (expected.sha256.empty()) return ModelFile{};
    TRY_ASSIGN(const std::string problem,
               hash_problem(target, expected, options_.cancel, [&](uint64_t done) { report("checking", file, done); }));
    if (!problem.empty()) return ModelFile{};
    if (file.sha256.empty()) {
      TRY_ASSIGN(expected.sha256, sha256_file(target));
    }
    return expected;
  }

  // Every shard that the index names must have been among the files.
  static Status check_index(const fs::path& folder, const Manifest& manifest) {
    constexpr const char* kIndex = "model.safetensors.index.json";
    std::set<std::string> have;
    for (const ModelFile& file : manifest.files) have.insert(file.name);
    if (!have.contains(kIndex)) return ok_status();
    const std::string path = (folder / kIndex).string();
    TRY_ASSIGN(const Json json, read_json_file(path));
    TRY_ASSIGN(const JsonObject index, JsonObject::of(json, path));
    const Json* map = index.find("weight_map");
    if (map == nullptr || !map->is_object()) return invalid("has no \"weight_map\"", path);
    for (const Json& shard : *map) {
      if (!shard.is_string() || !have.contains(shard.get_ref<const std::string&>())) {
        return not_found("names a file that the repository does not have: " + printable(dump_json(shard)), path);
      }
    }
    return ok_status();
  }

  const Store& store_;
  const Source& source_;
  const PullOptions& options_;
  std::string endpoint_;
  std::string token_;
  uint64_t total_ = 0;  // bytes of all files
  uint64_t done_ = 0;   // bytes of the files before the current one
  std::string shown_;
  RateMeter meter_;
};

}  // namespace

Result<Repository> parse_repository(std::string_view text, std::string_view place) {
  TRY_ASSIGN(const Json json, parse_json(text, place));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, std::string(place)));
  Repository repository;
  TRY_ASSIGN(repository.commit, object.string("sha"));
  if (!is_sha1(repository.commit)) return invalid("\"sha\" is not a commit", std::string(place));
  // false, or how it is gated: "auto", "manual".
  const Json* gated = object.find("gated");
  repository.gated = gated != nullptr && (gated->is_string() || (gated->is_boolean() && gated->get<bool>()));
  repository.license = find_license(object);
  const Json* siblings = object.find("siblings");
  if (siblings == nullptr || !siblings->is_array()) {
    return invalid("field \"siblings\" must be a list", std::string(place));
  }
  if (siblings->size() > kMostSiblings) {
    return invalid(
        fmt::format("the repository holds {} files, more than the {} that are read", siblings->size(), kMostSiblings),
        std::string(place));
  }
  std::set<std::string> seen;
  for (const Json& item : *siblings) {
    TRY_ASSIGN(RepoFile file, parse_sibling(item, std::string(place)));
    if (!is_safe_relative_path(file.name)) continue;  // ".gitattributes", or a name that would leave the folder
    if (!seen.insert(file.name).second) return invalid("\"" + file.name + "\" comes twice", std::string(place));
    repository.files.push_back(std::move(file));
  }
  return repository;
}

Result<StoredModel> pull_hugging_face(const Store& store, const Source& source, const PullOptions& options) {
  auto have = store.resolve(source);
  const bool pinned = is_sha1(source.revision);
  if (have.ok() && !options.again && pinned) return have;
  if (is_true(environment("HF_HUB_OFFLINE"))) {
    if (have.ok()) return have;
    Error error = have.error();
    if (error.code == ErrorCode::kNotFound)
      error.hint = "HF_HUB_OFFLINE is set, so the hub is not asked; unset it to pull";
    return error;
  }
  TRY_ASSIGN(std::string place, hub_endpoint());
  return HubPull(store, source, options, std::move(place)).run(have);
}

}  // namespace linnet
