#include "base/similar.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace linnet {

namespace {

// Levenshtein distance; both are short.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> similar_words(std::string_view typed, std::span<const std::string> words) {
  constexpr size_t kFar = 3;
  constexpr size_t kMostCharacters = 100;  // nobody mistypes a longer one
  constexpr size_t kMostWords = 3;
  if (typed.size() > kMostCharacters) return {};
  std::vector<std::pair<size_t, std::string>> found;
  for (const std::string& word : words) {
    const bool prefix = typed.size() >= 3 && word.starts_with(typed);
    const size_t steps = prefix ? 0 : distance(typed, word);
    if (steps < kFar && steps < typed.size()) found.emplace_back(steps, word);
  }
  std::ranges::stable_sort(found, {}, [](const auto& pair) { return pair.first; });
  std::vector<std::string> similar;
  for (size_t i = 0; i < std::min(kMostWords, found.size()); ++i) similar.push_back(std::move(found[i].second));
  return similar;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string> words) {
  std::string question;
  for (const std::string& word : similar_words(typed, words)) {
    question += (question.empty() ? "did you mean " : " or ") + word;
  }
  return question.empty() ? question : question + "?";
}

}  // namespace linnet
