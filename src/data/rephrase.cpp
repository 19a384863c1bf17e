#include "data/rephrase.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.hpp"

namespace linnet {

namespace {

constexpr double kOften = 0.6;  // of each kind of change

struct Spelling {
  std::string_view written, typed;
};
constexpr std::array kSpellings = std::to_array<Spelling>({
    {"what is", "whats"},
    {"where is", "wheres"},
    {"do you have", "got"},
    {"do you have", "is there"},
    {"is there", "do you have"},
    {"do you offer", "have you got"},
    {"do you", "do u"},
    {"are you", "are u"},
    {"can you", "can u"},
    {"you", "u"},
    {"please", "pls"},
    {"how much is", "whats the price of"},
    {"how much is", "what do i pay for"},
    {"how much", "what"},
    {"can i", "could i"},
    {"can i", "is it possible to"},
    {"can i", "am i allowed to"},
    {"want to", "wanna"},
    {"going to", "gonna"},
    {"i am", "im"},
    {"i have", "ive"},
    {"cannot", "cant"},
    {"when", "what time"},
    {"do i need", "must i"},
    {"do i have to", "must i"},
    {"how do i", "how can i"},
    {"how do i", "whats the way to"},
    {"how long does", "how many days for"},
    {"my", "our"},
    {"and", "&"},
});
constexpr std::array<std::string_view, 12> kBefore{
    "hi, ", "hello ",     "hey ",          "sorry, ",     "quick question: ",  "pls tell me ", "just wondering ",
    "um ",  "hi there, ", "i wanna know ", "question - ", "could you tell me "};
constexpr std::array<std::string_view, 9> kAfter{" pls", " thx", " thanks", "??", " ?", "...", " or not", "!!", ""};
constexpr std::array<std::string_view, 3> kKeyRows{"qwertyuiop", "asdfghjkl", "zxcvbnm"};

template <class List>
const auto& one_of(const List& list, Random& random) {
  return list[random.below(list.size())];
}

bool is_letter(char c) {
  return c >= 'a' && c <= 'z';
}

// Where `phrase` stands in `text` as whole words; npos where it does not.
size_t find_words(const std::string& text, std::string_view phrase) {
  for (size_t at = text.find(phrase); at != std::string::npos; at = text.find(phrase, at + 1)) {
    const size_t end = at + phrase.size();
    if ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end]))) return at;
  }
  return std::string::npos;
}

void respell(std::string& text, Random& random) {
  const size_t first = random.below(kSpellings.size());
  for (size_t i = 0; i < kSpellings.size(); ++i) {
    const Spelling& spelling = kSpellings[(first + i) % kSpellings.size()];
    const size_t at = find_words(text, spelling.written);
    if (at != std::string::npos && random.uniform() < 0.5) text.replace(at, spelling.written.size(), spelling.typed);
  }
}

// A neighbour of `key` on the keyboard, or itself.
char neighbour(char key, Random& random) {
  for (const std::string_view row : kKeyRows) {
    const size_t at = row.find(key);
    if (at == std::string_view::npos) continue;
    if (at == 0) return row[1];
    if (at + 1 == row.size()) return row[at - 1];
    return random.uniform() < 0.5 ? row[at - 1] : row[at + 1];
  }
  return key;
}

// One letter inside of the word is lost, swapped with the next, or another.
void misspell(std::string& word, Random& random) {
  if (word.size() < 5 || !std::all_of(word.begin(), word.end(), is_letter)) return;
  const size_t at = 1 + random.below(word.size() - 2);
  const double kind = random.uniform();
  if (kind < 0.4) {
    word.erase(at, 1);
  } else if (kind < 0.7) {
    std::swap(word[at], word[at + 1]);
  } else {
    word[at] = neighbour(word[at], random);
  }
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c != ' ') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// One word in seven is left out, where enough are there.
void drop_words(std::vector<std::string>& words, Random& random) {
  if (words.size() <= 3) return;
  std::vector<std::string> kept;
  for (std::string& word : words) {
    if (random.uniform() > 0.15) kept.push_back(std::move(word));
  }
  if (!kept.empty()) words = std::move(kept);
}

}  // namespace

std::string rephrase(const std::string& question, Random& random) {
  std::string text = ascii_lower(question);
  if (random.uniform() < kOften) respell(text, random);
  std::vector<std::string> words = words_of(text);
  if (words.empty()) return text;
  if (random.uniform() < kOften) drop_words(words, random);
  if (random.uniform() < kOften / 2) misspell(words[random.below(words.size())], random);
  text.clear();
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  if (random.uniform() < kOften * kOften) text = std::string(one_of(kBefore, random)) + text;
  if (random.uniform() < kOften * kOften) {
    while (text.ends_with('?') || text.ends_with('.')) text.pop_back();
    text += one_of(kAfter, random);
  }
  return text;
}

}  // namespace linnet
