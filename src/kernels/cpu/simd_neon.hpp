// Sixteen lanes for arm64's Advanced SIMD, as four registers of four: with the dot product of FEAT_DotProd, and with
// the products of small matrices (FEAT_I8MM) and the pairs of bfloat16 (FEAT_BF16) where the file is compiled for them.
// The same names as in simd_avx512.hpp. Only in here and there are raw intrinsics.
//
// Arithmetic is that of the other headers, lane by lane, so that results have their bits: no product is fused but by
// name, and minima and maxima treat NaN as x86 does.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#ifndef LINNET_KERNEL_ISA
#error "define LINNET_KERNEL_ISA, the namespace of one instruction set"
#endif
#define LINNET_INLINE inline __attribute__((always_inline))
#ifdef __ARM_FEATURE_MATMUL_INT8
#define LINNET_KERNEL_ROW_PAIRS
#endif
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#define LINNET_KERNEL_BF16_PAIRS
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

inline constexpr int64_t kLanes = 16;

struct F32 {
  float32x4_t v[4];
};
struct I32 {
  int32x4_t v[4];
};
struct U8 {  // a quad of codes for each of the sixteen rows
  uint8x16_t v[4];
};

// Activation rows whose sums fit the thirty-two registers beside the codes: a row takes four of integers and four of
// floats, so a second panel has no room.
#ifdef __ARM_FEATURE_MATMUL_INT8
template <int kBits>
inline constexpr int kRowTile = 4;  // two pairs, whose floats wait in memory
#else
template <int kBits>
inline constexpr int kRowTile = 3;
#endif
inline constexpr int kPanelTile = 1;
inline constexpr int64_t kMostRowsAsPacked = 4;
inline constexpr int kFloatRowTile = 3;
// A tile of a product of floats: rows, and vectors of columns.
inline constexpr int kMatmulRows = 6;
inline constexpr int kMatmulVecs = 1;
// Queries and vectors of keys or dimensions in one tile of attention.
inline constexpr int64_t kAttentionRows = 6;
inline constexpr int kAttentionVecs = 1;

// f of each of the four registers.
template <class Out, class F, class... In>
LINNET_INLINE Out each(const F& f, const In&... in) {
  return {{f(in.v[0]...), f(in.v[1]...), f(in.v[2]...), f(in.v[3]...)}};
}

// Independent sums in the loops of PeakLoops: enough to hide an instruction's latency, few enough to stay in registers.
inline constexpr int kPeakSums = 6;

// The compiler may no longer assume what is in `a`, nor leave its computation out.
LINNET_INLINE void hide(F32& a) {
  asm volatile("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
}
LINNET_INLINE void hide(I32& a) {
  asm volatile("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
}
LINNET_INLINE void hide(U8& a) {
  asm volatile("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
}
LINNET_INLINE F32 set1(float x) {
  const float32x4_t all = vdupq_n_f32(x);
  return {{all, all, all, all}};
}
LINNET_INLINE I32 set1(int32_t x) {
  const int32x4_t all = vdupq_n_s32(x);
  return {{all, all, all, all}};
}
LINNET_INLINE F32 zero() {
  return set1(0.0f);
}
LINNET_INLINE F32 load(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
LINNET_INLINE void store(float* p, F32 a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
// The first eight lanes.
LINNET_INLINE void store_eight(float* p, F32 a) {
  for (int i = 0; i < 2; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
// Most vectors are whole: by way of memory they would wait for it.
LINNET_INLINE F32 load_first(const float* p, int64_t n) {  // lanes from n on are zero; n <= 16
  if (n == 16) return load(p);
  alignas(16) float lanes[16] = {};
  std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
  return load(lanes);
}
LINNET_INLINE void store_first(float* p, int64_t n, F32 a) {
  if (n == 16) return store(p, a);
  alignas(16) float lanes[16];
  store(lanes, a);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
}

LINNET_INLINE F32 add(F32 a, F32 b) {
  return each<F32>([](auto x, auto y) { return vaddq_f32(x, y); }, a, b);
}
LINNET_INLINE F32 sub(F32 a, F32 b) {
  return each<F32>([](auto x, auto y) { return vsubq_f32(x, y); }, a, b);
}
LINNET_INLINE F32 mul(F32 a, F32 b) {
  return each<F32>([](auto x, auto y) { return vmulq_f32(x, y); }, a, b);
}
LINNET_INLINE F32 div(F32 a, F32 b) {
  return each<F32>([](auto x, auto y) { return vdivq_f32(x, y); }, a, b);
}
LINNET_INLINE F32 fmadd(F32 a, F32 b, F32 c) {
  return each<F32>([](auto x, auto y, auto z) { return vfmaq_f32(z, x, y); }, a, b, c);
}
LINNET_INLINE F32 fnmadd(F32 a, F32 b, F32 c) {
  return each<F32>([](auto x, auto y, auto z) { return vfmsq_f32(z, x, y); }, a, b, c);
}
// The second operand where either is NaN, which fmax and fmin would hand on from both.
LINNET_INLINE F32 max(F32 a, F32 b) {
  return each<F32>([](auto x, auto y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }, a, b);
}
LINNET_INLINE F32 min(F32 a, F32 b) {
  return each<F32>([](auto x, auto y) { return vbslq_f32(vcltq_f32(x, y), x, y); }, a, b);
}
LINNET_INLINE F32 round(F32 a) {
  return each<F32>([](auto x) { return vrndnq_f32(x); }, a);
}
// a where x < limit, else b.
LINNET_INLINE F32 select_less(F32 x, F32 limit, F32 a, F32 b) {
  return each<F32>(
      [](auto number, auto most, auto yes, auto no) { return vbslq_f32(vcltq_f32(number, most), yes, no); }, x, limit,
      a, b);
}
LINNET_INLINE bool any_above(F32 a, F32 b) {  // in any lane; not where either is NaN
  const auto above = [&](int i) { return vcgtq_f32(a.v[i], b.v[i]); };
  return vmaxvq_u32(vorrq_u32(vorrq_u32(above(0), above(1)), vorrq_u32(above(2), above(3)))) != 0;
}
LINNET_INLINE F32 to_f32(I32 a) {
  return each<F32>([](auto x) { return vcvtq_f32_s32(x); }, a);
}
LINNET_INLINE I32 to_i32(F32 a) {  // to nearest, ties to even
  return each<I32>([](auto x) { return vcvtnq_s32_f32(x); }, a);
}
LINNET_INLINE F32 bits_to_f32(I32 a) {
  return each<F32>([](auto x) { return vreinterpretq_f32_s32(x); }, a);
}
LINNET_INLINE I32 f32_to_bits(F32 a) {
  return each<I32>([](auto x) { return vreinterpretq_s32_f32(x); }, a);
}
LINNET_INLINE I32 add(I32 a, I32 b) {
  return each<I32>([](auto x, auto y) { return vaddq_s32(x, y); }, a, b);
}
LINNET_INLINE I32 sub(I32 a, I32 b) {
  return each<I32>([](auto x, auto y) { return vsubq_s32(x, y); }, a, b);
}
LINNET_INLINE I32 bit_and(I32 a, I32 b) {
  return each<I32>([](auto x, auto y) { return vandq_s32(x, y); }, a, b);
}
LINNET_INLINE I32 max(I32 a, I32 b) {
  return each<I32>([](auto x, auto y) { return vmaxq_s32(x, y); }, a, b);
}
template <int kBy>
LINNET_INLINE I32 shift_left(I32 a) {
  return each<I32>([](auto x) { return vshlq_n_s32(x, kBy); }, a);
}
template <int kBy>
LINNET_INLINE I32 shift_right_signed(I32 a) {
  return each<I32>([](auto x) { return vshrq_n_s32(x, kBy); }, a);
}
// The halves of the sixteen are combined first, then quarters, and so on: one fixed order.
LINNET_INLINE F32 swap_halves(F32 a, int step) {
  switch (step) {
    case 8:
      return {{a.v[2], a.v[3], a.v[0], a.v[1]}};
    case 4:
      return {{a.v[1], a.v[0], a.v[3], a.v[2]}};
    case 2:
      return each<F32>([](auto x) { return vextq_f32(x, x, 2); }, a);
    default:
      return each<F32>([](auto x) { return vrev64q_f32(x); }, a);
  }
}
LINNET_INLINE float first(F32 a) {
  return vgetq_lane_f32(a.v[0], 0);
}
struct HalfSums {
  int32_t first;
  int32_t second;
};
LINNET_INLINE int8x16_t narrow_i8(I32 a) {  // what fits
  const int16x8_t low = vcombine_s16(vmovn_s32(a.v[0]), vmovn_s32(a.v[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(a.v[2]), vmovn_s32(a.v[3]));
  return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}
// Stores a and b, which must fit, as 32 bytes; the sums of each.
LINNET_INLINE HalfSums store_i8(int8_t* q, I32 a, I32 b) {
  const int8x16_t first_half = narrow_i8(a);
  const int8x16_t second_half = narrow_i8(b);
  vst1q_s8(q, first_half);
  vst1q_s8(q + 16, second_half);
  return {vaddlvq_s8(first_half), vaddlvq_s8(second_half)};
}
LINNET_INLINE int32_t reduce_max(I32 a) {
  return vmaxvq_s32(vmaxq_s32(vmaxq_s32(a.v[0], a.v[1]), vmaxq_s32(a.v[2], a.v[3])));
}

// Eight numbers of sixteen bits, from number `at` on.
LINNET_INLINE uint16x8_t load_eight(const void* p, int at) {
  return vreinterpretq_u16_u8(vld1q_u8(static_cast<const uint8_t*>(p) + 2 * at));
}
LINNET_INLINE F32 load_f16(const void* p) {
  const float16x8_t low = vreinterpretq_f16_u16(load_eight(p, 0));
  const float16x8_t high = vreinterpretq_f16_u16(load_eight(p, 8));
  return {{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
           vcvt_high_f32_f16(high)}};
}
LINNET_INLINE void store_f16(void* p, F32 a) {  // to nearest, ties to even
  auto* to = static_cast<uint8_t*>(p);
  for (int i = 0; i < 4; ++i) vst1_u8(to + 8 * i, vreinterpret_u8_f16(vcvt_f16_f32(a.v[i])));
}
LINNET_INLINE F32 load_bf16(const void* p) {
  const uint16x8_t low = load_eight(p, 0);
  const uint16x8_t high = load_eight(p, 8);
  const auto widened = [](uint32x4_t bits) { return vreinterpretq_f32_u32(bits); };
  return {{widened(vshll_n_u16(vget_low_u16(low), 16)), widened(vshll_high_n_u16(low, 16)),
           widened(vshll_n_u16(vget_low_u16(high), 16)), widened(vshll_high_n_u16(high, 16))}};
}
LINNET_INLINE I32 load_u16(const void* p) {
  const auto* at = static_cast<const uint16_t*>(p);
  const uint16x8_t low = vld1q_u16(at);
  const uint16x8_t high = vld1q_u16(at + 8);
  const auto as_signed = [](uint32x4_t x) { return vreinterpretq_s32_u32(x); };
  return {{as_signed(vmovl_u16(vget_low_u16(low))), as_signed(vmovl_high_u16(low)),
           as_signed(vmovl_u16(vget_low_u16(high))), as_signed(vmovl_high_u16(high))}};
}
LINNET_INLINE I32 load_u8(const void* p) {
  const uint8x16_t all = vld1q_u8(static_cast<const uint8_t*>(p));
  const uint16x8_t low = vmovl_u8(vget_low_u8(all));
  const uint16x8_t high = vmovl_high_u8(all);
  const auto as_signed = [](uint32x4_t x) { return vreinterpretq_s32_u32(x); };
  return {{as_signed(vmovl_u16(vget_low_u16(low))), as_signed(vmovl_high_u16(low)),
           as_signed(vmovl_u16(vget_low_u16(high))), as_signed(vmovl_high_u16(high))}};
}
LINNET_INLINE I32 load_i8(const void* p) {
  const int8x16_t all = vld1q_s8(static_cast<const int8_t*>(p));
  const int16x8_t low = vmovl_s8(vget_low_s8(all));
  const int16x8_t high = vmovl_high_s8(all);
  return {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
}

LINNET_INLINE U8 load_line(const std::byte* p) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(p);
  return {{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
}
LINNET_INLINE void store_line(std::byte* p, U8 a) {
  for (int i = 0; i < 4; ++i) vst1q_u8(reinterpret_cast<uint8_t*>(p) + 16 * i, a.v[i]);
}
// (a shifted right by kBy, or left by -kBy) & mask in every byte.
template <int kBy>
LINNET_INLINE U8 shifted_and(U8 a, int mask) {
  if constexpr (kBy > 0) a = each<U8>([](auto x) { return vshrq_n_u8(x, kBy); }, a);
  if constexpr (kBy < 0) a = each<U8>([](auto x) { return vshlq_n_u8(x, -kBy); }, a);
  const uint8x16_t all = vdupq_n_u8(static_cast<uint8_t>(mask));
  return each<U8>([=](auto x) { return vandq_u8(x, all); }, a);
}
LINNET_INLINE U8 bit_or(U8 a, U8 b) {
  return each<U8>([](auto x, auto y) { return vorrq_u8(x, y); }, a, b);
}
LINNET_INLINE U8 lookup(const uint8_t* table, U8 codes) {
  const uint8x16_t row = vld1q_u8(table);
  return each<U8>([=](auto x) { return vqtbl1q_u8(row, x); }, codes);
}

#ifdef __ARM_FEATURE_MATMUL_INT8
// Of codes as they are, which need no sign: any width will do.
constexpr int dot_bits(int /*value_bits*/) {
  return 8;
}
template <int kBits>
inline constexpr int kTakenFromCodes = 0;
#else
// Both factors of sdot have a sign: codes of eight bits are multiplied less 128.
constexpr int dot_bits(int value_bits) {
  return value_bits < 8 ? 7 : 8;
}
template <int kBits>
inline constexpr int kTakenFromCodes = kBits == 8 ? 128 : 0;
#endif
template <int kBits>
inline constexpr int kQuadsAtOnce = 1;

template <int kBits>
struct Dot {
  static constexpr bool kStartIsFree = true;
  using Codes = U8;
  static LINNET_INLINE Codes prepare(U8 codes) {
    if constexpr (kTakenFromCodes<kBits> == 0) return codes;
    return each<U8>([](auto x) { return veorq_u8(x, vdupq_n_u8(128)); }, codes);
  }

  I32 sum;
  LINNET_INLINE void start(int32_t value) { sum = set1(value); }
  // Quad kIndex of the kCount that are summed, of which every fourth begins sixteen bytes that one register holds.
  template <int kIndex, int kCount>
  LINNET_INLINE void step(Codes codes, const int8_t* q) {
    constexpr int kLane = kIndex % 4;
    const int8x16_t quads = vld1q_s8(q - 4 * kLane);
    sum = each<I32>([=](auto total, auto of_rows) { return dot<kLane>(total, of_rows, quads); }, sum, codes);
  }

 private:
  template <int kLane>
  static LINNET_INLINE int32x4_t dot(int32x4_t total, uint8x16_t codes, int8x16_t quads) {
#ifdef __ARM_FEATURE_MATMUL_INT8
    return vusdotq_laneq_s32(total, codes, quads, kLane);
#else
    return vdotq_laneq_s32(total, vreinterpretq_s8_u8(codes), quads, kLane);
#endif
  }
};

#ifdef LINNET_KERNEL_ROW_PAIRS
// Eight columns of the sixteen rows of a panel, two rows in each register.
struct RowPairs {
  uint8x16_t v[8];
};
// Two lines. The quads are neighbours: four columns each.
LINNET_INLINE void store_row_pairs(std::byte* p, U8 quad, U8 next) {
  auto* to = reinterpret_cast<uint8_t*>(p);
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t a = vreinterpretq_u32_u8(quad.v[i]);
    const uint32x4_t b = vreinterpretq_u32_u8(next.v[i]);
    vst1q_u8(to + 32 * i, vreinterpretq_u8_u32(vzip1q_u32(a, b)));
    vst1q_u8(to + 32 * i + 16, vreinterpretq_u8_u32(vzip2q_u32(a, b)));
  }
}
LINNET_INLINE RowPairs load_row_pairs(const std::byte* p) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(p);
  return {{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48), vld1q_u8(bytes + 64),
           vld1q_u8(bytes + 80), vld1q_u8(bytes + 96), vld1q_u8(bytes + 112)}};
}

// Integer dot products of the sixteen rows with two vectors of activations: usmmla multiplies two rows of eight codes
// with two vectors of eight activations.
struct TwoDots {
  int32x4_t v[8];  // of rows 2 i and 2 i + 1: [upper row · a, upper · b, lower · a, lower · b]

  LINNET_INLINE void start(int32_t a, int32_t b) {
    const int32x2_t both = vset_lane_s32(b, vdup_n_s32(a), 1);
    for (int32x4_t& sums : v) sums = vcombine_s32(both, both);
  }
  LINNET_INLINE void step(const RowPairs& codes, const int8_t* a, const int8_t* b) {
    const int8x16_t both = vcombine_s8(vld1_s8(a), vld1_s8(b));
    for (int i = 0; i < 8; ++i) v[i] = vusmmlaq_s32(v[i], codes.v[i], both);
  }
  LINNET_INLINE I32 of_a() const {
    return {{vuzp1q_s32(v[0], v[1]), vuzp1q_s32(v[2], v[3]), vuzp1q_s32(v[4], v[5]), vuzp1q_s32(v[6], v[7])}};
  }
  LINNET_INLINE I32 of_b() const {
    return {{vuzp2q_s32(v[0], v[1]), vuzp2q_s32(v[2], v[3]), vuzp2q_s32(v[4], v[5]), vuzp2q_s32(v[6], v[7])}};
  }
};
LINNET_INLINE void hide(TwoDots& a) {
  asm volatile("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
  asm volatile("" : "+w"(a.v[4]), "+w"(a.v[5]), "+w"(a.v[6]), "+w"(a.v[7]));
}
LINNET_INLINE void hide(RowPairs& a) {
  asm volatile("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
  asm volatile("" : "+w"(a.v[4]), "+w"(a.v[5]), "+w"(a.v[6]), "+w"(a.v[7]));
}
#endif

// Rows become columns; of kRows that count, the rest is as good as zero.
template <int kRows>
LINNET_INLINE void transpose(I32 (&rows)[16]) {
  const auto doubled = [](int32x4_t x) { return vreinterpretq_s64_s32(x); };
  const auto single = [](int64x2_t x) { return vreinterpretq_s32_s64(x); };
  I32 turned[16];
  for (int g = 0; g < (kRows + 3) / 4; ++g) {
    for (int c = 0; c < 4; ++c) {
      const I32* r = rows + int64_t{g} * 4;
      const int64x2_t even01 = doubled(vtrn1q_s32(r[0].v[c], r[1].v[c]));  // columns 0 and 2 of two rows
      const int64x2_t even23 = doubled(vtrn1q_s32(r[2].v[c], r[3].v[c]));
      const int64x2_t odd01 = doubled(vtrn2q_s32(r[0].v[c], r[1].v[c]));
      const int64x2_t odd23 = doubled(vtrn2q_s32(r[2].v[c], r[3].v[c]));
      I32* to = turned + int64_t{c} * 4;
      to[0].v[g] = single(vtrn1q_s64(even01, even23));
      to[1].v[g] = single(vtrn1q_s64(odd01, odd23));
      to[2].v[g] = single(vtrn2q_s64(even01, even23));
      to[3].v[g] = single(vtrn2q_s64(odd01, odd23));
    }
  }
  for (int i = 0; i < 16; ++i) rows[i] = turned[i];
}

#ifdef LINNET_KERNEL_BF16_PAIRS
struct Bf16s {  // sixteen pairs
  uint32x4_t v[4];
};
LINNET_INLINE Bf16s load_pairs(const uint32_t* p) {
  return {{vld1q_u32(p), vld1q_u32(p + 4), vld1q_u32(p + 8), vld1q_u32(p + 12)}};
}
LINNET_INLINE Bf16s set1_pair(uint32_t pair) {
  const uint32x4_t all = vdupq_n_u32(pair);
  return {{all, all, all, all}};
}
LINNET_INLINE Bf16s zero_pairs() {
  return set1_pair(0);
}
LINNET_INLINE Bf16s and_pairs(Bf16s a, uint32_t mask) {
  const uint32x4_t all = vdupq_n_u32(mask);
  return each<Bf16s>([=](auto x) { return vandq_u32(x, all); }, a);
}
// a + the products of the pairs of b and c, in the instruction's own order; subnormals are zero.
LINNET_INLINE F32 add_dot(F32 a, Bf16s b, Bf16s c) {
  return each<F32>(
      [](auto sum, auto x, auto y) { return vbfdotq_f32(sum, vreinterpretq_bf16_u32(x), vreinterpretq_bf16_u32(y)); },
      a, b, c);
}
// Eight numbers as bfloat16, to nearest, ties to even.
LINNET_INLINE uint16x8_t narrow_bf16(float32x4_t low, float32x4_t high) {
  return vreinterpretq_u16_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(low), high));
}
LINNET_INLINE void store_bf16(void* p, F32 a) {
  auto* to = static_cast<uint8_t*>(p);
  vst1q_u8(to, vreinterpretq_u8_u16(narrow_bf16(a.v[0], a.v[1])));
  vst1q_u8(to + 16, vreinterpretq_u8_u16(narrow_bf16(a.v[2], a.v[3])));
}
// Neighbours in memory as pairs: of a, then of b. To nearest, ties to even.
LINNET_INLINE Bf16s neighbours(F32 a, F32 b) {
  const auto pairs = [](float32x4_t low, float32x4_t high) { return vreinterpretq_u32_u16(narrow_bf16(low, high)); };
  return {{pairs(a.v[0], a.v[1]), pairs(a.v[2], a.v[3]), pairs(b.v[0], b.v[1]), pairs(b.v[2], b.v[3])}};
}
LINNET_INLINE void store_first(uint32_t* p, int64_t n, Bf16s a) {  // n <= 16
  alignas(16) uint32_t lanes[16];
  for (int i = 0; i < 4; ++i) vst1q_u32(lanes + 4 * i, a.v[i]);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(uint32_t));
}
LINNET_INLINE I32 pair_bits(Bf16s a) {
  return each<I32>([](uint32x4_t x) { return vreinterpretq_s32_u32(x); }, a);
}
LINNET_INLINE Bf16s pairs_of_bits(I32 a) {
  return each<Bf16s>([](int32x4_t x) { return vreinterpretq_u32_s32(x); }, a);
}
// Pairs of a number of each. To nearest, ties to even.
LINNET_INLINE Bf16s interleaved(F32 low, F32 high) {
  Bf16s pairs;
  for (int i = 0; i < 2; ++i) {
    const uint16x8_t lows = narrow_bf16(low.v[2 * i], low.v[2 * i + 1]);
    const uint16x8_t highs = narrow_bf16(high.v[2 * i], high.v[2 * i + 1]);
    pairs.v[2 * i] = vreinterpretq_u32_u16(vzip1q_u16(lows, highs));
    pairs.v[2 * i + 1] = vreinterpretq_u32_u16(vzip2q_u16(lows, highs));
  }
  return pairs;
}
LINNET_INLINE void store_pairs_first(uint32_t* p, int64_t n, F32 low, F32 high) {  // n <= 16
  store_first(p, n, interleaved(low, high));
}
// For what is not read again soon: past the caches, where there is a way. p: on a cache line. Other threads see it once
// passing_ends() was called.
LINNET_INLINE void store_passing(uint32_t* p, Bf16s a) {
  for (int i = 0; i < 4; ++i) vst1q_u32(p + 4 * i, a.v[i]);
}
LINNET_INLINE void passing_ends() {}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
