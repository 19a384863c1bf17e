// Loops that find what a machine could do at most. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace linnet {

struct PeakLoops {
  // Run `rounds` rounds in registers alone; the multiplications and additions that were done.
  int64_t (*multiply_int8)(int64_t rounds) = nullptr;
  int64_t (*multiply_f32)(int64_t rounds) = nullptr;
  int64_t (*multiply_bf16)(int64_t rounds) = nullptr;
  // Reads `count` >= 1 lines of 64 bytes.
  void (*read_lines)(const std::byte* lines, int64_t count) = nullptr;
};

}  // namespace linnet
