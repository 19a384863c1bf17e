#include "hub/hf_cache.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <set>

#include "base/file.hpp"
#include "hub/digest.hpp"
#include "hub/select.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMostEntries = 10000;
constexpr int kDeepest = 3;

// Files of a snapshot whose link leads to something, by name within the snapshot.
void walk(const fs::path& folder, const std::string& prefix, int depth, std::vector<RepoFile>& files) {
  std::error_code code;
  fs::directory_iterator it(folder, code);
  for (; !code && it != fs::directory_iterator() && files.size() < kMostEntries; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (!is_safe_component(name)) continue;
    std::error_code ignored;
    if (it->is_directory(ignored) && !it->is_symlink(ignored)) {
      if (depth < kDeepest) walk(it->path(), prefix + name + "/", depth + 1, files);
      continue;
    }
    if (!it->is_regular_file(ignored)) continue;
    RepoFile file{.name = prefix + name};
    file.size = it->file_size(ignored);
    // A blob is called by the hash under which it was published.
    const fs::path target = it->is_symlink(ignored) ? fs::read_symlink(it->path(), ignored).filename() : fs::path();
    if (is_sha256(target.string()) || is_sha1(target.string())) file.sha256 = target.string();
    if (!ignored) files.push_back(std::move(file));
  }
}

std::vector<RepoFile> snapshot_files(const fs::path& snapshot) {
  std::vector<RepoFile> files;
  walk(snapshot, "", 0, files);
  std::ranges::sort(files, {}, &RepoFile::name);
  return files;
}

StoredModel make_model(const Source& source, const fs::path& snapshot, const std::vector<RepoFile>& files,
                       const Selection& selection) {
  StoredModel model;
  model.origin = StoredModel::Origin::kHuggingFaceCache;
  model.folder = snapshot;
  model.path = selection.model.empty() ? snapshot : snapshot / selection.model;
  Source named = source;
  named.selector = !selection.quant.empty() ? selection.quant : selection.model;
  model.name = named.to_string();
  model.manifest.source = model.name;
  model.manifest.revision = snapshot.filename().string();
  model.manifest.requested = source.revision.empty() ? "main" : source.revision;
  model.manifest.model = selection.model;
  for (const size_t i : selection.files) {
    model.manifest.files.push_back({files[i].name, files[i].size, files[i].sha256});
    model.bytes += files[i].size;
  }
  return model;
}

// The snapshots that `revision` may mean, best first.
std::vector<fs::path> snapshots_for(const fs::path& repository, const std::string& revision) {
  std::vector<fs::path> found;
  const std::string wanted = revision.empty() ? "main" : revision;
  std::error_code code;
  if (const auto text = read_file(repository / "refs" / wanted, 256); text.ok()) {
    const std::string commit = text->substr(0, text->find_first_of("\r\n "));
    if (is_sha1(commit) && fs::is_directory(repository / "snapshots" / commit, code))
      found.push_back(repository / "snapshots" / commit);
  }
  constexpr size_t kShortestCommit = 7;
  if (revision.size() < kShortestCommit) return found;
  fs::directory_iterator it(repository / "snapshots", code);
  for (; !code && it != fs::directory_iterator() && found.size() < 100; it.increment(code)) {
    const std::string commit = it->path().filename().string();
    if (is_sha1(commit) && commit.starts_with(revision)) found.push_back(it->path());
  }
  return found;
}

}  // namespace

Result<StoredModel> find_in_hugging_face_cache(const fs::path& cache, const Source& source) {
  const fs::path repository = cache / fmt::format("models--{}--{}", source.owner, source.repo);
  Error last = not_found("is not in the Hugging Face cache", source.to_string());
  for (const fs::path& snapshot : snapshots_for(repository, source.revision)) {
    const auto files = snapshot_files(snapshot);
    auto selection = select_files(files, source.selector, source.to_string());
    if (selection.ok()) return make_model(source, snapshot, files, *selection);
    last = selection.error();
  }
  return last;
}

std::vector<StoredModel> list_hugging_face_cache(const fs::path& cache) {
  std::vector<StoredModel> models;
  std::error_code code;
  fs::directory_iterator it(cache, code);
  for (; !code && it != fs::directory_iterator() && models.size() < kMostEntries; it.increment(code)) {
    std::string name = it->path().filename().string();
    constexpr std::string_view kPrefix = "models--";
    const size_t middle = name.find("--", kPrefix.size());
    if (!name.starts_with(kPrefix) || middle == name.npos) continue;
    const auto source =
        parse_source("hf:" + name.substr(kPrefix.size(), middle - kPrefix.size()) + "/" + name.substr(middle + 2));
    if (!source.ok()) continue;
    for (const fs::path& snapshot : snapshots_for(it->path(), "")) {
      const auto files = snapshot_files(snapshot);
      std::set<std::string> selectors = {""};
      for (const RepoFile& file : files) {
        if (file.name.ends_with(".gguf")) selectors.insert(file.name);
      }
      std::set<std::string> seen;
      for (const std::string& selector : selectors) {
        const auto selection = select_files(files, selector, "");
        if (selection.ok() && seen.insert(selection->model).second)
          models.push_back(make_model(*source, snapshot, files, *selection));
      }
    }
  }
  return models;
}

Result<std::string> hash_problem(const fs::path& path, const ModelFile& file, const CancelToken* cancel,
                                 const std::function<void(uint64_t)>& progress) {
  if (file.sha256.empty()) return std::string();
  const bool git = is_sha1(file.sha256);
  Digest digest(git ? Digest::Kind::kSha1 : Digest::Kind::kSha256);
  if (git) digest.update(fmt::format("blob {}", file.size) + '\0');
  if (const Status read = digest_file(path, file.size, digest, cancel, progress); !read.ok()) {
    if (read.error().code == ErrorCode::kCancelled) return read.error();
    return "cannot be read: " + read.error().message;
  }
  const std::string have = digest.hex();
  if (have == file.sha256) return std::string();
  return fmt::format("has the {} {}, and was published with {}", git ? "git SHA-1" : "SHA-256", have, file.sha256);
}

}  // namespace linnet
