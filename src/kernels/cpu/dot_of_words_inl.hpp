// Activations in two terms and codes of eight bits, for sets without VNNI: both terms fit a word of 16 bits, so that
// vpmaddwd multiplies them at once, where vpmaddubsw would have to take each term and each nibble by itself. A pair of
// words is at most 2 * 255 * 32640, the 16 pairs of a group stay below 2^29: sums are exact, as everywhere.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

template <>
inline constexpr int kTileRows<8, 2> = 4;

// As the dot_products of single terms; what joined() makes of the sums is the same.
template <int kBits, bool kMin, int kPart, int kCount, int kTerms, int kPanels, int kRows, class Source>
  requires(kBits == 8 && kTerms == 2)
LINNET_INLINE void dot_products(const Source (&sources)[kPanels], const ActGroup* x, int64_t stride,
                                I32 (&sums)[kPanels][kRows][kTerms]) {
  Words words[kRows];
  for (int r = 0; r < kRows; ++r) {
    const ActGroup* row = x + r * stride;
    words[r] = join_terms(row[0].q, row[1].q);
    hide(words[r]);
    for (int p = 0; p < kPanels; ++p) {
      sums[p][r][0] = set1(int32_t{0});
      sums[p][r][1] =
          set1(256 * start_of<kMin, kBits, kTerms, kPart>(row[0]) + start_of<kMin, kBits, kTerms, kPart>(row[1]));
    }
  }
  unroll<0, kCount>([&]<int kIndex>() __attribute__((always_inline)) {
    constexpr int kQuad = kPart * kCount + kIndex;
    for (int p = 0; p < kPanels; ++p) {
      const U8 codes = sources[p].template quad<kQuad>();
      const I16 even = even_bytes(codes);
      const I16 odd = odd_bytes(codes);
      for (int r = 0; r < kRows; ++r) {
        I32& sum = sums[p][r][1];
        sum = add_now(sum, multiply_words(even, words[r].even[kQuad]));
        sum = add_now(sum, multiply_words(odd, words[r].odd[kQuad]));
      }
    }
  });
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
