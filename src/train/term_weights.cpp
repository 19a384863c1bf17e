#include "train/term_weights.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <map>

#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

constexpr size_t kShortestWord = 2;  // characters

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::u32string word;
  const auto end_word = [&] {
    if (word.size() >= kShortestWord) words.push_back(jinja::encode(word));
    word.clear();
  };
  for (const char32_t c : jinja::lower(jinja::decode(text))) {
    if (jinja::is_alnum(c) || c == U'_') {
      word.push_back(c);
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

struct Occurrences {
  uint64_t times = 0;
  uint64_t texts = 0;
};

}  // namespace

std::vector<std::string> terms_of(std::string_view text) {
  std::vector<std::string> terms = words_of(text);
  const size_t words = terms.size();
  for (size_t i = 0; i + 1 < words; ++i) terms.push_back(terms[i] + " " + terms[i + 1]);
  return terms;
}

TermWeights::TermWeights(std::vector<std::string> terms, std::vector<float> idf)
    : terms_(std::move(terms)), idf_(std::move(idf)) {
  numbers_.reserve(terms_.size());
  for (uint32_t i = 0; i < terms_.size(); ++i) numbers_.emplace(terms_[i], i);
}

TermWeights TermWeights::fit(std::span<const std::string> texts, size_t most) {
  std::unordered_map<std::string, Occurrences> found;
  for (const std::string& text : texts) {
    std::vector<std::string> terms = terms_of(text);
    std::sort(terms.begin(), terms.end());
    for (size_t i = 0; i < terms.size(); ++i) {
      Occurrences& term = found[terms[i]];
      ++term.times;
      if (i == 0 || terms[i] != terms[i - 1]) ++term.texts;
    }
  }
  std::vector<std::pair<std::string, Occurrences>> kept(found.begin(), found.end());
  if (kept.size() > most) {
    std::sort(kept.begin(), kept.end(), [](const auto& x, const auto& y) {
      return x.second.times != y.second.times ? x.second.times > y.second.times : x.first < y.first;
    });
    kept.resize(most);
  }
  std::sort(kept.begin(), kept.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> terms;
  std::vector<float> idf;
  for (auto& [term, occurrences] : kept) {
    const double rarity = (1.0 + static_cast<double>(texts.size())) / (1.0 + static_cast<double>(occurrences.texts));
    idf.push_back(static_cast<float>(1 + std::log(rarity)));
    terms.push_back(std::move(term));
  }
  return {std::move(terms), std::move(idf)};
}

Result<TermWeights> TermWeights::of(std::vector<std::string> terms, std::vector<float> idf, const std::string& place) {
  if (terms.size() != idf.size()) {
    return invalid(fmt::format("holds {} terms and {} weights of such", terms.size(), idf.size()), place);
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    if (i > 0 && terms[i] <= terms[i - 1]) return invalid(fmt::format("term {} is not in order", i), place);
    if (!std::isfinite(idf[i]) || idf[i] <= 0) {
      return invalid(fmt::format("the weight of term {} is {}", i, idf[i]), place);
    }
  }
  return TermWeights(std::move(terms), std::move(idf));
}

TermRow TermWeights::weigh(std::string_view text) const {
  std::map<uint32_t, uint32_t> times;
  for (const std::string& term : terms_of(text)) {
    if (const auto known = numbers_.find(term); known != numbers_.end()) ++times[known->second];
  }
  TermRow row;
  double squares = 0;
  for (const auto& [term, count] : times) {
    const double weight = (1 + std::log(static_cast<double>(count))) * static_cast<double>(idf_[term]);
    squares += weight * weight;
    row.push_back({term, static_cast<float>(weight)});
  }
  const auto length = static_cast<float>(std::sqrt(squares));
  for (TermWeight& one : row) one.weight /= length;
  return row;
}

}  // namespace linnet
