// ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum of a summary, digit for digit as the Python package rouge-score 0.1.2 gives
// them (Lin 2004, "ROUGE: a package for automatic evaluation of summaries").
// Thread safety: pure functions.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

inline constexpr std::array<const char*, 4> kRougeNames{"rouge1", "rouge2", "rougeL", "rougeLsum"};

struct RougeScore {
  double precision = 0;
  double recall = 0;
  double f = 0;
};
using RougeScores = std::array<RougeScore, kRougeNames.size()>;

// A longer text is refused: the longest common subsequence takes time and memory with the product of two lengths.
inline constexpr size_t kMaxRougeWords = 5000;

// `summary` beside the reference whose F is highest, of each kind by itself; sentences (Lsum) are lines. `stem`: by
// porter_stem(), words of more than three letters. Words are runs of a-z and 0-9, so that other scripts score 0.
// Errors: a text of more than kMaxRougeWords words; no reference.
Result<RougeScores> rouge(std::string_view summary, std::span<const std::string> references, bool stem);

}  // namespace linnet
