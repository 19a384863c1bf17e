// Sixteen lanes for AVX-512 (F, BW, DQ, VL), with VNNI where the file is compiled for it. The same names as in
// simd_avx2.hpp; the maths is written over them once. Only in here and there are raw intrinsics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <type_traits>

#ifndef LINNET_KERNEL_ISA
#error "define LINNET_KERNEL_ISA, the namespace of one instruction set"
#endif
#define LINNET_INLINE inline __attribute__((always_inline))
#ifdef __AVX512BF16__
#define LINNET_KERNEL_BF16_PAIRS
#elif defined(__AVX512VNNI__)
#define LINNET_KERNEL_WORD_PAIRS
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

inline constexpr int64_t kLanes = 16;

struct F32 {
  __m512 v;
};
struct I32 {
  __m512i v;
};
struct U8 {  // a quad of codes for each of the sixteen rows
  __m512i v;
};

// Activation rows and panels whose sums fit the registers beside the codes.
#ifdef __AVX512VNNI__
template <int kBits>
inline constexpr int kRowTile = 6;
#else
template <int kBits>
inline constexpr int kRowTile = kBits <= 6 ? 4 : 2;
#endif
inline constexpr int kPanelTile = 2;
inline constexpr int64_t kMostRowsAsPacked = 64;
inline constexpr int kFloatRowTile = 12;
// A tile of a product of floats: rows, and registers of columns.
inline constexpr int kMatmulRows = 12;
inline constexpr int kMatmulVecs = 2;
// Queries and registers of keys or dimensions in one tile of attention.
inline constexpr int64_t kAttentionRows = 6;
inline constexpr int kAttentionVecs = 4;

// Independent sums in the loops of PeakLoops: enough to hide an instruction's latency, few enough to stay in registers.
inline constexpr int kPeakSums = 12;

// The compiler may no longer assume what is in `a`, nor leave its computation out.
LINNET_INLINE void hide(F32& a) {
  asm volatile("" : "+v"(a.v));
}
LINNET_INLINE void hide(I32& a) {
  asm volatile("" : "+v"(a.v));
}
LINNET_INLINE void hide(U8& a) {
  asm volatile("" : "+v"(a.v));
}
LINNET_INLINE F32 zero() {
  return {_mm512_setzero_ps()};
}
LINNET_INLINE F32 set1(float x) {
  return {_mm512_set1_ps(x)};
}
LINNET_INLINE I32 set1(int32_t x) {
  return {_mm512_set1_epi32(x)};
}
LINNET_INLINE F32 load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
LINNET_INLINE void store(float* p, F32 a) {
  _mm512_storeu_ps(p, a.v);
}
// The first eight lanes.
LINNET_INLINE void store_eight(float* p, F32 a) {
  _mm256_storeu_ps(p, _mm512_castps512_ps256(a.v));
}
LINNET_INLINE F32 load_first(const float* p, int64_t n) {  // lanes from n on are zero; n <= 16
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
}
LINNET_INLINE void store_first(float* p, int64_t n, F32 a) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}

LINNET_INLINE F32 add(F32 a, F32 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
LINNET_INLINE F32 sub(F32 a, F32 b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
LINNET_INLINE F32 mul(F32 a, F32 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
LINNET_INLINE F32 div(F32 a, F32 b) {
  return {_mm512_div_ps(a.v, b.v)};
}
LINNET_INLINE F32 fmadd(F32 a, F32 b, F32 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
LINNET_INLINE F32 fnmadd(F32 a, F32 b, F32 c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
// The second operand where either is NaN.
LINNET_INLINE F32 max(F32 a, F32 b) {
  return {_mm512_max_ps(a.v, b.v)};
}
LINNET_INLINE F32 min(F32 a, F32 b) {
  return {_mm512_min_ps(a.v, b.v)};
}
LINNET_INLINE F32 round(F32 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a where x < limit, else b.
LINNET_INLINE F32 select_less(F32 x, F32 limit, F32 a, F32 b) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ), b.v, a.v)};
}
LINNET_INLINE bool any_above(F32 a, F32 b) {  // in any lane; not where either is NaN
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ) != 0;
}
LINNET_INLINE F32 to_f32(I32 a) {
  return {_mm512_cvtepi32_ps(a.v)};
}
LINNET_INLINE I32 to_i32(F32 a) {
  return {_mm512_cvtps_epi32(a.v)};
}  // to nearest, ties to even
LINNET_INLINE F32 bits_to_f32(I32 a) {
  return {_mm512_castsi512_ps(a.v)};
}
LINNET_INLINE I32 f32_to_bits(F32 a) {
  return {_mm512_castps_si512(a.v)};
}
LINNET_INLINE I32 add(I32 a, I32 b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
LINNET_INLINE I32 sub(I32 a, I32 b) {
  return {_mm512_sub_epi32(a.v, b.v)};
}
LINNET_INLINE I32 bit_and(I32 a, I32 b) {
  return {_mm512_and_si512(a.v, b.v)};
}
LINNET_INLINE I32 max(I32 a, I32 b) {
  return {_mm512_max_epi32(a.v, b.v)};
}
template <int kBy>
LINNET_INLINE I32 shift_left(I32 a) {
  return {_mm512_slli_epi32(a.v, kBy)};
}
template <int kBy>
LINNET_INLINE I32 shift_right_signed(I32 a) {
  return {_mm512_srai_epi32(a.v, kBy)};
}
// The halves of the register are combined first, then quarters, and so on: one fixed order.
LINNET_INLINE F32 swap_halves(F32 a, int step) {
  switch (step) {
    case 8:
      return {_mm512_shuffle_f32x4(a.v, a.v, 0x4E)};
    case 4:
      return {_mm512_shuffle_f32x4(a.v, a.v, 0xB1)};
    case 2:
      return {_mm512_permute_ps(a.v, 0x4E)};
    default:
      return {_mm512_permute_ps(a.v, 0xB1)};
  }
}
LINNET_INLINE float first(F32 a) {
  return _mm512_cvtss_f32(a.v);
}
struct HalfSums {
  int32_t first;
  int32_t second;
};
LINNET_INLINE HalfSums sum_halves(__m256i bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  __m256i sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4E));
  sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xB1));
  return {_mm256_cvtsi256_si32(sums), _mm256_extract_epi32(sums, 4)};
}
// Stores a and b, which must fit, as 32 bytes; the sums of each.
LINNET_INLINE HalfSums store_i8(int8_t* q, I32 a, I32 b) {
  const __m256i bytes = _mm256_set_m128i(_mm512_cvtepi32_epi8(b.v), _mm512_cvtepi32_epi8(a.v));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), bytes);
  return sum_halves(bytes);
}
LINNET_INLINE int32_t reduce_max(I32 a) {
  return _mm512_reduce_max_epi32(a.v);
}

LINNET_INLINE F32 load_f16(const void* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
LINNET_INLINE void store_f16(void* p, F32 a) {  // to nearest, ties to even
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
LINNET_INLINE F32 load_bf16(const void* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
// Rows become columns; of kRows that count, the rest is as good as zero.
template <int kRows>
LINNET_INLINE void transpose(I32 (&rows)[16]) {
  constexpr int kEven = 0x88;  // lanes 0 and 2 of both
  constexpr int kOdd = 0xdd;   // lanes 1 and 3
  __m512i quads[4][4];         // of four rows each: [c] has columns c, 4 + c, 8 + c, 12 + c
  for (int g = 0; g < 4; ++g) {
    const I32* r = rows + int64_t{g} * 4;
    const __m512i low01 = _mm512_unpacklo_epi32(r[0].v, r[1].v);
    const __m512i high01 = _mm512_unpackhi_epi32(r[0].v, r[1].v);
    const __m512i low23 = _mm512_unpacklo_epi32(r[2].v, r[3].v);
    const __m512i high23 = _mm512_unpackhi_epi32(r[2].v, r[3].v);
    quads[g][0] = _mm512_unpacklo_epi64(low01, low23);
    quads[g][1] = _mm512_unpackhi_epi64(low01, low23);
    quads[g][2] = _mm512_unpacklo_epi64(high01, high23);
    quads[g][3] = _mm512_unpackhi_epi64(high01, high23);
  }
  for (int c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(quads[0][c], quads[1][c], kEven);
    const __m512i even23 = _mm512_shuffle_i32x4(quads[2][c], quads[3][c], kEven);
    const __m512i odd01 = _mm512_shuffle_i32x4(quads[0][c], quads[1][c], kOdd);
    const __m512i odd23 = _mm512_shuffle_i32x4(quads[2][c], quads[3][c], kOdd);
    rows[c].v = _mm512_shuffle_i32x4(even01, even23, kEven);
    rows[4 + c].v = _mm512_shuffle_i32x4(odd01, odd23, kEven);
    rows[8 + c].v = _mm512_shuffle_i32x4(even01, even23, kOdd);
    rows[12 + c].v = _mm512_shuffle_i32x4(odd01, odd23, kOdd);
  }
}

#ifdef LINNET_KERNEL_BF16_PAIRS
struct Bf16s {  // sixteen pairs
  __m512i v;
};
LINNET_INLINE Bf16s load_pairs(const uint32_t* p) {
  return {_mm512_loadu_si512(p)};
}
LINNET_INLINE Bf16s set1_pair(uint32_t pair) {
  Bf16s all{_mm512_set1_epi32(static_cast<int32_t>(pair))};
#ifdef __clang__
  asm("" : "+v"(all.v));  // clang 16 crashes where it makes a broadcast an operand of vdpbf16ps
#endif
  return all;
}
LINNET_INLINE Bf16s and_pairs(Bf16s a, uint32_t mask) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi32(static_cast<int32_t>(mask)))};
}
// a + the products of the pairs of b and c, in the instruction's own order; subnormals are zero.
LINNET_INLINE F32 add_dot(F32 a, Bf16s b, Bf16s c) {
  return {_mm512_dpbf16_ps(a.v, __builtin_bit_cast(__m512bh, b.v), __builtin_bit_cast(__m512bh, c.v))};
}
LINNET_INLINE __m256i narrow_bf16(F32 a) {  // to nearest, ties to even
  return __builtin_bit_cast(__m256i, _mm512_cvtneps_pbh(a.v));
}
LINNET_INLINE void store_bf16(void* p, F32 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), narrow_bf16(a));
}
// Neighbours in memory as pairs: of a, then of b. To nearest, ties to even.
LINNET_INLINE Bf16s neighbours(F32 a, F32 b) {
  return {__builtin_bit_cast(__m512i, _mm512_cvtne2ps_pbh(b.v, a.v))};
}
// Pairs of a number of each. To nearest, ties to even.
LINNET_INLINE Bf16s interleaved(F32 low, F32 high) {
  alignas(64) static constexpr uint16_t kPairs[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return {_mm512_permutexvar_epi16(_mm512_load_si512(kPairs), neighbours(low, high).v)};
}
LINNET_INLINE Bf16s zero_pairs() {
  return {_mm512_setzero_si512()};
}
LINNET_INLINE void store_first(uint32_t* p, int64_t n, Bf16s a) {  // n <= 16
  _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}
LINNET_INLINE I32 pair_bits(Bf16s a) {
  return {a.v};
}
LINNET_INLINE Bf16s pairs_of_bits(I32 a) {
  return {a.v};
}
LINNET_INLINE void store_pairs_first(uint32_t* p, int64_t n, F32 low, F32 high) {  // n <= 16
  store_first(p, n, interleaved(low, high));
}
// For what is not read again soon: past the caches. p: on a cache line. Other threads see it once passing_ends() was
// called.
LINNET_INLINE void store_passing(uint32_t* p, Bf16s a) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), a.v);
}
LINNET_INLINE void passing_ends() {
  _mm_sfence();
}
#endif
#ifdef LINNET_KERNEL_WORD_PAIRS
struct WordPairs {  // sixteen pairs of 16-bit integers
  __m512i v;
};
LINNET_INLINE WordPairs load_word_pairs(const uint32_t* p) {
  return {_mm512_loadu_si512(p)};
}
LINNET_INLINE WordPairs set1_word_pair(uint32_t pair) {
  return {_mm512_set1_epi32(static_cast<int32_t>(pair))};
}
// By its name: what gcc 12 makes of the intrinsic in a loop copies each sum to another register and back.
LINNET_INLINE I32 add_dot(I32 a, WordPairs b, WordPairs c) {
  asm("vpdpwssd %2, %1, %0" : "+v"(a.v) : "v"(b.v), "v"(c.v));
  return a;
}
LINNET_INLINE void store_words(int16_t* p, I32 a) {  // which must fit
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a.v));
}
LINNET_INLINE void store_words(int16_t* p, I32 a, I32 b) {  // likewise
  const __m512i quarters = _mm512_packs_epi32(a.v, b.v);    // of a and b by turns
  _mm512_storeu_si512(p, _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), quarters));
}
#endif
LINNET_INLINE I32 load_u8(const void* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)))};
}
LINNET_INLINE I32 load_u16(const void* p) {
  return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
LINNET_INLINE I32 load_i8(const void* p) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)))};
}

LINNET_INLINE U8 load_line(const std::byte* p) {
  return {_mm512_loadu_si512(p)};
}
LINNET_INLINE void store_line(std::byte* p, U8 a) {
  _mm512_storeu_si512(p, a.v);
}
// (a shifted right by kBy, or left by -kBy) & mask in every byte; the mask must cut what crosses between bytes.
template <int kBy>
LINNET_INLINE U8 shifted_and(U8 a, int mask) {
  __m512i v = a.v;
  if constexpr (kBy > 0) v = _mm512_srli_epi32(v, kBy);
  if constexpr (kBy < 0) v = _mm512_slli_epi32(v, -kBy);
  return {_mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(mask)))};
}
LINNET_INLINE U8 bit_or(U8 a, U8 b) {
  return {_mm512_or_si512(a.v, b.v)};
}
LINNET_INLINE U8 lookup(const uint8_t* table, U8 codes) {
  const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(row), codes.v)};
}

LINNET_INLINE __m512i broadcast_quad(const int8_t* q) {
  int32_t quad;
  std::memcpy(&quad, q, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

#ifdef __AVX512VNNI__
// Bits that the integer dot product tells apart: with VNNI no code can overflow it.
inline constexpr int kWidestDot = 8;
constexpr int dot_bits(int /*value_bits*/) {
  return kWidestDot;
}
template <int kBits>
inline constexpr int kTakenFromCodes = 0;
template <int kBits>
inline constexpr int kQuadsAtOnce = 1;

template <int kBits>
struct Dot {
  static constexpr bool kStartIsFree = true;
  struct Codes {
    U8 all;
  };
  static LINNET_INLINE Codes prepare(U8 codes) { return {codes}; }

  I32 sum;
  LINNET_INLINE void start(int32_t value) { sum = set1(value); }
  // Quad kIndex of the kCount that are summed.
  template <int kIndex, int kCount>
  LINNET_INLINE void step(Codes codes, const int8_t* q) {
    sum.v = _mm512_dpbusd_epi32(sum.v, codes.all.v, broadcast_quad(q));
  }
};
#else
struct I16 {
  __m512i v;
};
LINNET_INLINE void hide(I16& a) {
  asm volatile("" : "+v"(a.v));
}
LINNET_INLINE I16 multiply_pairs(U8 codes, const int8_t* q) {
  return {_mm512_maddubs_epi16(codes.v, broadcast_quad(q))};
}
LINNET_INLINE I16 add(I16 a, I16 b) {
  return {_mm512_add_epi16(a.v, b.v)};
}
LINNET_INLINE I16 even_bytes(U8 a) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi16(255))};
}
LINNET_INLINE I16 odd_bytes(U8 a) {
  return {_mm512_srli_epi16(a.v, 8)};
}
template <int kBy>
LINNET_INLINE I16 shift_left(I16 a) {
  return {_mm512_slli_epi16(a.v, kBy)};
}
template <int kBy>
LINNET_INLINE I16 shift_right_signed(I16 a) {
  return {_mm512_srai_epi16(a.v, kBy)};
}
// The first eight of the sixteen lanes. out: on 32 bytes.
LINNET_INLINE void store_half(int32_t* out, I16 a) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), _mm512_castsi512_si256(a.v));
}
// Two words of each lane with those of `pair`.
LINNET_INLINE I32 multiply_words(I16 a, int32_t pair) {
  return {_mm512_madd_epi16(a.v, _mm512_set1_epi32(pair))};
}
LINNET_INLINE I32 add_pairs(I16 a, int factor) {
  return {_mm512_madd_epi16(a.v, _mm512_set1_epi16(static_cast<int16_t>(factor)))};
}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA

#ifndef __AVX512VNNI__
#include "kernels/cpu/dot_by_pairs_inl.hpp"
#endif
