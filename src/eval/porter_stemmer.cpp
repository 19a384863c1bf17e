#include "eval/porter_stemmer.hpp"

#include <array>
#include <span>
#include <utility>
#include <vector>

namespace linnet {

namespace {

// Which letters are consonants: all but a, e, i, o, u, and a y after a consonant.
std::vector<bool> consonants(std::string_view word) {
  std::vector<bool> out;
  out.reserve(word.size());
  for (const char c : word) {
    const bool vowel = std::string_view("aeiou").find(c) != std::string_view::npos;
    out.push_back(!vowel && (c != 'y' || out.empty() || !out.back()));
  }
  return out;
}

// m: how often a vowel is followed by a consonant.
int measure(std::string_view stem) {
  const std::vector<bool> consonant = consonants(stem);
  int count = 0;
  for (size_t i = 1; i < consonant.size(); ++i) count += !consonant[i - 1] && consonant[i] ? 1 : 0;
  return count;
}

bool has_vowel(std::string_view stem) {
  for (const bool consonant : consonants(stem)) {
    if (!consonant) return true;
  }
  return false;
}

// *d
bool ends_double_consonant(std::string_view word) {
  const size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && consonants(word).back();
}

// *o: consonant, vowel, consonant other than w, x, y; NLTK counts a vowel and a consonant alone, too.
bool ends_cvc(std::string_view word) {
  const std::vector<bool> consonant = consonants(word);
  const size_t n = word.size();
  if (n == 2) return !consonant[0] && consonant[1];
  if (n < 3) return false;
  const char last = word[n - 1];
  return consonant[n - 3] && !consonant[n - 2] && consonant[n - 1] && last != 'w' && last != 'x' && last != 'y';
}

struct Rule {
  std::string_view suffix;
  std::string_view replacement;
};

// The first rule whose suffix the word has decides, whether its condition (the stem's measure is above `above`) holds
// or not.
std::string apply(std::string_view word, std::span<const Rule> rules, int above) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const std::string_view stem = word.substr(0, word.size() - rule.suffix.size());
    if (measure(stem) <= above) break;
    return std::string(stem) + std::string(rule.replacement);
  }
  return std::string(word);
}

std::string with_ending(std::string_view word, size_t cut, std::string_view ending) {
  return std::string(word.substr(0, word.size() - cut)) + std::string(ending);
}

std::string step_1a(std::string_view word) {
  if (word.ends_with("ies") && word.size() == 4) return with_ending(word, 1, "");
  constexpr std::array<Rule, 4> kRules{{{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}}};
  return apply(word, kRules, -1);
}

std::string step_1b(std::string_view word) {
  if (word.ends_with("ied")) return with_ending(word, word.size() == 4 ? 1 : 2, "");
  if (word.ends_with("eed"))
    return measure(word.substr(0, word.size() - 3)) > 0 ? with_ending(word, 1, "") : std::string(word);
  const size_t cut = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
  const std::string_view stem = word.substr(0, word.size() - cut);
  if (cut == 0 || !has_vowel(stem)) return std::string(word);
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return std::string(stem) + "e";
  if (ends_double_consonant(stem)) {
    const char last = stem.back();
    return with_ending(stem, last == 'l' || last == 's' || last == 'z' ? 0 : 1, "");
  }
  return measure(stem) == 1 && ends_cvc(stem) ? std::string(stem) + "e" : std::string(stem);
}

std::string step_1c(std::string_view word) {
  if (!word.ends_with('y')) return std::string(word);
  const std::string_view stem = word.substr(0, word.size() - 1);
  return stem.size() > 1 && consonants(stem).back() ? std::string(stem) + "i" : std::string(word);
}

std::string step_2(std::string_view word) {
  if (word.ends_with("alli") && measure(word.substr(0, word.size() - 4)) > 0) return step_2(with_ending(word, 2, ""));
  constexpr std::array<Rule, 21> kRules{{
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
      {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
      {"fulli", "ful"},
  }};
  // NLTK counts the l of "logi" to the stem, so that "geologi" becomes "geolog".
  if (word.ends_with("logi")) {
    return measure(word.substr(0, word.size() - 3)) > 0 ? with_ending(word, 1, "") : std::string(word);
  }
  return apply(word, kRules, 0);
}

std::string step_3(std::string_view word) {
  constexpr std::array<Rule, 7> kRules{
      {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}};
  return apply(word, kRules, 0);
}

std::string step_4(std::string_view word) {
  constexpr std::array<Rule, 11> kFirst{{{"al", ""},
                                         {"ance", ""},
                                         {"ence", ""},
                                         {"er", ""},
                                         {"ic", ""},
                                         {"able", ""},
                                         {"ible", ""},
                                         {"ant", ""},
                                         {"ement", ""},
                                         {"ment", ""},
                                         {"ent", ""}}};
  constexpr std::array<Rule, 7> kSecond{
      {{"ou", ""}, {"ism", ""}, {"ate", ""}, {"iti", ""}, {"ous", ""}, {"ive", ""}, {"ize", ""}}};
  for (const Rule& rule : kFirst) {
    if (word.ends_with(rule.suffix)) return apply(word, std::span(&rule, 1), 1);
  }
  if (word.ends_with("ion")) {
    const std::string_view stem = word.substr(0, word.size() - 3);
    return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't') ? std::string(stem) : std::string(word);
  }
  return apply(word, kSecond, 1);
}

std::string step_5(std::string_view word) {
  std::string out(word);
  if (word.ends_with('e')) {
    const std::string_view stem = word.substr(0, word.size() - 1);
    if (measure(stem) > 1 || (measure(stem) == 1 && !ends_cvc(stem))) out.pop_back();
  }
  if (out.ends_with("ll") && measure(std::string_view(out).substr(0, out.size() - 1)) > 1) out.pop_back();
  return out;
}

// NLTK's irregular forms.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kIrregular{{
    {"sky", "sky"},
    {"skies", "sky"},
    {"dying", "die"},
    {"lying", "lie"},
    {"tying", "tie"},
    {"news", "news"},
    {"innings", "inning"},
    {"inning", "inning"},
    {"outings", "outing"},
    {"outing", "outing"},
    {"cannings", "canning"},
    {"canning", "canning"},
    {"howe", "howe"},
    {"proceed", "proceed"},
    {"exceed", "exceed"},
    {"succeed", "succeed"},
}};

}  // namespace

std::string porter_stem(std::string_view word) {
  for (const auto& [form, stem] : kIrregular) {
    if (word == form) return std::string(stem);
  }
  if (word.size() <= 2) return std::string(word);
  return step_5(step_4(step_3(step_2(step_1c(step_1b(step_1a(word)))))));
}

}  // namespace linnet
