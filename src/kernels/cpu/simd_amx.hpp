// What AMX adds to AVX-512: tiles of 16 rows of 64 bytes, whose product takes as long as sixteen fused multiply-adds of
// a register, and arithmetic in half precision to make them. After simd_avx512.hpp. Only in here and there are raw
// intrinsics.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

#ifndef LINNET_KERNEL_ISA
#error "after simd_avx512.hpp"
#endif

#define LINNET_KERNEL_TILES

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

inline constexpr int kTiles = 8;

// Of tiles that are multiplied: 0 to 3 are sums and 4 and 5 what stands left, 6 and 7 what stands right. `lower`: the
// rows of tiles 2, 3 and 5, where these are the rows below those of 0, 1 and 4.
struct TileShape {
  int64_t left_rows;
  int64_t lower_rows = left_rows;
  int64_t left_bytes = kTileRowBytes;  // of a row
  int64_t right_rows = kTileHeight;
  bool operator==(const TileShape&) const = default;
};

// Gives this thread's tiles that shape, and clears them. Takes fifty nanoseconds.
LINNET_INLINE void load_shape(const TileShape& shape) {
  struct alignas(64) Config {  // palette 1 (Intel SDM volume 1, 18.2)
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static_assert(sizeof(Config) == 64);
  const int64_t upper = shape.left_rows;
  const int64_t lower = shape.lower_rows;
  const int64_t rows[kTiles] = {upper, upper, lower, lower, upper, lower, shape.right_rows, shape.right_rows};
  Config config;
  for (int i = 0; i < kTiles; ++i) {
    config.row_bytes[i] = static_cast<uint16_t>(i == 4 || i == 5 ? shape.left_bytes : kTileRowBytes);
    config.rows[i] = static_cast<uint8_t>(rows[i]);
  }
  asm volatile("ldtilecfg %0" : : "m"(config));
}
// What the system need not save any more.
LINNET_INLINE void release_tiles() {
  asm volatile("tilerelease");
}

// This thread's tiles, while it lives. They are the thread's own, so that each kernel shapes them for itself.
class Tiles {
 public:
  Tiles() = default;
  ~Tiles() { release_tiles(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  void shape(const TileShape& wanted) {
    if (wanted == shape_) return;
    shape_ = wanted;
    load_shape(wanted);
  }

 private:
  TileShape shape_{.left_rows = 0};
};

// gcc's own intrinsics do not say that these touch memory.
template <int kTile>
LINNET_INLINE void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
// For what is not needed again soon: it leaves the first cache to others.
template <int kTile>
LINNET_INLINE void tile_load_passing(const void* from, int64_t stride) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
LINNET_INLINE void tile_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
LINNET_INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}
// kSum (rows, 16) float32 += kA (rows, 32) times kB (16, 16, 2), of bfloat16: for each pair of columns, in order, one
// chain of fused multiply-adds for the first of each and one for the second, whose sum is then added. Subnormals are
// zero. A row's bits hang on its own row of kA and on kB.
template <int kSum, int kA, int kB>
LINNET_INLINE void tile_add_product() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
}

struct Halves {  // 32 numbers of half precision: two for each lane
  __m512h v;
};
LINNET_INLINE Halves fmadd(Halves a, Halves b, Halves c) {
  return {_mm512_fmadd_ph(a.v, b.v, c.v)};
}
LINNET_INLINE Halves mul(Halves a, Halves b) {
  return {_mm512_mul_ph(a.v, b.v)};
}
LINNET_INLINE Halves load_halves(const void* p) {
  return {_mm512_load_ph(p)};
}
// Each number, rounded to nearest, twice.
LINNET_INLINE Halves twice(F32 a) {
  alignas(64) static constexpr uint16_t kTwice[32] = {0, 0, 1, 1, 2,  2,  3,  3,  4,  4,  5,  5,  6,  6,  7,  7,
                                                      8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
  const __m512i halves = _mm512_castsi256_si512(_mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  return {_mm512_castsi512_ph(_mm512_permutexvar_epi16(_mm512_load_si512(kTwice), halves))};
}
// For the low four bits of both halves of each lane of `codes`, shifted right by kBy, that entry of the table; it has
// its sixteen entries twice, since five bits choose.
template <int kBy>
LINNET_INLINE Halves look_up(Halves table, U8 codes) {
  const __m512i chosen = kBy > 0 ? _mm512_srli_epi16(codes.v, kBy) : codes.v;
  return {_mm512_castsi512_ph(_mm512_permutexvar_epi16(chosen, _mm512_castph_si512(table.v)))};
}
// The first and third bytes of each lane less the offset, or the second and fourth.
template <bool kSecond>
LINNET_INLINE Halves bytes_to_halves(U8 codes, int offset) {
  const __m512i bytes = kSecond ? _mm512_srli_epi16(codes.v, 8) : codes.v;
  constexpr int kAndOr = 0xEA;                         // (a & b) | c
  const __m512i thousand = _mm512_set1_epi16(0x6400);  // 1024, whose last bit counts one
  const __m512i numbers = _mm512_ternarylogic_epi32(bytes, _mm512_set1_epi16(0xFF), thousand, kAndOr);
  return {_mm512_sub_ph(_mm512_castsi512_ph(numbers), _mm512_set1_ph(static_cast<_Float16>(1024 + offset)))};
}
// As bfloat16, times 2^-112: the exponent's five bits stay as they are under another bias. To nearest, ties away from
// zero.
LINNET_INLINE Bf16s shrink(Halves a) {
  const __m512i eighth = _mm512_mulhrs_epi16(_mm512_castph_si512(a.v), _mm512_set1_epi16(1 << 12));
  return {_mm512_and_si512(eighth, _mm512_set1_epi16(static_cast<int16_t>(0x8FFF)))};
}
LINNET_INLINE void store_pairs(void* p, Bf16s a) {
  _mm512_store_si512(p, a.v);
}
// a - floor(a); 0 for an infinity.
LINNET_INLINE F32 fraction(F32 a) {
  return {_mm512_reduce_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
// a * 2^floor(power).
LINNET_INLINE F32 scale_by_power(F32 a, F32 power) {
  return {_mm512_scalef_ps(a.v, power.v)};
}
LINNET_INLINE bool finite_pairs(Bf16s a) {  // no infinity, no NaN
  const __m512i exponents = _mm512_set1_epi16(0x7F80);
  return _mm512_cmpeq_epi16_mask(_mm512_and_si512(a.v, exponents), exponents) == 0;
}
// The second and third number of each four change places.
LINNET_INLINE F32 swap_middles(F32 a) {
  return {_mm512_permute_ps(a.v, 0xD8)};
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
