// Products of float matrices as pairs of bfloat16, two products an instruction.
#pragma once

#include "kernels/cpu/load_pairs_inl.hpp"
#include "kernels/cpu/matmul_tile_inl.hpp"
#include "kernels/cpu/prefetch_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Rows of from hold neighbouring j: one pair from each of two rows. Rows lie far apart, so those of several panels are
// fetched ahead; of a single panel that costs more than it saves.
void pack_pairs_of_rows(const float* from, int64_t k_stride, int64_t k, int64_t count, int64_t width,
                        int64_t panel_pairs, uint32_t* out) {
  constexpr int64_t kRowsAhead = 8;
  for (int64_t i = 0; i < k; i += 2, from += 2 * k_stride, out += width) {
    for (int64_t row = kRowsAhead; count > width && row < kRowsAhead + 2 && i + row < k; ++row) {
      prefetch_row(from + row * k_stride, count);
    }
    uint32_t* to = out;
    for (int64_t begin = 0; begin < count; begin += width, to += panel_pairs) {
      for (int64_t j = 0; j < width; j += 16) {
        const int64_t lanes = width - j < 16 ? width - j : 16;
        const int64_t left = count - begin - j;
        const int64_t inside = left < 0 ? 0 : left < lanes ? left : lanes;
        const float* row = from + begin + j;
        const F32 high = i + 1 < k ? load_first(row + k_stride, inside) : zero();
        store_pairs_first(to + j, lanes, load_first(row, inside), high);
      }
    }
  }
}

// Rows of from hold neighbouring k: sixteen rows of sixteen pairs at a time, turned.
void pack_pairs_of_columns(const float* from, int64_t j_stride, int64_t k, int64_t count, int64_t width, uint32_t* to) {
  for (int64_t j = 0; j < width; j += 16) {
    const int64_t lanes = width - j < 16 ? width - j : 16;
    const int64_t inside = j >= count ? 0 : count - j < lanes ? count - j : lanes;
    for (int64_t i = 0; i < k; i += 32) {
      Bf16s rows[16];
      for (int64_t r = 0; r < 16; ++r) {
        rows[r] = r < inside ? pairs_from(from + (j + r) * j_stride + i, k - i) : zero_pairs();
      }
      transpose(rows);
      const int64_t pairs = k - i < 32 ? (k - i + 1) / 2 : 16;
      for (int64_t p = 0; p < pairs; ++p) store_first(to + (i / 2 + p) * width + j, lanes, rows[p]);
    }
  }
}

// Panels (k / 2, width, 2), rounded to nearest; a k that is odd ends in zeros. See MatmulKernels::pack.
void pack_pairs(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                int64_t panel_bytes, std::byte* out) {
  auto* to = reinterpret_cast<uint32_t*>(out);
  const int64_t panel_pairs = panel_bytes / static_cast<int64_t>(sizeof(uint32_t));
  if (j_stride == 1) return pack_pairs_of_rows(from, k_stride, k, count, width, panel_pairs, to);
  for (int64_t j = 0; j < count; j += width, from += width * j_stride, to += panel_pairs) {
    pack_pairs_of_columns(from, j_stride, k, count - j < width ? count - j : width, width, to);
  }
}

// See MatmulKernels::place_in_b.
int64_t place_in_pairs(int64_t k, int64_t j) {
  return (k / 2 * kMatmulCols + j) * 2 + k % 2;
}

struct PairOperand {
  using Number = uint32_t;
  using Vector = Bf16s;
  static constexpr int64_t kDepth = 2;  // of k, in one Number
  static LINNET_INLINE Bf16s load_all(const uint32_t* p) { return load_pairs(p); }
  static LINNET_INLINE Bf16s spread(uint32_t x) { return set1_pair(x); }
  static LINNET_INLINE F32 multiply_add(Bf16s a, Bf16s b, F32 sum) { return add_dot(sum, a, b); }
};

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
