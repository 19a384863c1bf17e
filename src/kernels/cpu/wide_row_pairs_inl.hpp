// Codes of a group as spread() leaves them for an instruction that multiplies two rows of a matrix with two of another:
// two quads in two lines, eight columns of one row beside those of the next (RowPairs of the simd header).
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

struct WideCodes {
  const std::byte* at;
  template <int kPair>
  LINNET_INLINE RowPairs pair_of_quads() const {
    return load_row_pairs(at + 2 * kLine * kPair);
  }
};

template <class Codes>
LINNET_INLINE void store_wide(const Codes& codes, std::byte* wide) {
  unroll<0, kQuads / 2>([&]<int kPair>() __attribute__((always_inline)) {
    store_row_pairs(wide + 2 * kLine * kPair, codes.template quad<2 * kPair>(), codes.template quad<2 * kPair + 1>());
  });
}

// As the dot_products of codes as they are packed, with the same sums, which are exact. Vectors of activations, the
// terms of a row and then those of the next, are taken by twos; one that is left over is its own partner.
template <int kBits, bool kMin, int kPart, int kCount, int kTerms, int kPanels, int kRows>
LINNET_INLINE void dot_products(const WideCodes (&sources)[kPanels], const ActGroup* x, int64_t stride,
                                I32 (&sums)[kPanels][kRows][kTerms]) {
  constexpr int kVectors = kRows * kTerms;
  constexpr int kTwos = (kVectors + 1) / 2;
  const ActGroup* vectors[2 * kTwos];
  for (int i = 0; i < 2 * kTwos; ++i) {
    const int vector = i < kVectors ? i : kVectors - 1;
    vectors[i] = x + vector / kTerms * stride + vector % kTerms;
  }
  for (int p = 0; p < kPanels; ++p) {
    TwoDots dots[kTwos];
    for (int i = 0; i < kTwos; ++i) {
      dots[i].start(start_of<kMin, kBits, kTerms, kPart>(*vectors[2 * i]),
                    start_of<kMin, kBits, kTerms, kPart>(*vectors[2 * i + 1]));
    }
    unroll<0, kCount / 2>([&]<int kIndex>() __attribute__((always_inline)) {
      constexpr int kPair = kPart * kCount / 2 + kIndex;
      const RowPairs codes = sources[p].template pair_of_quads<kPair>();
      for (int i = 0; i < kTwos; ++i) {
        dots[i].step(codes, vectors[2 * i]->q + 8 * kPair, vectors[2 * i + 1]->q + 8 * kPair);
      }
    });
    for (int i = 0; i < kVectors; ++i) {
      sums[p][i / kTerms][i % kTerms] = i % 2 == 0 ? dots[i / 2].of_a() : dots[i / 2].of_b();
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
