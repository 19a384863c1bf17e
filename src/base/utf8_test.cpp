#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(Utf8, RoundTripsEveryScalarValue) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Step step = decode_utf8(text);
    ASSERT_TRUE(step.valid && step.code_point == c && step.length == static_cast<int>(text.size()))
        << static_cast<uint32_t>(c);
  }
}

TEST(Utf8, RefusesWhatTheStandardRefuses) {
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\x80", "\xE2\x82"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_EQ(first_invalid_utf8("ab\xFF"), 2u);
}

TEST(Utf8, FindsTheUnfinishedTail) {
  const std::string euro = "\xE2\x82\xAC";
  EXPECT_EQ(incomplete_utf8_tail("a" + euro), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a" + euro.substr(0, 1)), 1u);
  EXPECT_EQ(incomplete_utf8_tail("a" + euro.substr(0, 2)), 2u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("a\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xE0\x80"), 0u);
}

}  // namespace
}  // namespace linnet
