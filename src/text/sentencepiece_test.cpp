#include "text/sentencepiece.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace linnet {
namespace {

using Ids = std::vector<int32_t>;

std::string field(int number, std::string_view bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + std::string(bytes);
}

std::string piece(const std::string& text, float score, int kind) {
  std::string bytes = field(1, text) + '\x15';
  bytes.append(reinterpret_cast<const char*>(&score), sizeof score);
  return field(1, bytes + '\x18' + static_cast<char>(kind));
}

// <unk> <s> </s> ▁ a b ab ▁a, merged by score.
std::string small_model() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("\u2581", -1, 1) + piece("a", -2, 1) +
         piece("b", -3, 1) + piece("ab", -4, 1) + piece("\u2581a", -5, 1) + field(2, "\x18\x02");
}

TEST(SentencePieceTest, MergesTheBestScoreFirst) {
  const auto tokenizer = load_sentencepiece(small_model(), "tokenizer.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(*tokenizer->encode("ab a"), (Ids{3, 6, 7}));
  EXPECT_EQ(*tokenizer->encode("zz"), (Ids{3, 0}));
  EXPECT_EQ(*tokenizer->encode("a", {true, false}), (Ids{1, 7}));
  EXPECT_EQ(*tokenizer->encode("</s>", {false, true}), Ids{2});
  EXPECT_EQ(tokenizer->decode(Ids{1, 3, 6, 7, 2}), "ab a");
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos, 2);
}

TEST(SentencePieceTest, InvalidUtf8IsTold) {
  auto tokenizer = load_sentencepiece(small_model() + piece("\ufffd", 0, 1), "tokenizer.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  int told = 0;
  tokenizer->on_loss([&](const EncodeLoss& loss) {
    EXPECT_EQ(loss.kind, EncodeLoss::Kind::kNotUtf8);
    EXPECT_EQ(loss.bytes, "\xe2\x82");
    ++told;
  });
  EXPECT_EQ(*tokenizer->encode("ab\xe2\x82"), (Ids{3, 6, 8, 8}));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(*tokenizer->encode("ab"), (Ids{3, 6}));
  EXPECT_EQ(told, 1);
}

// "é" is the bytes C3 A9.
TEST(SentencePieceTest, BytesOnBothSidesOfAControlTokenAreNoCharacter) {
  const std::string bytes = piece("<0xC3>", 0, 6) + piece("<0xA9>", 0, 6);
  const auto tokenizer = load_sentencepiece(small_model() + bytes, "tokenizer.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(tokenizer->decode(Ids{4, 8, 9}), "a\u00e9");
  EXPECT_EQ(tokenizer->decode(Ids{4, 8, 2, 9}), "a\ufffd\ufffd");
}

TEST(SentencePieceTest, EveryTruncationIsAnErrorOrAShorterModel) {
  const std::string whole = small_model();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto tokenizer = load_sentencepiece(std::string_view(whole).substr(0, size), "t");
    if (tokenizer.ok()) {
      EXPECT_LT(tokenizer->vocab_size(), 9) << size;
    }
  }
}

TEST(SentencePieceTest, EveryFlippedByteIsHandled) {
  const std::string whole = small_model();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ (1 << bit));
      const auto tokenizer = load_sentencepiece(broken, "t");
      if (tokenizer.ok()) {
        EXPECT_TRUE(tokenizer->encode("ab \u2581\xff z").ok());
      }
    }
  }
}

TEST(SentencePieceTest, LiesAreNamed) {
  const auto error_of = [](const std::string& bytes) {
    const auto model = read_sentencepiece(bytes, "m");
    return model.ok() ? "read" : model.error().to_string();
  };
  EXPECT_NE(error_of("").find("no pieces"), std::string::npos);
  EXPECT_NE(error_of("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f").find("bytes, but 0 are left"), std::string::npos);
  EXPECT_NE(error_of(std::string("\x08") + std::string(11, '\xff')).find("more than 64 bits"), std::string::npos);
  EXPECT_NE(error_of("\x0b").find("wire type 3"), std::string::npos);
  EXPECT_NE(error_of(piece("x", 0, 9)).find("type 9"), std::string::npos);
  EXPECT_NE(error_of(piece("x", 0, 1)).find("UNKNOWN"), std::string::npos);
  EXPECT_NE(error_of(piece("x", std::numeric_limits<float>::quiet_NaN(), 1)).find("finite"), std::string::npos);
}

}  // namespace
}  // namespace linnet
