// A model by the name that a person types: found, described, and loaded as far as the job needs.
// Ownership: owns everything. Thread safety: const once loaded.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/store.hpp"
#include "models/model.hpp"
#include "tasks/adapters.hpp"
#include "tasks/runtime.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

struct ModelHandle {
  StoredModel stored;
  ModelDescription description;
  // Of a run of tune (tasks/run_store.hpp): what it learned, on top of what it was taught from. stored.short_name is
  // the run's.
  std::vector<std::string> adapters = {};
  std::string system = {};                // what a run was taught under: its conversations begin with it
  std::filesystem::path faq = {};         // the folder of a taught list of questions; empty: it is none
  std::filesystem::path classifier = {};  // the folder of a taught classifier; empty: it is none
  bool embedding = false;                 // its adapters were taught for vectors, and not to write

  // Its short name where it has one: what a person types.
  const std::string& name() const { return stored.short_name.empty() ? stored.name : stored.short_name; }
  const TransformerConfig& config() const { return description.transformer; }
};

// What it is called: by the person, and by its file. For doubts about an adapter's base.
std::vector<std::string> names_of(const ModelHandle& model);

// What is known of the stored model, else what its files say; may be empty.
std::string license_of(const StoredModel& stored, const ModelFiles& files);

// A name that finds it from any folder.
std::string lasting_name(const ModelHandle& model);

// What `name` means on disk, opened, its config not read: a run, a model (of an architecture that is not known, too),
// or a tokenizer alone.
struct FoundFiles {
  StoredModel stored;
  ModelFiles files;
  std::vector<std::string> adapters = {};  // as in ModelHandle
  std::string system = {};                 // as there
  std::filesystem::path faq = {};          // as there
  std::filesystem::path classifier = {};   // as there
  bool embedding = false;                  // as there

  const std::string& name() const { return stored.short_name.empty() ? stored.name : stored.short_name; }
};
// Errors: not found, with the command that pulls it.
Result<FoundFiles> find_files(std::string_view name);

// Describes what was found; nothing large is read. Errors: it has no weights.
Result<ModelHandle> describe_found(FoundFiles found);
// Finds and describes `name`. Errors: not found, with the command that pulls it; it has no weights.
Result<ModelHandle> find_model(std::string_view name);
// The same, of a model to teach from. Error kUsage: a run of tune.
Result<ModelHandle> find_base(std::string_view name);

bool has_chat_template(const ModelFiles& files);
// The chat template with the tokenizer's special tokens. Error kUnsupported with what to do when the model has none:
// a guessed template would answer badly without anyone knowing why.
Result<ChatTemplate> load_chat_template(const ModelHandle& model, const Tokenizer& tokenizer);
Result<ChatTemplate> load_chat_template(const ModelFiles& files, const std::string& name, const Tokenizer& tokenizer);
// The same; nothing where the model has none.
Result<std::optional<ChatTemplate>> find_chat_template(const ModelHandle& model, const Tokenizer& tokenizer);

// Tokens after which a reply ends: generation_config's, the tokenizer's.
std::vector<int32_t> end_tokens(const ModelHandle& model, const Tokenizer& tokenizer);

// The model's own adapters, and then those that a person names besides (choose_adapters).
Result<std::vector<ChosenAdapter>> adapters_of(const ModelHandle& model, std::span<const std::string> named = {});

// Weights, packed for `runtime`, with adapters, after the memory plan has been compared with what there is. kv: of
// cached keys and values; nothing: kv_dtype().
Result<Transformer> load_weights(const ModelHandle& model, Runtime& runtime, int64_t context,
                                 std::span<const ChosenAdapter> adapters = {}, std::optional<DType> kv = {});

}  // namespace linnet
