// Formats for a model that must not take more than so many bits per weight: each matrix gets the one that costs least
// for all. Rows of any width meet the target: those that are no multiple of 256 are given what has blocks of 32.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "quant/format.hpp"

namespace linnet {

// One way to hold a matrix.
struct FormatOption {
  const QuantFormat* format;
  double loss = 0;  // what it costs the model; adds up over the matrices
};

struct BudgetMatrix {
  int64_t elements = 0;
  std::vector<FormatOption> options;  // one at least
};

// The formats that rows of `width` may have, by bits.
std::vector<const QuantFormat*> formats_for_width(int64_t width);

// The index of each matrix's option. Every matrix begins with its smallest; then what saves the most loss for its bytes
// is taken, over and over, until nothing fits any more (the greedy walk along each matrix's convex hull, which is
// optimal for the bytes that it uses). Error: the smallest options together are more than `bytes`.
Result<std::vector<size_t>> spend(std::span<const BudgetMatrix> matrices, uint64_t bytes);

}  // namespace linnet
