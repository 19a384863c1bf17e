// The k-quants of scale and minimum: a block of 256 in groups, whose scales and minima are themselves quantised. Those
// of each group are searched for, then all are brought under the block's (ggml's quantize_row_q2_K, q4_K and q5_K).
#include <algorithm>
#include <cmath>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"
#include "quant/group_fit.hpp"
#include "quant/pack_codes.hpp"

namespace linnet {

namespace {

// The codes of a group under the scale that its block kept. One of scale 0 keeps those of the search.
void round_affine(const float* x, int count, float scale, float min, int most, uint8_t* codes) {
  if (scale == 0) return;
  for (int i = 0; i < count; ++i)
    codes[i] = static_cast<uint8_t>(std::clamp(nearest_int((x[i] + min) / scale), 0, most));
}

// All groups of a block, each searched for with the weights that `weigh(first element, weights)` gives its numbers.
template <int kGroups>
struct AffineGroups {
  static constexpr int kSize = kSuperBlock / kGroups;
  float scales[kGroups];
  float mins[kGroups];  // their magnitudes: x ≈ scale q - min
  float sums[kGroups];  // of the weights

  template <class Weigh>
  AffineGroups(const float* x, const AffineSearch& search, uint8_t* codes, Weigh weigh) {
    for (int g = 0; g < kGroups; ++g) {
      const int first = kSize * g;
      float weights[kSize];
      weigh(first, weights);
      sums[g] = 0;
      for (const float weight : weights) sums[g] += weight;
      const Affine found = search_affine<kSize>(x + first, weights, search, codes + first);
      scales[g] = found.scale;
      mins[g] = -found.min;
    }
  }
};

// Scales or minima of a block's groups: x ≈ step code.
template <int kGroups>
struct GroupCodes {
  uint8_t codes[kGroups];
  float step;
};

// The largest on the highest code.
template <int kGroups>
GroupCodes<kGroups> spread(const float (&values)[kGroups], int most) {
  const auto top = static_cast<float>(most);
  const float largest = std::max(0.0f, *std::max_element(values, values + kGroups));
  GroupCodes<kGroups> out{{}, largest / top};
  for (int g = 0; g < kGroups && largest > 0; ++g) {
    out.codes[g] = static_cast<uint8_t>(
        std::min<uint8_t>(static_cast<uint8_t>(most), static_cast<uint8_t>(nearest_int(top / largest * values[g]))));
  }
  return out;
}

// By weighted error.
template <int kGroups>
GroupCodes<kGroups> fitted(const float (&values)[kGroups], const float (&weights)[kGroups], int most) {
  GroupCodes<kGroups> out{};
  out.step = search_positive(values, weights, kGroups, most, out.codes);
  return out;
}

// ggml's weights where there is importance; `spread_square`: what it adds to each number's square.
auto weigh_by(const float* x, const BlockImportance& importance, float spread_square) {
  return [=](int first, auto& weights) {
    for (size_t i = 0; i < std::size(weights); ++i) {
      const size_t at = static_cast<size_t>(first) + i;
      weights[i] = importance.columns[at] * std::sqrt(spread_square + x[at] * x[at]);
    }
  };
}

float sum_of_squares(const float* x) {
  float sum = 0;
  for (int i = 0; i < kSuperBlock; ++i) sum += x[i] * x[i];
  return sum;
}

// What Q4_K and Q5_K share: eight groups of 32.
using EightCodes = GroupCodes<8>;

template <class Block>
void finish_eight_groups(const float* x, int most, const EightCodes& scales, const EightCodes& mins, Block& block,
                         uint8_t (&codes)[kSuperBlock]) {
  for (int g = 0; g < 8; ++g) pack_scale_min(g, {scales.codes[g], mins.codes[g]}, block.scales);
  block.d = to_half(scales.step);
  block.dmin = to_half(mins.step);
  for (int g = 0; g < 8; ++g) {
    round_affine(x + ptrdiff_t{32} * g, 32, to_float(block.d) * static_cast<float>(scales.codes[g]),
                 to_float(block.dmin) * static_cast<float>(mins.codes[g]), most, codes + ptrdiff_t{32} * g);
  }
  pack_nibbles(codes, block.qs);
  if constexpr (requires { block.qh; }) pack_fifth_bits(codes, block.qh);
}

constexpr int kMostOfEight = 63;

// Weighted by the groups' sizes and by each number's own.
template <class Block>
void encode_eight_groups(const float* x, const AffineSearch& search, Block& block) {
  uint8_t codes[kSuperBlock];
  const AffineGroups<8> found(x, search, codes, [x](int first, float(&weights)[32]) {
    const float* group = x + first;
    float squares = 0;
    for (int i = 0; i < 32; ++i) squares += group[i] * group[i];
    const float size = std::sqrt(squares / 32);
    for (int i = 0; i < 32; ++i) weights[i] = size + std::fabs(group[i]);
  });
  finish_eight_groups(x, search.most, spread(found.scales, kMostOfEight), spread(found.mins, kMostOfEight), block,
                      codes);
}

template <class Block>
void encode_eight_groups(const float* x, const BlockImportance& importance, int most, Block& block) {
  uint8_t codes[kSuperBlock];
  const float spread_square = 2 * sum_of_squares(x) / kSuperBlock;
  const AffineGroups<8> found(x, weighted_affine(most), codes, weigh_by(x, importance, spread_square));
  finish_eight_groups(x, most, fitted(found.scales, found.sums, kMostOfEight),
                      fitted(found.mins, found.sums, kMostOfEight), block, codes);
}

// Q2_K: sixteen groups of 16.
constexpr int kMostOfSixteen = 15;

void finish_q2_k(const float* x, const GroupCodes<16>& scales, const GroupCodes<16>& mins, BlockQ2_K& block,
                 uint8_t (&codes)[kSuperBlock]) {
  block.d = to_half(scales.step);
  block.dmin = to_half(mins.step);
  for (int g = 0; g < 16; ++g) {
    block.scales[g] = static_cast<uint8_t>(scales.codes[g] | mins.codes[g] << 4);
    round_affine(x + ptrdiff_t{16} * g, 16, to_float(block.d) * static_cast<float>(scales.codes[g]),
                 to_float(block.dmin) * static_cast<float>(mins.codes[g]), 3, codes + ptrdiff_t{16} * g);
  }
  pack_two_bits(codes, block.qs);
}

}  // namespace

void encode_block(const float* x, BlockQ2_K& block) {
  constexpr AffineSearch kSearch{.most = 3, .first = -0.5f, .step = 0.1f, .steps = 15, .absolute = true};
  uint8_t codes[kSuperBlock];
  const AffineGroups<16> found(x, kSearch, codes, [x](int first, float(&weights)[16]) {
    for (int i = 0; i < 16; ++i) weights[i] = std::fabs(x[first + i]);
  });
  finish_q2_k(x, spread(found.scales, kMostOfSixteen), spread(found.mins, kMostOfSixteen), block, codes);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ2_K& block) {
  uint8_t codes[kSuperBlock];
  const float spread_square = sum_of_squares(x) / kSuperBlock;
  const AffineGroups<16> found(x, weighted_affine(3), codes, weigh_by(x, importance, spread_square));
  finish_q2_k(x, fitted(found.scales, found.sums, kMostOfSixteen), fitted(found.mins, found.sums, kMostOfSixteen),
              block, codes);
}

void encode_block(const float* x, BlockQ4_K& block) {
  encode_eight_groups(x, {.most = 15, .first = -1.f, .step = 0.1f, .steps = 20, .absolute = false}, block);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ4_K& block) {
  encode_eight_groups(x, importance, 15, block);
}

void encode_block(const float* x, BlockQ5_K& block) {
  encode_eight_groups(x, {.most = 31, .first = -0.5f, .step = 0.1f, .steps = 15, .absolute = false}, block);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ5_K& block) {
  encode_eight_groups(x, importance, 31, block);
}

}  // namespace linnet
