// The integer dot product for sets without VNNI: vpmaddubsw adds two products of a u8 with an s8 in 16 bits and
// saturates at 32767. Activations lie in [-128, 127], so codes of b bits give at most 256 (2^b - 1) a pair, and this
// many pairs may be added before they are widened: 8 for four bits (30720), 4 for five (31744), 2 for six (32256).
// Codes of eight bits are multiplied as two nibbles, or with activations of 16 bits (dot_of_words_inl.hpp). Nothing
// ever saturates: sums are exact, as with VNNI.
#pragma once

#define LINNET_KERNEL_WORDS

#ifndef LINNET_KERNEL_ISA
#error "included by the simd header of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// sum + term, of integers, in the order of the program: a compiler that may choose another keeps all products in memory
// to add them last.
template <class Integers>
LINNET_INLINE Integers add_now(Integers sum, Integers term) {
  Integers both = add(sum, term);
  hide(both);
  return both;
}

constexpr int dot_bits(int value_bits) {
  return value_bits <= 4 ? 4 : value_bits <= 6 ? value_bits : 8;
}
template <int kBits>
inline constexpr int kTakenFromCodes = 0;
// Of one step of a Dot.
template <int kBits>
inline constexpr int kQuadsAtOnce = kBits == 6 ? 2 : 1;

template <int kBits>
struct Dot {
  static_assert(kBits == 4 || kBits == 5);
  static constexpr bool kStartIsFree = false;
  static constexpr int kPairsThatFit = 1 << (7 - kBits);
  struct Codes {
    U8 all;
  };
  static LINNET_INLINE Codes prepare(U8 codes) { return {codes}; }

  I32 sum;
  I16 pairs;
  LINNET_INLINE void start(int32_t value) { sum = set1(value); }
  template <int kIndex, int kCount>
  LINNET_INLINE void step(Codes codes, const int8_t* q) {
    const I16 products = multiply_pairs(codes.all, q);
    pairs = kIndex % kPairsThatFit == 0 ? products : add_now(pairs, products);
    if ((kIndex + 1) % kPairsThatFit == 0 || kIndex + 1 == kCount) sum = add(sum, add_pairs(pairs, 1));
  }
};

// Two quads, whose pairs are widened at once and take no register from one quad to the next.
template <>
struct Dot<6> {
  static constexpr bool kStartIsFree = true;
  struct Codes {
    U8 all;
  };
  static LINNET_INLINE Codes prepare(U8 codes) { return {codes}; }

  I32 sum;
  LINNET_INLINE void start(int32_t value) { sum = set1(value); }
  LINNET_INLINE void step(const Codes (&codes)[2], const int8_t* q) {
    const I16 pairs = add(multiply_pairs(codes[0].all, q), multiply_pairs(codes[1].all, q + 4));
    sum = add_now(sum, add_pairs(pairs, 1));
  }
};

// 256 * high + low of the 32 activations of a group, in pairs of words: of each quad the first and the third, and the
// second and the fourth.
struct Words {
  alignas(32) int32_t even[8];
  alignas(32) int32_t odd[8];
};
// A broadcast from memory is a load; of what the compiler still has in a register it would be a shuffle or two.
LINNET_INLINE void hide(Words& a) {
  asm volatile("" : "+m"(a));
}
LINNET_INLINE I16 join_bytes(I16 high, I16 low) {
  return add(shift_left<8>(high), shift_right_signed<8>(shift_left<8>(low)));
}
// high, low: of an ActGroup each, of which all 64 bytes may be read.
LINNET_INLINE Words join_terms(const int8_t* high, const int8_t* low) {
  const U8 a = load_line(reinterpret_cast<const std::byte*>(high));
  const U8 b = load_line(reinterpret_cast<const std::byte*>(low));
  Words words;
  store_half(words.even, join_bytes(even_bytes(a), even_bytes(b)));
  store_half(words.odd, join_bytes(odd_bytes(a), odd_bytes(b)));
  return words;
}

template <>
struct Dot<8> {
  static constexpr bool kStartIsFree = false;
  struct Codes {
    U8 low;
    U8 high;
  };
  static LINNET_INLINE Codes prepare(U8 codes) { return {shifted_and<0>(codes, 15), shifted_and<4>(codes, 15)}; }

  I32 sum;
  I16 low;
  I16 high;
  LINNET_INLINE void start(int32_t value) { sum = set1(value); }
  template <int kIndex, int kCount>
  LINNET_INLINE void step(Codes codes, const int8_t* q) {
    const I16 low_products = multiply_pairs(codes.low, q);
    const I16 high_products = multiply_pairs(codes.high, q);
    low = kIndex == 0 ? low_products : add_now(low, low_products);
    high = kIndex == 0 ? high_products : add_now(high, high_products);
    if (kIndex + 1 == kCount) sum = add(sum, add(add_pairs(low, 1), add_pairs(high, 16)));
  }
};

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
