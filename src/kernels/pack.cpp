#include "kernels/pack.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "quant/iq4_xs.hpp"
#include "quant/mxfp4.hpp"
#include "quant/q2_k.hpp"
#include "quant/q3_k.hpp"
#include "quant/q4_0.hpp"
#include "quant/q4_1.hpp"
#include "quant/q4_k.hpp"
#include "quant/q5_0.hpp"
#include "quant/q5_1.hpp"
#include "quant/q5_k.hpp"
#include "quant/q6_k.hpp"
#include "quant/q8_0.hpp"

namespace linnet::kernels {

namespace {

// Four codes at a time: a quad is four consecutive columns, one byte each.
using Quads = std::array<uint32_t, kQuads>;

constexpr uint32_t every_byte(uint32_t value) {
  return value * 0x01010101u;
}

uint32_t word_at(const uint8_t* bytes, int word) {
  uint32_t value;
  std::memcpy(&value, bytes + word * 4, sizeof(value));
  return value;
}

// What one group of 32 columns of one row says, whatever its format.
struct GroupParts {
  Quads quads;
  Half d;  // of the block
  Half min;
  std::array<uint8_t, 2> scale;  // sub-scales, as bits
  std::array<uint8_t, 2> sub_min;
};

// Sixteen bytes whose low nibbles are columns 0–15 and whose high ones are columns 16–31.
Quads quads_of_nibbles(const uint8_t* qs) {
  Quads quads;
  for (int j = 0; j < 4; ++j) {
    const uint32_t word = word_at(qs, j);
    quads[static_cast<size_t>(j)] = word & every_byte(15);
    quads[static_cast<size_t>(j) + 4] = word >> 4 & every_byte(15);
  }
  return quads;
}

// Adds bit i of `high` to code i as its fifth bit. The product moves four bits to the feet of four bytes.
void add_fifth_bits(Quads& quads, uint32_t high) {
  for (uint32_t& quad : quads) {
    quad |= ((high & 15) * 0x00204081u & every_byte(1)) << 4;
    high >>= 4;
  }
}

GroupParts parts_of(const BlockQ4_0& block, int /*group*/) {
  return {quads_of_nibbles(block.qs), block.d, {}, {}, {}};
}
GroupParts parts_of(const BlockQ4_1& block, int /*group*/) {
  return {quads_of_nibbles(block.qs), block.d, block.m, {}, {}};
}
GroupParts parts_of(const BlockQ5_0& block, int /*group*/) {
  GroupParts parts{quads_of_nibbles(block.qs), block.d, {}, {}, {}};
  add_fifth_bits(parts.quads, fifth_bits(block.qh));
  return parts;
}
GroupParts parts_of(const BlockQ5_1& block, int /*group*/) {
  GroupParts parts{quads_of_nibbles(block.qs), block.d, block.m, {}, {}};
  add_fifth_bits(parts.quads, fifth_bits(block.qh));
  return parts;
}
GroupParts parts_of(const BlockQ8_0& block, int /*group*/) {
  GroupParts parts{{}, block.d, {}, {}, {}};
  for (int j = 0; j < kQuads; ++j) {
    const auto bytes = std::bit_cast<std::array<uint8_t, 32>>(block.qs);
    parts.quads[static_cast<size_t>(j)] = word_at(bytes.data(), j) ^ every_byte(128);
  }
  return parts;
}
GroupParts parts_of(const BlockIQ4_NL& block, int /*group*/) {
  return {quads_of_nibbles(block.qs), block.d, {}, {}, {}};
}
GroupParts parts_of(const BlockMXFP4& block, int /*group*/) {
  return {quads_of_nibbles(block.qs), {}, {}, {block.e}, {}};
}
GroupParts parts_of(const BlockIQ4_XS& block, int group) {
  const int low = block.scales_l[group / 2] >> (group % 2 * 4) & 15;
  const int high = block.scales_h >> (group * 2) & 3;
  return {quads_of_nibbles(block.qs + group * 16), block.d, {}, {static_cast<uint8_t>((low | high << 4) - 32)}, {}};
}

// `bits` bits of 32 bytes, from bit `shift` on.
Quads quads_of_bits(const uint8_t* bytes, int shift, uint32_t mask) {
  Quads quads;
  for (int j = 0; j < kQuads; ++j) quads[static_cast<size_t>(j)] = word_at(bytes, j) >> shift & every_byte(mask);
  return quads;
}
void add_bits(Quads& quads, const Quads& high, int shift) {
  for (size_t j = 0; j < quads.size(); ++j) quads[j] |= high[j] << shift;
}
Half negated(Half value) {
  return {static_cast<uint16_t>(value.bits ^ 0x8000)};
}

GroupParts parts_of(const BlockQ2_K& block, int group) {
  const uint8_t a = block.scales[group * 2];
  const uint8_t b = block.scales[group * 2 + 1];
  return {quads_of_bits(block.qs + group / 4 * 32, group % 4 * 2, 3),
          block.d,
          negated(block.dmin),
          {static_cast<uint8_t>(a & 15), static_cast<uint8_t>(b & 15)},
          {static_cast<uint8_t>(a >> 4), static_cast<uint8_t>(b >> 4)}};
}
GroupParts parts_of(const BlockQ3_K& block, int group) {
  GroupParts parts{quads_of_bits(block.qs + group / 4 * 32, group % 4 * 2, 3),
                   block.d,
                   {},
                   {static_cast<uint8_t>(unpack_q3_scale(block.scales, group * 2) - 32),
                    static_cast<uint8_t>(unpack_q3_scale(block.scales, group * 2 + 1) - 32)},
                   {}};
  add_bits(parts.quads, quads_of_bits(block.hmask, group, 1), 2);
  return parts;
}
GroupParts parts_of(const BlockQ4_K& block, int group) {
  const ScaleMin pair = unpack_scale_min(block.scales, group);
  return {quads_of_bits(block.qs + group / 2 * 32, group % 2 * 4, 15),
          block.d,
          negated(block.dmin),
          {pair.scale},
          {pair.min}};
}
GroupParts parts_of(const BlockQ5_K& block, int group) {
  const ScaleMin pair = unpack_scale_min(block.scales, group);
  GroupParts parts{quads_of_bits(block.qs + group / 2 * 32, group % 2 * 4, 15),
                   block.d,
                   negated(block.dmin),
                   {pair.scale},
                   {pair.min}};
  add_bits(parts.quads, quads_of_bits(block.qh, group, 1), 4);
  return parts;
}
GroupParts parts_of(const BlockQ6_K& block, int group) {
  const int half = group / 4;
  const int within = group % 4;  // a quarter of the half block
  GroupParts parts{quads_of_bits(block.ql + half * 64 + within % 2 * 32, within / 2 * 4, 15),
                   block.d,
                   {},
                   {static_cast<uint8_t>(block.scales[group * 2]), static_cast<uint8_t>(block.scales[group * 2 + 1])},
                   {}};
  add_bits(parts.quads, quads_of_bits(block.qh + half * 32, within * 2, 3), 4);
  return parts;
}

void put_word(std::byte* line, int row, uint32_t word) {
  std::memcpy(line + row * 4, &word, sizeof(word));
}
uint32_t get_word(const std::byte* line, int row) {
  uint32_t word;
  std::memcpy(&word, line + row * 4, sizeof(word));
  return word;
}

// Two bits of every code, from bit `shift` on, into a plane of two bits.
void put_two_bits(const Quads& quads, int shift, int row, std::byte* plane) {
  for (size_t p = 0; p < 2; ++p) {
    uint32_t word = 0;
    for (size_t s = 0; s < 4; ++s) word |= (quads[4 * p + s] >> shift & every_byte(3)) << (2 * s);
    put_word(plane + kLine * p, row, word);
  }
}

// The codes of one row into the planes of a group.
template <PanelFormat F>
void put_codes(const Quads& quads, int row, std::byte* codes) {
  if constexpr (F.low_bits == 8) {
    for (int j = 0; j < kQuads; ++j) put_word(codes + kLine * j, row, quads[static_cast<size_t>(j)]);
  } else if constexpr (F.low_bits == 4) {
    for (size_t j = 0; j < 4; ++j) {
      put_word(codes + kLine * j, row, (quads[j] & every_byte(15)) | (quads[j + 4] & every_byte(15)) << 4);
    }
  } else {
    put_two_bits(quads, 0, row, codes);
  }
  std::byte* high = codes + F.low_bytes();
  if constexpr (F.high_bits == 1) {
    uint32_t plane = 0;
    for (int j = 0; j < kQuads; ++j) {
      plane |= (quads[static_cast<size_t>(j)] >> F.low_bits & every_byte(1)) << j;
    }
    put_word(high, row, plane);
  } else if constexpr (F.high_bits == 2) {
    put_two_bits(quads, F.low_bits, row, high);
  }
}

template <PanelFormat F>
Quads get_codes(const std::byte* codes, int row) {
  Quads quads;
  const std::byte* high = codes + F.low_bytes();
  for (int j = 0; j < kQuads; ++j) {
    uint32_t& quad = quads[static_cast<size_t>(j)];
    if constexpr (F.low_bits == 8) quad = get_word(codes + kLine * j, row);
    if constexpr (F.low_bits == 4) quad = get_word(codes + kLine * (j % 4), row) >> (j / 4 * 4) & every_byte(15);
    if constexpr (F.low_bits == 2) quad = get_word(codes + kLine * (j / 4), row) >> (j % 4 * 2) & every_byte(3);
    if constexpr (F.high_bits == 1) quad |= (get_word(high, row) >> j & every_byte(1)) << F.low_bits;
    if constexpr (F.high_bits == 2) {
      quad |= (get_word(high + kLine * (j / 4), row) >> (j % 4 * 2) & every_byte(3)) << F.low_bits;
    }
  }
  return quads;
}

template <class T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}
template <class T>
T get(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

template <PanelFormat F>
void put_group(const GroupParts& parts, int row, std::byte* header, std::byte* group) {
  if constexpr (F.header_bytes() > 0) put(header + row * 2, parts.d);
  if constexpr (F.has_min) put(header + kHalfRow + row * 2, parts.min);
  if constexpr (F.sub_bytes() > 0) {
    for (size_t i = 0; i < F.scales; ++i) {
      put(group + kPanelRows * i + row, parts.scale[i]);
      if constexpr (F.has_min) put(group + kPanelRows * (F.scales + i) + row, parts.sub_min[i]);
    }
  }
  put_codes<F>(parts.quads, row, group + F.sub_bytes());
}

template <PanelFormat F, class Block>
void pack_panel(const std::byte* const (&rows)[kPanelRows], int64_t cols, std::byte* panel) {
  constexpr int kGroups = F.groups_in_super();
  static_assert(Block::kElements == kGroups * kGroup);
  const int64_t supers = cols / Block::kElements;
  for (int64_t s = 0; s < supers; ++s, panel += F.super_bytes()) {
    for (int row = 0; row < kPanelRows; ++row) {
      Block block{};
      if (rows[row]) std::memcpy(&block, rows[row] + s * static_cast<int64_t>(sizeof(Block)), sizeof(Block));
      for (int g = 0; g < kGroups; ++g) {
        put_group<F>(parts_of(block, g), row, panel, panel + F.header_bytes() + g * F.group_bytes());
      }
    }
  }
}

// Value of a code, less the offset.
template <PanelFormat F>
int value_of(uint32_t code) {
  if constexpr (F.table == CodeTable::kIq4) return kIq4Values[code];
  if constexpr (F.table == CodeTable::kE2M1) return kE2M1Doubled[code];
  return static_cast<int>(code) - F.offset;
}

struct ScaleAndMin {
  float scale;
  float min;
};

template <PanelFormat F>
ScaleAndMin scale_and_min(const std::byte* header, const std::byte* group, int part, int row) {
  const std::byte* sub = group + kPanelRows * part + row;
  if constexpr (F.scale == ScaleKind::kE8M0) return {half_scale_e8m0(get<uint8_t>(sub)), 0};
  float scale = to_float(get<Half>(header + row * 2));
  float min = F.has_min ? to_float(get<Half>(header + kHalfRow + row * 2)) : 0.0f;
  if constexpr (F.scale == ScaleKind::kSuperU8) {
    scale *= static_cast<float>(get<uint8_t>(sub));
    if (F.has_min) min *= static_cast<float>(get<uint8_t>(sub + kPanelRows * F.scales));
  } else if constexpr (F.scale == ScaleKind::kSuperI8) {
    scale *= static_cast<float>(get<int8_t>(sub));
  }
  return {scale, min};
}

template <PanelFormat F>
void unpack_row(const std::byte* panel, int64_t cols, int row, float* out) {
  constexpr int kGroups = F.groups_in_super();
  for (int64_t done = 0; done < cols; done += kGroups * kGroup, panel += F.super_bytes()) {
    for (int g = 0; g < kGroups; ++g) {
      const std::byte* group = panel + F.header_bytes() + g * F.group_bytes();
      const Quads quads = get_codes<F>(group + F.sub_bytes(), row);
      for (int i = 0; i < kGroup; ++i) {
        const ScaleAndMin s = scale_and_min<F>(panel, group, i / (kGroup / F.scales), row);
        const uint32_t code = quads[static_cast<size_t>(i) / 4] >> (i % 4 * 8) & 255;
        const float value = static_cast<float>(value_of<F>(code)) * s.scale;
        *out++ = F.has_min ? value + s.min : value;
      }
    }
  }
}

template <PanelFormat F, class Block>
constexpr PanelCoder coder() {
  return {pack_panel<F, Block>, unpack_row<F>, F.super_bytes(), F.groups_in_super() * kGroup};
}

// Plain floats: (cols, 16).
template <class T>
void pack_floats(const std::byte* const (&rows)[kPanelRows], int64_t cols, std::byte* panel) {
  constexpr int64_t kBlock = 64;  // columns at a time, so that the panel's lines stay in the first cache
  for (int64_t begin = 0; begin < cols; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, cols);
    for (int row = 0; row < kPanelRows; ++row) {
      for (int64_t c = begin; c < end; ++c) {
        const T value = rows[row] ? get<T>(rows[row] + c * static_cast<int64_t>(sizeof(T))) : T{};
        put(panel + (c * kPanelRows + row) * static_cast<int64_t>(sizeof(T)), value);
      }
    }
  }
}

float as_float(float value) {
  return value;
}
float as_float(Half value) {
  return to_float(value);
}
float as_float(BFloat16 value) {
  return to_float(value);
}

template <class T>
void unpack_floats(const std::byte* panel, int64_t cols, int row, float* out) {
  for (int64_t c = 0; c < cols; ++c) {
    out[c] = as_float(get<T>(panel + (c * kPanelRows + row) * static_cast<int64_t>(sizeof(T))));
  }
}

template <class T>
constexpr PanelCoder float_coder() {
  return {pack_floats<T>, unpack_floats<T>, kPanelRows * sizeof(T), 1};
}

constexpr PanelCoder kF32 = float_coder<float>();
constexpr PanelCoder kF16 = float_coder<Half>();
constexpr PanelCoder kBF16 = float_coder<BFloat16>();
constexpr PanelCoder kQ4_0 = coder<kPanelQ4_0, BlockQ4_0>();
constexpr PanelCoder kQ4_1 = coder<kPanelQ4_1, BlockQ4_1>();
constexpr PanelCoder kQ5_0 = coder<kPanelQ5_0, BlockQ5_0>();
constexpr PanelCoder kQ5_1 = coder<kPanelQ5_1, BlockQ5_1>();
constexpr PanelCoder kQ8_0 = coder<kPanelQ8_0, BlockQ8_0>();
constexpr PanelCoder kQ2_K = coder<kPanelQ2_K, BlockQ2_K>();
constexpr PanelCoder kQ3_K = coder<kPanelQ3_K, BlockQ3_K>();
constexpr PanelCoder kQ4_K = coder<kPanelQ4_K, BlockQ4_K>();
constexpr PanelCoder kQ5_K = coder<kPanelQ5_K, BlockQ5_K>();
constexpr PanelCoder kQ6_K = coder<kPanelQ6_K, BlockQ6_K>();
constexpr PanelCoder kIQ4_NL = coder<kPanelIQ4_NL, BlockIQ4_NL>();
constexpr PanelCoder kIQ4_XS = coder<kPanelIQ4_XS, BlockIQ4_XS>();
constexpr PanelCoder kMXFP4 = coder<kPanelMXFP4, BlockMXFP4>();
constexpr PanelCoder kTurned6{nullptr, unpack_row<kPanelTurned6>, kPanelTurned6.super_bytes(), kGroup};

}  // namespace

const PanelCoder& turned6_coder() {
  return kTurned6;
}

const PanelCoder* panel_coder(QuantType type) {
  switch (type) {
    case QuantType::kF32:
      return &kF32;
    case QuantType::kF16:
      return &kF16;
    case QuantType::kBF16:
      return &kBF16;
    case QuantType::kQ4_0:
      return &kQ4_0;
    case QuantType::kQ4_1:
      return &kQ4_1;
    case QuantType::kQ5_0:
      return &kQ5_0;
    case QuantType::kQ5_1:
      return &kQ5_1;
    case QuantType::kQ8_0:
      return &kQ8_0;
    case QuantType::kQ2_K:
      return &kQ2_K;
    case QuantType::kQ3_K:
      return &kQ3_K;
    case QuantType::kQ4_K:
      return &kQ4_K;
    case QuantType::kQ5_K:
      return &kQ5_K;
    case QuantType::kQ6_K:
      return &kQ6_K;
    case QuantType::kIQ4_NL:
      return &kIQ4_NL;
    case QuantType::kIQ4_XS:
      return &kIQ4_XS;
    case QuantType::kMXFP4:
      return &kMXFP4;
    case QuantType::kF8E4M3:
    case QuantType::kF8E5M2:
      return nullptr;
  }
  return nullptr;
}

}  // namespace linnet::kernels
