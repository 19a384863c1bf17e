#include "models/adapter.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fmt/core.h>
#include <map>

#include "base/json.hpp"
#include "base/random.hpp"
#include "models/adapter_parts.hpp"
#include "quant/finite.hpp"

namespace linnet {

float Adapter::scale_of(const Part& part) const {
  const auto rank = static_cast<double>(part.a.dim(0));
  return static_cast<float>(part.alpha / (rank_stabilised ? std::sqrt(rank) : rank));
}

bool Adapter::is_dora() const {
  return std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.magnitude.defined(); });
}

uint64_t Adapter::bytes() const {
  int64_t sum = 0;
  for (const Part& part : parts) {
    sum += part.a.bytes() + part.b.bytes() + (part.magnitude.defined() ? part.magnitude.bytes() : 0);
  }
  return static_cast<uint64_t>(sum);
}

Result<Tensor> finite_copy(const StoredTensor& tensor) {
  Tensor copy = Tensor::empty(DType::kF32, tensor.shape);
  decode_rows(tensor, 0, tensor.shape.rows(), copy.data<float>());
  if (first_not_finite(copy.data<float>(), copy.elements()) < 0) return copy;
  return invalid("holds NaN or infinite numbers", tensor.place());
}

namespace {

constexpr const char* kOtherModel = "use the model that the adapter was made for";

bool is_called(const std::string& module, const std::string& target) {
  return module == target || module.ends_with("." + target);
}

// The last names of all modules, each once.
std::string names_of(const std::vector<LinearModule>& modules) {
  std::vector<std::string> names;
  for (const LinearModule& module : modules) {
    const std::string name = last_name(module.name);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Status check_options(const NewAdapter& options, const std::vector<LinearModule>& modules) {
  constexpr int64_t kMostRank = 1 << 14;
  if (options.rank < 1 || options.rank > kMostRank) {
    return usage_error(fmt::format("the rank must be from 1 to {}, got {}", kMostRank, options.rank));
  }
  if (!std::isfinite(options.alpha) || options.alpha == 0) return usage_error("alpha must be a number other than 0");
  for (const std::string& target : options.targets) {
    if (std::none_of(modules.begin(), modules.end(), [&](const auto& m) { return is_called(m.name, target); })) {
      return usage_error("the model has no linear layer that is called " + target, "it has " + names_of(modules));
    }
  }
  return ok_status();
}

Adapter::Part new_part(const LinearModule& module, const Weight& weight, const NewAdapter& options, uint64_t stream) {
  Adapter::Part part{module.name, Tensor::empty(DType::kF32, {options.rank, weight.cols()}),
                     Tensor::zeros(DType::kF32, {weight.rows(), options.rank}), Tensor(), options.alpha};
  Random random(options.seed, stream);
  const double bound = 1 / std::sqrt(static_cast<double>(weight.cols()));
  for (float& x : part.a.span<float>()) x = static_cast<float>((2 * random.uniform() - 1) * bound);
  if (options.dora) {
    part.magnitude = row_squares(weight);
    for (float& x : part.magnitude.span<float>()) x = std::sqrt(x);
  }
  return part;
}

}  // namespace

Result<Adapter> new_adapter(const Transformer& model, const NewAdapter& options) {
  const std::vector<LinearModule> modules = linear_modules(model.table());
  TRY(check_options(options, modules));
  Adapter adapter;
  adapter.rank_stabilised = options.rank_stabilised;
  adapter.place = "new adapter";
  for (size_t i = 0; i < modules.size(); ++i) {
    const TensorSpec& spec = *modules[i].spec;
    const bool wanted = options.targets.empty()
                            ? spec.role != Role::kHead && spec.role != Role::kRouter
                            : std::any_of(options.targets.begin(), options.targets.end(),
                                          [&](const std::string& t) { return is_called(modules[i].name, t); });
    if (!wanted) continue;
    adapter.parts.push_back(new_part(modules[i], model.slot_of(spec).parts[modules[i].part].weight, options, i));
  }
  std::sort(adapter.parts.begin(), adapter.parts.end(),
            [](const auto& a, const auto& b) { return a.module < b.module; });
  return adapter;
}

Status check_fits(const Adapter& adapter, std::span<const TensorSpec> table) {
  std::map<std::string, const TensorSpec*> specs;
  for (const LinearModule& module : linear_modules(table)) specs.emplace(module.name, module.spec);
  for (const Adapter::Part& part : adapter.parts) {
    const auto found = specs.find(part.module);
    if (found == specs.end()) {
      return invalid("it changes " + part.module + ", and this model has no such linear layer", adapter.place,
                     kOtherModel);
    }
    const Shape& shape = found->second->shape;
    if (part.a.dim(1) != shape[1] || part.b.dim(0) != shape[0]) {
      return invalid(fmt::format("{} is ({}, {}) in the model, and the adapter's is for ({}, {})", part.module,
                                 shape[0], shape[1], part.b.dim(0), part.a.dim(1)),
                     adapter.place, kOtherModel);
    }
  }
  return ok_status();
}

namespace {

// Letters and digits alone, small, after the last slash: "HuggingFaceTB/SmolLM2-135M-Instruct" and
// "SmolLM2 135M Instruct" are one name.
std::string plain_name(std::string_view name) {
  while (name.ends_with('/')) name.remove_suffix(1);
  name.remove_prefix(name.rfind('/') + 1);
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

}  // namespace

std::string doubt_about_base(const Adapter& adapter, const ModelDescription& model,
                             std::span<const std::string> names) {
  const std::string base = plain_name(adapter.base);
  if (base.empty()) return {};
  std::vector<std::string> own(names.begin(), names.end());
  if (model.files.gguf) {
    const auto name = model.files.gguf->metadata().string_or("general.name", "");
    if (name.ok()) own.emplace_back(name.value());
  }
  if (const auto it = model.config->find("_name_or_path"); it != model.config->end() && it->is_string()) {
    own.push_back(it->get<std::string>());
  }
  std::string known;
  for (const std::string& name : own) {
    const std::string plain = plain_name(name);
    if (plain.empty()) continue;
    if (plain.find(base) != std::string::npos || base.find(plain) != std::string::npos) return {};
    if (known.empty()) known = name;
  }
  if (known.empty()) return {};
  return fmt::format(
      "{} was made for {}, and this model is {}: its shapes fit, but whether its weights are the same "
      "ones cannot be known",
      adapter.place, adapter.base, known);
}

Result<Adapter> open_adapter(const std::filesystem::path& path, const ModelDescription& model) {
  const std::vector<TensorSpec> table = model.family->tensors(model.transformer);
  Adapter adapter;
  if (path.extension() == ".gguf") {
    TRY_ASSIGN(const std::shared_ptr<const Gguf> file, Gguf::open(path));
    TRY_ASSIGN(adapter, parse_gguf_adapter(file->metadata(), file->tensors().all(), model.family->gguf_arch, table,
                                           path.string()));
  } else {
    TRY_ASSIGN(adapter, read_adapter(path));
  }
  TRY(check_fits(adapter, table));
  return adapter;
}

namespace {

// The layers that the parts change, in their order.
Result<std::vector<Linear*>> targets_of(Transformer& model, const Adapter& adapter) {
  TRY(check_fits(adapter, model.table()));
  std::map<const TensorSpec*, Slot*> slots;
  model.for_each([&](const TensorSpec& spec, Slot& slot) { slots.emplace(&spec, &slot); });
  std::map<std::string, Linear*> layers;
  for (const LinearModule& module : linear_modules(model.table())) {
    layers.emplace(module.name, &slots.at(module.spec)->parts.at(module.part));
  }
  std::vector<Linear*> targets;
  targets.reserve(adapter.parts.size());
  for (const Adapter::Part& part : adapter.parts) targets.push_back(layers.at(part.module));
  return targets;
}

}  // namespace

Status attach_adapter(Transformer& model, const Adapter& adapter, float share) {
  TRY_ASSIGN(const std::vector<Linear*> targets, targets_of(model, adapter));
  for (size_t i = 0; i < targets.size(); ++i) {
    const Adapter::Part& part = adapter.parts[i];
    Lora lora{.a = Weight::from_tensor(part.a),
              .b = Weight::from_tensor(part.b),
              .scale = adapter.scale_of(part),
              .share = share,
              .magnitude = part.magnitude};
    if (part.magnitude.defined()) lora.squares = row_squares(targets[i]->weight);
    targets[i]->adapters.push_back(std::move(lora));
  }
  return ok_status();
}

Status attach_adapter(Context& ctx, Transformer& model, const Adapter& adapter, float share) {
  TRY(attach_adapter(model, adapter, share));
  TRY_ASSIGN(const std::vector<Linear*> targets, targets_of(model, adapter));
  for (Linear* target : targets) {
    Lora& lora = target->adapters.back();
    if (lora.magnitude.defined()) lora.gain = dora_gain(ctx, target->weight, lora);
    lora.a.pack(ctx, ActivationBits::k16, {});
    lora.b.pack(ctx, ActivationBits::k16, {});
  }
  return ok_status();
}

void detach_adapters(Transformer& model) {
  model.for_each([](const TensorSpec&, Slot& slot) {
    for (Linear& part : slot.parts) part.adapters.clear();
  });
}

}  // namespace linnet
