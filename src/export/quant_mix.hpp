// What each tensor of a quantised model becomes: llama.cpp's mixes ("Q4_K_M"), which give more bits to the tensors that
// suffer most (llama-quant.cpp).
// Thread safety: pure functions of constants.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "quant/format.hpp"
#include "tensor/shape.hpp"

namespace linnet {

struct QuantMix {
  std::string_view name;
  QuantType base;      // of most matrices
  uint32_t file_type;  // general.file_type of GGUF
};

std::span<const QuantMix> quant_mixes();
// By its name in any case: "q4_k_m". nullptr when there is none.
const QuantMix* find_quant_mix(std::string_view name);

// What the choice depends on.
struct MixModel {
  int64_t layers = 0;
  int64_t experts = 0;              // 0: no mixture
  int64_t queries_per_kv_head = 1;  // attention heads that share keys and values
  bool tied = false;                // the embedding is the head too
  bool falcon = false;
  bool calibrated = false;  // what columns count is known: llama.cpp's "has_imatrix"
};

struct MixChoice {
  const QuantFormat* format = nullptr;
  // The mix wanted this one, but rows of this width are no whole blocks of it. nullptr: it has what it wanted.
  const QuantFormat* wanted = nullptr;
};

// The format of the matrix `name` (GGUF's, "blk.3.attn_v.weight"). Rows that are no multiple of 256 get a format of
// blocks of 32 that takes no more bits than the mix wanted, where llama.cpp takes up to two bits more; below four and a
// half bits there is none, and it is IQ4_NL. Rows that are no multiple of 32 either: F16.
MixChoice choose_format(const QuantMix& mix, const MixModel& model, std::string_view name, const Shape& shape);

}  // namespace linnet
