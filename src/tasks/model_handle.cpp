#include "tasks/model_handle.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/json.hpp"
#include "tasks/memory_plan.hpp"
#include "tasks/run_store.hpp"

namespace linnet {

namespace {

Error sorts_by_words(const std::string& name) {
  return unsupported("sorts texts by their words, and has no model in it", name,
                     "use it with: linnet generate " + name + " \"a text\"");
}

}  // namespace

Result<FoundFiles> find_files(std::string_view name) {
  FoundFiles found;
  TRY_ASSIGN(const std::optional<RunVersion> run, RunStore::standard().find(name));
  if (run && run->is_classifier()) {
    if (!run->has_model()) return sorts_by_words(run->name);
    TRY_ASSIGN(found, find_files(run->base()));
    found.stored.short_name = run->name;
    found.classifier = run->folder;
    return found;
  }
  if (run) {
    if (run->whole_model()) {
      const std::filesystem::path folder = run->folder / kModelFolder;
      TRY_ASSIGN(found.stored, Store::standard().resolve(folder.string()));
      TRY_ASSIGN(found.files, open_model_files(folder));
    } else {
      TRY_ASSIGN(found, find_files(run->base()));
      if (run->is_faq()) {
        found.faq = run->folder;
      } else {
        found.adapters.push_back((run->folder / kAdapterFolder).string());
        found.system = run->system();
        if (const std::string own = run->chat_template(); !own.empty()) found.files.chat_template = own;
        found.embedding = run->is_embedding();
      }
    }
    found.stored.short_name = run->name;
    return found;
  }
  TRY_ASSIGN(found.stored, Store::standard().resolve(name));
  TRY_ASSIGN(found.files, open_model_files(found.stored.path));
  return found;
}

Result<ModelHandle> describe_found(FoundFiles found) {
  TRY_ASSIGN(ModelDescription description, describe_model(std::move(found.files)));
  return ModelHandle{std::move(found.stored), std::move(description), std::move(found.adapters),
                     std::move(found.system), std::move(found.faq),   std::move(found.classifier),
                     found.embedding};
}

Result<ModelHandle> find_model(std::string_view name) {
  TRY_ASSIGN(FoundFiles found, find_files(name));
  return describe_found(std::move(found));
}

Result<ModelHandle> find_base(std::string_view name) {
  TRY_ASSIGN(ModelHandle model, find_model(name));
  if (model.adapters.empty() && model.faq.empty() && model.classifier.empty()) return model;
  const bool writes = !model.adapters.empty() && !model.embedding;
  return usage_error(fmt::format("{} is itself a run", name),
                     writes ? fmt::format("make a model of it: linnet export {} --merge --out FOLDER, then --base "
                                          "FOLDER; or teach from the model that it was taught from",
                                          name)
                            : "teach from the model that it was taught from");
}

std::string license_of(const StoredModel& stored, const ModelFiles& files) {
  if (std::string known = stored.license(); !known.empty()) return known;
  if (const auto& gguf = files.gguf; gguf && gguf->metadata().has("general.license")) {
    if (const auto license = gguf->metadata().string("general.license"); license.ok()) return std::string(*license);
  }
  return "";
}

std::string lasting_name(const ModelHandle& model) {
  if (model.stored.origin != StoredModel::Origin::kPath) return model.name();
  return std::filesystem::absolute(model.stored.path).string();
}

std::vector<std::string> names_of(const ModelHandle& model) {
  return {model.stored.name, model.stored.short_name, model.stored.path.stem().string(),
          model.description.files.folder.filename().string()};
}

bool has_chat_template(const ModelFiles& files) {
  return files.chat_template || !files.named_chat_templates.empty();
}

Result<std::optional<ChatTemplate>> find_chat_template(const ModelHandle& model, const Tokenizer& tokenizer) {
  if (!has_chat_template(model.description.files)) return std::optional<ChatTemplate>();
  TRY_ASSIGN(ChatTemplate found, load_chat_template(model, tokenizer));
  return std::optional(std::move(found));
}

Result<ChatTemplate> load_chat_template(const ModelHandle& model, const Tokenizer& tokenizer) {
  return load_chat_template(model.description.files, model.name(), tokenizer);
}

Result<ChatTemplate> load_chat_template(const ModelFiles& files, const std::string& name, const Tokenizer& tokenizer) {
  if (!has_chat_template(files)) {
    return unsupported("this model has no chat template, so it was not made for conversations", name,
                       "continue text with: linnet generate " + name + " \"Once upon a time\"");
  }
  Json source = files.chat_template.value_or("");
  if (!files.named_chat_templates.empty()) {
    source = Json::array();
    if (files.chat_template) source.push_back({{"name", "default"}, {"template", *files.chat_template}});
    for (const auto& [use, text] : files.named_chat_templates) source.push_back({{"name", use}, {"template", text}});
  }
  const SpecialIds& ids = tokenizer.special();
  std::map<std::string, std::string> special;
  const auto add = [&](const char* key, int32_t id) {
    if (id != kNoToken) special.emplace(key, tokenizer.piece(id));
  };
  add("bos_token", ids.bos);
  add("eos_token", ids.eos);
  add("unk_token", ids.unk);
  add("pad_token", ids.pad);
  return ChatTemplate::parse(source, "chat template of " + name, std::move(special));
}

std::vector<int32_t> end_tokens(const ModelHandle& model, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids = tokenizer.end_ids();
  for (const int64_t id : model.description.files.eos_token_ids) {
    if (id >= 0 && id < tokenizer.vocab_size()) ids.push_back(static_cast<int32_t>(id));
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Result<std::vector<ChosenAdapter>> adapters_of(const ModelHandle& model, std::span<const std::string> named) {
  std::vector<ChosenAdapter> adapters;
  for (const std::string& path : model.adapters) {
    adapters.push_back({path});
    TRY_ASSIGN(adapters.back().adapter, open_adapter(path, model.description));
  }
  TRY_ASSIGN(std::vector<ChosenAdapter> others, choose_adapters(named, model.description, names_of(model)));
  std::move(others.begin(), others.end(), std::back_inserter(adapters));
  return adapters;
}

Result<Transformer> load_weights(const ModelHandle& model, Runtime& runtime, int64_t context,
                                 std::span<const ChosenAdapter> adapters, std::optional<DType> kv) {
  MemoryPlan plan = plan_memory(model.description, runtime.context().kernels(), context, {}, kv);
  for (const ChosenAdapter& chosen : adapters) plan.adapters += 2 * chosen.adapter.bytes();
  TRY(check_memory(plan, context));
  // The disk begins to read what packing will want. Of a large model only the start: the rest follows in step.
  constexpr uint64_t kReadAhead = uint64_t{256} << 20;
  for (const auto& file : model.description.files.mapped) file->will_need(0, kReadAhead);
  TRY_ASSIGN(Transformer transformer, load_transformer(model.description));
  transformer.pack(runtime.context(), model.description.files.mapped);
  TRY(attach_all(runtime.context(), transformer, adapters));
  return transformer;
}

}  // namespace linnet
