#include "eval/squad_score.hpp"

#include <algorithm>

#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

// Python's string.punctuation.
bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

std::string normalize_answer(std::string_view text) {
  std::u32string kept = jinja::lower(jinja::decode(text));
  std::erase_if(kept, is_ascii_punctuation);
  std::u32string out;
  for (size_t at = 0; at < kept.size();) {
    size_t end = at;
    while (end < kept.size() && jinja::is_alnum(kept[end])) ++end;
    const std::u32string_view word = std::u32string_view(kept).substr(at, std::max<size_t>(end - at, 1));
    const bool article = word == U"a" || word == U"an" || word == U"the";
    out += article ? U" " : word;
    at += word.size();
  }
  const std::string spaced = jinja::encode(out);
  std::string joined;
  for (const std::string_view word : jinja::split_words(spaced)) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

template <class Score>
double best(std::string_view answer, std::span<const std::string> references, const Score& score) {
  if (references.empty()) return normalize_answer(answer).empty() ? 1 : 0;
  double highest = 0;
  for (const std::string& reference : references) highest = std::max(highest, score(reference));
  return highest;
}

}  // namespace

double exact_match(std::string_view answer, std::span<const std::string> references) {
  const std::string normal = normalize_answer(answer);
  return best(answer, references, [&](const std::string& r) { return normalize_answer(r) == normal ? 1.0 : 0.0; });
}

double answer_f1(std::string_view answer, std::span<const std::string> references) {
  const std::vector<std::string> words = sorted_answer_words(answer);
  return best(answer, references, [&](const std::string& r) { return words_f1(words, sorted_answer_words(r)); });
}

std::vector<std::string> sorted_answer_words(std::string_view text) {
  const std::string normal = normalize_answer(text);
  const std::vector<std::string_view> words = jinja::split_words(normal);
  std::vector<std::string> out(words.begin(), words.end());
  std::sort(out.begin(), out.end());
  return out;
}

size_t common_words(std::span<const std::string> a, std::span<const std::string> b) {
  size_t common = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const int order = a[i].compare(b[j]);
    if (order == 0) ++common;
    i += order <= 0 ? 1 : 0;
    j += order >= 0 ? 1 : 0;
  }
  return common;
}

double words_f1(std::span<const std::string> a, std::span<const std::string> b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  return 2 * static_cast<double>(common_words(a, b)) / static_cast<double>(a.size() + b.size());
}

}  // namespace linnet
