// llama.cpp's form of an adapter: read and written.
//
// A layer's pair is named as its matrix, with ".lora_a" (R, C) and ".lora_b" (O, R); of stacked experts (E, R, C) and
// (E, O, R). llama.cpp adds adapter.lora.alpha / R times their product, and the product itself where alpha is 0.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <map>
#include <set>

#include "formats/gguf_writer.hpp"
#include "models/adapter.hpp"
#include "models/adapter_parts.hpp"

namespace linnet {

namespace {

constexpr std::string_view kA = ".lora_a";
constexpr std::string_view kB = ".lora_b";
constexpr const char* kMerge = "merge it into its model: linnet export MODEL --adapter ADAPTER --merge --out FILE.gguf";

// The layers of one matrix in GGUF: one, or its experts.
using Modules = std::vector<LinearModule>;

std::map<std::string, Modules> modules_by_gguf_name(std::span<const TensorSpec> table) {
  std::map<std::string, Modules> out;
  for (LinearModule& module : linear_modules(table)) {
    const TensorSpec& spec = *module.spec;
    if (!spec.gguf.empty() && !spec.interleaved) out[spec.gguf].push_back(std::move(module));
  }
  return out;
}

// b (O, R) with row i of `from` as row order[i] of the result; or the other way round.
Tensor in_our_order(const Tensor& from, const std::vector<int64_t>& order, bool back) {
  if (order.empty()) return from;
  const int64_t rank = from.dim(1);
  Tensor out = Tensor::empty(DType::kF32, from.shape());
  for (size_t i = 0; i < order.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const int64_t to = back ? row : order[i];
    const int64_t source = back ? order[i] : row;
    std::copy_n(from.data<float>() + source * rank, rank, out.data<float>() + to * rank);
  }
  return out;
}

Status check_kind(const GgufMetadata& metadata, std::string_view architecture) {
  TRY_ASSIGN(const std::string_view type, metadata.string_or("general.type", "model"));
  if (type != "adapter") {
    return invalid(fmt::format("is no adapter: its general.type is {}", type), metadata.place());
  }
  TRY_ASSIGN(const std::string_view kind, metadata.string("adapter.type"));
  if (kind != "lora") {
    return unsupported(fmt::format("adapter.type is {}, of which only lora is known", kind), metadata.place());
  }
  if (metadata.has("adapter.alora.invocation_tokens")) {
    return unsupported("is an activated LoRA (aLoRA), which Linnet does not compute", metadata.place());
  }
  TRY_ASSIGN(const std::string_view made_for, metadata.string("general.architecture"));
  if (made_for == architecture) return ok_status();
  return invalid(fmt::format("was made for a model of architecture {}, and this one is {}", made_for, architecture),
                 metadata.place(), "use the model that the adapter was made for");
}

struct Pair {
  const StoredTensor* a = nullptr;
  const StoredTensor* b = nullptr;
};

Result<std::map<std::string, Pair>> pairs_of(std::span<const StoredTensor> tensors) {
  std::map<std::string, Pair> pairs;
  for (const StoredTensor& tensor : tensors) {
    const bool is_a = tensor.name.ends_with(kA);
    if (!is_a && !tensor.name.ends_with(kB)) {
      return unsupported("is no .lora_a or .lora_b", tensor.place(), "use the merged model instead");
    }
    if (!tensor.format || tensor.shape.elements() == 0) return invalid("holds no floats", tensor.place());
    Pair& pair = pairs[tensor.name.substr(0, tensor.name.size() - kA.size())];
    const StoredTensor*& side = is_a ? pair.a : pair.b;
    if (side) return invalid("stands there twice", tensor.place());
    side = &tensor;
  }
  return pairs;
}

// Matrix `index` of a tensor of `count`, as float32 of its own.
Result<Tensor> matrix(const StoredTensor& stored, size_t index, size_t count) {
  if (stored.shape.rank() != (count > 1 ? 3 : 2) || (count > 1 && std::cmp_not_equal(stored.shape[0], count))) {
    return invalid("has shape " + stored.shape.to_string() +
                       (count > 1 ? fmt::format(" where {} matrices belong", count) : " where a matrix belongs"),
                   stored.place());
  }
  return finite_copy(count > 1 ? matrix_of(stored, static_cast<int64_t>(index)) : stored);
}

Status add_parts(const std::string& name, const Pair& pair, const Modules& modules, double alpha, Adapter& adapter) {
  if (!pair.a || !pair.b) {
    return invalid(fmt::format("{} has no {}", name, pair.a ? kB : kA), adapter.place);
  }
  for (size_t i = 0; i < modules.size(); ++i) {
    Adapter::Part part;
    part.module = modules[i].name;
    TRY_ASSIGN(part.a, matrix(*pair.a, i, modules.size()));
    TRY_ASSIGN(const Tensor b, matrix(*pair.b, i, modules.size()));
    const TensorSpec& spec = *modules[i].spec;
    if (part.a.dim(0) != b.dim(1) || b.dim(0) != spec.shape[0] || part.a.dim(1) != spec.shape[1]) {
      return invalid(fmt::format("the pair of {} is {} and {}, and the model's matrix {}", name,
                                 part.a.shape().to_string(), b.shape().to_string(), spec.shape.to_string()),
                     adapter.place, "use the model that the adapter was made for");
    }
    part.b = in_our_order(b, gguf_row_order(spec), false);
    part.alpha = alpha == 0 ? static_cast<double>(part.a.dim(0)) : alpha;
    adapter.parts.push_back(std::move(part));
  }
  return ok_status();
}

}  // namespace

Result<Adapter> parse_gguf_adapter(const GgufMetadata& metadata, std::span<const StoredTensor> tensors,
                                   std::string_view architecture, std::span<const TensorSpec> table,
                                   const std::string& place) {
  TRY(check_kind(metadata, architecture));
  TRY_ASSIGN(const double alpha, metadata.number_or("adapter.lora.alpha", 0));
  if (!std::isfinite(alpha)) return invalid("adapter.lora.alpha is not a number", place);
  Adapter adapter;
  adapter.place = place;
  TRY_ASSIGN(adapter.base, metadata.string_or("general.base_model.0.name", ""));
  TRY_ASSIGN(const auto pairs, pairs_of(tensors));
  if (pairs.empty()) return invalid("holds no tensor", place);
  const std::map<std::string, Modules> modules = modules_by_gguf_name(table);
  for (const auto& [name, pair] : pairs) {
    const auto found = modules.find(name);
    if (found == modules.end()) {
      return invalid("it changes " + name + ", and this model has no such linear layer", place,
                     "use the model that the adapter was made for; an adapter of embeddings is not read");
    }
    TRY(add_parts(name, pair, found->second, alpha, adapter));
  }
  std::sort(adapter.parts.begin(), adapter.parts.end(),
            [](const auto& a, const auto& b) { return a.module < b.module; });
  return adapter;
}

namespace {

// Parts of the layers of one GGUF matrix; null where an expert has none.
using Parts = std::vector<const Adapter::Part*>;

int64_t largest_rank(const Parts& parts) {
  int64_t rank = 0;
  for (const Adapter::Part* part : parts) rank = std::max(rank, part ? part->a.dim(0) : 0);
  return rank;
}

// What llama.cpp will multiply the product of this pair by is alpha / rank: what it lacks.
float rest_of_scale(const Adapter& adapter, const Adapter::Part& part, double alpha, int64_t rank) {
  const double theirs = static_cast<double>(static_cast<float>(alpha)) / static_cast<double>(rank);
  return static_cast<float>(double{adapter.scale_of(part)} / theirs);
}

Tensor stack_a(const Parts& parts, const TensorSpec& spec, int64_t rank) {
  const auto count = static_cast<int64_t>(parts.size());
  const int64_t cols = spec.shape[1];
  Tensor out = Tensor::zeros(DType::kF32, count > 1 ? Shape{count, rank, cols} : Shape{rank, cols});
  for (size_t e = 0; e < parts.size(); ++e) {
    if (!parts[e]) continue;
    std::copy_n(parts[e]->a.data<float>(), parts[e]->a.elements(),
                out.data<float>() + static_cast<int64_t>(e) * rank * cols);
  }
  return out;
}

Tensor stack_b(const Adapter& adapter, const Parts& parts, const TensorSpec& spec, int64_t rank, double alpha) {
  const auto count = static_cast<int64_t>(parts.size());
  const int64_t rows = spec.shape[0];
  const std::vector<int64_t> order = gguf_row_order(spec);
  Tensor out = Tensor::zeros(DType::kF32, count > 1 ? Shape{count, rows, rank} : Shape{rows, rank});
  for (size_t e = 0; e < parts.size(); ++e) {
    if (!parts[e]) continue;
    const Tensor b = in_our_order(parts[e]->b, order, true);
    const float factor = rest_of_scale(adapter, *parts[e], alpha, rank);
    float* to = out.data<float>() + static_cast<int64_t>(e) * rows * rank;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t r = 0; r < b.dim(1); ++r) to[row * rank + r] = factor * b.data<float>()[row * b.dim(1) + r];
    }
  }
  return out;
}

// Alpha such that as many scales as can be need nothing folded into lora_b.
double common_alpha(const Adapter& adapter) {
  std::vector<double> numerators;
  numerators.reserve(adapter.parts.size());
  for (const Adapter::Part& part : adapter.parts) {
    numerators.push_back(double{adapter.scale_of(part)} * static_cast<double>(part.a.dim(0)));
  }
  const double most = most_common(numerators);
  return most == 0 ? 1 : most;  // 0 would mean a scale of 1 to llama.cpp
}

Status check_holds(const Adapter& adapter, const ModelDescription& model, const std::map<std::string, Modules>& known) {
  if (model.family->gguf_arch.empty()) {
    return unsupported(fmt::format("GGUF cannot hold models of type {}", model.family->model_type), adapter.place);
  }
  if (adapter.is_dora()) return unsupported("a GGUF adapter cannot hold DoRA", adapter.place, kMerge);
  std::set<std::string_view> named;
  for (const auto& [name, modules] : known) {
    for (const LinearModule& module : modules) named.insert(module.name);
  }
  for (const Adapter::Part& part : adapter.parts) {
    if (!named.contains(part.module)) {
      return unsupported("a GGUF adapter cannot hold " + part.module, adapter.place, kMerge);
    }
  }
  return ok_status();
}

}  // namespace

Status write_gguf_adapter(const Adapter& adapter, const ModelDescription& model, DType dtype,
                          const std::filesystem::path& path) {
  const std::vector<TensorSpec> table = model.family->tensors(model.transformer);
  TRY(check_fits(adapter, table));
  const std::map<std::string, Modules> known = modules_by_gguf_name(table);
  TRY(check_holds(adapter, model, known));
  std::map<std::string_view, const Adapter::Part*> by_module;
  for (const Adapter::Part& part : adapter.parts) by_module.emplace(part.module, &part);
  const double alpha = common_alpha(adapter);
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, modules] : known) {
    Parts parts;
    for (const LinearModule& module : modules) {
      const auto found = by_module.find(module.name);
      parts.push_back(found == by_module.end() ? nullptr : found->second);
    }
    const int64_t rank = largest_rank(parts);
    if (rank == 0) continue;
    const TensorSpec& spec = *modules[0].spec;
    const auto add = [&](std::string_view suffix, const Tensor& numbers) -> Status {
      const std::string full = name + std::string(suffix);
      TRY_ASSIGN(const Tensor out, narrowed(numbers, dtype, full));
      tensors.push_back(TensorToWrite::of(full, out));
      return ok_status();
    };
    TRY(add(kA, stack_a(parts, spec, rank)));
    TRY(add(kB, stack_b(adapter, parts, spec, rank, alpha)));
  }
  GgufWriter writer;
  writer.add("general.architecture", model.family->gguf_arch);
  writer.add("general.type", "adapter");
  writer.add("adapter.type", "lora");
  writer.add("adapter.lora.alpha", static_cast<float>(alpha));
  writer.add("general.file_type", dtype == DType::kF32 ? uint32_t{0} : uint32_t{1});
  if (!adapter.base.empty()) {
    writer.add("general.base_model.count", uint32_t{1});
    writer.add("general.base_model.0.name", adapter.base);
  }
  return writer.write(path, tensors);
}

}  // namespace linnet
