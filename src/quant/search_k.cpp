// Blocks of 256 whose groups' scales, and minima, are codes themselves. Each group's best is found by itself; then the
// codes of all groups and the block's own scales are chosen in turn, from several beginnings, while that helps.
#include "quant/pack_codes.hpp"
#include "quant/search.hpp"
#include "quant/search_fit.hpp"

namespace linnet {

namespace {

constexpr int kRounds = 4;
// How far the block's scale begins from what puts the largest group on the last code.
constexpr float kBeginnings[] = {1.0f, 0.96f, 1.04f};

float bounded_round(float v, float low, float high) {
  return WholeLevels<-(1 << 20), 1 << 20>::nearest(std::clamp(v, low, high));
}

// ---- x ≈ d c q: c a group's code, from kLow to kHigh

template <class Levels, int kGroups, int kLow, int kHigh>
struct SignedBlock {
  static constexpr int kSize = kSuperBlock / kGroups;
  float d = 0;
  float group_codes[kGroups] = {};
  float error = 0;

  // The best codes under `d`, near what the groups' own scales want.
  void choose(const float* x, const float* weights, const float (&scales)[kGroups], ScaleSums& of_block) {
    const float inverse = inverse_or_zero(d);
    error = 0;
    of_block = {};
    for (int g = 0; g < kGroups; ++g) {
      const int first = kSize * g;
      const float middle = bounded_round(scales[g] * inverse, kLow, kHigh);
      ScaleSums best;
      float code = 0;
      for (int off = -1; off <= 1; ++off) {
        const float tried = std::clamp(middle + static_cast<float>(off), float{kLow}, float{kHigh});
        const ScaleSums sums = sums_under<Levels, kSize>(x + first, weights + first, d * tried);
        if (off != -1 && !(sums.error < best.error)) continue;
        best = sums;
        code = tried;
      }
      group_codes[g] = code;
      error += best.error;
      of_block.products += code * best.products;
      of_block.squares += code * code * best.squares;
    }
  }
};

template <class Levels, int kGroups, int kLow, int kHigh>
SignedBlock<Levels, kGroups, kLow, kHigh> search_signed(const float* x, const float* weights,
                                                        uint8_t (&codes)[kSuperBlock]) {
  using Found = SignedBlock<Levels, kGroups, kLow, kHigh>;
  constexpr int kSize = Found::kSize;
  float scales[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    scales[g] = best_scale_of<Levels, kSize>(x + first, weights + first, as_it_is);
  }
  const float top = extreme_of(scales, kGroups).value;
  Found best;
  ScaleSums of_block;
  best.choose(x, weights, scales, of_block);
  for (const float beginning : kBeginnings) {
    Found tried;
    tried.d = as_half(top / float{kLow} * beginning);
    for (int round = 0; round < kRounds && std::isfinite(tried.d); ++round) {
      tried.choose(x, weights, scales, of_block);
      if (tried.error < best.error) {
        best = tried;
      } else if (round > 0) {
        break;
      }
      tried.d = as_half(of_block.best_scale());
    }
  }
  for (int i = 0; i < kSuperBlock; ++i) {
    codes[i] = Levels::code(x[i] * inverse_or_zero(best.d * best.group_codes[i / kSize]));
  }
  return best;
}

// ---- x ≈ d s q - dmin m: s and m a group's codes, from 0 to kMostCode

template <int kMost, int kGroups, int kMostCode>
struct RangeBlock {
  static constexpr int kSize = kSuperBlock / kGroups;
  float d = 0;
  float dmin = 0;
  float scale_codes[kGroups] = {};
  float min_codes[kGroups] = {};
  float error = 0;
};

// Sums over a block for least squares in d and dmin: u = s q, v = m.
struct BlockSums {
  float uu = 0;
  float uv = 0;
  float vv = 0;
  float xu = 0;
  float xv = 0;

  void add(float s, float m, const RangeSums& group, const WeightSums& of) {
    uu += s * s * group.qq;
    uv += s * m * group.q;
    vv += m * m * of.w;
    xu += s * group.qx;
    xv += m * of.wx;
  }
};

template <class Found>
void refit(const BlockSums& sums, Found& found) {
  const float determinant = sums.uu * sums.vv - sums.uv * sums.uv;
  float d = sums.uu > 0 ? sums.xu / sums.uu : 0;
  float dmin = 0;
  if (determinant > 0) {
    d = (sums.xu * sums.vv - sums.xv * sums.uv) / determinant;
    dmin = (sums.xu * sums.uv - sums.xv * sums.uu) / determinant;
  }
  found.d = as_half(std::max(d, 0.0f));
  found.dmin = as_half(std::max(dmin, 0.0f));
}

template <int kMost, int kGroups, int kMostCode>
void choose(const float* x, const float* weights, const ScaleAndMin (&groups)[kGroups], const WeightSums (&of)[kGroups],
            RangeBlock<kMost, kGroups, kMostCode>& found, BlockSums& sums) {
  constexpr int kSize = kSuperBlock / kGroups;
  constexpr float kTop = kMostCode;
  found.error = 0;
  sums = {};
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    const float scale = bounded_round(groups[g].scale * inverse_or_zero(found.d), 0, kTop);
    const float min = bounded_round(-groups[g].min * inverse_or_zero(found.dmin), 0, kTop);
    RangeSums best;
    bool any = false;
    for (int i = -1; i <= 1; ++i) {
      for (int j = -1; j <= 1; ++j) {
        const float s = scale + static_cast<float>(i);
        const float m = min + static_cast<float>(j);
        if (s < 0 || s > kTop || m < 0 || m > kTop) continue;
        const RangeSums tried =
            range_sums_under<kMost, kSize>(x + first, weights + first, found.d * s, -(found.dmin * m));
        if (any && !(tried.error < best.error)) continue;
        any = true;
        best = tried;
        found.scale_codes[g] = s;
        found.min_codes[g] = m;
      }
    }
    found.error += best.error;
    sums.add(found.scale_codes[g], found.min_codes[g], best, of[g]);
  }
}

template <int kMost, int kGroups, int kMostCode>
RangeBlock<kMost, kGroups, kMostCode> search_ranges(const float* x, const float* weights,
                                                    uint8_t (&codes)[kSuperBlock]) {
  using Found = RangeBlock<kMost, kGroups, kMostCode>;
  constexpr int kSize = Found::kSize;
  ScaleAndMin groups[kGroups];
  WeightSums of[kGroups];
  float top_scale = 0;
  float top_min = 0;
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    groups[g] = best_range_of<kMost, kSize>(x + first, weights + first, true, as_it_is);
    of[g] = weight_sums<kSize>(x + first, weights + first);
    top_scale = std::max(top_scale, groups[g].scale);
    top_min = std::max(top_min, -groups[g].min);
  }
  Found best;
  BlockSums sums;
  choose(x, weights, groups, of, best, sums);
  for (const float beginning : kBeginnings) {
    Found tried;
    tried.d = as_half(top_scale / kMostCode * beginning);
    tried.dmin = as_half(top_min / kMostCode * beginning);
    for (int round = 0; round < kRounds && std::isfinite(tried.d) && std::isfinite(tried.dmin); ++round) {
      choose(x, weights, groups, of, tried, sums);
      if (tried.error < best.error) {
        best = tried;
      } else if (round > 0) {
        break;
      }
      refit(sums, tried);
    }
  }
  for (int i = 0; i < kSuperBlock; ++i) {
    const int g = i / kSize;
    codes[i] = WholeLevels<0, kMost>::code((x[i] + best.dmin * best.min_codes[g]) *
                                           inverse_or_zero(best.d * best.scale_codes[g]));
  }
  return best;
}

template <int kMost, class Block>
void search_eight_groups(const float* x, const float* weights, Block& block) {
  encode_block(x, block);
  Block own;
  uint8_t codes[kSuperBlock];
  const auto found = search_ranges<kMost, 8, 63>(x, weights, codes);
  own.d = to_half(found.d);
  own.dmin = to_half(found.dmin);
  for (int g = 0; g < 8; ++g) {
    pack_scale_min(g, {static_cast<uint8_t>(found.scale_codes[g]), static_cast<uint8_t>(found.min_codes[g])},
                   own.scales);
  }
  pack_nibbles(codes, own.qs);
  if constexpr (requires { own.qh; }) pack_fifth_bits(codes, own.qh);
  keep_better(own, x, weights, block);
}

}  // namespace

void search_block(const float* x, const float* importance, BlockQ4_K& block) {
  search_eight_groups<15>(x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ5_K& block) {
  search_eight_groups<31>(x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ2_K& block) {
  encode_block(x, block);
  BlockQ2_K own;
  uint8_t codes[kSuperBlock];
  const auto found = search_ranges<3, 16, 15>(x, importance, codes);
  own.d = to_half(found.d);
  own.dmin = to_half(found.dmin);
  for (int g = 0; g < 16; ++g) {
    own.scales[g] =
        static_cast<uint8_t>(static_cast<int>(found.scale_codes[g]) | static_cast<int>(found.min_codes[g]) << 4);
  }
  pack_two_bits(codes, own.qs);
  keep_better(own, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ3_K& block) {
  encode_block(x, block);
  BlockQ3_K own{};
  uint8_t codes[kSuperBlock];
  const auto found = search_signed<WholeLevels<-4, 3>, 16, -32, 31>(x, importance, codes);
  own.d = to_half(found.d);
  for (int g = 0; g < 16; ++g) pack_q3_scale(g, static_cast<int>(found.group_codes[g]) + 32, own.scales);
  pack_third_bits(codes, own.hmask);
  pack_two_bits(codes, own.qs);
  keep_better(own, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ6_K& block) {
  encode_block(x, block);
  BlockQ6_K own{};
  uint8_t codes[kSuperBlock];
  const auto found = search_signed<WholeLevels<-32, 31>, 16, -128, 127>(x, importance, codes);
  own.d = to_half(found.d);
  for (int g = 0; g < 16; ++g) own.scales[g] = static_cast<int8_t>(found.group_codes[g]);
  pack_six_bits(codes, own.ql, own.qh);
  keep_better(own, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockIQ4_XS& block) {
  encode_block(x, block);
  BlockIQ4_XS own{};
  uint8_t codes[kSuperBlock];
  const auto found = search_signed<Iq4Levels, 8, -32, 31>(x, importance, codes);
  own.d = to_half(found.d);
  for (int g = 0; g < 8; ++g) {
    uint8_t of_group[32];
    std::copy_n(codes + ptrdiff_t{32} * g, 32, of_group);
    uint8_t packed[16];
    pack_nibbles(of_group, packed);
    std::copy_n(packed, 16, own.qs + ptrdiff_t{16} * g);
    pack_iq4_scale(g, static_cast<int>(found.group_codes[g]) + 32, own);
  }
  keep_better(own, x, importance, block);
}

}  // namespace linnet
