#include "tasks/push_files.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/log.hpp"
#include "tasks/model_card.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCard = "README.md";
constexpr const char* kTemplate = "chat_template.jinja";  // of an adapter whose base has none
constexpr size_t kMostFiles = 10'000;

// Files whose names begin with a dot stay here: they are of this machine.
Result<std::vector<PushFile>> files_of_folder(const fs::path& folder) {
  std::vector<PushFile> files;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error); it != fs::recursive_directory_iterator();
       it.increment(error)) {
    const std::string name = it->path().lexically_relative(folder).generic_string();
    if (it->path().filename().string().starts_with('.')) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file(error)) {
      files.push_back({.name = name, .path = it->path()});
    }
    if (files.size() > kMostFiles) return unsupported("holds more files than one push sends", folder.string());
  }
  if (error) return Error{ErrorCode::kIo, "cannot be listed: " + error.message(), folder.string(), {}};
  std::ranges::sort(files, {}, &PushFile::name);
  return files;
}

Result<std::vector<PushFile>> files_of_run(const RunVersion& version) {
  if (version.is_faq()) {
    return unsupported("is a list of questions, which no other program answers", version.name,
                       "what it learned is an adapter of its encoder: linnet push " +
                           (version.folder / kFaqEncoderFolder).string() + " hf:…");
  }
  if (version.is_classifier()) {
    return unsupported("is a classifier, whose parts no other program reads", version.name,
                       "write what transformers loads, and push that: linnet export " + version.name + " --out FOLDER");
  }
  TRY_ASSIGN(const ModelHandle model, find_model(version.name));
  TRY_ASSIGN(std::string card, model_card(version, model, false));
  const char* folder = version.whole_model() ? kModelFolder : kAdapterFolder;
  TRY_ASSIGN(std::vector<PushFile> files, files_of_folder(version.folder / folder));
  files.push_back({.name = kCard, .text = std::move(card)});
  const bool own_template = !version.whole_model() && !version.chat_template().empty();
  if (own_template) files.push_back({.name = kTemplate, .text = version.chat_template()});
  return files;
}

Result<std::vector<PushFile>> files_of_model(const std::string& name) {
  TRY_ASSIGN(const FoundFiles found, find_files(name));
  std::vector<PushFile> files;
  files.reserve(found.stored.manifest.files.size());
  for (const ModelFile& file : found.stored.manifest.files) {
    files.push_back({.name = file.name, .path = found.stored.folder / file.name});
  }
  if (files.empty()) files.push_back({.name = found.stored.path.filename().string(), .path = found.stored.path});
  return files;
}

Result<std::vector<PushFile>> find(const std::string& name) {
  TRY_ASSIGN(const std::optional<RunVersion> run, RunStore::standard().find(name));
  if (run) return files_of_run(*run);
  std::error_code ignored;
  return fs::is_directory(name, ignored) ? files_of_folder(name) : files_of_model(name);
}

}  // namespace

Result<std::vector<PushFile>> files_to_push(const std::string& name) {
  TRY_ASSIGN(std::vector<PushFile> files, find(name));
  if (std::ranges::none_of(files, [](const PushFile& file) { return file.name == kCard; })) {
    log_warning("there is no {}: others will not know what this is and under which licence", kCard);
  }
  return files;
}

}  // namespace linnet
