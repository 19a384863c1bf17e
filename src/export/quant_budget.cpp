#include "export/quant_budget.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <queue>
#include <utility>

#include "base/check.hpp"

namespace linnet {

namespace {

// From one option to another, larger one of the same matrix.
struct Step {
  size_t matrix;
  size_t to;
  uint64_t bytes;
  double saved;  // loss, for each byte

  // In the queue: the best first; of equals the first matrix.
  bool operator<(const Step& other) const { return saved != other.saved ? saved < other.saved : matrix > other.matrix; }
};

uint64_t bytes_of(const BudgetMatrix& matrix, size_t option) {
  return static_cast<uint64_t>(matrix.options[option].format->bytes_of(matrix.elements));
}

// The step from `from` that saves most for its bytes and takes at most `room`; none: `to` is `from`.
Step best_step(const BudgetMatrix& matrix, size_t number, size_t from, uint64_t room) {
  Step best{number, from, 0, 0};
  const uint64_t before = bytes_of(matrix, from);
  for (size_t to = 0; to < matrix.options.size(); ++to) {
    const uint64_t after = bytes_of(matrix, to);
    if (after <= before || after - before > room) continue;
    const double saved = (matrix.options[from].loss - matrix.options[to].loss) / static_cast<double>(after - before);
    if (saved > best.saved) best = {number, to, after - before, saved};
  }
  return best;
}

// Of the options with the fewest bytes the one of least loss.
size_t smallest(const BudgetMatrix& matrix) {
  size_t best = 0;
  for (size_t i = 1; i < matrix.options.size(); ++i) {
    const uint64_t bytes = bytes_of(matrix, i);
    const uint64_t least = bytes_of(matrix, best);
    if (bytes < least || (bytes == least && matrix.options[i].loss < matrix.options[best].loss)) best = i;
  }
  return best;
}

}  // namespace

std::vector<const QuantFormat*> formats_for_width(int64_t width) {
  constexpr std::array kFormats{QuantType::kQ2_K,   QuantType::kQ3_K, QuantType::kIQ4_XS, QuantType::kQ4_K,
                                QuantType::kIQ4_NL, QuantType::kQ5_K, QuantType::kQ5_0,   QuantType::kQ5_1,
                                QuantType::kQ6_K,   QuantType::kQ8_0, QuantType::kF16};
  std::vector<const QuantFormat*> out;
  for (const QuantType type : kFormats) {
    const QuantFormat& format = quant_format(type);
    if (width % format.block_elements == 0) out.push_back(&format);
  }
  return out;
}

Result<std::vector<size_t>> spend(std::span<const BudgetMatrix> matrices, uint64_t bytes) {
  std::vector<size_t> chosen;
  uint64_t used = 0;
  for (const BudgetMatrix& matrix : matrices) {
    CHECK(!matrix.options.empty());
    chosen.push_back(smallest(matrix));
    used += bytes_of(matrix, chosen.back());
  }
  if (used > bytes) {
    return invalid(fmt::format("the matrices take {} bytes at least, and {} are left for them", used, bytes));
  }
  std::priority_queue<Step> steps;
  const auto push = [&](size_t i) {
    const Step step = best_step(matrices[i], i, chosen[i], bytes - used);
    if (step.to != chosen[i]) steps.push(step);
  };
  for (size_t i = 0; i < matrices.size(); ++i) push(i);
  while (!steps.empty()) {
    const Step step = steps.top();
    steps.pop();
    if (step.bytes <= bytes - used) {
      chosen[step.matrix] = step.to;
      used += step.bytes;
    }
    push(step.matrix);  // what did not fit: a smaller step may
  }
  return chosen;
}

}  // namespace linnet
