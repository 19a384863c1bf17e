// Rules of a hostile tokenizer.json that would make a short text take all memory.
#include "text/text_growth.hpp"

#include <gtest/gtest.h>

#include "text/sentencepiece_normalizer.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {
namespace {

constexpr const char* kDouble = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";

std::string list_of(const std::string& rule, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i ? "," : "") + rule;
  return list;
}

std::string tokenizer_json(const std::string& parts) {
  return R"({"model":{"type":"BPE","unk_token":"u","vocab":{"u":0,"a":1,"b":2}},)" + parts + "}";
}

std::string with_normalizers(const std::string& list, const std::string& more = "") {
  return tokenizer_json(more + R"("normalizer":{"type":"Sequence","normalizers":[)" + list + "]}");
}

Tokenizer loaded(const std::string& json) {
  auto tokenizer = load_tokenizer_json(json, {}, "tokenizer.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  return std::move(tokenizer).value();
}

void expect_error(const std::string& json, std::string_view text, const std::vector<std::string>& parts) {
  const auto tokenizer = load_tokenizer_json(json, {}, "tokenizer.json");
  const auto ids = tokenizer.ok() ? tokenizer->encode(text) : Result<std::vector<int32_t>>(tokenizer.error());
  ASSERT_FALSE(ids.ok()) << ids->size() << " tokens";
  const std::string error = ids.error().to_string();
  for (const std::string& part : parts) EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST(TextGrowthTest, AChainOfReplacementsIsStopped) {
  const std::string json = with_normalizers(list_of(kDouble, 200));
  ASSERT_LT(json.size(), 14'000u);
  // 2^20 - 1 bytes are added by twenty rules; the slack and 32 for the one letter allow no twenty-first.
  expect_error(json, "a", {"normalizer 21: Replace makes at least 2097152 bytes of 1048576", "may add 1048608"});
  EXPECT_EQ(*loaded(json).encode("b"), std::vector<int32_t>{2});
}

TEST(TextGrowthTest, TheBudgetIsOfTheWholeText) {
  const std::string added = R"("added_tokens":[{"id":3,"content":"<s>","special":true}],)";
  const std::string long_text =
      R"({"type":"Replace","pattern":{"String":"a"},"content":")" + std::string(1000, 'b') + "\"}";
  const Tokenizer tokenizer = loaded(with_normalizers(long_text, added));
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a<s>";
  EXPECT_EQ(tokenizer.encode(text, {.parse_special = true})->size(), 1'001'000u);
  for (int i = 0; i < 1000; ++i) text += "a<s>";
  EXPECT_FALSE(tokenizer.encode(text, {.parse_special = true}).ok());
}

TEST(TextGrowthTest, WhatIsTakenAwayAgainCounts) {
  const std::string back = R"({"type":"Replace","pattern":{"Regex":"a+"},"content":"a"})";
  expect_error(with_normalizers(list_of(list_of(kDouble, 18) + "," + back, 8)), "a", {"Replace makes"});
}

TEST(TextGrowthTest, EveryOtherRuleThatGrowsIsStopped) {
  const std::string prepend = R"({"type":"Prepend","prepend":")" + std::string(2'000'000, 'b') + "\"}";
  expect_error(with_normalizers(prepend), "a", {"normalizer 1: Prepend makes at least 2000001 bytes of 1"});
  const std::string letters = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  expect_error(with_normalizers(list_of(letters, 40)), "é", {"ByteLevel makes"});
  expect_error(tokenizer_json(R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[)" + list_of(letters, 40) + "]}"),
               "é", {"ByteLevel makes"});
}

TEST(TextGrowthTest, AnAddedTokenIsStoppedAsItIsLoaded) {
  expect_error(with_normalizers(list_of(kDouble, 200), R"("added_tokens":[{"id":3,"content":"ba"}],)"), "b",
               {"tokenizer.json: added token \"ba\": normalizer 21: Replace"});
}

TEST(TextGrowthTest, AChainOfReplacementsInDecodersIsRefused) {
  const auto decoders = [](int count) {
    return tokenizer_json(R"("decoder":{"type":"Sequence","decoders":[)" + list_of(kDouble, count) + "]}");
  };
  expect_error(decoders(11), "a", {"tokenizer.json: decoder: Replace makes 2 bytes of one", "up to 1024"});
  EXPECT_EQ(loaded(decoders(10)).decode(std::vector<int32_t>{1}).size(), 1024u);
}

// One unit of a Darts array: 'a' leads to the string at 0.
CharsMap map_of_a(const std::string& replacement) {
  std::vector<uint32_t> units(128, 0);
  units['a'] = 'a' | 1u << 8 | ('a' ^ 'b') << 10;
  units['b'] = 1u << 31;
  const auto size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::string blob(reinterpret_cast<const char*>(&size), sizeof size);
  blob.append(reinterpret_cast<const char*>(units.data()), size);
  blob += replacement + '\0';
  return *CharsMap::parse(blob, "test");
}

Normalizers with_map(const CharsMap& map) {
  SentencePieceNormalization options;
  options.map = map;
  Normalizers all;
  all.push_back(precompiled_normalizer(map));
  all.push_back(sentencepiece_normalizer(options));
  all.push_back(llama_cpp_unigram_normalizer(options));
  return all;
}

TEST(TextGrowthTest, CharacterMapsAreStoppedOnTheWay) {
  const std::string text(1000, 'a');
  for (const auto& normalizer : with_map(map_of_a("xyz"))) {
    std::string made = text;
    TextGrowth growth(text.size());
    EXPECT_TRUE(normalizer->apply(made, growth).ok());
    EXPECT_GE(made.size(), 3 * text.size());
  }
  for (const auto& normalizer : with_map(map_of_a(std::string(100'000, 'x')))) {
    std::string made = text;
    TextGrowth growth(text.size());
    const Status done = normalizer->apply(made, growth);
    ASSERT_FALSE(done.ok());
    // After a replacement too many, not after a thousand: eleven of them, and perhaps U+2581 before them.
    EXPECT_NE(done.error().message.find(" makes at least 110000"), std::string::npos) << done.error().message;
  }
}

TEST(TextGrowthTest, TheLongestThatRealRulesMakeFits) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "\ufdfa";
  const std::string rules = R"({"type":"NFKD"},{"type":"Prepend","prepend":"▁"},
      {"type":"Replace","pattern":{"String":" "},"content":"▁"},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  const auto ids = loaded(with_normalizers(rules)).encode(text);
  ASSERT_TRUE(ids.ok()) << ids.error().to_string();
}

}  // namespace
}  // namespace linnet
