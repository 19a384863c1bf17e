#include "models/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <map>

#include "base/json.hpp"
#include "formats/safetensors.hpp"

namespace linnet {

namespace {

// Fields that change what an adapter computes, when they are set to anything.
constexpr std::string_view kRefused[] = {
    "use_dora",
    "modules_to_save",
    "use_qalora",
    "use_bdlora",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
    "lora_bias",
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

struct Side {
  std::string module;
  bool is_a;
};

Result<Side> side_of(const StoredTensor& tensor) {
  constexpr std::string_view kPrefix = "base_model.model.";
  constexpr std::string_view kA = ".lora_A.weight";
  constexpr std::string_view kB = ".lora_B.weight";
  const std::string& name = tensor.name;
  const bool is_a = name.ends_with(kA);
  const std::string_view suffix = is_a ? kA : kB;
  if (!name.starts_with(kPrefix) || !name.ends_with(suffix) || name.size() <= kPrefix.size() + suffix.size()) {
    return unsupported("is not a pair of a LoRA on a linear layer", tensor.place(),
                       "merge the adapter into its model with PEFT, and use that");
  }
  if (tensor.shape.rank() != 2 || tensor.shape.elements() == 0 || !tensor.format) {
    return invalid("must be a matrix of floats, is " + tensor.shape.to_string(), tensor.place());
  }
  return Side{name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size()), is_a};
}

// A copy that stands alone: the file may go.
Tensor copied(const StoredTensor& tensor) {
  Tensor copy = Tensor::empty(DType::kF32, tensor.shape);
  decode_rows(tensor, 0, tensor.shape[0], copy.data<float>());
  return copy;
}

bool all_finite(const Tensor& tensor) {
  const auto numbers = tensor.span<float>();
  return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

Result<Adapter> parse_adapter(const Json& config, std::span<const StoredTensor> tensors, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(config, place + ": adapter_config.json"));
  TRY(check_kind(object));
  TRY_ASSIGN(const double common_alpha, object.number("lora_alpha"));
  TRY_ASSIGN(const bool rank_stabilised, object.boolean_or("use_rslora", false));
  std::map<std::string, Adapter::Part> parts;
  for (const StoredTensor& tensor : tensors) {
    TRY_ASSIGN(const Side one, side_of(tensor));
    Adapter::Part& part = parts[one.module];
    Tensor& matrix = one.is_a ? part.a : part.b;
    if (matrix.defined()) return invalid("stands there twice", tensor.place());
    matrix = copied(tensor);
    if (!all_finite(matrix)) return invalid("holds NaN or infinite numbers", tensor.place());
  }
  if (parts.empty()) return invalid("holds no tensor", place);
  Adapter adapter;
  adapter.place = place;
  for (auto& [module, part] : parts) {
    if (!part.a.defined() || !part.b.defined() || part.a.dim(0) != part.b.dim(1)) {
      return invalid("lora_A and lora_B of " + module + " are not a pair (R, C) and (O, R)", place);
    }
    TRY_ASSIGN(const double alpha, alpha_of(object, common_alpha, module));
    const auto rank = static_cast<double>(part.a.dim(0));
    part.module = module;
    part.scale = static_cast<float>(alpha / (rank_stabilised ? std::sqrt(rank) : rank));
    if (!std::isfinite(part.scale)) return invalid("the scale of " + module + " is not a number", place);
    adapter.parts.push_back(std::move(part));
  }
  return adapter;
}

Result<Adapter> read_adapter(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "adapter_config.json";
  if (!std::filesystem::exists(config_path)) {
    return invalid("is not an adapter: there is no adapter_config.json in it", folder.string(),
                   "name the folder that PEFT's save_pretrained wrote");
  }
  constexpr uint64_t kMostConfig = 1 << 20;
  TRY_ASSIGN(const Json config, read_json_file(config_path.string(), kMostConfig));
  TRY_ASSIGN(const SafetensorsFile file, open_safetensors(folder / "adapter_model.safetensors"));
  return parse_adapter(config, file.tensors, folder.string());
}

namespace {

// The linear layers of a model by their modules' names.
std::map<std::string, Linear*> layers_by_module(Transformer& model) {
  constexpr std::string_view kSuffix = ".weight";
  std::map<std::string, Linear*> layers;
  model.for_each([&](const TensorSpec& spec, Slot& slot) {
    const bool linear = spec.shape.rank() == 2 && !spec.bias && !spec.stacked && spec.name.ends_with(kSuffix) &&
                        spec.role != Role::kEmbedding && spec.role != Role::kPositionEmbedding &&
                        spec.role != Role::kTypeEmbedding;
    if (!linear) return;
    for (size_t e = 0; e < slot.parts.size(); ++e) {
      std::string name = name_of_expert(spec.name, static_cast<int64_t>(e));
      name.resize(name.size() - kSuffix.size());
      layers.emplace(std::move(name), &slot.parts[e]);
    }
  });
  return layers;
}

}  // namespace

Status attach_adapter(Context& ctx, Transformer& model, const Adapter& adapter, float scale) {
  const std::map<std::string, Linear*> layers = layers_by_module(model);
  std::vector<Linear*> targets;
  for (const Adapter::Part& part : adapter.parts) {
    const auto found = layers.find(part.module);
    if (found == layers.end()) {
      return invalid("it changes " + part.module + ", and this model has no such linear layer", adapter.place,
                     "use the model that the adapter was made for");
    }
    const Weight& weight = found->second->weight;
    if (part.a.dim(1) != weight.cols() || part.b.dim(0) != weight.rows()) {
      return invalid(fmt::format("{} is ({}, {}) in the model, and the adapter's is for ({}, {})", part.module,
                                 weight.rows(), weight.cols(), part.b.dim(0), part.a.dim(1)),
                     adapter.place, "use the model that the adapter was made for");
    }
    targets.push_back(found->second);
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    const Adapter::Part& part = adapter.parts[i];
    Lora lora{Weight::from_tensor(part.a), Weight::from_tensor(part.b), part.scale * scale};
    const auto keep = [](std::span<const std::byte>) {};
    lora.a.pack(ctx, ActivationBits::k16, keep);
    lora.b.pack(ctx, ActivationBits::k16, keep);
    targets[i]->adapters.push_back(std::move(lora));
  }
  return ok_status();
}

}  // namespace linnet
