// How much memory a model needs, computed before any of it is taken: what `generate` has resident when its context is
// full, within a tenth (tests/peers/memory.py measures it).
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>

#include "models/model.hpp"

namespace linnet {

struct MemoryPlan {
  uint64_t weights = 0;      // as they are held while running
  uint64_t kv_cache = 0;     // of one sequence as long as the context
  uint64_t activations = 0;  // of one prefill step
  uint64_t adapters = 0;     // beside the weights: as they were read, and packed
  uint64_t tokenizer = 0;
  uint64_t program = 0;  // code, libraries, stacks
  // While weights are loaded there is neither cache nor activation, but the whole file is mapped, and what is not used
  // as it lies is copied: so much more than `weights`.
  uint64_t loading = 0;

  uint64_t total() const {
    return program + tokenizer + adapters + weights + std::max(loading, kv_cache + activations);
  }
};

// Element type of cached keys and values: float32 where all weights are, else of sixteen bits: BF16 where these kernels
// multiply it, F16 elsewhere.
DType kv_dtype(const ModelDescription& model, const KernelTable& kernels);

// What a tensor is held as to be trained, whatever the file holds; nothing: it is not.
using TrainedAs = std::function<std::optional<DType>(const TensorSpec&)>;

// `context` tokens of one sequence, read and written by these kernels. trained_as: empty: nothing is trained. kv: of
// cached keys and values; nothing: kv_dtype().
MemoryPlan plan_memory(const ModelDescription& model, const KernelTable& kernels, int64_t context,
                       const TrainedAs& trained_as = {}, std::optional<DType> kv = {});

// Error kOutOfMemory with both numbers, and what would fit, when the plan is more than this process may take.
Status check_memory(const MemoryPlan& plan, int64_t context);

// The longest context that anybody is given without asking: the model's own, up to this.
inline constexpr int64_t kDefaultContext = 4096;
int64_t default_context(const ModelDescription& model);

}  // namespace linnet
