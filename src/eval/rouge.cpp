#include "eval/rouge.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <vector>

#include "eval/porter_stemmer.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

using Words = std::vector<int32_t>;  // equal words, equal numbers

// A text in words, and its lines in words.
struct Cut {
  Words words;
  std::vector<Words> lines;  // those that are not empty texts
};

class Cutter {
 public:
  explicit Cutter(bool stem) : stem_(stem) {}

  Cut cut(std::string_view text) {
    Cut out;
    out.words = words(text);
    for (size_t at = 0; at <= text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      if (end > at) out.lines.push_back(words(text.substr(at, end - at)));
      at = end + 1;
    }
    return out;
  }

 private:
  Words words(std::string_view text) {
    Words out;
    std::string word;
    for (const char c : jinja::encode(jinja::lower(jinja::decode(text))) + ' ') {
      if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
        word += c;
      } else if (!word.empty()) {
        const std::string known = stem_ && word.size() > 3 ? porter_stem(word) : word;
        if (!known.empty()) out.push_back(numbers_.emplace(known, static_cast<int32_t>(numbers_.size())).first->second);
        word.clear();
      }
    }
    return out;
  }

  bool stem_;
  std::map<std::string, int32_t> numbers_;
};

RougeScore from_counts(double both, size_t reference, size_t summary) {
  RougeScore score{both / static_cast<double>(std::max<size_t>(summary, 1)),
                   both / static_cast<double>(std::max<size_t>(reference, 1)), 0};
  if (score.precision + score.recall > 0) {
    score.f = 2 * score.precision * score.recall / (score.precision + score.recall);
  }
  return score;
}

RougeScore ngram_score(const Words& reference, const Words& summary, size_t n) {
  const auto count = [n](const Words& words) {
    std::map<Words, int64_t> counts;
    for (size_t i = 0; i + n <= words.size(); ++i) {
      ++counts[Words(words.begin() + static_cast<std::ptrdiff_t>(i),
                     words.begin() + static_cast<std::ptrdiff_t>(i + n))];
    }
    return counts;
  };
  const auto theirs = count(summary);
  int64_t both = 0;
  for (const auto& [ngram, times] : count(reference)) {
    const auto found = theirs.find(ngram);
    if (found != theirs.end()) both += std::min(times, found->second);
  }
  const auto total = [n](const Words& words) { return words.size() + 1 > n ? words.size() + 1 - n : 0; };
  return from_counts(static_cast<double>(both), total(reference), total(summary));
}

// Lengths of the longest common subsequences of all beginnings: (reference + 1, summary + 1).
class LcsTable {
 public:
  LcsTable(const Words& reference, const Words& summary) : width_(summary.size() + 1) {
    lengths_.resize((reference.size() + 1) * width_);
    for (size_t i = 1; i <= reference.size(); ++i) {
      for (size_t j = 1; j < width_; ++j) {
        lengths_[i * width_ + j] = reference[i - 1] == summary[j - 1] ? static_cast<uint16_t>(at(i - 1, j - 1) + 1)
                                                                      : std::max(at(i - 1, j), at(i, j - 1));
      }
    }
  }
  uint16_t at(size_t i, size_t j) const { return lengths_[i * width_ + j]; }
  uint16_t length() const { return lengths_.back(); }

 private:
  size_t width_;
  std::vector<uint16_t> lengths_;
};
static_assert(kMaxRougeWords <= UINT16_MAX);

RougeScore lcs_score(const Words& reference, const Words& summary) {
  if (reference.empty() || summary.empty()) return {};
  return from_counts(LcsTable(reference, summary).length(), reference.size(), summary.size());
}

// Marks the words of `reference` that are in one longest common subsequence with `line`.
void mark_common(const Words& reference, const Words& line, std::vector<bool>& marked) {
  const LcsTable table(reference, line);
  size_t i = reference.size(), j = line.size();
  while (i > 0 && j > 0) {
    if (reference[i - 1] == line[j - 1]) {
      marked[--i] = true;
      --j;
    } else if (table.at(i, j - 1) > table.at(i - 1, j)) {
      --j;
    } else {
      --i;
    }
  }
}

// Section 3.2 of the paper: each line of the reference beside all lines of the summary; no word counts more often than
// either side has it.
RougeScore summary_lcs_score(const std::vector<Words>& reference, const std::vector<Words>& summary) {
  const auto count = [](const std::vector<Words>& lines, std::map<int32_t, int64_t>& counts) {
    size_t total = 0;
    for (const Words& line : lines) {
      for (const int32_t word : line) ++counts[word];
      total += line.size();
    }
    return total;
  };
  std::map<int32_t, int64_t> left_reference, left_summary;
  const size_t reference_words = count(reference, left_reference);
  const size_t summary_words = count(summary, left_summary);
  if (reference_words == 0 || summary_words == 0) return {};
  double hits = 0;
  for (const Words& line : reference) {
    std::vector<bool> marked(line.size());
    for (const Words& other : summary) mark_common(line, other, marked);
    for (size_t i = 0; i < line.size(); ++i) {
      if (!marked[i] || left_summary[line[i]] <= 0 || left_reference[line[i]] <= 0) continue;
      ++hits;
      --left_summary[line[i]];
      --left_reference[line[i]];
    }
  }
  return from_counts(hits, reference_words, summary_words);
}

}  // namespace

Result<RougeScores> rouge(std::string_view summary, std::span<const std::string> references, bool stem) {
  if (references.empty()) return invalid("there is no reference to compare a summary with");
  Cutter cutter(stem);
  const auto cut = [&](std::string_view text) -> Result<Cut> {
    Cut out = cutter.cut(text);
    if (out.words.size() <= kMaxRougeWords) return out;
    return invalid(
        fmt::format("a text of {} words is too long for ROUGE: at most {}", out.words.size(), kMaxRougeWords));
  };
  TRY_ASSIGN(const Cut ours, cut(summary));
  RougeScores best;
  for (size_t r = 0; r < references.size(); ++r) {
    TRY_ASSIGN(const Cut theirs, cut(references[r]));
    const RougeScores scores{ngram_score(theirs.words, ours.words, 1), ngram_score(theirs.words, ours.words, 2),
                             lcs_score(theirs.words, ours.words), summary_lcs_score(theirs.lines, ours.lines)};
    for (size_t k = 0; k < scores.size(); ++k) {
      if (r == 0 || scores[k].f > best[k].f) best[k] = scores[k];
    }
  }
  return best;
}

}  // namespace linnet
