// What a tokenizer asks of a character: its general category (Unicode 15, from utf8proc) and White_Space, as bits.
//
// The answers are kept in a two-stage table, built once at the first use; a lookup is two loads.
// Thread safety: all functions may be called from any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linnet {

// Bits of CharFlags. kLu…kLo and kMn…kMe are the general categories of those names.
enum CharFlag : uint16_t {
  kLu = 1 << 0,
  kLl = 1 << 1,
  kLt = 1 << 2,
  kLm = 1 << 3,
  kLo = 1 << 4,
  kMn = 1 << 5,
  kMcOrMe = 1 << 6,
  kNumber = 1 << 7,       // Nd, Nl, No
  kPunctuation = 1 << 8,  // P*
  kSymbol = 1 << 9,       // S*
  kWhiteSpace = 1 << 10,  // the property, not the category: also TAB, LF, U+0085
  kControl = 1 << 11,     // Cc
  kFormat = 1 << 12,      // Cf
  kDecimal = 1 << 13,     // Nd
  kOtherC = 1 << 14,      // Cn, Co, Cs
  kConnector = 1 << 15,   // Pc, beside kPunctuation
};
inline constexpr uint16_t kLetter = kLu | kLl | kLt | kLm | kLo;
inline constexpr uint16_t kMark = kMn | kMcOrMe;

// The two stages: pages of 256 code points, equal pages stored once. Code points above U+10FFFF have no flag but
// kOtherC.
class CharTable {
 public:
  // The one table of the process.
  static const CharTable& get();

  uint16_t flags(char32_t c) const {
    if (c > 0x10FFFF) return kOtherC;
    return pages_[static_cast<size_t>(index_[c >> 8]) * 256 + (c & 0xFF)];
  }

 private:
  CharTable();
  std::array<uint16_t, 0x1100> index_{};
  std::vector<uint16_t> pages_;
};

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` in that normal form. Invalid UTF-8 must have been replaced before: it is a precondition that `text` is valid.
// Linear time whatever the input, also for a long run of combining marks.
std::string normalize_unicode(std::string_view text, NormalForm form);

// The lower case of one character, which may be more than one (U+0130): appended to `out`.
void append_lowercase(std::string& out, char32_t c);

// The lower case that is one character, where there is one.
char32_t simple_lowercase(char32_t c);

// The first code point of the full canonical decomposition.
char32_t first_of_decomposition(char32_t c);

// Co: U+E000..U+F8FF and planes 15 and 16.
bool is_private_use(char32_t c);

// \w of the pattern languages: Alphabetic, M, Nd, Pc, Join_Control (UTS 18, annex C).
bool is_word_character(char32_t c);

// What BERT cuts into single characters: the CJK ideograph blocks as Hugging Face lists them.
bool is_cjk_ideograph(char32_t c);

// `text` with every invalid sequence replaced by U+FFFD, one for each maximal subpart; those whose bytes are all `kept`
// stay. Where `first` is given, the first sequence that was replaced goes there.
std::string replace_invalid_utf8(std::string_view text, const std::bitset<256>& kept = {},
                                 std::string* first = nullptr);

}  // namespace linnet
