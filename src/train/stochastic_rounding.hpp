// Stochastic rounding of float32 to bfloat16: to one of the two neighbours, to the nearer one with the higher
// probability, so that the mean is the number itself (Gupta et al. 2015, arXiv:1502.02551). A weight that is held in
// bfloat16 then learns also from steps shorter than half the way to its neighbour, all of which rounding to nearest
// loses (Zamirai et al. 2020, arXiv:2010.06192).
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>

#include "tensor/dtype.hpp"

namespace linnet {

// `value` rounded away from zero where the 16 bits that are cut off and `level` come to 2^16 or more, else towards it:
// of all levels as many as it takes for the mean to be `value`. Zeros, infinities and what bfloat16 holds stay as they
// are, NaN stays NaN, subnormal numbers are rounded as others. Nothing finite becomes infinite: beyond the largest
// bfloat16, 3.39e38, it stays the largest.
BFloat16 round_stochastically(float value, uint16_t level);

// Which way the numbers of one tensor go in one step: a function of what stands here and of a number's place alone.
struct StochasticRounding {
  uint64_t seed = 0;
  uint32_t step = 0;
  uint32_t tensor = 0;  // differs for all tensors of a step; below 2^31

  // out[i] = x[i], rounded, for numbers [begin, begin + n) of the tensor. begin: a multiple of kLevelGroup
  // (base/random.hpp).
  void round(uint64_t begin, int64_t n, const float* x, BFloat16* out) const;
};

}  // namespace linnet
