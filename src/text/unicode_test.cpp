#include "text/unicode.hpp"

#include <chrono>
#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(UnicodeTest, FlagsAreTheGeneralCategories) {
  const CharTable& table = CharTable::get();
  EXPECT_EQ(table.flags('A'), kLu);
  EXPECT_EQ(table.flags('z'), kLl);
  EXPECT_EQ(table.flags('7'), kNumber | kDecimal);
  EXPECT_EQ(table.flags(U'½'), kNumber);
  EXPECT_EQ(table.flags('_'), kPunctuation | kConnector);
  EXPECT_EQ(table.flags('+'), kSymbol);
  EXPECT_EQ(table.flags(' '), kWhiteSpace);
  EXPECT_EQ(table.flags('\n'), kControl | kWhiteSpace);
  EXPECT_EQ(table.flags(0x301), kMn);
  EXPECT_EQ(table.flags(U'字'), kLo);
  EXPECT_EQ(table.flags(0x10FFFF), kOtherC);
  EXPECT_EQ(table.flags(0x110000), kOtherC);
}

TEST(UnicodeTest, WordCharacters) {
  for (const char32_t c : {U'a', U'7', U'_', U'字', U'\u0301', U'Ⅷ', U'Ⓔ', U'\u200d'}) {
    EXPECT_TRUE(is_word_character(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'-', U'²', U'½', U'①', U'…'}) {
    EXPECT_FALSE(is_word_character(c)) << static_cast<uint32_t>(c);
  }
}

TEST(UnicodeTest, NormalForms) {
  EXPECT_EQ(normalize_unicode("e\u0301\u1100\u1161", NormalForm::kNfc), "\u00e9\uac00");
  EXPECT_EQ(normalize_unicode("\u00e9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalize_unicode("\ufb01\u00bd", NormalForm::kNfkc), "fi1\u20442");
  EXPECT_EQ(normalize_unicode("\u1e9b\u0323", NormalForm::kNfkd), "s\u0323\u0307");
  EXPECT_EQ(normalize_unicode("a\u0301\u0323", NormalForm::kNfd), "a\u0323\u0301");
}

TEST(UnicodeTest, AMegabyteOfMarksIsOrderedInLinearithmicTime) {
  std::string nasty = "a";
  while (nasty.size() < 1 << 20) nasty += "\u0301\u0323";
  const auto start = std::chrono::steady_clock::now();
  const std::string ordered = normalize_unicode(nasty, NormalForm::kNfc);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));  // the quadratic way takes hours
  EXPECT_EQ(ordered.substr(0, 5), "\u1ea1\u0323");
}

TEST(UnicodeTest, LowercaseIsPerCharacter) {
  std::string out;
  for (const char32_t c : {U'A', U'Σ', U'\u0130', U'ß'}) append_lowercase(out, c);
  EXPECT_EQ(out, "aσi\u0307ß");
}

TEST(UnicodeTest, InvalidBytesAreReplacedOncePerMaximalSubpart) {
  EXPECT_EQ(replace_invalid_utf8("a\xff\xe2\x82z"), "a\ufffd\ufffdz");
  EXPECT_EQ(replace_invalid_utf8("good é"), "good é");
  std::string first;
  const auto kept = std::bitset<256>().set(0xE2).set(0xFF);
  EXPECT_EQ(replace_invalid_utf8("a\xff\xe2\x82z\xfe", kept, &first), "a\xff\ufffdz\ufffd");
  EXPECT_EQ(first, "\xe2\x82");
}

}  // namespace
}  // namespace linnet
