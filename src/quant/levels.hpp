// The values that codes stand for, before they are scaled, and the nearest of them: written without branches, so that
// loops over it become vector instructions.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <iterator>

#include "quant/iq4_nl.hpp"

namespace linnet {

// Whole numbers from kLow to kHigh; the code of kLow is 0.
template <int kLowest, int kHighest>
struct WholeLevels {
  static constexpr float kLow = kLowest;
  static constexpr float kHigh = kHighest;
  static constexpr float kStep = 1;  // between neighbours
  static float nearest(float v) {
    constexpr float kRound = 12582912.f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
    return (std::clamp(v, kLow, kHigh) + kRound) - kRound;
  }
  static uint8_t code(float v) { return static_cast<uint8_t>(static_cast<int>(nearest(v)) - kLowest); }
};

struct Iq4Levels {
  static constexpr float kLow = -127;
  static constexpr float kHigh = 113;
  static constexpr float kStep = 15;  // on average
  // Of two as near, the upper. A sum of steps instead of a search: it becomes vector instructions.
  static float nearest(float v) {
    float level = kLow;
    for (int i = 1; i < 16; ++i) {
      const float middle = 0.5f * static_cast<float>(kIq4Values[i - 1] + kIq4Values[i]);
      level += v >= middle ? static_cast<float>(kIq4Values[i] - kIq4Values[i - 1]) : 0.0f;
    }
    return level;
  }
  static uint8_t code(float v) {
    const float level = nearest(v);
    return static_cast<uint8_t>(std::find(std::begin(kIq4Values), std::end(kIq4Values), static_cast<int8_t>(level)) -
                                std::begin(kIq4Values));
  }
};

}  // namespace linnet
