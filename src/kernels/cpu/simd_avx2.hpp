// Sixteen lanes for AVX2 with FMA and F16C, as two registers of eight, and with AVX-VNNI where the file is compiled for
// it. The same names as in simd_avx512.hpp. Only in here and there are raw intrinsics.
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
#define LINNET_KERNEL_WORD_PAIRS

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

inline constexpr int64_t kLanes = 16;

struct F32 {
  __m256 lo, hi;
};
struct I32 {
  __m256i lo, hi;
};
struct U8 {  // a quad of codes for each of the sixteen rows
  __m256i lo, hi;
};

// Activation rows whose integer sums fit the sixteen registers beside the codes, while the floats wait in memory; there
// is no room for a second panel.
#ifdef __AVXVNNI__
template <int kBits>
inline constexpr int kRowTile = 6;
#else
template <int kBits>
inline constexpr int kRowTile = (kBits <= 4)   ? 4
                                : (kBits <= 6) ? 3
                                               : 2;
#endif
inline constexpr int kPanelTile = 1;
inline constexpr int64_t kMostRowsAsPacked = 16;
inline constexpr int kFloatRowTile = 6;
// A tile of a product of floats: rows, and vectors of columns.
inline constexpr int kMatmulRows = 6;
inline constexpr int kMatmulVecs = 1;
// Queries and registers of keys or dimensions in one tile of attention.
inline constexpr int64_t kAttentionRows = 6;
inline constexpr int kAttentionVecs = 1;

// Independent sums in the loops of PeakLoops: enough to hide an instruction's latency, few enough to stay in registers.
inline constexpr int kPeakSums = 6;

// The compiler may no longer assume what is in `a`, nor leave its computation out.
LINNET_INLINE void hide(F32& a) {
  asm volatile("" : "+x"(a.lo), "+x"(a.hi));
}
LINNET_INLINE void hide(I32& a) {
  asm volatile("" : "+x"(a.lo), "+x"(a.hi));
}
LINNET_INLINE void hide(U8& a) {
  asm volatile("" : "+x"(a.lo), "+x"(a.hi));
}
LINNET_INLINE F32 zero() {
  return {_mm256_setzero_ps(), _mm256_setzero_ps()};
}
LINNET_INLINE F32 set1(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
LINNET_INLINE I32 set1(int32_t x) {
  return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
LINNET_INLINE F32 load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
LINNET_INLINE void store(float* p, F32 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
// The first eight lanes.
LINNET_INLINE void store_eight(float* p, F32 a) {
  _mm256_storeu_ps(p, a.lo);
}
// Most vectors are whole: by way of memory they would wait for it.
LINNET_INLINE F32 load_first(const float* p, int64_t n) {  // lanes from n on are zero; n <= 16
  if (n == 16) return load(p);
  alignas(32) float lanes[16] = {};
  std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
  return load(lanes);
}
LINNET_INLINE void store_first(float* p, int64_t n, F32 a) {
  if (n == 16) return store(p, a);
  alignas(32) float lanes[16];
  store(lanes, a);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
}

LINNET_INLINE F32 add(F32 a, F32 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
LINNET_INLINE F32 sub(F32 a, F32 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
LINNET_INLINE F32 mul(F32 a, F32 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
LINNET_INLINE F32 div(F32 a, F32 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
LINNET_INLINE F32 fmadd(F32 a, F32 b, F32 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
LINNET_INLINE F32 fnmadd(F32 a, F32 b, F32 c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
// The second operand where either is NaN.
LINNET_INLINE F32 max(F32 a, F32 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
LINNET_INLINE F32 min(F32 a, F32 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
LINNET_INLINE F32 round(F32 a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
}
// a where x < limit, else b.
LINNET_INLINE F32 select_less(F32 x, F32 limit, F32 a, F32 b) {
  return {_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ))};
}
LINNET_INLINE bool any_above(F32 a, F32 b) {  // in any lane; not where either is NaN
  const __m256 above = _mm256_or_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ));
  return _mm256_movemask_ps(above) != 0;
}
LINNET_INLINE F32 to_f32(I32 a) {
  return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
LINNET_INLINE I32 to_i32(F32 a) {  // to nearest, ties to even
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
LINNET_INLINE F32 bits_to_f32(I32 a) {
  return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)};
}
LINNET_INLINE I32 f32_to_bits(F32 a) {
  return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)};
}
LINNET_INLINE I32 add(I32 a, I32 b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
LINNET_INLINE I32 sub(I32 a, I32 b) {
  return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
LINNET_INLINE I32 bit_and(I32 a, I32 b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
LINNET_INLINE I32 max(I32 a, I32 b) {
  return {_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)};
}
template <int kBy>
LINNET_INLINE I32 shift_left(I32 a) {
  return {_mm256_slli_epi32(a.lo, kBy), _mm256_slli_epi32(a.hi, kBy)};
}
template <int kBy>
LINNET_INLINE I32 shift_right_signed(I32 a) {
  return {_mm256_srai_epi32(a.lo, kBy), _mm256_srai_epi32(a.hi, kBy)};
}
// The halves of the sixteen are combined first, then quarters, and so on: one fixed order.
LINNET_INLINE F32 swap_halves(F32 a, int step) {
  switch (step) {
    case 8:
      return {a.hi, a.lo};
    case 4:
      return {_mm256_permute2f128_ps(a.lo, a.lo, 1), _mm256_permute2f128_ps(a.hi, a.hi, 1)};
    case 2:
      return {_mm256_permute_ps(a.lo, 0x4E), _mm256_permute_ps(a.hi, 0x4E)};
    default:
      return {_mm256_permute_ps(a.lo, 0xB1), _mm256_permute_ps(a.hi, 0xB1)};
  }
}
LINNET_INLINE float first(F32 a) {
  return _mm256_cvtss_f32(a.lo);
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
  const __m256i halves_a = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xD8);
  const __m256i halves_b = _mm256_permute4x64_epi64(_mm256_packs_epi32(b.lo, b.hi), 0xD8);
  const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(halves_a, halves_b), 0xD8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), bytes);
  return sum_halves(bytes);
}
LINNET_INLINE int32_t reduce_max(I32 a) {
  __m256i m = _mm256_max_epi32(a.lo, a.hi);
  m = _mm256_max_epi32(m, _mm256_permute2x128_si256(m, m, 1));
  m = _mm256_max_epi32(m, _mm256_shuffle_epi32(m, 0x4E));
  m = _mm256_max_epi32(m, _mm256_shuffle_epi32(m, 0xB1));
  return _mm256_cvtsi256_si32(m);
}

LINNET_INLINE void transpose_eight(__m256i (&rows)[8]) {
  __m256i quads[2][4];  // of four rows each: [c] has columns c and 4 + c
  for (int g = 0; g < 2; ++g) {
    const __m256i* r = rows + int64_t{g} * 4;
    const __m256i low01 = _mm256_unpacklo_epi32(r[0], r[1]);
    const __m256i high01 = _mm256_unpackhi_epi32(r[0], r[1]);
    const __m256i low23 = _mm256_unpacklo_epi32(r[2], r[3]);
    const __m256i high23 = _mm256_unpackhi_epi32(r[2], r[3]);
    quads[g][0] = _mm256_unpacklo_epi64(low01, low23);
    quads[g][1] = _mm256_unpackhi_epi64(low01, low23);
    quads[g][2] = _mm256_unpacklo_epi64(high01, high23);
    quads[g][3] = _mm256_unpackhi_epi64(high01, high23);
  }
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm256_permute2x128_si256(quads[0][c], quads[1][c], 0x20);
    rows[4 + c] = _mm256_permute2x128_si256(quads[0][c], quads[1][c], 0x31);
  }
}
// Rows become columns; of kRows that count, the rest is as good as zero.
template <int kRows>
LINNET_INLINE void transpose(I32 (&rows)[16]) {
  I32 turned[16] = {};
  for (int r = 0; r < kRows; r += 8) {
    __m256i low[8];
    __m256i high[8];
    for (int i = 0; i < 8; ++i) {
      low[i] = rows[r + i].lo;
      high[i] = rows[r + i].hi;
    }
    transpose_eight(low);
    transpose_eight(high);
    for (int i = 0; i < 8; ++i) {
      (r == 0 ? turned[i].lo : turned[i].hi) = low[i];
      (r == 0 ? turned[8 + i].lo : turned[8 + i].hi) = high[i];
    }
  }
  for (int i = 0; i < 16; ++i) rows[i] = turned[i];
}

LINNET_INLINE __m128i load_128(const void* p, int at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const std::byte*>(p) + at));
}
LINNET_INLINE F32 load_f16(const void* p) {
  return {_mm256_cvtph_ps(load_128(p, 0)), _mm256_cvtph_ps(load_128(p, 16))};
}
struct WordPairs {  // sixteen pairs of 16-bit integers
  __m256i lo, hi;
};
LINNET_INLINE WordPairs load_word_pairs(const uint32_t* p) {
  const auto* lines = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(lines), _mm256_loadu_si256(lines + 1)};
}
LINNET_INLINE WordPairs set1_word_pair(uint32_t pair) {
  const __m256i all = _mm256_set1_epi32(static_cast<int32_t>(pair));
  return {all, all};
}
#ifdef __AVXVNNI__
// By its name: what gcc 12 makes of the intrinsic in a loop copies each sum to another register and back.
LINNET_INLINE __m256i add_dot(__m256i a, __m256i b, __m256i c) {
  asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
  return a;
}
#else
LINNET_INLINE __m256i add_dot(__m256i a, __m256i b, __m256i c) {
  return _mm256_add_epi32(a, _mm256_madd_epi16(b, c));
}
#endif
LINNET_INLINE I32 add_dot(I32 a, WordPairs b, WordPairs c) {
  return {add_dot(a.lo, b.lo, c.lo), add_dot(a.hi, b.hi, c.hi)};
}
LINNET_INLINE void store_words(int16_t* p, I32 a) {  // which must fit
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xD8));
}
LINNET_INLINE void store_words(int16_t* p, I32 a, I32 b) {  // likewise
  store_words(p, a);
  store_words(p + 16, b);
}
LINNET_INLINE void store_f16(void* p, F32 a) {  // to nearest, ties to even
  const auto narrow = [](__m256 x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); };
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_set_m128i(narrow(a.hi), narrow(a.lo)));
}
LINNET_INLINE __m256 widen_bf16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
LINNET_INLINE F32 load_bf16(const void* p) {
  return {widen_bf16(load_128(p, 0)), widen_bf16(load_128(p, 16))};
}
LINNET_INLINE I32 load_u8(const void* p) {
  const __m128i all = load_128(p, 0);
  return {_mm256_cvtepu8_epi32(all), _mm256_cvtepu8_epi32(_mm_srli_si128(all, 8))};
}
LINNET_INLINE I32 load_u16(const void* p) {
  return {_mm256_cvtepu16_epi32(load_128(p, 0)), _mm256_cvtepu16_epi32(load_128(p, 16))};
}
LINNET_INLINE I32 load_i8(const void* p) {
  const __m128i all = load_128(p, 0);
  return {_mm256_cvtepi8_epi32(all), _mm256_cvtepi8_epi32(_mm_srli_si128(all, 8))};
}

LINNET_INLINE U8 load_line(const std::byte* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
LINNET_INLINE void store_line(std::byte* p, U8 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.lo);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), a.hi);
}
// (a shifted right by kBy, or left by -kBy) & mask in every byte; the mask must cut what crosses between bytes.
template <int kBy>
LINNET_INLINE U8 shifted_and(U8 a, int mask) {
  if constexpr (kBy > 0) a = {_mm256_srli_epi32(a.lo, kBy), _mm256_srli_epi32(a.hi, kBy)};
  if constexpr (kBy < 0) a = {_mm256_slli_epi32(a.lo, -kBy), _mm256_slli_epi32(a.hi, -kBy)};
  const __m256i all = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_and_si256(a.lo, all), _mm256_and_si256(a.hi, all)};
}
LINNET_INLINE U8 bit_or(U8 a, U8 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
LINNET_INLINE U8 lookup(const uint8_t* table, U8 codes) {
  const __m256i row = _mm256_broadcastsi128_si256(load_128(table, 0));
  return {_mm256_shuffle_epi8(row, codes.lo), _mm256_shuffle_epi8(row, codes.hi)};
}

LINNET_INLINE __m256i broadcast_quad(const int8_t* q) {
  int32_t quad;
  std::memcpy(&quad, q, sizeof(quad));
  return _mm256_set1_epi32(quad);
}

#ifdef __AVXVNNI__
constexpr int dot_bits(int /*value_bits*/) {
  return 4;
}  // no code can overflow: any width will do, and tiles best
template <int kBits>
inline constexpr int kTakenFromCodes = 0;
template <int kBits>
inline constexpr int kQuadsAtOnce = 1;

template <int kBits>
struct Dot {
  static constexpr bool kStartIsFree = false;
  struct Codes {
    U8 all;
  };
  static LINNET_INLINE Codes prepare(U8 codes) { return {codes}; }

  I32 sum;
  LINNET_INLINE void start(int32_t value) { sum = set1(value); }
  // Quad kIndex of the kCount that are summed.
  template <int kIndex, int kCount>
  LINNET_INLINE void step(Codes codes, const int8_t* q) {
    const __m256i quad = broadcast_quad(q);
    sum.lo = _mm256_dpbusd_avx_epi32(sum.lo, codes.all.lo, quad);
    sum.hi = _mm256_dpbusd_avx_epi32(sum.hi, codes.all.hi, quad);
  }
};
#else
struct I16 {
  __m256i lo, hi;
};
LINNET_INLINE void hide(I16& a) {
  asm volatile("" : "+x"(a.lo), "+x"(a.hi));
}
LINNET_INLINE I16 multiply_pairs(U8 codes, const int8_t* q) {
  const __m256i quad = broadcast_quad(q);
  return {_mm256_maddubs_epi16(codes.lo, quad), _mm256_maddubs_epi16(codes.hi, quad)};
}
LINNET_INLINE I16 add(I16 a, I16 b) {
  return {_mm256_add_epi16(a.lo, b.lo), _mm256_add_epi16(a.hi, b.hi)};
}
LINNET_INLINE I32 add_pairs(I16 a, int factor) {
  const __m256i factors = _mm256_set1_epi16(static_cast<int16_t>(factor));
  return {_mm256_madd_epi16(a.lo, factors), _mm256_madd_epi16(a.hi, factors)};
}
LINNET_INLINE I16 even_bytes(U8 a) {
  const __m256i low = _mm256_set1_epi16(255);
  return {_mm256_and_si256(a.lo, low), _mm256_and_si256(a.hi, low)};
}
LINNET_INLINE I16 odd_bytes(U8 a) {
  return {_mm256_srli_epi16(a.lo, 8), _mm256_srli_epi16(a.hi, 8)};
}
template <int kBy>
LINNET_INLINE I16 shift_left(I16 a) {
  return {_mm256_slli_epi16(a.lo, kBy), _mm256_slli_epi16(a.hi, kBy)};
}
template <int kBy>
LINNET_INLINE I16 shift_right_signed(I16 a) {
  return {_mm256_srai_epi16(a.lo, kBy), _mm256_srai_epi16(a.hi, kBy)};
}
// The first eight of the sixteen lanes. out: on 32 bytes.
LINNET_INLINE void store_half(int32_t* out, I16 a) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), a.lo);
}
// Two words of each lane with those of `pair`.
LINNET_INLINE I32 multiply_words(I16 a, int32_t pair) {
  const __m256i all = _mm256_set1_epi32(pair);
  return {_mm256_madd_epi16(a.lo, all), _mm256_madd_epi16(a.hi, all)};
}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA

#ifndef __AVXVNNI__
#include "kernels/cpu/dot_by_pairs_inl.hpp"
#endif
