// Finished and unfinished runs of `linnet tune` and `linnet train`, by name: each is a MODEL wherever one is asked for.
//
//   ROOT/<name>/current        the number of the version that the name means; written last
//   ROOT/<name>/<number>/      one version: run.json, what it learned, and while it learns its checkpoint
//
// ROOT is data_dir()/runs. A version appears in `current` once it is whole, and older ones stay: to go back is to name
// another. Thread safety: const methods may be called from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_lock.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace linnet {

// What is written last in a version's folder, as a whole.
inline constexpr const char* kAdapterFolder = "adapter";
inline constexpr const char* kFaqEncoderFolder = "encoder";
inline constexpr const char* kModelFolder = "model";
inline constexpr const char* kClassifierEncoderFolder = "encoder";
inline constexpr const char* kClassifierFile = "classifier.json";

// One version of a run.
struct RunVersion {
  std::string name;  // of the run
  int64_t number = 0;
  std::filesystem::path folder;
  Json info;                                         // run.json: "kind", "created", and all that was chosen
  std::shared_ptr<const FileLock> taught_here = {};  // held while this process teaches it

  std::string base() const;           // the model that it was taught from; empty: from nothing
  std::string created() const;        // as utc_now() says it; may be empty
  std::string system() const;         // the system message that it was taught under; may be empty
  std::string chat_template() const;  // that it was taught through, of a base that has none; may be empty
  uint64_t bytes() const;             // on disk
  bool is_faq() const;                // a taught list of questions (tasks/faq_assistant.hpp), not an adapter
  bool whole_model() const;           // a model of its own: of train, or of tune where its own weights learn
  bool is_classifier() const;         // labelled texts (tasks/classifier.hpp)
  bool is_embedding() const;          // an adapter for vectors alone (tasks/embedding_tune.hpp)
  bool has_model() const;             // there is a base to load: not where a classifier is weighted words alone
  bool finished() const;              // all of it is there
};

class RunStore {
 public:
  explicit RunStore(std::filesystem::path root) : root_(std::move(root)) {}
  static RunStore standard();

  // Lower case letters, digits, and . _ - within: what may be the name of a run.
  static Status check_name(std::string_view name);
  // The same of a run that is to begin: it may not take the name of a model of the curated table, which it would hide.
  static Status check_new_name(std::string_view name);

  // The version that `name` means; nullopt where there is no such run, or none of it is finished. Errors: a run.json
  // that cannot be read.
  Result<std::optional<RunVersion>> find(std::string_view name) const;
  // A version by its number. Error kNotFound.
  Result<RunVersion> version(std::string_view name, int64_t number) const;
  // Numbers of all finished or unfinished versions, rising.
  std::vector<int64_t> numbers(std::string_view name) const;
  // The names of all runs of which a version is finished, sorted.
  std::vector<std::string> names() const;
  // What those names mean. A run that cannot be read is left out and appended to `problems` (which may be null).
  std::vector<RunVersion> list(std::vector<Error>* problems = nullptr) const;

  // A new version's folder, with run.json in it. No other process teaches it while the version or a copy of it lives.
  Result<RunVersion> begin(std::string_view name, const Json& info) const;
  // begin(), or with `resume` the newest version, which must be unfinished and of the same data and choices. Error
  // kUsage that names what differs, or says that another process teaches it, or that it is whole: if its process ended
  // before it was made current, it is now.
  Result<RunVersion> open(std::string_view name, const Json& info, bool resume) const;
  // Writes the version's info to its run.json.
  Status write_info(const RunVersion& version) const;
  // Makes a whole version the one that its name means; also to go back to an older one.
  Status set_current(const RunVersion& version) const;
  // Deletes the run and all its versions. Error kNotFound.
  Status remove(std::string_view name) const;

 private:
  std::filesystem::path folder_of(std::string_view name) const { return root_ / name; }
  Error whole_already(const RunVersion& version) const;

  std::filesystem::path root_;
};

}  // namespace linnet
