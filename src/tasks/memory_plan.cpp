#include "tasks/memory_plan.hpp"

#include <fmt/core.h>
#include <map>
#include <set>

#include "base/system.hpp"
#include "engine/session.hpp"
#include "kernels/registry.hpp"
#include "tensor/buffer_pool.hpp"

namespace linnet {

namespace {

// Measured: `linnet --version` has 15 MB resident, and threads with stacks and heaps of their own come to it.
constexpr uint64_t kProgram = 18'000'000;

// ---- weights

// How a tensor is held while the model runs, and what is copied of it before it is packed.
struct Held {
  uint64_t running = 0;
  uint64_t copied = 0;
};

// What is special about the tensors of some names.
struct Special {
  std::set<std::string> biases;          // vectors, though those of stacked experts look like a matrix
  std::set<std::string> transposed;      // stored the other way round: held as float32
  std::set<std::string> reordered;       // rows in llama.cpp's order, or halves that are woven: copied
  std::map<std::string, DType> trained;  // as what
};

// Those of one line of the table, in a file of this kind.
std::vector<std::string> names_of(const TensorSpec& spec, bool gguf) {
  std::vector<std::string> names;
  for (int64_t expert = 0; expert < std::max<int64_t>(spec.experts, 1); ++expert) {
    if (!gguf || !spec.interleaved) {
      names.push_back(name_of_expert(gguf ? spec.gguf : spec.name, expert));
      continue;
    }
    for (const char* half : {"gate", "up"}) {
      std::string name = spec.gguf;
      names.push_back(name.replace(name.find("{}"), 2, half));
    }
  }
  return names;
}

Special special_tensors(const ModelDescription& model, const TrainedAs& trained_as) {
  const bool gguf = model.files.gguf != nullptr;
  Special special;
  for (const TensorSpec& spec : model.family->tensors(model.transformer)) {
    if (const auto dtype = trained_as ? trained_as(spec) : std::nullopt) {
      for (std::string& name : names_of(spec, gguf)) special.trained.emplace(std::move(name), *dtype);
    }
    if (spec.bias) special.biases.insert(gguf ? spec.gguf : spec.name);
    if (spec.shape.rank() != 2) continue;
    if (!gguf && spec.transposed) special.transposed.insert(spec.name);
    if (gguf && spec.gguf_rows != GgufRows::kSame) special.reordered.insert(spec.gguf);
    if (!gguf || !spec.interleaved) continue;
    for (std::string& name : names_of(spec, gguf)) special.reordered.insert(std::move(name));
  }
  return special;
}

Held held(const StoredTensor& tensor, const Special& special, bool packs) {
  const Shape& shape = tensor.shape;
  if (const auto trained = special.trained.find(tensor.name); trained != special.trained.end()) {
    return {static_cast<uint64_t>(shape.elements() * dtype_bytes(trained->second)), 0};
  }
  if (shape.rank() < 2 || !tensor.format || special.biases.contains(tensor.name)) return {tensor.stored_bytes(), 0};
  const bool split = !tensor.split_scales.empty();
  const bool as_floats = tensor.scale || (special.transposed.contains(tensor.name) && !split);
  const QuantType type = as_floats ? QuantType::kF32 : tensor.format->type;
  const int64_t matrices = shape.elements() / std::max<int64_t>(shape[-2] * shape[-1], 1);
  const bool turned = special.transposed.contains(tensor.name) && !split;
  const auto one = turned ? packed_bytes(type, shape[-1], shape[-2]) : packed_bytes(type, shape[-2], shape[-1]);
  const auto plain = as_floats ? static_cast<uint64_t>(shape.elements()) * sizeof(float) : tensor.stored_bytes();
  Held out;
  out.running = packs && one > 0 ? static_cast<uint64_t>(matrices * one) : plain;
  if (as_floats || split || special.reordered.contains(tensor.name)) out.copied = plain;
  return out;
}

// ---- activations

// Buffers of one step, in numbers for each row; each stands at the same time as the others of its list. What a layer
// makes, in the order of models/transformer.cpp.
using Buffers = std::vector<int64_t>;

Buffers attention_buffers(const TransformerConfig& c) {
  const int64_t q = c.num_heads * c.head_dim;
  const int64_t kv = c.num_kv_heads * c.head_dim;
  Buffers out{c.hidden_size, c.hidden_size, q, kv, kv, q};  // the stream, its norm, q, k, v, what was attended to
  if (c.fused_qkv) out.push_back(q + 2 * kv);
  if (c.qk_norm != QkNorm::kNone) out.insert(out.end(), {q, kv});
  if (!c.ropes.empty()) out.insert(out.end(), {q, kv});
  out.push_back(c.hidden_size);
  return out;
}

Buffers mlp_buffers(const TransformerConfig& c) {
  const int64_t inner = c.intermediate_size;
  Buffers out(5, c.hidden_size);  // two streams, the norm, the result, the sum
  out.insert(out.end(), c.gated ? 3 : 2, inner);
  if (c.fused_gate) out.push_back(2 * inner);
  return out;
}

// Experts get different numbers of rows, and so buffers of many sizes, one after the other.
Buffers expert_buffers(const TransformerConfig& c) {
  constexpr int64_t kUneven = 4;  // the most that one expert gets, over its fair share
  Buffers out(7, c.hidden_size);
  const int64_t share = std::min(c.moe.experts, kUneven * c.moe.top_k);
  for (const int64_t size : {c.hidden_size, c.moe.intermediate_size, c.moe.intermediate_size, c.moe.intermediate_size,
                             2 * c.moe.intermediate_size, c.hidden_size}) {
    out.push_back(size * share / c.moe.experts);
  }
  return out;
}

// What a pool takes for one list after another: what was freed of a large buffer serves any other, of a small one those
// of its class.
uint64_t pooled_bytes(std::span<const Buffers> lists, int64_t rows) {
  uint64_t large = 0;
  std::map<uint64_t, uint64_t> small;  // the most of each class
  for (const Buffers& list : lists) {
    uint64_t bytes = 0;
    std::map<uint64_t, uint64_t> count;
    for (const int64_t numbers : list) {
      const uint64_t size = BufferPool::rounded(static_cast<uint64_t>(rows * numbers) * sizeof(float));
      if (size < BufferPool::kLarge) {
        ++count[size];
      } else {
        bytes += size;
      }
    }
    large = std::max(large, bytes);
    for (const auto& [size, n] : count) small[size] = std::max(small[size], n);
  }
  uint64_t total = large;
  for (const auto& [size, n] : small) total += size * n;
  return total;
}

uint64_t activation_bytes(const TransformerConfig& c, int64_t context) {
  const int64_t rows = c.has_head ? std::min(kPrefillRows, context) : context;  // an encoder reads a text at once
  std::vector<Buffers> lists{attention_buffers(c)};
  const bool dense = std::any_of(c.layers.begin(), c.layers.end(), [](const LayerConfig& l) { return !l.experts; });
  if (dense) lists.push_back(mlp_buffers(c));
  if (c.moe.experts > 0) lists.push_back(expert_buffers(c));
  // Beside them the activations of one product as int8, in blocks of 32 with their scales: two bytes a number, four
  // where it sees sixteen bits.
  const int64_t inner = dense ? c.intermediate_size : c.moe.intermediate_size;
  const int64_t quantised = std::max(2 * inner, 4 * c.hidden_size);
  const int64_t logits = (c.final_softcap > 0 ? 2 : 1) * c.vocab_size;
  return pooled_bytes(lists, rows) + static_cast<uint64_t>(rows * quantised) +
         static_cast<uint64_t>(logits) * sizeof(float);
}

// ---- tokenizer

uint64_t count_of(const GgufMetadata& metadata, std::string_view key) {
  const GgufValue* value = metadata.find(key);
  return value && value->type == GgufType::kArray ? value->count() : 0;
}

// Measured: so many bytes a token and a merge, with what reading them leaves on the heap.
uint64_t tokenizer_bytes(const ModelFiles& files) {
  constexpr uint64_t kToken = 210;
  constexpr uint64_t kMerge = 160;
  constexpr uint64_t kJsonByte = 8;
  if (files.gguf) {
    const GgufMetadata& metadata = files.gguf->metadata();
    return kToken * count_of(metadata, "tokenizer.ggml.tokens") + kMerge * count_of(metadata, "tokenizer.ggml.merges");
  }
  std::error_code code;
  const auto& file = files.tokenizer_json ? files.tokenizer_json : files.tokenizer_model;
  const uint64_t size = file ? std::filesystem::file_size(*file, code) : 0;
  return code ? 0 : kJsonByte * size;
}

}  // namespace

DType kv_dtype(const ModelDescription& model, const KernelTable& kernels) {
  const auto tensors = model.files.tensors->all();
  const bool single = std::all_of(tensors.begin(), tensors.end(), [](const StoredTensor& t) {
    return t.shape.rank() < 2 || (t.format && t.format->type == QuantType::kF32);
  });
  if (single) return DType::kF32;
  if (model.transformer.head_dim % 16 != 0) return DType::kF16;
  if (kernels.attention.to_pairs) return DType::kBF16;
  return kernels.attention.to_words ? DType::kI16 : DType::kF16;
}

MemoryPlan plan_memory(const ModelDescription& model, const KernelTable& kernels, int64_t context,
                       const TrainedAs& trained_as, std::optional<DType> kv) {
  const TransformerConfig& c = model.transformer;
  const Special special = special_tensors(model, trained_as);
  MemoryPlan plan;
  uint64_t at_first = 0;
  for (const StoredTensor& tensor : model.files.tensors->all()) {
    const Held now = held(tensor, special, kernels.pack != nullptr);
    plan.weights += now.running;
    at_first += tensor.stored_bytes() + now.copied;
  }
  plan.loading = at_first > plan.weights ? at_first - plan.weights : 0;
  const KvShape cache{c.num_layers(), c.num_kv_heads, c.head_dim, kv.value_or(kv_dtype(model, kernels))};
  plan.kv_cache = c.has_head ? static_cast<uint64_t>(cache.bytes_for(context)) : 0;
  plan.activations = activation_bytes(c, context);
  plan.tokenizer = tokenizer_bytes(model.files);
  plan.program = kProgram;
  return plan;
}

Status check_memory(const MemoryPlan& plan, int64_t context) {
  const MemoryInfo memory = memory_info();
  if (plan.total() <= memory.available) return ok_status();
  return out_of_memory(
      fmt::format("{} of memory are needed at a context of {} ({} weights, {} KV cache{}), {} are free",
                  format_bytes(plan.total()), context, format_bytes(plan.weights), format_bytes(plan.kv_cache),
                  plan.adapters > 0 ? fmt::format(", {} adapters", format_bytes(plan.adapters)) : "",
                  format_bytes(memory.available)),
      "close other programs, ask for less with --context, or take a smaller model: linnet list --all");
}

int64_t default_context(const ModelDescription& model) {
  return std::min(model.transformer.max_positions, kDefaultContext);
}

}  // namespace linnet
