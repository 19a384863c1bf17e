#include "text/unicode.hpp"

#include <algorithm>
#include <map>
#include <utf8proc.h>

#include "base/check.hpp"
#include "base/utf8.hpp"

namespace linnet {

namespace {

uint16_t category_flags(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
      return kLu;
    case UTF8PROC_CATEGORY_LL:
      return kLl;
    case UTF8PROC_CATEGORY_LT:
      return kLt;
    case UTF8PROC_CATEGORY_LM:
      return kLm;
    case UTF8PROC_CATEGORY_LO:
      return kLo;
    case UTF8PROC_CATEGORY_MN:
      return kMn;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kMcOrMe;
    case UTF8PROC_CATEGORY_ND:
      return kNumber | kDecimal;
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return kNumber;
    case UTF8PROC_CATEGORY_PC:
      return kPunctuation | kConnector;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return kPunctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return kSymbol;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return 0;
    case UTF8PROC_CATEGORY_CC:
      return kControl;
    case UTF8PROC_CATEGORY_CF:
      return kFormat;
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
      return kOtherC;
  }
  return kOtherC;
}

// PropList.txt, White_Space.
bool is_white_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

int combining_class(utf8proc_int32_t c) {
  return utf8proc_get_property(c)->combining_class;
}

// The canonical ordering algorithm. A stable sort of each run of marks: utf8proc's own is quadratic in the run's
// length.
void order_marks(std::vector<utf8proc_int32_t>& points) {
  size_t at = 0;
  while (at < points.size()) {
    if (combining_class(points[at]) == 0) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < points.size() && combining_class(points[end]) != 0) ++end;
    std::stable_sort(points.begin() + static_cast<std::ptrdiff_t>(at),
                     points.begin() + static_cast<std::ptrdiff_t>(end),
                     [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
}

}  // namespace

CharTable::CharTable() {
  std::map<std::array<uint16_t, 256>, uint16_t> seen;
  for (uint32_t page = 0; page < index_.size(); ++page) {
    std::array<uint16_t, 256> flags{};
    for (uint32_t i = 0; i < 256; ++i) {
      const uint32_t c = page << 8 | i;
      flags[i] = category_flags(utf8proc_category(static_cast<utf8proc_int32_t>(c)));
      if (is_white_space(c)) flags[i] = static_cast<uint16_t>(flags[i] | kWhiteSpace);
    }
    const auto [it, fresh] = seen.emplace(flags, static_cast<uint16_t>(seen.size()));
    if (fresh) pages_.insert(pages_.end(), flags.begin(), flags.end());
    index_[page] = it->second;
  }
}

const CharTable& CharTable::get() {
  static const CharTable table;
  return table;
}

std::string normalize_unicode(std::string_view text, NormalForm form) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; })) {
    return std::string(text);  // ASCII is in every normal form
  }
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    at += static_cast<size_t>(step.length);
    // U+FDFA, the longest decomposition, has 18 code points.
    std::array<utf8proc_int32_t, 32> buffer;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(step.code_point), buffer.data(), buffer.size(),
                                static_cast<utf8proc_option_t>(options), nullptr);
    CHECK(count >= 0 && count <= static_cast<utf8proc_ssize_t>(buffer.size()));
    points.insert(points.end(), buffer.begin(), buffer.begin() + count);
  }
  order_marks(points);
  if (compose) {
    const int composing = UTF8PROC_STABLE | UTF8PROC_COMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
    const utf8proc_ssize_t count = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                                            static_cast<utf8proc_option_t>(composing));
    CHECK(count >= 0);
    points.resize(static_cast<size_t>(count));
  }
  std::string out;
  out.reserve(text.size());
  for (const utf8proc_int32_t c : points) append_utf8(out, static_cast<char32_t>(c));
  return out;
}

void append_lowercase(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  } else if (c == 0x130) {  // the only unconditional mapping in SpecialCasing.txt to more than one character
    out += "i\u0307";
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

char32_t simple_lowercase(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

char32_t first_of_decomposition(char32_t c) {
  std::array<utf8proc_int32_t, 32> buffer;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer.data(), buffer.size(),
                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), nullptr);
  return count > 0 ? static_cast<char32_t>(buffer[0]) : c;
}

bool is_private_use(char32_t c) {
  return (c >= 0xE000 && c <= 0xF8FF) || (c >= 0xF0000 && c <= 0xFFFFD) || (c >= 0x100000 && c <= 0x10FFFD);
}

bool is_cjk_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
         // Upstream's slip for 2B820, kept since ids depend on it.
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string replace_invalid_utf8(std::string_view text, const std::bitset<256>& kept, std::string* first) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t good = first_invalid_utf8(text);
    out += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    const std::string_view bad = text.substr(0, static_cast<size_t>(decode_utf8(text).length));
    text.remove_prefix(bad.size());
    if (std::all_of(bad.begin(), bad.end(), [&](char byte) { return kept[static_cast<uint8_t>(byte)]; })) {
      out += bad;
      continue;
    }
    append_utf8(out, kReplacementCharacter);
    if (first && first->empty()) *first = bad;
  }
  return out;
}

bool is_word_character(char32_t c) {
  const uint16_t flags = CharTable::get().flags(c);
  if (flags & (kLetter | kMark | kDecimal | kConnector)) return true;
  if (c == 0x200C || c == 0x200D) return true;  // Join_Control
  // Alphabetic is L, Nl, and beyond marks only these symbols.
  if ((c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
      (c >= 0x1F170 && c <= 0x1F189)) {
    return true;
  }
  // Nl is kNumber, as No is; Nl is exactly these blocks' parts.
  return (flags & kNumber) != 0 &&
         ((c >= 0x16EE && c <= 0x16F0) || (c >= 0x2160 && c <= 0x2188 && c != 0x2183 && c != 0x2184) || c == 0x3007 ||
          (c >= 0x3021 && c <= 0x3029) || (c >= 0x3038 && c <= 0x303A) || (c >= 0xA6E6 && c <= 0xA6EF) ||
          (c >= 0x10140 && c <= 0x10174) || c == 0x10341 || c == 0x1034A || (c >= 0x103D1 && c <= 0x103D5) ||
          (c >= 0x12400 && c <= 0x1246E));
}

}  // namespace linnet
