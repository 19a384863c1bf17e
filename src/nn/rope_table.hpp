// The angles of rotary embeddings: plain, and the ways in which models stretch them over longer contexts.
//
// default:  Su et al. 2021, arXiv:2104.09864
// linear:   positions divided by factor (Chen et al. 2023, arXiv:2306.15595)
// llama3:   long wavelengths divided by factor, short ones kept, a ramp between (Llama 3.1)
// yarn:     Peng et al. 2023, arXiv:2309.00071, with its attention factor
// longrope: a factor a dimension, one list up to the original context and another beyond (Ding et al. 2024,
//           arXiv:2402.13753)
// Thread safety: const.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/context.hpp"

namespace linnet {

enum class RopeKind : uint8_t { kDefault, kLinear, kLlama3, kYarn, kLongRope };

struct RopeSpec {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000;
  int64_t rotary_dim = 0;  // R, even; the first R of D dimensions turn
  double factor = 1;
  int64_t original_context = 0;                             // what the model was trained for before it was stretched
  double low_freq_factor = 1, high_freq_factor = 4;         // llama3
  double beta_fast = 32, beta_slow = 1;                     // yarn
  bool truncate = true;                                     // yarn: whole correction bounds
  std::vector<double> short_factor = {}, long_factor = {};  // longrope, R/2 each
  std::vector<double> divisors = {};  // R/2: each inverse frequency is divided by its own (GGUF's rope_freqs); or empty
  double attention_factor = 1;        // on cos and sin
};

// Whether `length` tokens need the long factors. Other kinds have one regime, 0.
int rope_regime(const RopeSpec& spec, int64_t length);

// R/2 angles per position for one regime, as transformers computes them.
std::vector<float> inverse_frequencies(const RopeSpec& spec, int regime);

struct RopeTables {
  Tensor cos;  // (N, R/2)
  Tensor sin;
};

// One row per position; regimes[i] is that of the sequence that row i belongs to.
RopeTables rope_tables(Context& ctx, const RopeSpec& spec, std::span<const int32_t> positions,
                       std::span<const int> regimes);

}  // namespace linnet
