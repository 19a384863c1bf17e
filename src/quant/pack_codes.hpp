// Codes of a block's numbers, and of its groups' scales, into the bits that the formats give them: the reverse of what
// the decoders read. Every encoder ends here.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>

#include "quant/block.hpp"

namespace linnet {

// 32 codes: low nibbles of elements i and i + 16 in byte i.
inline void pack_nibbles(const uint8_t (&codes)[32], uint8_t (&qs)[16]) {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

// Bit i of the word is the fifth of code i.
inline void pack_fifth_bits(const uint8_t (&codes)[32], uint8_t (&qh)[4]) {
  uint32_t high = 0;
  for (int i = 0; i < 32; ++i) high |= static_cast<uint32_t>(codes[i] >> 4 & 1) << i;
  std::memcpy(qh, &high, sizeof qh);
}

// Low nibbles of each pair of groups of 32.
inline void pack_nibbles(const uint8_t (&codes)[kSuperBlock], uint8_t (&qs)[128]) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t* c = codes + ptrdiff_t{64} * pair + i;
      qs[ptrdiff_t{32} * pair + i] = static_cast<uint8_t>((c[0] & 15) | (c[32] & 15) << 4);
    }
  }
}

// Q5_K: bit g of byte i is the fifth of element i of group g.
inline void pack_fifth_bits(const uint8_t (&codes)[kSuperBlock], uint8_t (&qh)[32]) {
  std::fill(std::begin(qh), std::end(qh), uint8_t{0});
  for (int i = 0; i < kSuperBlock; ++i) qh[i % 32] |= static_cast<uint8_t>((codes[i] >> 4) << (i / 32));
}

// The low two bits of elements 0–255: each half block in 32 bytes, bits 2s and 2s + 1 of byte j element 32 s + j.
inline void pack_two_bits(const uint8_t (&codes)[kSuperBlock], uint8_t (&qs)[64]) {
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 32; ++j) {
      const uint8_t* c = codes + ptrdiff_t{128} * half + j;
      qs[ptrdiff_t{32} * half + j] =
          static_cast<uint8_t>((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
  }
}

// Q3_K: bit b of byte j is the third of element 32 b + j.
inline void pack_third_bits(const uint8_t (&codes)[kSuperBlock], uint8_t (&hmask)[32]) {
  std::fill(std::begin(hmask), std::end(hmask), uint8_t{0});
  for (int i = 0; i < kSuperBlock; ++i) hmask[i % 32] |= static_cast<uint8_t>((codes[i] >> 2) << (i / 32));
}

// Q6_K: four bits of each code in ql, two in qh.
inline void pack_six_bits(const uint8_t (&codes)[kSuperBlock], uint8_t (&ql)[128], uint8_t (&qh)[64]) {
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 32; ++j) {
      const uint8_t* c = codes + ptrdiff_t{128} * half + j;
      ql[ptrdiff_t{64} * half + j] = static_cast<uint8_t>((c[0] & 15) | (c[64] & 15) << 4);
      ql[ptrdiff_t{64} * half + 32 + j] = static_cast<uint8_t>((c[32] & 15) | (c[96] & 15) << 4);
      qh[ptrdiff_t{32} * half + j] =
          static_cast<uint8_t>(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
    }
  }
}

// The reverse of unpack_scale_min, pairs in rising order.
inline void pack_scale_min(int pair, ScaleMin value, uint8_t (&packed)[12]) {
  if (pair < 4) {
    packed[pair] = value.scale;
    packed[pair + 4] = value.min;
    return;
  }
  packed[pair + 4] = static_cast<uint8_t>((value.scale & 15) | (value.min & 15) << 4);
  packed[pair - 4] |= static_cast<uint8_t>(value.scale >> 4 << 6);
  packed[pair] |= static_cast<uint8_t>(value.min >> 4 << 6);
}

// The reverse of unpack_q3_scale, into zeros.
inline void pack_q3_scale(int group, int code, uint8_t (&packed)[12]) {
  packed[group % 8] |= static_cast<uint8_t>((code & 15) << (group / 8 * 4));
  packed[8 + group % 4] |= static_cast<uint8_t>(code >> 4 << (group / 4 * 2));
}

// IQ4_XS's six bits of a group's scale, `code` from 0 to 63, into zeros.
template <class Block>
void pack_iq4_scale(int group, int code, Block& block) {
  block.scales_l[group / 2] |= static_cast<uint8_t>((code & 15) << (group % 2 * 4));
  block.scales_h |= static_cast<uint16_t>(code >> 4 << (ptrdiff_t{2} * group));
}

}  // namespace linnet
