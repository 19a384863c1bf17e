#include "eval/key_facts.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <optional>
#include <vector>

#include "base/strings.hpp"
#include "base/utf8.hpp"
#include "text/jinja/pystr.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

bool is_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

// A number as it is written ("09:30", "1,250.00"), or a word in lower case, or a sign that counts ("%", "€").
struct Token {
  std::string text;
  bool number = false;
};

// One sign or word for what is written in several ways. Pounds are left out: they are also a weight.
std::string_view one_spelling(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kSame{{
      {"eur", "€"},
      {"euro", "€"},
      {"euros", "€"},
      {"usd", "$"},
      {"dollar", "$"},
      {"dollars", "$"},
      {"gbp", "£"},
      {"percent", "%"},
      {"&", "and"},
  }};
  const auto found = std::find_if(kSame.begin(), kSame.end(), [&](const auto& one) { return one.first == word; });
  return found == kSame.end() ? word : found->second;
}

bool is_currency(std::string_view word) {
  return word == "€" || word == "$" || word == "£" || word == "¥";
}

// Runs of digits with what joins them; runs of letters, in which digits may follow ("b12", but 9am is two); signs.
class Lexer {
 public:
  explicit Lexer(std::string_view text)
      : text_(jinja::lower(jinja::decode(normalize_unicode(replace_invalid_utf8(text), NormalForm::kNfc)))) {}

  std::vector<Token> tokens() {
    while (at_ < text_.size()) {
      const char32_t c = text_[at_];
      if (is_digit(c)) {
        take_number();
      } else if (is_word(c)) {
        const size_t begin = at_;
        while (at_ < text_.size() && (is_word(text_[at_]) || is_digit(text_[at_]))) ++at_;
        add(begin, false);
      } else {
        ++at_;
        if (c == '%' || c == '&' || c == '$' || c == U'€' || c == U'£' || c == U'¥') add(at_ - 1, false);
      }
    }
    return std::move(tokens_);
  }

 private:
  static bool is_word(char32_t c) {
    return !is_digit(c) && (CharTable::get().flags(c) & (kLetter | kNumber | kMark)) != 0;
  }

  void take_number() {
    const size_t begin = at_;
    const auto joins = [&](char32_t c) { return c == '.' || c == ',' || c == ':'; };
    while (at_ < text_.size() && (is_digit(text_[at_]) || (joins(text_[at_]) && at_ + 1 < text_.size() &&
                                                           is_digit(text_[at_ + 1]) && is_digit(text_[at_ - 1])))) {
      ++at_;
    }
    add(begin, true);
  }

  void add(size_t begin, bool number) {
    const std::string word = jinja::encode(std::u32string_view(text_).substr(begin, at_ - begin));
    tokens_.push_back({std::string(one_spelling(word)), number});
  }

  std::u32string text_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

// "a", "m" after a number is "am"; a currency stands before its number; "to" is left out, as the dash of 9–17 is.
std::vector<Token> joined(std::vector<Token> tokens) {
  std::vector<Token> out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool after_number = !out.empty() && out.back().number;
    const std::string& text = tokens[i].text;
    if (text == "to") continue;
    if (after_number && (text == "a" || text == "p") && i + 1 < tokens.size() && tokens[i + 1].text == "m") {
      out.push_back({text + "m"});
      ++i;
    } else if (after_number && is_currency(text) && (out.size() == 1 || !is_currency(out[out.size() - 2].text))) {
      out.insert(out.end() - 1, std::move(tokens[i]));
    } else {
      out.push_back(std::move(tokens[i]));
    }
  }
  return out;
}

// "1,250.00" and "1.250,00" as "1250", "12,50" as "12.5"; what has no such meaning (a date, a version) with full stops.
std::string plain_number(std::string_view written) {
  std::vector<std::string> groups(1);
  std::string separators;
  for (const char c : written) {
    if (is_ascii_digit(c)) {
      groups.back() += c;
    } else {
      separators += c;
      groups.emplace_back();
    }
  }
  if (separators.empty()) return groups[0];
  const bool same = separators.find_first_not_of(separators[0]) == separators.npos;
  const auto is_thousands = [](const std::string& group) { return group.size() == 3; };
  const bool grouped = groups[0].size() <= 3 && groups[0] != "0";
  std::string whole = groups[0];
  if (same && grouped && std::all_of(groups.begin() + 1, groups.end(), is_thousands)) {
    for (size_t g = 1; g < groups.size(); ++g) whole += groups[g];
    return whole;
  }
  const bool last_differs = separators.find(separators.back()) == separators.size() - 1;
  if (last_differs && std::all_of(groups.begin() + 1, groups.end() - 1, is_thousands)) {
    for (size_t g = 1; g + 1 < groups.size(); ++g) whole += groups[g];
    const std::string& decimals = groups.back();
    const size_t last = decimals.find_last_not_of('0');
    return last == decimals.npos ? whole : whole + "." + decimals.substr(0, last + 1);
  }
  for (size_t g = 1; g < groups.size(); ++g) whole += "." + groups[g];
  return whole;
}

struct TimeOfDay {
  int hour = 0;
  int minute = 0;
  char separator = 0;  // as written; 0: hours alone

  std::string to_string() const { return fmt::format("{}:{:02}", hour, minute); }
};

// "9", "09:30", "9.30"; nothing where it cannot be a time.
std::optional<TimeOfDay> time_of(std::string_view written) {
  TimeOfDay time;
  const size_t colon = std::min(written.find_first_of(".:"), written.size());
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.size() <= 2 && part.find_first_not_of("0123456789") == part.npos;
  };
  if (!is_part(written.substr(0, colon))) return std::nullopt;
  time.hour = std::stoi(std::string(written.substr(0, colon)));
  if (colon < written.size()) {
    const std::string_view minutes = written.substr(colon + 1);
    if (!is_part(minutes) || minutes.size() != 2) return std::nullopt;
    time.minute = std::stoi(std::string(minutes));
    time.separator = written[colon];
  }
  return time.hour <= 24 && time.minute < 60 ? std::optional(time) : std::nullopt;
}

enum class Reading { kLiteral, kSingular, kHours, kClock };

// "mondays" as "monday", but "bus" and "less" as they are.
std::string_view singular(std::string_view word) {
  const bool plural = word.size() > 3 && word.ends_with('s') && !word.ends_with("ss");
  return plural ? word.substr(0, word.size() - 1) : word;
}

// As FactText keeps it.
std::string read(const std::vector<Token>& tokens, Reading reading) {
  std::string words;
  const auto add = [&](std::string_view word) {
    if (words.empty()) words = "\n";
    words += word;
    words += '\n';
  };
  const auto text_at = [&](size_t i) { return i < tokens.size() ? std::string_view(tokens[i].text) : ""; };
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& text = tokens[i].text;
    if (!tokens[i].number) {
      add(reading == Reading::kSingular ? singular(text) : text);
      continue;
    }
    const bool afternoon = text_at(i + 1) == "pm", half_day = afternoon || text_at(i + 1) == "am";
    const bool price = text_at(i + 1) == "%" || (i > 0 && is_currency(tokens[i - 1].text));
    std::optional<TimeOfDay> time = time_of(text);
    // 9.30 may be a number as well.
    const bool surely = time && (time->separator == ':' || half_day);
    if (reading == Reading::kClock && time && half_day && time->hour >= 1 && time->hour <= 12) {
      time->hour = time->hour % 12 + (afternoon ? 12 : 0);
      add(time->to_string());
      ++i;
    } else if (time && time->separator != 0 && (surely || (reading == Reading::kClock && !price))) {
      const bool whole = reading == Reading::kHours && time->minute == 0;
      add(whole ? std::to_string(time->hour) : time->to_string());
    } else {
      add(surely ? std::to_string(time->hour) : plain_number(text));
    }
  }
  return words;
}

bool contains(const std::string& words, const std::string& run) {
  return !run.empty() && jinja::find_text(words, run) != words.npos;
}

}  // namespace

FactText::FactText(std::string_view text) {
  const std::vector<Token> tokens = joined(Lexer(text).tokens());
  literal_ = read(tokens, Reading::kLiteral);
  singular_ = read(tokens, Reading::kSingular);
  hours_ = read(tokens, Reading::kHours);
  clock_ = read(tokens, Reading::kClock);
}

bool FactText::holds(const Fact& fact) const {
  return std::any_of(fact.begin(), fact.end(), [&](const std::string& spelling) {
    const FactText asked(spelling);
    return contains(literal_, asked.literal_) || contains(singular_, asked.literal_) ||
           contains(hours_, asked.literal_) || contains(clock_, asked.clock_);
  });
}

double FactText::share_of(std::span<const Fact> facts) const {
  if (facts.empty()) return 1;
  const auto held = std::count_if(facts.begin(), facts.end(), [&](const Fact& fact) { return holds(fact); });
  return static_cast<double>(held) / static_cast<double>(facts.size());
}

bool FactText::has_phrase(const FactText& phrase) const {
  return contains(literal_, phrase.literal_);
}

}  // namespace linnet
