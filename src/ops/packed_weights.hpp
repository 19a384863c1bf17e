// Weights as products of floats want them, packed once for many products: for all parts of a step of training,
// between which no weight changes.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "ops/kernel_table.hpp"

namespace linnet {

// While it lives, products with weights take them from here; what is packed lies in the context's buffers. Nobody else
// keeps packed weights for that context meanwhile. Thread safety: as the context's.
class PackedWeights {
 public:
  explicit PackedWeights(Context& ctx);
  ~PackedWeights();
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  // The b of `call`, which is all of a weight, or its transpose; packed by the first who asks. Null where the
  // kernels pack nothing.
  const PackedOperand* get(const Tensor& weight, const MatmulCall& call);

 private:
  Context& ctx_;
  std::map<std::pair<intptr_t, bool>, PackedOperand> all_;  // by the weight, and whether transposed
};

}  // namespace linnet
