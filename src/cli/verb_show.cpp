// linnet show: what a model is, and what it needs.
#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "hub/digest.hpp"
#include "kernels/registry.hpp"
#include "tasks/run_store.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

// What a tensor is for, roughly, as people compare models by it.
std::string_view class_of(const TensorSpec& spec) {
  switch (spec.role) {
    case Role::kEmbedding:
    case Role::kPositionEmbedding:
    case Role::kTypeEmbedding:
    case Role::kRelativeBias:
      return "embedding";
    case Role::kHead:
      return "head";
    case Role::kQkv:
    case Role::kQuery:
    case Role::kKey:
    case Role::kValue:
    case Role::kAttentionOutput:
      return "attention";
    case Role::kGateUp:
    case Role::kGate:
    case Role::kUp:
    case Role::kDown:
      return "mlp";
    case Role::kExpertGateUp:
    case Role::kExpertGate:
    case Role::kExpertUp:
    case Role::kExpertDown:
      return "experts";
    default:
      return "other";
  }
}

// Class -> format -> parameters.
using Classes = std::map<std::string, std::map<std::string, int64_t>>;

Classes classify(const ModelHandle& model) {
  const bool gguf = model.description.files.kind == ModelFiles::Kind::kGguf;
  std::map<std::string, std::string> class_by_name;
  for (const TensorSpec& spec : model.description.family->tensors(model.config())) {
    for (int64_t e = 0; e < std::max<int64_t>(spec.experts, 1); ++e) {
      for (const char* part : {"gate", "up"}) {
        std::string name = gguf ? spec.gguf : spec.name;
        if (const size_t hole = name.find("{}"); hole != std::string::npos) {
          name.replace(hole, 2, gguf ? std::string(part) : std::to_string(e));
        }
        class_by_name[name] = class_of(spec);
      }
    }
  }
  Classes classes;
  for (const StoredTensor& tensor : model.description.files.tensors->all()) {
    const auto it = class_by_name.find(tensor.name);
    classes[it == class_by_name.end() ? "other" : it->second][std::string(tensor.type_name())] +=
        tensor.shape.elements();
  }
  return classes;
}

// The files that hold the weights, or, without weights, the tokenizer.
std::set<std::filesystem::path> hashed_files(const ModelFiles& files) {
  std::set<std::filesystem::path> paths;
  for (const StoredTensor& tensor : files.tensors->all()) paths.insert(tensor.file);
  if (!paths.empty()) return paths;
  if (files.gguf) return {files.path};
  if (files.tokenizer_json) return {*files.tokenizer_json};
  return files.tokenizer_model ? std::set{*files.tokenizer_model} : paths;
}

// The SHA-256 of each file: as it was published, and computed where nothing was.
Result<Json> hashes_of(const StoredModel& stored, const ModelFiles& files) {
  auto printer = ProgressPrinter::for_stderr();
  Json hashes = Json::object();
  for (const std::filesystem::path& path : hashed_files(files)) {
    const std::string name = path.filename().string();
    const auto& published = stored.manifest.files;
    const auto known = std::find_if(published.begin(), published.end(), [&](const ModelFile& file) {
      return std::filesystem::path(file.name).filename() == name && is_sha256(file.sha256);
    });
    if (known != published.end()) {
      hashes[name] = known->sha256;
      continue;
    }
    std::error_code unknown;
    const uint64_t size = std::filesystem::file_size(path, unknown);
    const auto progress = [&](uint64_t done) {
      printer.update({.stage = "hashing", .item = name, .done = done, .total = unknown ? 0 : size});
    };
    TRY_ASSIGN(hashes[name], sha256_file(path, &interrupt_token(), progress));
  }
  return hashes;
}

Result<Json> describe(const ModelHandle& model) {
  const TransformerConfig& c = model.config();
  const ModelFiles& files = model.description.files;
  int64_t parameters = 0;
  Json classes = Json::object();
  for (const auto& [name, formats] : classify(model)) {
    for (const auto& [format, count] : formats) {
      classes[name][format] = count;
      parameters += count;
    }
  }
  Json memory = Json::array();
  TRY_ASSIGN(const KernelTable* kernels, kernel_table_for_this_machine());
  for (int64_t context = 1024;; context *= 4) {
    const int64_t at = std::min(context, c.max_positions);
    const MemoryPlan plan = plan_memory(model.description, *kernels, at);
    memory.push_back({{"context", at},
                      {"bytes", plan.total()},
                      {"weights", plan.weights},
                      {"kv_cache", plan.kv_cache},
                      {"activations", plan.activations},
                      {"tokenizer", plan.tokenizer},
                      {"program", plan.program}});
    if (at == c.max_positions) break;
  }
  TRY_ASSIGN(const Json hashes, hashes_of(model.stored, files));
  return Json{{"name", model.name()},
              {"source", model.stored.name},
              {"path", model.stored.path.string()},
              {"architecture", c.model_type},
              {"parameters", parameters},
              {"layers", c.num_layers()},
              {"hidden_size", c.hidden_size},
              {"heads", c.num_heads},
              {"kv_heads", c.num_kv_heads},
              {"head_dim", c.head_dim},
              {"experts", c.moe.experts},
              {"vocabulary", c.vocab_size},
              {"context", c.max_positions},
              {"quantisation", std::move(classes)},
              {"chat_template", has_chat_template(files)},
              {"generates", c.has_head},
              {"license", license_of(model.stored, files)},
              {"sha256", hashes.size() == 1 ? *hashes.begin() : Json()},
              {"files", hashes},
              {"weights_bytes", files.tensors->total_bytes()},
              {"memory", std::move(memory)},
              {"memory_available", memory_info().available}};
}

std::string count_words(int64_t n) {
  return n >= 1'000'000'000 ? fmt::format("{:.2f} billion", static_cast<double>(n) / 1e9)
         : n >= 1'000'000   ? fmt::format("{:.1f} million", static_cast<double>(n) / 1e6)
                            : std::to_string(n);
}

std::string for_people(const Json& d) {
  std::string out;
  const auto line = [&](const char* key, const std::string& value) { out += fmt::format("{:<15} {}\n", key, value); };
  const auto integer = [&](const char* key) { return d[key].get<int64_t>(); };
  const auto name = d["name"].get<std::string>();
  const auto source = d["source"].get<std::string>();
  line("model", name == source ? name : fmt::format("{} ({})", name, source));
  line("path", d["path"].get<std::string>());
  line("architecture", fmt::format("{}: {} layers, hidden size {}, {} heads ({} for keys and values) of {}",
                                   d["architecture"].get<std::string>(), integer("layers"), integer("hidden_size"),
                                   integer("heads"), integer("kv_heads"), integer("head_dim")));
  if (integer("experts") > 0) line("experts", std::to_string(integer("experts")));
  line("parameters", count_words(integer("parameters")));
  line("vocabulary", fmt::format("{} tokens", integer("vocabulary")));
  line("context", fmt::format("{} tokens", integer("context")));
  line("chat template", d["chat_template"].get<bool>() ? "yes"
                        : d["generates"].get<bool>()   ? "none: this model continues text, it does not converse"
                                                       : "none: this model makes embeddings");
  const auto license = d["license"].get<std::string>();
  line("licence", license.empty() ? "not known" : license);
  for (const auto& [file, hash] : d["files"].items()) {
    line("sha256", hash.get<std::string>() + (d["files"].size() > 1 ? "  " + file : ""));
  }
  out += "\nweights\n";
  for (const auto& [kind, formats] : d["quantisation"].items()) {
    std::string list;
    for (const auto& [format, count] : formats.items()) {
      list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", format, count_words(count.get<int64_t>()));
    }
    out += fmt::format("  {:<13} {}\n", kind, list);
  }
  const auto available = d["memory_available"].get<uint64_t>();
  out += fmt::format("\nmemory ({} free here)\n", format_bytes(available));
  for (const Json& row : d["memory"]) {
    const auto bytes = row["bytes"].get<uint64_t>();
    out += fmt::format("  {:>7} tokens  {:>8}{}\n", row["context"].get<int64_t>(), format_bytes(bytes),
                       bytes > available ? "  does not fit" : "");
  }
  return out;
}

// How a run came to be: its version, and what its run.json says.
Json describe_run(const RunVersion& run) {
  return {{"version", run.number},
          {"versions", RunStore::standard().numbers(run.name)},
          {"folder", run.folder.string()},
          {"choices", run.info}};
}

std::string run_for_people(const Json& run) {
  std::string out =
      fmt::format("\ntaught: version {}, in {}\n", run["version"].get<int64_t>(), run["folder"].get<std::string>());
  for (const auto& [name, value] : run["choices"].items()) {
    if (value.is_structured() || value.is_null()) continue;
    std::string words = name;
    std::ranges::replace(words, '_', ' ');
    out += fmt::format("  {:<19} {}\n", words,
                       value.is_string()         ? value.get<std::string>()
                       : value.is_number_float() ? fmt::format("{:.6g}", value.get<double>())
                                                 : value.dump());
  }
  return out;
}

// Weighted words, with no model behind them.
Json describe_words(const RunVersion& run) {
  return {{"name", run.name}, {"architecture", "weighted words"}, {"generates", false}, {"run", describe_run(run)}};
}

// What can be said of a tokenizer alone.
Result<Json> describe_tokenizer(const FoundFiles& found) {
  const ModelFiles& files = found.files;
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(files));
  const SpecialIds& ids = tokenizer.special();
  Json special = Json::object();
  const std::array<std::pair<const char*, int32_t>, 8> named{{{"bos", ids.bos},
                                                              {"eos", ids.eos},
                                                              {"eot", ids.eot},
                                                              {"unk", ids.unk},
                                                              {"pad", ids.pad},
                                                              {"sep", ids.sep},
                                                              {"cls", ids.cls},
                                                              {"mask", ids.mask}}};
  for (const auto& [name, id] : named) {
    if (id != kNoToken) special[name] = {{"id", id}, {"piece", std::string(tokenizer.piece(id))}};
  }
  std::string architecture;
  if (files.gguf && files.gguf->metadata().has("general.architecture")) {
    TRY_ASSIGN(architecture, files.gguf->metadata().string("general.architecture"));
  }
  TRY_ASSIGN(const Json hashes, hashes_of(found.stored, files));
  return Json{{"name", found.name()},
              {"source", found.stored.name},
              {"path", found.stored.path.string()},
              {"architecture", architecture},
              {"parameters", 0},
              {"tokenizer", tokenizer.algorithm()},
              {"vocabulary", tokenizer.vocab_size()},
              {"special", std::move(special)},
              {"chat_template", has_chat_template(files)},
              {"generates", false},
              {"license", license_of(found.stored, files)},
              {"sha256", hashes.size() == 1 ? *hashes.begin() : Json()},
              {"files", hashes},
              {"weights_bytes", 0}};
}

std::string tokenizer_for_people(const Json& d) {
  std::string out;
  const auto line = [&](const char* key, const std::string& value) { out += fmt::format("{:<15} {}\n", key, value); };
  const auto text = [&](const char* key) { return d[key].get<std::string>(); };
  line("tokenizer", text("tokenizer"));
  line("path", text("path"));
  if (!text("architecture").empty()) line("made for", text("architecture"));
  line("vocabulary", fmt::format("{} tokens", d["vocabulary"].get<int64_t>()));
  for (const auto& [name, token] : d["special"].items()) {
    line(name.c_str(), fmt::format("{} ({})", token["piece"].get<std::string>(), token["id"].get<int64_t>()));
  }
  line("chat template", d["chat_template"].get<bool>() ? "yes" : "none");
  line("licence", text("license").empty() ? "not known" : text("license"));
  line("sha256", text("sha256"));
  line("weights", "none: linnet tokens can use this, nothing can be generated with it");
  return out;
}

struct Flags {
  std::string model;
  bool json = false;
};

Status run(const Flags& flags) {
  TRY_ASSIGN(const std::optional<RunVersion> taught, RunStore::standard().find(flags.model));
  if (taught && !taught->has_model()) {
    const Json description = describe_words(*taught);
    if (flags.json) return print_json(description);
    return print(fmt::format("{:<15} {}\n{:<15} sorts texts by weighted words, without a model\n{}", "model",
                             taught->name, "kind", run_for_people(description["run"])));
  }
  TRY_ASSIGN(FoundFiles found, find_files(flags.model));
  interrupt_token();
  if (!found.files.has_weights()) {
    TRY_ASSIGN(const Json description, describe_tokenizer(found));
    return flags.json ? print_json(description) : print(tokenizer_for_people(description));
  }
  TRY_ASSIGN(const ModelHandle model, describe_found(std::move(found)));
  TRY_ASSIGN(Json description, describe(model));
  if (taught) description["run"] = describe_run(*taught);
  if (flags.json) return print_json(description);
  return print(for_people(description) + (taught ? run_for_people(description["run"]) : ""));
}

}  // namespace

Job declare_show(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a name (linnet list), a path or a source; a run, a tokenizer alone, too").required();
  args.flag("--json", flags->json, "the same for machines");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
