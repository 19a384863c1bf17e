#include "export/quant_budget.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "base/random.hpp"

namespace linnet {
namespace {

const QuantFormat& format(const char* name) {
  return *find_quant_by_name(name);
}

TEST(QuantBudget, EveryWidthHasFormats) {
  const auto names = [](int64_t width) {
    std::string out;
    for (const QuantFormat* f : formats_for_width(width)) out += std::string(f->name) + " ";
    return out;
  };
  EXPECT_EQ(names(512), "Q2_K Q3_K IQ4_XS Q4_K IQ4_NL Q5_K Q5_0 Q5_1 Q6_K Q8_0 F16 ");
  EXPECT_EQ(names(576), "IQ4_NL Q5_0 Q5_1 Q8_0 F16 ");
  EXPECT_EQ(names(33), "F16 ");
}

TEST(QuantBudget, BytesGoWhereTheySaveMost) {
  // The second loses more for want of bits; the third gains nothing from any.
  const std::vector<BudgetMatrix> matrices{
      {256, {{&format("Q4_K"), 1}, {&format("Q8_0"), 0.5}}},
      {256, {{&format("Q4_K"), 5}, {&format("Q6_K"), 1}, {&format("Q8_0"), 0.9}}},
      {256, {{&format("Q4_K"), 0.1}, {&format("Q8_0"), 0.1}}},
  };
  const uint64_t least = 3 * 144;
  const auto chosen = [&](uint64_t bytes) { return spend(matrices, bytes).value(); };
  EXPECT_EQ(chosen(least), (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(chosen(least + 65), (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(chosen(least + 66), (std::vector<size_t>{0, 1, 0}));        // 210 - 144
  EXPECT_EQ(chosen(least + 66 + 128), (std::vector<size_t>{1, 1, 0}));  // 272 - 144
  EXPECT_EQ(chosen(1 << 20), (std::vector<size_t>{1, 2, 0}));
  EXPECT_FALSE(spend(matrices, least - 1).ok());
}

// Beside trying everything: never over, and within one step of the best.
TEST(QuantBudget, IsNearTheBest) {
  Random random(7);
  const std::vector<const QuantFormat*> formats = formats_for_width(512);
  for (int round = 0; round < 200; ++round) {
    std::vector<BudgetMatrix> matrices;
    double largest = 0;
    for (int i = 0; i < 4; ++i) {
      BudgetMatrix matrix{256 * static_cast<int64_t>(1 + random.below(4)), {}};
      const double weight = 0.1 + random.uniform();
      for (const size_t f : {0, 3, 8}) {
        const double bits = 8.0 * static_cast<double>(formats[f]->block_bytes) / 256;
        matrix.options.push_back({formats[f], weight * std::pow(4, -bits)});
      }
      largest = std::max(largest, matrix.options[0].loss);
      matrices.push_back(std::move(matrix));
    }
    const uint64_t bytes = 900 + random.below(1500);
    const auto chosen = spend(matrices, bytes);
    double best = INFINITY;
    double own = 0;
    uint64_t used = 0;
    for (size_t code = 0; code < 81; ++code) {
      double loss = 0;
      uint64_t size = 0;
      size_t rest = code;
      for (const BudgetMatrix& matrix : matrices) {
        const FormatOption& option = matrix.options[rest % 3];
        rest /= 3;
        loss += option.loss;
        size += static_cast<uint64_t>(option.format->bytes_of(matrix.elements));
      }
      if (size <= bytes) best = std::min(best, loss);
    }
    if (!chosen.ok()) {
      EXPECT_EQ(best, INFINITY);
      continue;
    }
    for (size_t i = 0; i < matrices.size(); ++i) {
      const FormatOption& option = matrices[i].options[chosen.value()[i]];
      own += option.loss;
      used += static_cast<uint64_t>(option.format->bytes_of(matrices[i].elements));
    }
    EXPECT_LE(used, bytes);
    EXPECT_LE(own, best + largest);
  }
}

}  // namespace
}  // namespace linnet
