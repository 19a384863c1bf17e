#include "text/jinja/pystr.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utf8proc.h>

#include "base/utf8.hpp"

namespace linnet::jinja {

namespace {

struct Interval {
  char32_t first, last;
};

bool contains(const Interval* begin, const Interval* end, char32_t c) {
  const Interval* at = std::upper_bound(begin, end, c, [](char32_t v, const Interval& i) { return v < i.first; });
  return at != begin && c <= (at - 1)->last;
}

// Digits that are not decimal: the Unicode property Numeric_Type=Digit.
constexpr Interval kDigits[] = {{0xB2, 0xB3},       {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},
                                {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
                                {0x2474, 0x247C},   {0x2488, 0x2490},   {0x24EA, 0x24EA},   {0x24F5, 0x24FD},
                                {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},   {0x278A, 0x2792},
                                {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}};
// Numerals among the letters: Numeric_Type=Numeric outside the categories N*.
constexpr Interval kNumerals[] = {
    {0x3405, 0x3405},   {0x3483, 0x3483},   {0x382A, 0x382A},   {0x3B4D, 0x3B4D},   {0x4E00, 0x4E00},
    {0x4E03, 0x4E03},   {0x4E07, 0x4E07},   {0x4E09, 0x4E09},   {0x4E5D, 0x4E5D},   {0x4E8C, 0x4E8C},
    {0x4E94, 0x4E94},   {0x4E96, 0x4E96},   {0x4EBF, 0x4EC0},   {0x4EDF, 0x4EDF},   {0x4EE8, 0x4EE8},
    {0x4F0D, 0x4F0D},   {0x4F70, 0x4F70},   {0x5104, 0x5104},   {0x5146, 0x5146},   {0x5169, 0x5169},
    {0x516B, 0x516B},   {0x516D, 0x516D},   {0x5341, 0x5341},   {0x5343, 0x5345},   {0x534C, 0x534C},
    {0x53C1, 0x53C4},   {0x56DB, 0x56DB},   {0x58F1, 0x58F1},   {0x58F9, 0x58F9},   {0x5E7A, 0x5E7A},
    {0x5EFE, 0x5EFF},   {0x5F0C, 0x5F0E},   {0x5F10, 0x5F10},   {0x62FE, 0x62FE},   {0x634C, 0x634C},
    {0x67D2, 0x67D2},   {0x6F06, 0x6F06},   {0x7396, 0x7396},   {0x767E, 0x767E},   {0x8086, 0x8086},
    {0x842C, 0x842C},   {0x8CAE, 0x8CAE},   {0x8CB3, 0x8CB3},   {0x8D30, 0x8D30},   {0x9621, 0x9621},
    {0x9646, 0x9646},   {0x964C, 0x964C},   {0x9678, 0x9678},   {0x96F6, 0x96F6},   {0xF96B, 0xF96B},
    {0xF973, 0xF973},   {0xF978, 0xF978},   {0xF9B2, 0xF9B2},   {0xF9D1, 0xF9D1},   {0xF9D3, 0xF9D3},
    {0xF9FD, 0xF9FD},   {0x20001, 0x20001}, {0x20064, 0x20064}, {0x200E2, 0x200E2}, {0x20121, 0x20121},
    {0x2092A, 0x2092A}, {0x20983, 0x20983}, {0x2098C, 0x2098C}, {0x2099C, 0x2099C}, {0x20AEA, 0x20AEA},
    {0x20AFD, 0x20AFD}, {0x20B19, 0x20B19}, {0x22390, 0x22390}, {0x22998, 0x22998}, {0x23B1B, 0x23B1B},
    {0x2626D, 0x2626D}, {0x2F890, 0x2F890}};
// Other_Lowercase and Other_Uppercase.
constexpr Interval kOtherLower[] = {
    {0xAA, 0xAA},     {0xBA, 0xBA},     {0x2B0, 0x2B8},     {0x2C0, 0x2C1},     {0x2E0, 0x2E4},     {0x345, 0x345},
    {0x37A, 0x37A},   {0x1D2C, 0x1D6A}, {0x1D78, 0x1D78},   {0x1D9B, 0x1DBF},   {0x2071, 0x2071},   {0x207F, 0x207F},
    {0x2090, 0x209C}, {0x2170, 0x217F}, {0x24D0, 0x24E9},   {0x2C7C, 0x2C7D},   {0xA69C, 0xA69D},   {0xA770, 0xA770},
    {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}, {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}};
constexpr Interval kOtherUpper[] = {
    {0x2160, 0x216F}, {0x24B6, 0x24CF}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

template <size_t N>
bool contains(const Interval (&table)[N], char32_t c) {
  return contains(table, table + N, c);
}

// SpecialCasing.txt of Unicode, the unconditional mappings of one character to several.
struct SpecialCase {
  char32_t from;
  std::array<char32_t, 3> upper, title;
};
constexpr SpecialCase kSpecialCases[] = {
    {0x00DF, {0x0053, 0x0053, 0}, {0x0053, 0x0073, 0}},
    {0x0149, {0x02BC, 0x004E, 0}, {0x02BC, 0x004E, 0}},
    {0x01F0, {0x004A, 0x030C, 0}, {0x004A, 0x030C, 0}},
    {0x0390, {0x0399, 0x0308, 0x0301}, {0x0399, 0x0308, 0x0301}},
    {0x03B0, {0x03A5, 0x0308, 0x0301}, {0x03A5, 0x0308, 0x0301}},
    {0x0587, {0x0535, 0x0552, 0}, {0x0535, 0x0582, 0}},
    {0x1E96, {0x0048, 0x0331, 0}, {0x0048, 0x0331, 0}},
    {0x1E97, {0x0054, 0x0308, 0}, {0x0054, 0x0308, 0}},
    {0x1E98, {0x0057, 0x030A, 0}, {0x0057, 0x030A, 0}},
    {0x1E99, {0x0059, 0x030A, 0}, {0x0059, 0x030A, 0}},
    {0x1E9A, {0x0041, 0x02BE, 0}, {0x0041, 0x02BE, 0}},
    {0x1F50, {0x03A5, 0x0313, 0}, {0x03A5, 0x0313, 0}},
    {0x1F52, {0x03A5, 0x0313, 0x0300}, {0x03A5, 0x0313, 0x0300}},
    {0x1F54, {0x03A5, 0x0313, 0x0301}, {0x03A5, 0x0313, 0x0301}},
    {0x1F56, {0x03A5, 0x0313, 0x0342}, {0x03A5, 0x0313, 0x0342}},
    {0x1F80, {0x1F08, 0x0399, 0}, {0x1F88, 0, 0}},
    {0x1F81, {0x1F09, 0x0399, 0}, {0x1F89, 0, 0}},
    {0x1F82, {0x1F0A, 0x0399, 0}, {0x1F8A, 0, 0}},
    {0x1F83, {0x1F0B, 0x0399, 0}, {0x1F8B, 0, 0}},
    {0x1F84, {0x1F0C, 0x0399, 0}, {0x1F8C, 0, 0}},
    {0x1F85, {0x1F0D, 0x0399, 0}, {0x1F8D, 0, 0}},
    {0x1F86, {0x1F0E, 0x0399, 0}, {0x1F8E, 0, 0}},
    {0x1F87, {0x1F0F, 0x0399, 0}, {0x1F8F, 0, 0}},
    {0x1F88, {0x1F08, 0x0399, 0}, {0x1F88, 0, 0}},
    {0x1F89, {0x1F09, 0x0399, 0}, {0x1F89, 0, 0}},
    {0x1F8A, {0x1F0A, 0x0399, 0}, {0x1F8A, 0, 0}},
    {0x1F8B, {0x1F0B, 0x0399, 0}, {0x1F8B, 0, 0}},
    {0x1F8C, {0x1F0C, 0x0399, 0}, {0x1F8C, 0, 0}},
    {0x1F8D, {0x1F0D, 0x0399, 0}, {0x1F8D, 0, 0}},
    {0x1F8E, {0x1F0E, 0x0399, 0}, {0x1F8E, 0, 0}},
    {0x1F8F, {0x1F0F, 0x0399, 0}, {0x1F8F, 0, 0}},
    {0x1F90, {0x1F28, 0x0399, 0}, {0x1F98, 0, 0}},
    {0x1F91, {0x1F29, 0x0399, 0}, {0x1F99, 0, 0}},
    {0x1F92, {0x1F2A, 0x0399, 0}, {0x1F9A, 0, 0}},
    {0x1F93, {0x1F2B, 0x0399, 0}, {0x1F9B, 0, 0}},
    {0x1F94, {0x1F2C, 0x0399, 0}, {0x1F9C, 0, 0}},
    {0x1F95, {0x1F2D, 0x0399, 0}, {0x1F9D, 0, 0}},
    {0x1F96, {0x1F2E, 0x0399, 0}, {0x1F9E, 0, 0}},
    {0x1F97, {0x1F2F, 0x0399, 0}, {0x1F9F, 0, 0}},
    {0x1F98, {0x1F28, 0x0399, 0}, {0x1F98, 0, 0}},
    {0x1F99, {0x1F29, 0x0399, 0}, {0x1F99, 0, 0}},
    {0x1F9A, {0x1F2A, 0x0399, 0}, {0x1F9A, 0, 0}},
    {0x1F9B, {0x1F2B, 0x0399, 0}, {0x1F9B, 0, 0}},
    {0x1F9C, {0x1F2C, 0x0399, 0}, {0x1F9C, 0, 0}},
    {0x1F9D, {0x1F2D, 0x0399, 0}, {0x1F9D, 0, 0}},
    {0x1F9E, {0x1F2E, 0x0399, 0}, {0x1F9E, 0, 0}},
    {0x1F9F, {0x1F2F, 0x0399, 0}, {0x1F9F, 0, 0}},
    {0x1FA0, {0x1F68, 0x0399, 0}, {0x1FA8, 0, 0}},
    {0x1FA1, {0x1F69, 0x0399, 0}, {0x1FA9, 0, 0}},
    {0x1FA2, {0x1F6A, 0x0399, 0}, {0x1FAA, 0, 0}},
    {0x1FA3, {0x1F6B, 0x0399, 0}, {0x1FAB, 0, 0}},
    {0x1FA4, {0x1F6C, 0x0399, 0}, {0x1FAC, 0, 0}},
    {0x1FA5, {0x1F6D, 0x0399, 0}, {0x1FAD, 0, 0}},
    {0x1FA6, {0x1F6E, 0x0399, 0}, {0x1FAE, 0, 0}},
    {0x1FA7, {0x1F6F, 0x0399, 0}, {0x1FAF, 0, 0}},
    {0x1FA8, {0x1F68, 0x0399, 0}, {0x1FA8, 0, 0}},
    {0x1FA9, {0x1F69, 0x0399, 0}, {0x1FA9, 0, 0}},
    {0x1FAA, {0x1F6A, 0x0399, 0}, {0x1FAA, 0, 0}},
    {0x1FAB, {0x1F6B, 0x0399, 0}, {0x1FAB, 0, 0}},
    {0x1FAC, {0x1F6C, 0x0399, 0}, {0x1FAC, 0, 0}},
    {0x1FAD, {0x1F6D, 0x0399, 0}, {0x1FAD, 0, 0}},
    {0x1FAE, {0x1F6E, 0x0399, 0}, {0x1FAE, 0, 0}},
    {0x1FAF, {0x1F6F, 0x0399, 0}, {0x1FAF, 0, 0}},
    {0x1FB2, {0x1FBA, 0x0399, 0}, {0x1FBA, 0x0345, 0}},
    {0x1FB3, {0x0391, 0x0399, 0}, {0x1FBC, 0, 0}},
    {0x1FB4, {0x0386, 0x0399, 0}, {0x0386, 0x0345, 0}},
    {0x1FB6, {0x0391, 0x0342, 0}, {0x0391, 0x0342, 0}},
    {0x1FB7, {0x0391, 0x0342, 0x0399}, {0x0391, 0x0342, 0x0345}},
    {0x1FBC, {0x0391, 0x0399, 0}, {0x1FBC, 0, 0}},
    {0x1FC2, {0x1FCA, 0x0399, 0}, {0x1FCA, 0x0345, 0}},
    {0x1FC3, {0x0397, 0x0399, 0}, {0x1FCC, 0, 0}},
    {0x1FC4, {0x0389, 0x0399, 0}, {0x0389, 0x0345, 0}},
    {0x1FC6, {0x0397, 0x0342, 0}, {0x0397, 0x0342, 0}},
    {0x1FC7, {0x0397, 0x0342, 0x0399}, {0x0397, 0x0342, 0x0345}},
    {0x1FCC, {0x0397, 0x0399, 0}, {0x1FCC, 0, 0}},
    {0x1FD2, {0x0399, 0x0308, 0x0300}, {0x0399, 0x0308, 0x0300}},
    {0x1FD3, {0x0399, 0x0308, 0x0301}, {0x0399, 0x0308, 0x0301}},
    {0x1FD6, {0x0399, 0x0342, 0}, {0x0399, 0x0342, 0}},
    {0x1FD7, {0x0399, 0x0308, 0x0342}, {0x0399, 0x0308, 0x0342}},
    {0x1FE2, {0x03A5, 0x0308, 0x0300}, {0x03A5, 0x0308, 0x0300}},
    {0x1FE3, {0x03A5, 0x0308, 0x0301}, {0x03A5, 0x0308, 0x0301}},
    {0x1FE4, {0x03A1, 0x0313, 0}, {0x03A1, 0x0313, 0}},
    {0x1FE6, {0x03A5, 0x0342, 0}, {0x03A5, 0x0342, 0}},
    {0x1FE7, {0x03A5, 0x0308, 0x0342}, {0x03A5, 0x0308, 0x0342}},
    {0x1FF2, {0x1FFA, 0x0399, 0}, {0x1FFA, 0x0345, 0}},
    {0x1FF3, {0x03A9, 0x0399, 0}, {0x1FFC, 0, 0}},
    {0x1FF4, {0x038F, 0x0399, 0}, {0x038F, 0x0345, 0}},
    {0x1FF6, {0x03A9, 0x0342, 0}, {0x03A9, 0x0342, 0}},
    {0x1FF7, {0x03A9, 0x0342, 0x0399}, {0x03A9, 0x0342, 0x0345}},
    {0x1FFC, {0x03A9, 0x0399, 0}, {0x1FFC, 0, 0}},
    {0xFB00, {0x0046, 0x0046, 0}, {0x0046, 0x0066, 0}},
    {0xFB01, {0x0046, 0x0049, 0}, {0x0046, 0x0069, 0}},
    {0xFB02, {0x0046, 0x004C, 0}, {0x0046, 0x006C, 0}},
    {0xFB03, {0x0046, 0x0046, 0x0049}, {0x0046, 0x0066, 0x0069}},
    {0xFB04, {0x0046, 0x0046, 0x004C}, {0x0046, 0x0066, 0x006C}},
    {0xFB05, {0x0053, 0x0054, 0}, {0x0053, 0x0074, 0}},
    {0xFB06, {0x0053, 0x0054, 0}, {0x0053, 0x0074, 0}},
    {0xFB13, {0x0544, 0x0546, 0}, {0x0544, 0x0576, 0}},
    {0xFB14, {0x0544, 0x0535, 0}, {0x0544, 0x0565, 0}},
    {0xFB15, {0x0544, 0x053B, 0}, {0x0544, 0x056B, 0}},
    {0xFB16, {0x054E, 0x0546, 0}, {0x054E, 0x0576, 0}},
    {0xFB17, {0x0544, 0x053D, 0}, {0x0544, 0x056D, 0}},
};

const SpecialCase* special_case(char32_t c) {
  const auto* end = std::end(kSpecialCases);
  const auto* at =
      std::lower_bound(std::begin(kSpecialCases), end, c, [](const SpecialCase& s, char32_t v) { return s.from < v; });
  return at != end && at->from == c ? at : nullptr;
}

void append_all(std::u32string& out, const std::array<char32_t, 3>& mapped) {
  for (const char32_t c : mapped) {
    if (c != 0) out.push_back(c);
  }
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_cased(char32_t c) {
  return is_lower(c) || is_upper(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

// Case_Ignorable: marks, modifiers, format characters and the word-internal punctuation.
bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024 ||
             c == 0x2027 || c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 || c == 0xFF0E || c == 0xFF1A;
  }
}

// Greek capital sigma at the end of a word becomes ς (SpecialCasing.txt, Final_Sigma).
bool is_final_sigma(std::u32string_view text, size_t at) {
  size_t before = at;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  size_t after = at + 1;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return after == text.size() || !is_cased(text[after]);
}

void append_lower(std::u32string& out, std::u32string_view text, size_t at) {
  const char32_t c = text[at];
  if (c == 0x130) {
    out += U"i\u0307";
  } else if (c == 0x3A3) {
    out.push_back(is_final_sigma(text, at) ? 0x3C2 : 0x3C3);
  } else {
    out.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_upper(std::u32string& out, char32_t c) {
  const SpecialCase* special = special_case(c);
  if (special) {
    append_all(out, special->upper);
  } else {
    out.push_back(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_title(std::u32string& out, char32_t c) {
  const SpecialCase* special = special_case(c);
  if (special) {
    append_all(out, special->title);
  } else {
    out.push_back(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace

std::u32string decode(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    out.push_back(step.code_point);
    text.remove_prefix(static_cast<size_t>(step.length));
  }
  return out;
}

std::string encode(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_alpha(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_digit(char32_t c) {
  return is_decimal(c) || contains(kDigits, c);
}

bool is_numeric(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO || contains(kNumerals, c);
}

bool is_alnum(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}

bool is_lower(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL || contains(kOtherLower, c);
}

bool is_upper(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU || contains(kOtherUpper, c);
}

bool is_title(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LT;
}

bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_identifier(std::u32string_view text) {
  if (text.empty()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    const utf8proc_category_t k = category(c);
    const bool starts = c == '_' || is_alpha(c) || k == UTF8PROC_CATEGORY_NL;
    const bool continues = starts || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC ||
                           k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_PC;
    if (i == 0 ? !starts : !continues) return false;
  }
  return true;
}

std::u32string lower(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) append_lower(out, text, i);
  return out;
}

std::u32string upper(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) append_upper(out, c);
  return out;
}

std::u32string capitalize(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 0) {
      append_title(out, text[i]);
    } else {
      append_lower(out, text, i);
    }
  }
  return out;
}

std::u32string title(std::u32string_view text) {
  std::u32string out;
  bool in_word = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_word) {
      append_lower(out, text, i);
    } else {
      append_title(out, text[i]);
    }
    in_word = is_cased(text[i]);
  }
  return out;
}

std::u32string swapcase(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_upper(text[i])) {
      append_lower(out, text, i);
    } else if (is_lower(text[i])) {
      append_upper(out, text[i]);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::u32string casefold(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    utf8proc_int32_t folded[8];
    int boundary = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), folded, 8, UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < count && i < 8; ++i) out.push_back(static_cast<char32_t>(folded[i]));
  }
  return out;
}

bool is_title_case(std::u32string_view text) {
  bool any = false;
  bool in_word = false;
  for (const char32_t c : text) {
    if (is_upper(c) || is_title(c)) {
      if (in_word) return false;
      in_word = any = true;
    } else if (is_lower(c)) {
      if (!in_word) return false;
      any = true;
    } else {
      in_word = false;
    }
  }
  return any;
}

bool is_line_break(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t find_text(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return text.npos;
  if (needle.empty()) return from;
  // std::string_view::find takes the product of both lengths for "aaa…ab" in "aaa…a"; memmem is the two-way algorithm.
  const void* at = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return at ? static_cast<size_t>(static_cast<const char*>(at) - text.data()) : text.npos;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(at));
    const size_t end = at;
    at += static_cast<size_t>(step.length);
    if (!is_line_break(step.code_point)) continue;
    if (step.code_point == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    const size_t end = at;
    at += static_cast<size_t>(step.length);
    if (!is_space(step.code_point)) continue;
    if (end > start) words.push_back(text.substr(start, end - start));
    start = at;
  }
  if (start < text.size()) words.push_back(text.substr(start));
  return words;
}

std::string_view strip_space(std::string_view text, bool left, bool right) {
  while (left && !text.empty()) {
    const Utf8Step step = decode_utf8(text);
    if (!is_space(step.code_point)) break;
    text.remove_prefix(static_cast<size_t>(step.length));
  }
  while (right && !text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (!is_space(decode_utf8(text.substr(start)).code_point)) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

int64_t code_points(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace linnet::jinja
