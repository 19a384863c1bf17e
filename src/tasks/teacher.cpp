#include "tasks/teacher.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/json.hpp"
#include "hub/digest.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet {

namespace {

namespace fs = std::filesystem;

// The files of a folder, sorted; a file itself.
std::vector<fs::path> files_in(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

Result<std::string> digest_of(const ModelHandle& model, const CancelToken* cancel) {
  std::vector<fs::path> files = source_files(model.description);
  for (const std::string& adapter : model.adapters) std::ranges::copy(files_in(adapter), std::back_inserter(files));
  Digest all;
  for (const fs::path& file : files) {
    TRY_ASSIGN(const std::string one, sha256_file(file, cancel));
    all.update(file.filename().string() + " " + one + "\n");
  }
  return all.hex();
}

std::string quoted(const Tokenizer& tokenizer, int32_t id) {
  return tokenizer.contains(id) ? dump_json(Json(std::string(tokenizer.piece(id)))) : "no token";
}

}  // namespace

Result<Teacher> Teacher::find(const std::string& name, const CancelToken* cancel) {
  TRY_ASSIGN(ModelHandle model, find_model(name));
  if (!model.faq.empty() || !model.classifier.empty() || !model.config().has_head) {
    return unsupported("writes no text of its own, so nothing can be learned from it", name,
                       "--teacher takes a language model");
  }
  TRY_ASSIGN(Tokenizer tokenizer, load_tokenizer(model.description.files));
  Teacher teacher(std::move(model), std::move(tokenizer));
  TRY_ASSIGN(teacher.digest_, digest_of(teacher.model_, cancel));
  return teacher;
}

Status Teacher::check_vocabulary(const Tokenizer& pupil, const std::string& pupil_name) const {
  const int32_t size = std::max(tokenizer_.vocab_size(), pupil.vocab_size());
  for (int32_t id = 0; id < size; ++id) {
    if (tokenizer_.contains(id) == pupil.contains(id) && tokenizer_.piece(id) == pupil.piece(id)) continue;
    return unsupported(fmt::format("{} and {} have other vocabularies: token {} is {} to one and {} to the other",
                                   model_.name(), pupil_name, id, quoted(tokenizer_, id), quoted(pupil, id)),
                       {}, "learn from what the teacher writes: --distil text");
  }
  return ok_status();
}

Result<Transformer> Teacher::load(Runtime& runtime, int64_t context) const {
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model_));
  return load_weights(model_, runtime, context, adapters);
}

}  // namespace linnet
