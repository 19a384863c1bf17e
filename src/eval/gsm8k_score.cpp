#include "eval/gsm8k_score.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

// What stands before the number that a solution ends in.
constexpr std::string_view kResult = "#### ";

}  // namespace

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
    const bool one_digit = end == begin + 1 && is_ascii_digit(text[begin]);
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
    return jinja::encode(jinja::lower(jinja::decode(out)));
  };
  return !found.empty() && bare(found) == bare(reference);
}

}  // namespace linnet
