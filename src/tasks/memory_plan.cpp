#include "tasks/memory_plan.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/system.hpp"

namespace linnet {

namespace {

// Rows of a prefill step (engine/session.cpp) and of the logits that are asked for.
constexpr int64_t kStepRows = 256;

}  // namespace

DType kv_dtype(const ModelDescription& model, const KernelTable& kernels) {
  const auto tensors = model.files.tensors->all();
  const bool single = std::all_of(tensors.begin(), tensors.end(), [](const StoredTensor& t) {
    return t.shape.rank() < 2 || (t.format && t.format->type == QuantType::kF32);
  });
  if (single) return DType::kF32;
  return kernels.attention.to_pairs && model.transformer.head_dim % 16 == 0 ? DType::kBF16 : DType::kF16;
}

MemoryPlan plan_memory(const ModelDescription& model, int64_t context) {
  const TransformerConfig& c = model.transformer;
  MemoryPlan plan;
  for (const StoredTensor& tensor : model.files.tensors->all()) {
    const bool as_floats = tensor.scale != nullptr;  // FP8 with scales is held as float32
    plan.weights += as_floats ? static_cast<uint64_t>(tensor.shape.elements()) * sizeof(float) : tensor.stored_bytes();
  }
  const KvShape kv{c.num_layers(), c.num_kv_heads, c.head_dim, kv_dtype(model, reference_kernels())};
  plan.kv_cache = static_cast<uint64_t>(kv.bytes_for(context));
  // The residual stream, q, k, v and the attention's result, the MLP's two inner tensors and their product.
  const int64_t numbers = 4 * c.hidden_size + 2 * (c.num_heads + c.num_kv_heads) * c.head_dim + 3 * c.intermediate_size;
  plan.activations = static_cast<uint64_t>(kStepRows * numbers + c.vocab_size) * sizeof(float);
  return plan;
}

Status check_memory(const MemoryPlan& plan, int64_t context) {
  const MemoryInfo memory = memory_info();
  if (plan.total() <= memory.available) return ok_status();
  return Error{ErrorCode::kOutOfMemory,
               fmt::format("{} of memory are needed at a context of {} ({} weights, {} KV cache{}), {} are free",
                           format_bytes(plan.total()), context, format_bytes(plan.weights), format_bytes(plan.kv_cache),
                           plan.adapters > 0 ? fmt::format(", {} adapters", format_bytes(plan.adapters)) : "",
                           format_bytes(memory.available)),
               {},
               "close other programs, ask for less with --context, or take a smaller model: linnet list --all"};
}

int64_t default_context(const ModelDescription& model) {
  return std::min(model.transformer.max_positions, kDefaultContext);
}

}  // namespace linnet
