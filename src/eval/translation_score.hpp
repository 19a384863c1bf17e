// BLEU and chrF of translations, digit for digit as sacreBLEU 2.6.0 gives them (Post 2018, arXiv:1804.08771) with its
// defaults: BLEU (Papineni et al. 2002) over the tokens of mteval-v13a with exponential smoothing; chrF (Popović 2015)
// over one to six characters with β = 2. Thread safety: pure functions.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "eval/statistics.hpp"

namespace linnet {

struct Translation {
  std::string output;
  std::vector<std::string> references;  // at least one
};

// mteval-v13a's cut, tokens joined by one space.
std::string tokenize_13a(std::string_view line);

// What one segment adds to BLEU: lengths of the output and of the reference nearest in length, then for one to four
// words how many of the output's n-grams the references have, and how many there are.
inline constexpr size_t kBleuOrder = 4;
using BleuCounts = std::array<double, 2 + 2 * kBleuOrder>;
BleuCounts bleu_counts(const Translation& segment);

struct Bleu {
  double score = 0;  // 0 to 100
  std::array<double, kBleuOrder> precisions{};
  double brevity_penalty = 1;
  double output_length = 0;
  double reference_length = 0;

  // "23.45 58.1/30.2/17.9/10.8 (BP = 0.950 ratio = 0.951 hyp_len = 97 ref_len = 102)"
  std::string to_string() const;
};
Bleu bleu(std::span<const double> sums);  // BleuCounts, added up

// What one segment adds to chrF: for one to six characters how many n-grams output and reference have, and how many in
// common; of the reference with the best score.
inline constexpr size_t kChrfOrder = 6;
using ChrfCounts = std::array<double, 3 * kChrfOrder>;
ChrfCounts chrf_counts(const Translation& segment);
double chrf(std::span<const double> sums);  // 0 to 100

Metric bleu_metric(std::span<const Translation> segments);
Metric chrf_metric(std::span<const Translation> segments);

// sacreBLEU's signatures, which say how the numbers were made: "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|…".
std::string bleu_signature(std::span<const Translation> segments);
std::string chrf_signature(std::span<const Translation> segments);

}  // namespace linnet
