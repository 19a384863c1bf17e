// Scores of a block of keys with queries, and the way back through their softmax: (keys, queries), so that a vector
// has a key's scores with sixteen queries, and nothing is summed across a vector.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// See ScoreKernels.
void raise_scores(const ScoreBlock& block, float* highest) {
  const F32 scale = set1(block.scale);
  for (int64_t i = 0; i < block.queries; i += kLanes) {
    F32 most = load(highest + i);
    for (int64_t j = 0; j < block.keys; ++j) most = max(most, mul(load(block.s + j * block.queries + i), scale));
    store(highest + i, most);
  }
}

template <bool kDrops>
LINNET_INLINE void weigh_scores(const ScoreBlock& block, const ScoreMask& mask, const float* highest, float* sums) {
  const F32 scale = set1(block.scale);
  const F32 dropped = set1(static_cast<float>(mask.dropped));
  const F32 kept = set1(mask.kept);
  const uint16_t* levels = mask.levels;
  for (int64_t i = 0; i < block.queries; i += kLanes) {
    const F32 least = negated(load(highest + i));
    F32 sum = load(sums + i);
    for (int64_t j = 0; j < block.keys; ++j) {
      float* at = block.s + j * block.queries + i;
      F32 weight = exp_normal(fmadd(load(at), scale, least));
      sum = add(sum, weight);
      if constexpr (kDrops) {
        weight = dropped_by(weight, levels, dropped, kept);
        levels += kLanes;
      }
      store(at, weight);
    }
    store(sums + i, sum);
  }
}

void weigh_scores(const ScoreBlock& block, const ScoreMask& mask, const float* highest, float* sums) {
  if (mask.levels) return weigh_scores<true>(block, mask, highest, sums);
  weigh_scores<false>(block, mask, highest, sums);
}

template <bool kDrops>
LINNET_INLINE void scores_back(const ScoreBlock& block, float* dp, const ScoreMask& mask, const float* log_sums,
                               const float* mean) {
  const F32 scale = set1(block.scale);
  const F32 dropped = set1(static_cast<float>(mask.dropped));
  const F32 kept = set1(mask.kept);
  const uint16_t* levels = mask.levels;
  for (int64_t i = 0; i < block.queries; i += kLanes) {
    const F32 least = negated(load(log_sums + i));
    const F32 middle = load(mean + i);
    for (int64_t j = 0; j < block.keys; ++j) {
      const int64_t at = j * block.queries + i;
      F32 weight = exp_normal(fmadd(load(block.s + at), scale, least));
      F32 d = load(dp + at);
      if constexpr (kDrops) d = dropped_by(d, levels, dropped, kept);
      store(dp + at, mul(mul(weight, scale), sub(d, middle)));
      if constexpr (kDrops) {
        weight = dropped_by(weight, levels, dropped, kept);
        levels += kLanes;
      }
      store(block.s + at, weight);
    }
  }
}

void scores_back(const ScoreBlock& block, float* dp, const ScoreMask& mask, const float* log_sums, const float* mean) {
  if (mask.levels) return scores_back<true>(block, dp, mask, log_sums, mean);
  scores_back<false>(block, dp, mask, log_sums, mean);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
