// y = x · Wᵀ + b, and what adapters make of it.
#pragma once

#include <span>
#include <vector>

#include "nn/weight.hpp"

namespace linnet {

// Low-rank adaptation. Plain LoRA (Hu et al. 2021, arXiv:2106.09685) makes of W
//   W + scale · B · A,
// R much smaller than O and C. DoRA (Liu et al. 2024, arXiv:2402.09353) gives the rows of that the lengths `magnitude`:
//   gain ⊙ (W + scale · B · A),  gain = magnitude / ‖row of W + scale · B · A‖.
// What is added to y is `share` times the change from W to that: shares of one half, twice, are the whole.
struct Lora {
  Weight a;  // (R, C)
  Weight b;  // (O, R)
  float scale = 1;
  float share = 1;
  Tensor magnitude = {};  // (O); undefined in plain LoRA. The rest is of DoRA only:
  Tensor squares = {};    // (O), ‖row of W‖²
  Tensor gain = {};       // (O), once nothing is trained any more; undefined while A, B and magnitude may change
};

struct Linear {
  Weight weight;               // (O, C)
  Tensor bias;                 // (O) or undefined
  std::vector<Lora> adapters;  // each changes W as it is, whatever the others do

  bool defined() const { return weight.defined(); }
  // x: (..., C) -> (..., O). Differentiable in A, B and magnitude; the rows' lengths count as constants there (section
  // 4.3 of the paper), as in PEFT.
  Tensor forward(Context& ctx, const Tensor& x) const;
  // W with all adapters folded in: (O, C) float32.
  Tensor merged() const;
};

struct LinearInput {
  const Linear* layer;
  Tensor x;  // (..., C)
};
// The forward of each, sooner (KernelTable::products_together).
std::vector<Tensor> forward_together(Context& ctx, std::span<const LinearInput> inputs);

// For DoRA. Of each row of W: ‖row‖².
Tensor row_squares(const Weight& weight);  // (O)
// magnitude / ‖row of W + scale · B · A‖, differentiable in magnitude. Requires magnitude and squares.
Tensor dora_gain(Context& ctx, const Weight& weight, const Lora& lora);  // (O)

}  // namespace linnet
