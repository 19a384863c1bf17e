#include "hub/store.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fmt/core.h>
#include <set>

#include "base/file.hpp"
#include "base/file_lock.hpp"
#include "base/paths.hpp"
#include "base/similar.hpp"
#include "hub/catalog.hpp"
#include "hub/digest.hpp"
#include "hub/hf_cache.hpp"
#include "hub/select.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr int kDeepestFolder = 20;
constexpr size_t kMostFolders = 100000;

// Names of the folders in `folder` that are no links and not hidden, sorted.
std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  fs::directory_iterator it(folder, code);
  for (; !code && it != fs::directory_iterator() && names.size() < kMostFolders; it.increment(code)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (it->is_directory(ignored) && !it->is_symlink(ignored) && is_safe_component(name)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

// The part of the name behind the source: which model of the repository.
std::string selector_of(const Manifest& manifest) {
  if (manifest.model.empty()) return {};
  const std::string quant = quant_of(manifest.model);
  return quant.empty() ? manifest.model : quant;
}

bool same_repository(const Source& a, const Source& b) {
  return a.kind == b.kind && a.owner == b.owner && a.repo == b.repo && a.package == b.package && a.url == b.url;
}

std::string short_name_of(const Source& source) {
  for (const CatalogEntry& entry : catalog()) {
    const auto parsed = parse_source(entry.source);
    if (!parsed.ok() || !same_repository(*parsed, source) || !source.revision.empty() || !source.version.empty())
      continue;
    if (parsed->selector.empty() || same_ignoring_case(parsed->selector, source.selector)) return entry.name;
  }
  return {};
}

bool revision_matches(const Source& wanted, const Manifest& have) {
  constexpr size_t kShortestCommit = 7;
  switch (wanted.kind) {
    case Source::Kind::kHuggingFace:
      if (wanted.revision.empty()) return have.requested == "main";
      return have.requested == wanted.revision || have.revision == wanted.revision ||
             (wanted.revision.size() >= kShortestCommit && have.revision.starts_with(wanted.revision));
    case Source::Kind::kPypi:
      return wanted.version.empty() || have.revision == wanted.version;
    default:
      return wanted.sha256.empty() || (!have.files.empty() && have.files[0].sha256 == wanted.sha256);
  }
}

bool selector_matches(std::string_view selector, const Manifest& have) {
  if (selector.empty()) return true;
  if (have.model.empty()) return false;
  const std::string file = fs::path(have.model).filename().string();
  return have.model == selector || same_ignoring_case(file, selector) ||
         same_ignoring_case(quant_of(have.model), selector);
}

// Of the same model at several revisions the one pulled last has the plain name; the others carry theirs.
void tell_apart(std::vector<StoredModel>& models) {
  std::ranges::stable_sort(models, std::ranges::greater{}, [](const StoredModel& m) { return m.manifest.pulled; });
  std::set<std::string> seen;
  for (StoredModel& model : models) {
    if (model.origin != StoredModel::Origin::kStore || seen.insert(model.name).second) continue;
    auto source = parse_source(model.name);
    if (!source.ok()) continue;
    (source->kind == Source::Kind::kPypi ? source->version : source->revision) = model.manifest.revision;
    model.name = source->to_string();
    model.short_name.clear();
  }
}

// "To get it": the error for a source that has not been pulled.
Error not_here(const Source& source, std::string_view typed) {
  return not_found("is not on this machine yet", std::string(typed),
                   fmt::format("get it with: linnet pull {}", source.to_string()));
}

// Someone may have deleted or cut a file behind our back; sizes are all that can be looked at every time.
Status files_are_there(const StoredModel& model) {
  for (const ModelFile& file : model.manifest.files) {
    std::error_code code;
    const uint64_t size = fs::file_size(model.folder / file.name, code);
    if (!code && size == file.size) continue;
    return invalid(code ? "is missing: " + code.message() : fmt::format("has {} bytes instead of {}", size, file.size),
                   (model.folder / file.name).string(), "get it again with: linnet pull " + model.name);
  }
  return ok_status();
}

uint64_t size_on_disk(const fs::path& path) {
  std::error_code code;
  if (!fs::is_directory(path, code)) {
    const uint64_t size = fs::file_size(path, code);
    return code ? 0 : size;
  }
  uint64_t sum = 0;
  size_t seen = 0;
  fs::directory_iterator it(path, code);
  for (; !code && it != fs::directory_iterator() && ++seen < kMostFolders; it.increment(code)) {
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    const uint64_t size = it->file_size(ignored);
    if (!ignored) sum += size;
  }
  return sum;
}

}  // namespace

std::string StoredModel::license() const {
  const CatalogEntry* known = find_in_catalog(short_name);
  // A run has a short name of its own.
  if (const auto source = parse_source(name); !known && source.ok()) known = find_package_in_catalog(source->package);
  return known ? known->license : manifest.license;
}

std::string utc_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds % 1000);
}

Store::Store(fs::path root, fs::path hugging_face_cache) : cache_(std::move(hugging_face_cache)) {
  // The root itself may be a link, to a larger disk say; what lies beneath it may not.
  std::error_code code;
  root_ = fs::weakly_canonical(root, code);
  if (code || root_.empty()) root_ = std::move(root);
}

Store Store::standard() {
  return Store(data_dir() / "models", hugging_face_hub_dir());
}

Result<fs::path> Store::beneath(const fs::path& relative) const {
  fs::path path = root_;
  for (const fs::path& part : relative) {
    if (!is_safe_component(part.string())) {
      return invalid(fmt::format("\"{}\" cannot be part of a name in the store", printable(part.string())),
                     root_.string());
    }
    path /= part;
    std::error_code code;
    if (fs::is_symlink(fs::symlink_status(path, code))) {
      return invalid("is a symbolic link within the store", path.string(),
                     "to keep models on another disk, link the whole folder " + root_.string());
    }
  }
  return path;
}

Result<fs::path> Store::folder_of(const Source& source, std::string_view revision) const {
  switch (source.kind) {
    case Source::Kind::kHuggingFace:
      return beneath(fs::path("hf") / source.owner / source.repo / revision);
    case Source::Kind::kPypi:
      return beneath(fs::path("pypi") / source.package / revision);
    case Source::Kind::kUrl: {
      std::string place = source.url.substr(source.url.find("://") + 3);
      std::string query;
      if (const size_t mark = place.find('?'); mark != place.npos) {
        query = place.substr(mark + 1);
        place.resize(mark);
      }
      fs::path relative = "url";
      const fs::path parts(place);
      size_t index = 0;
      for (const fs::path& part : parts.parent_path()) {
        std::string name = part.string();
        if (index++ == 0) std::ranges::replace(name, ':', '_');  // the port
        if (!name.empty()) relative /= name;
      }
      if (!query.empty()) {
        // Two queries are two files; their text may be long, secret, or no name.
        Digest digest;
        digest.update(query);
        relative /= "query_" + digest.hex().substr(0, 16);
      }
      return beneath(relative);
    }
    default:
      return invalid("is not a source that is pulled", source.to_string());
  }
}

namespace {

// One name for all that comes from the same repository, package or address.
std::string key_of(const Source& source) {
  Source whole = source;
  whole.revision.clear();
  whole.selector.clear();
  whole.version.clear();
  whole.sha256.clear();
  Digest digest;
  digest.update(whole.to_string());
  return digest.hex().substr(0, 32);
}

}  // namespace

fs::path Store::lock_path(const Source& source) const {
  return root_ / ".locks" / key_of(source);
}

fs::path Store::partial_of(const Source& source) const {
  return partial_dir() / key_of(source);
}

std::vector<StoredModel> Store::models_in(const fs::path& folder, std::vector<Error>* problems) const {
  std::vector<StoredModel> models;
  const fs::path file = folder / kManifestName;
  std::error_code code;
  if (!fs::exists(file, code)) return models;
  const auto read = [&]() -> Result<std::vector<Manifest>> {
    TRY_ASSIGN(const std::string text, read_file(file, kMaxManifestBytes));
    return parse_manifests(text, file.string());
  };
  auto manifests = read();
  if (!manifests.ok()) {
    if (problems != nullptr) problems->push_back(manifests.error());
    return models;
  }
  for (Manifest& manifest : *manifests) {
    auto source = parse_source(manifest.source);
    const auto home = source.ok() ? folder_of(*source, manifest.revision) : Result<fs::path>(source.error());
    if (!home.ok() || *home != folder) {
      if (problems != nullptr) problems->push_back(invalid("tells of a model that belongs elsewhere", file.string()));
      continue;
    }
    StoredModel model;
    if (source->kind == Source::Kind::kHuggingFace) source->selector = selector_of(manifest);
    model.name = source->to_string();
    model.short_name = short_name_of(*source);
    model.folder = folder;
    model.path = manifest.model.empty() ? folder : folder / manifest.model;
    model.bytes = manifest.bytes();
    model.manifest = std::move(manifest);
    models.push_back(std::move(model));
  }
  return models;
}

void Store::collect(const fs::path& folder, int depth, std::vector<StoredModel>& out,
                    std::vector<Error>* problems) const {
  for (StoredModel& model : models_in(folder, problems)) out.push_back(std::move(model));
  if (depth >= kDeepestFolder) return;
  for (const std::string& name : folders_in(folder)) collect(folder / name, depth + 1, out, problems);
}

std::vector<StoredModel> Store::list(std::vector<Error>* problems) const {
  std::vector<StoredModel> models;
  for (const std::string_view kind : {"hf", "pypi", "url"}) {
    const auto folder = beneath(kind);
    if (folder.ok()) {
      collect(*folder, 0, models, problems);
    } else if (problems != nullptr) {
      problems->push_back(folder.error());
    }
  }
  for (StoredModel& model : list_hugging_face_cache(cache_)) {
    const auto source = parse_source(model.name);
    if (source.ok()) model.short_name = short_name_of(*source);
    models.push_back(std::move(model));
  }
  tell_apart(models);
  std::ranges::stable_sort(models, {}, [](const StoredModel& m) { return std::pair(m.name, m.origin); });
  return models;
}

Result<StoredModel> Store::resolve(std::string_view name) const {
  TRY_ASSIGN(const Source source, parse_source(name));
  return resolve(source);
}

Result<StoredModel> Store::resolve(const Source& source) const {
  switch (source.kind) {
    case Source::Kind::kPath:
      return resolve_path(source.path);
    case Source::Kind::kName:
      return resolve_name(source.path);
    default:
      return resolve_pulled(source);
  }
}

Result<StoredModel> Store::resolve_path(const std::string& path) const {
  fs::path place = path;
  if (path == "~" || path.starts_with("~/")) place = home_dir() / path.substr(std::min<size_t>(2, path.size()));
  std::error_code code;
  const auto status = fs::status(place, code);
  if (!fs::exists(status)) {
    const auto guess = parse_source("hf:" + path);
    return not_found("there is no such file or folder", path,
                     guess.ok() ? "for the Hugging Face hub write hf:" + path : "");
  }
  if (!fs::is_regular_file(status) && !fs::is_directory(status)) return invalid("is neither a file nor a folder", path);
  StoredModel model;
  model.origin = StoredModel::Origin::kPath;
  model.name = path;
  model.path = place;
  model.folder = fs::is_directory(status) ? place : place.parent_path();
  model.bytes = size_on_disk(place);
  return model;
}

Result<StoredModel> Store::resolve_name(const std::string& name) const {
  if (const CatalogEntry* entry = find_in_catalog(name)) {
    TRY_ASSIGN(const Source source, parse_source(entry->source));
    auto model = resolve_pulled(source);
    if (!model.ok() && model.error().code == ErrorCode::kNotFound) {
      return not_found("is not on this machine yet", name, "get it with: linnet pull " + name);
    }
    if (model.ok()) model->short_name = name;
    return model;
  }
  std::error_code code;
  if (fs::exists(name, code)) return resolve_path(name);
  std::vector<std::string> names;
  for (const CatalogEntry& entry : catalog()) names.push_back(entry.name);
  std::string hint = did_you_mean(name, names);
  if (hint.empty()) {
    hint = "linnet list shows the models that are here, linnet list --all those that can be pulled by name";
  }
  return not_found("there is no model of this name", printable(name), hint);
}

Result<StoredModel> Store::resolve_pulled(const Source& source) const {
  fs::path parent;
  std::vector<std::string> revisions = {""};
  if (source.kind == Source::Kind::kUrl) {
    TRY_ASSIGN(parent, folder_of(source, ""));
  } else {
    // The folder above all revisions: a valid stand-in for one is enough to find it.
    TRY_ASSIGN(const fs::path any, folder_of(source, "0"));
    parent = any.parent_path();
    revisions = folders_in(parent);
  }
  std::vector<StoredModel> matches;
  for (const std::string& revision : revisions) {
    for (StoredModel& model : models_in(revision.empty() ? parent : parent / revision, nullptr)) {
      const auto have = parse_source(model.manifest.source);
      if (!have.ok() || !same_repository(*have, source) || !revision_matches(source, model.manifest)) continue;
      if (selector_matches(source.selector, model.manifest)) matches.push_back(std::move(model));
    }
  }
  if (matches.empty()) {
    if (source.kind != Source::Kind::kHuggingFace) return not_here(source, source.to_string());
    auto cached = find_in_hugging_face_cache(cache_, source);
    if (cached.ok()) cached->short_name = short_name_of(source);
    if (!cached.ok() && cached.error().code == ErrorCode::kNotFound) return not_here(source, source.to_string());
    return cached;
  }
  // Of the same model at several revisions the one pulled last is meant.
  std::ranges::stable_sort(matches, std::ranges::greater{}, [](const StoredModel& m) { return m.manifest.pulled; });
  const std::string& model = matches[0].manifest.model;
  std::string others;
  for (const StoredModel& match : matches) {
    if (match.manifest.model != model) others += "\n    " + match.name;
  }
  if (!others.empty()) {
    return usage_error(fmt::format("{}: means several models that are here; say which:\n    {}{}", source.to_string(),
                                   matches[0].name, others));
  }
  TRY(files_are_there(matches[0]));
  return std::move(matches[0]);
}

Status Store::rewrite_manifest(const fs::path& folder, const Manifest& manifest, bool keep) const {
  TRY_ASSIGN(const FileLock lock, FileLock::acquire(root_ / ".locks" / "manifests", {}));
  std::vector<Manifest> manifests;
  const fs::path file = folder / kManifestName;
  std::error_code code;
  if (fs::exists(file, code)) {
    TRY_ASSIGN(const std::string text, read_file(file, kMaxManifestBytes));
    TRY_ASSIGN(manifests, parse_manifests(text, file.string()));
  }
  std::erase_if(manifests, [&](const Manifest& other) { return other.model == manifest.model; });
  if (keep) manifests.push_back(manifest);
  if (!manifests.empty()) return write_file(file, manifests_to_json(manifests));
  fs::remove(file, code);
  if (code) return Error{ErrorCode::kIo, "cannot remove: " + code.message(), file.string(), {}};
  return ok_status();
}

Result<StoredModel> Store::add(const Manifest& manifest) const {
  TRY_ASSIGN(const Source source, parse_source(manifest.source));
  TRY_ASSIGN(const fs::path folder, folder_of(source, manifest.revision));
  TRY(rewrite_manifest(folder, manifest, true));
  std::vector<Error> problems;
  for (StoredModel& model : models_in(folder, &problems)) {
    if (model.manifest == manifest) return std::move(model);
  }
  return problems.empty() ? invalid("the manifest was changed by somebody else", folder.string()) : problems[0];
}

Status Store::remove(const StoredModel& model) const {
  if (model.origin == StoredModel::Origin::kHuggingFaceCache) {
    return usage_error(model.name + ": lies in the Hugging Face cache, which Linnet only reads",
                       "remove it with: hf cache rm, or delete " + model.folder.string());
  }
  if (model.origin == StoredModel::Origin::kPath) {
    return usage_error(model.name + ": is a path of your own, which Linnet only reads", "delete it yourself");
  }
  std::vector<std::string> shared;  // files that another model of the same folder needs as well
  for (const StoredModel& other : models_in(model.folder, nullptr)) {
    if (other.manifest.model == model.manifest.model) continue;
    for (const ModelFile& file : other.manifest.files) shared.push_back(file.name);
  }
  // First the manifest: whatever happens then, what is left is no model.
  TRY(rewrite_manifest(model.folder, model.manifest, false));
  const fs::path inside = model.folder.lexically_relative(root_);
  std::error_code code;
  if (const auto source = parse_source(model.manifest.source); source.ok()) fs::remove_all(partial_of(*source), code);
  for (const ModelFile& file : model.manifest.files) {
    if (std::ranges::find(shared, file.name) != shared.end()) continue;
    TRY_ASSIGN(const fs::path path, beneath(inside / file.name));
    fs::remove(path, code);
    if (code) return Error{ErrorCode::kIo, "cannot remove: " + code.message(), path.string(), {}};
    for (fs::path up = path.parent_path(); up != root_ && fs::is_empty(up, code) && !code; up = up.parent_path()) {
      fs::remove(up, code);
    }
  }
  return ok_status();
}

namespace {

FileCheck::Against against(const ModelFile& file) {
  if (file.sha256.empty()) return FileCheck::Against::kNothing;
  return is_sha1(file.sha256) ? FileCheck::Against::kGitSha1 : FileCheck::Against::kSha256;
}

}  // namespace

Result<std::vector<FileCheck>> Store::verify(const StoredModel& model, const CancelToken* cancel,
                                             const ProgressCallback& progress) const {
  if (model.origin == StoredModel::Origin::kPath) {
    return unsupported("nobody has published what this should be, so there is nothing to compare with", model.name);
  }
  RateMeter meter;
  uint64_t before = 0;
  std::vector<FileCheck> checks;
  for (const ModelFile& file : model.manifest.files) {
    const fs::path path = model.folder / file.name;
    const auto report = [&](uint64_t done) {
      Progress now{.stage = "checking", .item = model.name, .done = before + done, .total = model.bytes};
      meter.fill(now, RateMeter::Clock::now());
      if (progress) progress(now);
    };
    FileCheck check{.name = file.name, .against = against(file)};
    std::error_code code;
    const uint64_t size = fs::file_size(path, code);
    if (code) {
      check.problem = "is missing: " + code.message();
    } else if (size != file.size) {
      check.problem = fmt::format("has {} bytes, and was published with {}", size, file.size);
    } else {
      TRY_ASSIGN(const std::string problem, hash_problem(path, file, cancel, report));
      check.problem = problem;
    }
    before += file.size;
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace linnet
