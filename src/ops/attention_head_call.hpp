// What kernels of teaching's attention are given. Plain memory, for the objects of single instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/dropout.hpp"

namespace linnet {

// One head of queries of one segment, all rows of it; its first row is at position 0. What AttentionParams says of
// scale, window, causal and sinks.
struct AttentionHead {
  int64_t rows = 0;
  int64_t dim = 0;           // D, at most kMostHeadDim
  const float* q = nullptr;  // a row every q_stride, as in out, dout and dq; of k and v every kv_stride
  const float* k = nullptr;
  const float* v = nullptr;
  int64_t q_stride = 0;
  int64_t kv_stride = 0;
  float scale = 1;  // above zero
  int64_t window = 0;
  bool causal = true;
  float sink = 0;  // -infinity where there is none
  // Of the weights: those of row i on key j are dropped by number mask_begin + (i / 16 * rows + j) * 16 + i % 16, so
  // that a vector of queries reads neighbours. mask_begin: a multiple of kDropoutGroup.
  DropoutMask dropout = {};
  uint64_t mask_begin = 0;
};
inline constexpr int64_t kMaskQueries = 16;

struct AttentionHeadCall {
  AttentionHead head;
  float* out = nullptr;
  float* log_sums = nullptr;  // (rows): of the e^scores of a row, its sink's included
};

// What AttentionHeadCall left, and the gradient of out, become those of q, k and v.
struct AttentionHeadBackCall {
  AttentionHead head;
  const float* out = nullptr;
  const float* log_sums = nullptr;
  const float* dout = nullptr;
  float* dq = nullptr;
  float* dk = nullptr;  // a row every dk_stride, as in dv
  float* dv = nullptr;
  int64_t dk_stride = 0;
  float* dsink = nullptr;  // or null
};

inline constexpr int64_t kMostHeadDim = 256;

// workspace: KernelTable::attention_head_workspace() bytes, on a cache line. Calls on different ones are independent.
struct AttentionHeadKernels {
  void (*forth)(const AttentionHeadCall& call, std::byte* workspace) = nullptr;
  void (*back)(const AttentionHeadBackCall& call, std::byte* workspace) = nullptr;
};

}  // namespace linnet
