// Dropout (Srivastava et al. 2014), its masks from counters: whether a number is dropped is a function of seed, step
// and place alone, so that the way back makes the mask again instead of keeping it, and threads and restarts change
// nothing. Thread safety: values and pure functions.
#pragma once

#include <cstdint>

#include "base/random.hpp"
#include "ops/context.hpp"

namespace linnet {

// One mask: of a place in the model, in one draw. rate 0: nothing is dropped.
struct DropoutMask {
  float rate = 0;  // in [0, 1): the part that becomes zero; the rest is divided by 1 - rate
  uint64_t seed = 0;
  uint32_t draw = 0;   // counts steps, or parts of steps
  uint32_t place = 0;  // differs for all masks of one draw

  bool drops() const { return rate > 0; }
  // Of numbers [begin, begin + n) of the mask, of which begin is a multiple of kDropoutGroup, a level each: what has
  // one below dropped() becomes zero, the rest is multiplied by kept().
  void levels(uint64_t begin, int64_t n, uint16_t* out) const { random_levels(seed, draw, place, begin, n, out); }
  uint32_t dropped() const;
  float kept() const;
  float factor(uint16_t level) const { return level < dropped() ? 0.0f : kept(); }
};

// Numbers that one counter decides, by 16 bits each.
inline constexpr int64_t kDropoutGroup = kLevelGroup;

namespace ops {

// x times its mask: (...) -> (...). Differentiable in x.
Tensor dropout(Context& ctx, const Tensor& x, const DropoutMask& mask);

}  // namespace ops
}  // namespace linnet
