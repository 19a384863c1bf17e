// What every softmax over a block of keys has: caps, masks, and the highest score so far.
#pragma once

#include "kernels/cpu/attention_query_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

LINNET_INLINE F32 capped(F32 score, float cap) {  // cap * tanh(score / cap)
  const F32 e = exp(mul(score, set1(2 / cap)));
  return mul(set1(cap), sub(set1(1.0f), div(set1(2.0f), add(e, set1(1.0f)))));
}

// Numbers of keys outside [begin, end) become `outside`.
LINNET_INLINE F32 masked(F32 x, int64_t first_lane, int64_t begin, int64_t end, float outside = -__builtin_inff()) {
  alignas(64) static constexpr float kPlaces[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F32 nothing = set1(outside);
  const F32 lane = add(load(kPlaces), set1(static_cast<float>(first_lane)));
  x = select_less(lane, set1(static_cast<float>(begin)), nothing, x);
  return select_less(lane, set1(static_cast<float>(end)), x, nothing);
}

// Scores so far above the highest of before do not rescale what there is: weights of up to e^8 are as exact as those
// below one, and a new highest by a little is frequent.
constexpr float kHeadroom = 8;

// Rescales what there is of a row to a new highest score.
LINNET_INLINE void raise_highest(Query& query, int64_t dim, float highest) {
  const float before = query.highest;
  query.highest = highest;
  if (before == -__builtin_inff()) return;  // there is nothing yet
  const F32 rescale = exp(sub(set1(before), set1(highest)));
  store(query.sums, mul(load(query.sums), rescale));
  for (int64_t d = 0; d < dim; d += 16) store(query.out + d, mul(load(query.out + d), rescale));
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
