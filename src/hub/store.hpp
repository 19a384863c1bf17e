// Where models lie on disk.
//
//   ROOT/hf/org/repo/<commit>/file        ROOT/pypi/package/version/file        ROOT/url/host/path/file
//   ROOT/<…>/.linnet.json                 what the folder holds (manifest.hpp); written last, so a model is whole or
//   absent ROOT/.partial/, ROOT/.locks/          unfinished downloads and locks; nothing there is ever taken for a
//   model
//
// ROOT is data_dir()/models. Models that lie in a Hugging Face cache or anywhere else on disk are used in place: never
// copied, moved or written to. Nothing here touches the network.
// Thread safety: const methods may be called from any thread; add() and remove() exclude other processes by a lock.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "base/result.hpp"
#include "hub/manifest.hpp"
#include "hub/source.hpp"

namespace linnet {

struct StoredModel {
  enum class Origin { kStore, kHuggingFaceCache, kPath };

  Origin origin = Origin::kStore;
  std::string name = {};              // what a person types to mean this one: "hf:org/repo:Q4_K_M"
  std::string short_name = {};        // of the curated table; may be empty
  std::filesystem::path path = {};    // what to load: a GGUF file, or a folder
  std::filesystem::path folder = {};  // where its files lie
  Manifest manifest = {};             // kHuggingFaceCache: made up from the cache's names; kPath: empty
  uint64_t bytes = 0;                 // on disk, of all its files

  // Of the weights, as the curated table names it, else as its source does: a package's own licence may be another
  // than that of the model in it. Empty: not known.
  std::string license() const;
};

// What verify() found out about one file.
struct FileCheck {
  // What the file was compared with: the hash that its manifest names, or that its blob in a Hugging Face cache is
  // called by. kNothing: a plain file in such a cache, which does not say what it should be.
  enum class Against { kNothing, kSha256, kGitSha1 };

  std::string name = {};
  Against against = Against::kNothing;
  std::string problem = {};  // empty when it is what it was compared with
};

class Store {
 public:
  // Nothing is created before the first model arrives.
  explicit Store(std::filesystem::path root, std::filesystem::path hugging_face_cache);
  // data_dir()/models and hugging_face_hub_dir().
  static Store standard();

  const std::filesystem::path& root() const { return root_; }
  const std::filesystem::path& hugging_face_cache() const { return cache_; }

  // Every model of the store and of the Hugging Face cache, by name. A folder whose manifest cannot be read is left out
  // and appended to `problems` (which may be null).
  std::vector<StoredModel> list(std::vector<Error>* problems = nullptr) const;

  // The model that `name` means, on disk. Errors: kNotFound with the command that pulls it; kUsage when the name is
  // wrong or means several.
  Result<StoredModel> resolve(std::string_view name) const;
  Result<StoredModel> resolve(const Source& source) const;

  // Deletes its files, manifest entry and empty folders. Errors: the model is not the store's own.
  Status remove(const StoredModel& model) const;

  // Hashes every file again. Errors only when nothing is known to compare with, or cancelled.
  Result<std::vector<FileCheck>> verify(const StoredModel& model, const CancelToken* cancel,
                                        const ProgressCallback& progress) const;

  // For pull: the folder of a source at a revision (checked to lie beneath the root; not created), and the entry that
  // makes its files a model. `manifest.source` says which source.
  Result<std::filesystem::path> folder_of(const Source& source, std::string_view revision) const;
  Result<StoredModel> add(const Manifest& manifest) const;

  std::filesystem::path partial_dir() const { return root_ / ".partial"; }
  std::filesystem::path lock_path(const Source& source) const;
  // Where the unfinished files of a source wait to be continued.
  std::filesystem::path partial_of(const Source& source) const;

  // root/relative, when no component of it is a symbolic link that could lead out of the store.
  Result<std::filesystem::path> beneath(const std::filesystem::path& relative) const;

 private:
  std::vector<StoredModel> models_in(const std::filesystem::path& folder, std::vector<Error>* problems) const;
  void collect(const std::filesystem::path& folder, int depth, std::vector<StoredModel>& out,
               std::vector<Error>* problems) const;
  Result<StoredModel> resolve_path(const std::string& path) const;
  Result<StoredModel> resolve_name(const std::string& name) const;
  Result<StoredModel> resolve_pulled(const Source& source) const;
  Status rewrite_manifest(const std::filesystem::path& folder, const Manifest& manifest, bool keep) const;

  std::filesystem::path root_;
  std::filesystem::path cache_;
};

// Now, as the manifest writes it: "2026-01-31T12:00:00.000Z".
std::string utc_now();

}  // namespace linnet
