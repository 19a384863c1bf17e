#include "eval/words.hpp"

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace linnet {

bool is_space(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || (CharTable::get().flags(c) & kWhiteSpace) != 0;
}

bool is_alphanumeric(char32_t c) {
  return (CharTable::get().flags(c) & (kLetter | kNumber)) != 0;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    const auto next = at + static_cast<size_t>(step.length);
    if (is_space(step.code_point)) {
      if (at > begin) words.push_back(text.substr(begin, at - begin));
      begin = next;
    }
    at = next;
  }
  if (text.size() > begin) words.push_back(text.substr(begin));
  return words;
}

std::string_view strip_end(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    at += static_cast<size_t>(step.length);
    if (!is_space(step.code_point)) end = at;
  }
  return text.substr(0, end);
}

std::string_view strip(std::string_view text) {
  text = strip_end(text);
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    if (!is_space(step.code_point)) break;
    text.remove_prefix(static_cast<size_t>(step.length));
  }
  return text;
}

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    append_lowercase(out, step.code_point);
    at += static_cast<size_t>(step.length);
  }
  return out;
}

std::u32string to_code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    out.push_back(step.code_point);
    at += static_cast<size_t>(step.length);
  }
  return out;
}

}  // namespace linnet
