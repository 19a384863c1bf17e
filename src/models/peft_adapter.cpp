// PEFT's form of an adapter: read and written.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <functional>
#include <map>
#include <set>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/part_file.hpp"
#include "formats/safetensors.hpp"
#include "formats/safetensors_writer.hpp"
#include "models/adapter.hpp"
#include "models/adapter_parts.hpp"

namespace linnet {

namespace {

// Fields that change what an adapter computes, when they are set to anything.
constexpr std::string_view kRefused[] = {
    "modules_to_save",         "use_qalora",        "use_bdlora",
    "layer_replication",       "target_parameters", "trainable_token_indices",
    "alora_invocation_tokens", "lora_bias",
};

bool is_set(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  return !value.is_null() && !(value.is_structured() && value.empty());
}

Status check_kind(const JsonObject& config) {
  TRY_ASSIGN(const std::string type, config.string("peft_type"));
  if (type != "LORA") return unsupported("peft_type is " + type + ", of which only LORA is known", config.place());
  for (const std::string_view field : kRefused) {
    const Json* value = config.find(field);
    if (value && is_set(*value)) {
      return unsupported(fmt::format("{} is set, which Linnet does not compute", field), config.place(),
                         "merge the adapter into its model with PEFT, and use that");
    }
  }
  TRY_ASSIGN(const std::string bias, config.string_or("bias", "none"));
  if (bias == "none") return ok_status();
  return unsupported("bias is \"" + bias + "\": trained biases are not read", config.place());
}

// PEFT's rule for rank_pattern and alpha_pattern: a key is a regular expression for the end of a module's name. Plain
// names are all that PEFT's own documentation shows, and all that is run here.
Result<double> alpha_of(const JsonObject& config, double alpha, const std::string& module) {
  const Json* patterns = config.find("alpha_pattern");
  if (!patterns) return alpha;
  TRY_ASSIGN(const JsonObject object, JsonObject::of(*patterns, config.place() + ": alpha_pattern"));
  for (const auto& [key, unused] : patterns->items()) {
    if (key.find_first_of("\\^$*+?()[]{}|") != std::string::npos) {
      return unsupported("\"" + key + "\" is a regular expression; only names are read", object.place());
    }
    if (module == key || module.ends_with("." + key)) return object.number(key);
  }
  return alpha;
}

constexpr std::string_view kPrefix = "base_model.model.";

// What the ends of tensors' names say, and the number that each is.
struct Kind {
  std::string_view suffix;
  Tensor Adapter::Part::*tensor;
  int rank;
};
constexpr Kind kKinds[] = {
    {".lora_A.weight", &Adapter::Part::a, 2},
    {".lora_B.weight", &Adapter::Part::b, 2},
    {".lora_magnitude_vector", &Adapter::Part::magnitude, 1},
};

struct Side {
  std::string module;
  const Kind* kind;
};

Result<Side> side_of(const StoredTensor& tensor) {
  const std::string& name = tensor.name;
  for (const Kind& kind : kKinds) {
    const size_t around = kPrefix.size() + kind.suffix.size();
    if (!name.starts_with(kPrefix) || !name.ends_with(kind.suffix) || name.size() <= around) continue;
    if (tensor.shape.rank() != kind.rank || tensor.shape.elements() == 0 || !tensor.format) {
      return invalid(fmt::format("must be floats of {} dimensions, is {}", kind.rank, tensor.shape.to_string()),
                     tensor.place());
    }
    return Side{name.substr(kPrefix.size(), name.size() - around), &kind};
  }
  return unsupported("is not of a LoRA on a linear layer", tensor.place(),
                     "merge the adapter into its model with PEFT, and use that");
}

Status check_part(const std::string& module, const Adapter::Part& part, bool dora, const std::string& place) {
  if (!part.a.defined() || !part.b.defined() || part.a.dim(0) != part.b.dim(1)) {
    return invalid("lora_A and lora_B of " + module + " are not a pair (R, C) and (O, R)", place);
  }
  if (part.magnitude.defined() != dora) {
    return invalid(fmt::format("{} has {} lora_magnitude_vector, and use_dora is {}", module, dora ? "no" : "a", dora),
                   place);
  }
  if (dora && part.magnitude.dim(0) != part.b.dim(0)) {
    return invalid(fmt::format("lora_magnitude_vector of {} has {} numbers for {} rows", module, part.magnitude.dim(0),
                               part.b.dim(0)),
                   place);
  }
  return ok_status();
}

}  // namespace

Result<Adapter> parse_adapter(const Json& config, std::span<const StoredTensor> tensors, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(config, place + ": adapter_config.json"));
  TRY(check_kind(object));
  TRY_ASSIGN(const double common_alpha, object.number("lora_alpha"));
  TRY_ASSIGN(const bool dora, object.boolean_or("use_dora", false));
  Adapter adapter;
  adapter.place = place;
  TRY_ASSIGN(adapter.rank_stabilised, object.boolean_or("use_rslora", false));
  TRY_ASSIGN(adapter.base, object.string_or("base_model_name_or_path", ""));
  std::map<std::string, Adapter::Part> parts;
  for (const StoredTensor& tensor : tensors) {
    TRY_ASSIGN(const Side side, side_of(tensor));
    Tensor& numbers = parts[side.module].*side.kind->tensor;
    if (numbers.defined()) return invalid("stands there twice", tensor.place());
    TRY_ASSIGN(numbers, finite_copy(tensor));
  }
  if (parts.empty()) return invalid("holds no tensor", place);
  for (auto& [module, part] : parts) {
    TRY(check_part(module, part, dora, place));
    part.module = module;
    TRY_ASSIGN(part.alpha, alpha_of(object, common_alpha, module));
    if (!std::isfinite(adapter.scale_of(part))) return invalid("the scale of " + module + " is not a number", place);
    adapter.parts.push_back(std::move(part));
  }
  return adapter;
}

Result<Adapter> read_adapter(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "adapter_config.json";
  if (!std::filesystem::exists(config_path)) {
    return invalid("is not an adapter: there is no adapter_config.json in it", folder.string(),
                   "name a run, or the folder that PEFT's save_pretrained wrote");
  }
  constexpr uint64_t kMostConfig = 1 << 20;
  TRY_ASSIGN(const Json config, read_json_file(config_path.string(), kMostConfig));
  TRY_ASSIGN(const SafetensorsFile file, open_safetensors(folder / "adapter_model.safetensors"));
  return parse_adapter(config, file.tensors, folder.string());
}

namespace {

// Whole numbers as such: PEFT's lora_alpha is an int, and a float where it must be.
Json number(double x) {
  constexpr double kExact = 1 << 30;
  return x == std::floor(x) && std::abs(x) < kExact ? Json(static_cast<int64_t>(x)) : Json(x);
}

// The layers whose number is not `usual`: {name: number}. Full names: PEFT reads a key as a regular expression for the
// end of a name and takes the first that fits, so that a shorter one would mean other layers, too.
Json pattern(const Adapter& adapter, double usual, const std::function<double(const Adapter::Part&)>& number_of) {
  Json out = Json::object();
  for (const Adapter::Part& part : adapter.parts) {
    if (number_of(part) != usual) out[part.module] = number(number_of(part));
  }
  return out;
}

// PEFT looks for these names and what ends in a dot and these: a last name stands for all layers that are called so.
std::vector<std::string> target_modules(const Adapter& adapter, std::span<const TensorSpec> table) {
  std::map<std::string, size_t> in_model;
  for (const LinearModule& module : linear_modules(table)) in_model[last_name(module.name)]++;
  std::map<std::string, size_t> here;
  for (const Adapter::Part& part : adapter.parts) here[last_name(part.module)]++;
  std::set<std::string> names;
  for (const Adapter::Part& part : adapter.parts) {
    const std::string last = last_name(part.module);
    names.insert(here[last] == in_model[last] ? last : part.module);
  }
  return {names.begin(), names.end()};
}

Json config_of(const Adapter& adapter, std::span<const TensorSpec> table, std::string_view task_type) {
  const auto rank_of = [](const Adapter::Part& part) { return static_cast<double>(part.a.dim(0)); };
  const auto alpha_of = [](const Adapter::Part& part) { return part.alpha; };
  std::vector<double> ranks;
  std::vector<double> alphas;
  for (const Adapter::Part& part : adapter.parts) {
    ranks.push_back(rank_of(part));
    alphas.push_back(alpha_of(part));
  }
  const double rank = most_common(ranks);
  const double alpha = most_common(alphas);
  bool transposed = false;  // GPT-2's Conv1D
  for (const LinearModule& module : linear_modules(table)) transposed |= module.spec->transposed;
  return {{"peft_type", "LORA"},
          {"task_type", task_type},
          {"base_model_name_or_path", adapter.base.empty() ? Json() : Json(adapter.base)},
          {"r", number(rank)},
          {"lora_alpha", number(alpha)},
          {"rank_pattern", pattern(adapter, rank, rank_of)},
          {"alpha_pattern", pattern(adapter, alpha, alpha_of)},
          {"target_modules", target_modules(adapter, table)},
          {"use_rslora", adapter.rank_stabilised},
          {"use_dora", adapter.is_dora()},
          {"fan_in_fan_out", transposed},
          {"lora_dropout", 0.0},
          {"bias", "none"},
          {"inference_mode", true}};
}

}  // namespace

Status write_adapter(const Adapter& adapter, std::span<const TensorSpec> table, std::string_view task_type,
                     const std::filesystem::path& folder) {
  CHECK(!adapter.parts.empty());
  TRY(check_fits(adapter, table));
  std::vector<TensorToWrite> tensors;
  for (const Adapter::Part& part : adapter.parts) {
    for (const Kind& kind : kKinds) {
      const Tensor& numbers = part.*kind.tensor;
      if (!numbers.defined()) continue;
      tensors.push_back(TensorToWrite::of(fmt::format("{}{}{}", kPrefix, part.module, kind.suffix), numbers));
    }
  }
  const std::filesystem::path beside = (folder / "").parent_path().parent_path();  // also of a name that ends in "/"
  TRY_ASSIGN(TemporaryFolder made, TemporaryFolder::create(beside, ".linnet-adapter"));
  TRY(write_safetensors(made.path() / "adapter_model.safetensors", std::move(tensors)));
  TRY(write_file(made.path() / "adapter_config.json", dump_json(config_of(adapter, table, task_type), 2) + "\n"));
  return made.commit(folder);
}

}  // namespace linnet
