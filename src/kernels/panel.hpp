// The packed layout of a quantised matrix: panels of 16 output rows, cut along the columns into groups of 32.
//
// Within a group the codes of four consecutive columns of one row (a quad) are one 32-bit lane, the 16 rows side by
// side: 64 bytes hold a quad of every row, and a dot product with four activations, broadcast to all lanes, needs no
// shuffle. Codes of fewer than eight bits lie in planes:
//   low plane, 4 bits: 64-byte line j holds quad j in the low nibbles and quad j + 4 in the high ones
//   low plane, 2 bits: line p holds quads 4 p + s at bits 2 s of every byte
//   low plane, 8 bits: line j is quad j
//   high plane, 1 bit: one line, quad j at bit j;  2 bits: as the low plane of 2 bits
// A weight is scale * (value(code) - offset) + min, with scale and min per row and group (or half a group).
//
// A panel is a run of super-groups: [d: 16 halves][min: 16 halves] and then its groups, each
// [sub-scales: 16 bytes per scale][sub-minima, likewise][low plane][high plane].
// The bytes are those of the file in another order (K-quants' six-bit scales take eight), so a token reads no more.
#pragma once

#include <cstddef>
#include <cstdint>

namespace linnet::kernels {

inline constexpr int64_t kPanelRows = 16;
inline constexpr int kGroup = 32;         // columns
inline constexpr int kQuads = 8;          // of a group
inline constexpr int64_t kLine = 64;      // bytes of one quad of all rows
inline constexpr int64_t kHalfRow = 32;   // bytes of one half-precision number for every row
inline constexpr int kGroupsInSuper = 8;  // of the k-quants: 256 columns

enum class ScaleKind : uint8_t {
  kHalf,     // d, min: halves per group; no sub-scales
  kE8M0,     // a power of two per group, no d
  kSuperU8,  // d * unsigned sub-scale, min * unsigned sub-minimum
  kSuperI8,  // d * signed sub-scale
};
enum class CodeTable : uint8_t { kNone, kIq4, kE2M1 };

// Everything about a format that a kernel must know. A template argument: its functions exist at compile time only,
// so that no kernel object exports them.
struct PanelFormat {
  int low_bits;
  int high_bits;
  CodeTable table;
  int offset;
  ScaleKind scale;
  int scales;  // per group: 1, or 2 for each half
  bool has_min;
  int code_bits = 0;  // of codes that fill fewer bits than their plane; else 0

  consteval bool has_super() const { return scale == ScaleKind::kSuperU8 || scale == ScaleKind::kSuperI8; }
  consteval int groups_in_super() const { return has_super() ? kGroupsInSuper : 1; }
  consteval int64_t header_bytes() const { return scale == ScaleKind::kE8M0 ? 0 : kHalfRow * (has_min ? 2 : 1); }
  consteval int64_t sub_bytes() const {
    return scale == ScaleKind::kHalf ? 0 : kPanelRows * scales * (has_min ? 2 : 1);
  }
  consteval int64_t low_bytes() const { return kLine * low_bits; }
  consteval int64_t code_bytes() const { return kLine * (low_bits + high_bits); }
  consteval int64_t group_bytes() const { return sub_bytes() + code_bytes(); }
  consteval int64_t super_bytes() const { return header_bytes() + groups_in_super() * group_bytes(); }
  // Bits of the number that meets the activations, after the table.
  consteval int value_bits() const {
    if (code_bits > 0) return code_bits;
    return table == CodeTable::kNone ? low_bits + high_bits : table == CodeTable::kE2M1 ? 5 : 8;
  }
};

inline constexpr PanelFormat kPanelQ4_0{4, 0, CodeTable::kNone, 8, ScaleKind::kHalf, 1, false};
inline constexpr PanelFormat kPanelQ4_1{4, 0, CodeTable::kNone, 0, ScaleKind::kHalf, 1, true};
inline constexpr PanelFormat kPanelQ5_0{4, 1, CodeTable::kNone, 16, ScaleKind::kHalf, 1, false};
inline constexpr PanelFormat kPanelQ5_1{4, 1, CodeTable::kNone, 0, ScaleKind::kHalf, 1, true};
inline constexpr PanelFormat kPanelQ8_0{8, 0, CodeTable::kNone, 128, ScaleKind::kHalf, 1, false};
inline constexpr PanelFormat kPanelQ2_K{2, 0, CodeTable::kNone, 0, ScaleKind::kSuperU8, 2, true};
inline constexpr PanelFormat kPanelQ3_K{2, 1, CodeTable::kNone, 4, ScaleKind::kSuperI8, 2, false};
inline constexpr PanelFormat kPanelQ4_K{4, 0, CodeTable::kNone, 0, ScaleKind::kSuperU8, 1, true};
inline constexpr PanelFormat kPanelQ5_K{4, 1, CodeTable::kNone, 0, ScaleKind::kSuperU8, 1, true};
inline constexpr PanelFormat kPanelQ6_K{4, 2, CodeTable::kNone, 32, ScaleKind::kSuperI8, 2, false};
inline constexpr PanelFormat kPanelIQ4_NL{4, 0, CodeTable::kIq4, 128, ScaleKind::kHalf, 1, false};
inline constexpr PanelFormat kPanelIQ4_XS{4, 0, CodeTable::kIq4, 128, ScaleKind::kSuperI8, 1, false};
inline constexpr PanelFormat kPanelMXFP4{4, 0, CodeTable::kE2M1, 12, ScaleKind::kE8M0, 1, false};
// Of no file: a byte for six bits, read without being put together (turned_panels.hpp).
inline constexpr PanelFormat kPanelTurned6{8, 0, CodeTable::kNone, 32, ScaleKind::kHalf, 1, false, 6};

// The values behind the codes of the table formats (quant/iq4_nl.hpp, quant/mxfp4.hpp), plus their offset so that they
// are unsigned.
inline constexpr uint8_t kIq4Table[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
inline constexpr uint8_t kE2M1Table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

// 32 activations of one row, quantised. In one term, x ≈ scale * q with |q| <= 127. In two terms, which are two of
// these side by side, x ≈ scale * (256 * q of the first + q of the second): 16 bits, as two int8 that the same dot
// products take. Scale and sum are then those of the second.
struct alignas(64) ActGroup {
  int8_t q[kGroup];
  float scale;
  // Where the integer dot product starts: -offset * sum of q over the group, or over each half; in one term plus
  // kStartBits.
  int32_t start[2];
  float sum[2];  // scale * sum of the quantised numbers, likewise: what a weight's min is multiplied by
};
static_assert(sizeof(ActGroup) == 64, "one cache line for each row, group and term");
inline constexpr int kMostTerms = 2;

// kStartBits + n are the bits of the float kStart + n, for |n| below 2^22; in a group |n| is at most 32 * 255 * 127.
inline constexpr int32_t kStartBits = 0x4B400000;
inline constexpr float kStart = 0x1.8p23f;

}  // namespace linnet::kernels
