#include "eval/answer_score.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "eval/words.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

// Python's string.punctuation.
bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

// What stands before the number that a solution ends in.
constexpr std::string_view kResult = "#### ";

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

template <class Score>
double best(std::string_view answer, std::span<const std::string> references, const Score& score) {
  if (references.empty()) return normalize_answer(answer).empty() ? 1 : 0;
  double highest = 0;
  for (const std::string& reference : references) highest = std::max(highest, score(reference));
  return highest;
}

// The words that key facts are found by: runs of letters, marks and numbers, with what joins digits; each percent and
// currency sign is a word.
std::vector<std::string> fact_words(std::string_view text) {
  const std::u32string all = to_code_points(lowercase(text));
  std::vector<std::string> words;
  bool open = false;
  for (size_t i = 0; i < all.size(); ++i) {
    const char32_t c = all[i];
    const uint16_t flags = CharTable::get().flags(c);
    const bool between_digits = i > 0 && i + 1 < all.size() && is_digit(all[i - 1]) && is_digit(all[i + 1]);
    const bool inside = (flags & (kLetter | kNumber | kMark)) != 0 ||
                        (between_digits && (c == '.' || c == ',' || c == ':' || c == '/' || c == '-'));
    const bool alone = c == '%' || c == '$' || c == 0xA3 || c == 0xA5 || c == 0x20AC;  // £ ¥ €
    if (alone || (inside && !open)) words.emplace_back();
    if (alone || inside) append_utf8(words.back(), c);
    open = inside;
  }
  return words;
}

bool contains_run(const std::vector<std::string>& words, const std::vector<std::string>& run) {
  return !run.empty() && std::search(words.begin(), words.end(), run.begin(), run.end()) != words.end();
}

// What people and models say when they have no answer; matched on whole words. "Contact us" is not among them: it is
// often the answer.
constexpr std::array kDeclining{
    "i don t know",
    "i do not know",
    "i am not sure",
    "i m not sure",
    "we don t know",
    "we do not know",
    "don t have an answer",
    "do not have an answer",
    "have no answer",
    "no answer to that",
    "can t answer",
    "cannot answer",
    "can not answer",
    "unable to answer",
    "not able to answer",
    "couldn t find",
    "could not find",
    "can t help",
    "cannot help",
    "can not help",
    "unable to help",
    "not able to help",
    "don t have that information",
    "don t have this information",
    "don t have any information",
    "don t have information",
    "do not have that information",
    "do not have this information",
    "do not have any information",
    "do not have information",
    "have no information",
    "unanswerable",
    "no information about that",
    "not something i know",
    "don t have the answer",
    "do not have the answer",
    "i have no idea",
};

}  // namespace

std::string normalize_answer(std::string_view text) {
  std::u32string kept;
  for (const char32_t c : to_code_points(lowercase(text))) {
    if (!is_ascii_punctuation(c)) kept.push_back(c);
  }
  std::string out;
  for (size_t at = 0; at < kept.size();) {
    size_t end = at;
    std::string word;
    for (; end < kept.size() && is_alphanumeric(kept[end]); ++end) append_utf8(word, kept[end]);
    if (end == at) {
      append_utf8(out, kept[at++]);
      continue;
    }
    out += word == "a" || word == "an" || word == "the" ? " " : word;
    at = end;
  }
  return joined(split_words(out));
}

double exact_match(std::string_view answer, std::span<const std::string> references) {
  const std::string normal = normalize_answer(answer);
  return best(answer, references, [&](const std::string& r) { return normalize_answer(r) == normal ? 1.0 : 0.0; });
}

std::vector<std::string> sorted_answer_words(std::string_view text) {
  const std::string normal = normalize_answer(text);
  const std::vector<std::string_view> words = split_words(normal);
  std::vector<std::string> out(words.begin(), words.end());
  std::sort(out.begin(), out.end());
  return out;
}

double words_f1(std::span<const std::string> a, std::span<const std::string> b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  double common = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const int order = a[i].compare(b[j]);
    if (order == 0) ++common;
    i += order <= 0 ? 1 : 0;
    j += order >= 0 ? 1 : 0;
  }
  return 2 * common / static_cast<double>(a.size() + b.size());
}

double answer_f1(std::string_view answer, std::span<const std::string> references) {
  const std::vector<std::string> words = sorted_answer_words(answer);
  return best(answer, references, [&](const std::string& r) { return words_f1(words, sorted_answer_words(r)); });
}

KeyFacts parse_key_facts(std::string_view text) {
  KeyFacts facts;
  std::vector<std::string> spellings;
  std::string spelling;
  const auto end_spelling = [&] {
    if (const std::string_view bare = strip(spelling); !bare.empty()) spellings.emplace_back(bare);
    spelling.clear();
  };
  const auto end_fact = [&] {
    end_spelling();
    if (!spellings.empty()) facts.push_back(std::move(spellings));
    spellings.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '/' || text[i + 1] == '|');
    if (escaped) {
      spelling += text[++i];
    } else if (text[i] == '|') {
      end_fact();
    } else if (text[i] == '/') {
      end_spelling();
    } else {
      spelling += text[i];
    }
  }
  end_fact();
  return facts;
}

double facts_found(std::string_view answer, const KeyFacts& facts) {
  if (facts.empty()) return 1;
  const std::vector<std::string> words = fact_words(answer);
  const auto found = std::count_if(facts.begin(), facts.end(), [&](const std::vector<std::string>& spellings) {
    return std::any_of(spellings.begin(), spellings.end(),
                       [&](const std::string& spelling) { return contains_run(words, fact_words(spelling)); });
  });
  return static_cast<double>(found) / static_cast<double>(facts.size());
}

bool declines(std::string_view answer) {
  const std::vector<std::string> words = fact_words(answer);
  return words.empty() || std::any_of(kDeclining.begin(), kDeclining.end(),
                                      [&](const char* phrase) { return contains_run(words, fact_words(phrase)); });
}

std::string strict_number(std::string_view solution) {
  // #### (\-?[0-9\.\,]+)
  for (size_t at = solution.find(kResult); at != solution.npos; at = solution.find(kResult, at + 1)) {
    const size_t begin = at + kResult.size();
    const size_t digits = begin + (begin < solution.size() && solution[begin] == '-' ? 1 : 0);
    const size_t end = std::min(solution.find_first_not_of("0123456789.,", digits), solution.size());
    if (end > digits) return std::string(solution.substr(begin, end - begin));
  }
  return {};
}

std::string flexible_number(std::string_view text) {
  // (-?[$0-9.,]{2,})|(-?[0-9]+)
  std::string_view last;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at + (text[at] == '-' ? 1 : 0);
    size_t end = std::min(text.find_first_not_of("$0123456789.,", begin), text.size());
    const bool one_digit = end == begin + 1 && is_digit(static_cast<unsigned char>(text[begin]));
    if (end < begin + 2 && !one_digit) {
      ++at;
      continue;
    }
    last = text.substr(at, end - at);
    at = end;
  }
  return std::string(last);
}

bool same_number(std::string_view found, std::string_view reference) {
  const auto bare = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c != ',' && c != '$') out += c;
    }
    if (const size_t mark = out.rfind(kResult); mark != out.npos) out.erase(0, mark + kResult.size());
    if (out.ends_with('.')) out.pop_back();
    return lowercase(out);
  };
  return !found.empty() && bare(found) == bare(reference);
}

}  // namespace linnet
