#include "text/tokenizer_json.hpp"

#include <chrono>
#include <gtest/gtest.h>

#include "base/json.hpp"

namespace linnet {
namespace {

using Ids = std::vector<int32_t>;

std::string words_json(const std::string& extra, const std::string& vocab = R"({"<unk>":0,"a":1,"b":2})") {
  return R"({"model":{"type":"WordLevel","unk_token":"<unk>","vocab":)" + vocab + "}" + extra + "}";
}

std::string error_of(const std::string& json) {
  const auto tokenizer = load_tokenizer_json(json, {}, "tokenizer.json");
  return tokenizer.ok() ? "loaded" : tokenizer.error().to_string();
}

void expect_error(const std::string& json, const std::string& part) {
  EXPECT_NE(error_of(json).find(part), std::string::npos) << error_of(json);
}

TEST(TokenizerJsonTest, UnknownPartsAreNamed) {
  expect_error(words_json(R"(,"normalizer":{"type":"Magic"})"), "normalizer \"Magic\"");
  expect_error(words_json(R"(,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Odd"}]})"), "\"Odd\"");
  expect_error(words_json(R"(,"decoder":{"type":"Strange"})"), "decoder \"Strange\"");
  expect_error(words_json(R"(,"post_processor":{"type":"New"})"), "post-processor \"New\"");
  expect_error(R"({"model":{"type":"Neural","vocab":{}}})", "tokenizer model \"Neural\"");
  expect_error(words_json(R"(,"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Eaten"})"), "Eaten");
}

TEST(TokenizerJsonTest, IdsThatDoNotFitAreRefused) {
  expect_error(words_json("", R"({"a":0,"b":0})"), "share id 0");
  expect_error(words_json("", R"({"a":0,"a":1})"), "has two ids");
  expect_error(words_json("", R"({"a":2147483648})"), "2147483648");
  expect_error(words_json("", R"({"a":2147483647})"), "far beyond");
  expect_error(words_json("", R"({"a":-1})"), "-1");
  expect_error(words_json("", R"({"a":"x"})"), "model.vocab");
  expect_error(words_json("", R"({"a":1.5})"), "model.vocab");
  expect_error(words_json("", R"([["a",0.5],["b"]])"), "not [token, score]");
}

TEST(TokenizerJsonTest, WhatIsLostIsTold) {
  const std::string bpe = R"({"model":{"type":"BPE","vocab":{"a":0,"\ufffd":1},"merges":[]}})";
  auto tokenizer = load_tokenizer_json(bpe, {}, "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  std::vector<std::string> lost;
  tokenizer->on_loss([&](const EncodeLoss& loss) { lost.push_back(loss.bytes); });
  EXPECT_EQ(*tokenizer->encode("a\xff"
                               "a"),
            (Ids{0, 1, 0}));
  EXPECT_EQ(lost, std::vector<std::string>{"\xff"});
  EXPECT_EQ(*tokenizer->encode("a\u00e9"
                               "a"),
            (Ids{0, 0}));
  EXPECT_EQ(lost, (std::vector<std::string>{"\xff", "\u00e9"}));
}

TEST(TokenizerJsonTest, BadMergesAreRefused) {
  const auto bpe = [](const std::string& merges) {
    return R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":)" + merges + "}}";
  };
  EXPECT_EQ(error_of(bpe(R"(["a b"])")), "loaded");
  EXPECT_EQ(error_of(bpe(R"([["a","b"]])")), "loaded");
  expect_error(bpe(R"(["a c"])"), "\"c\", which is not in the vocabulary");
  expect_error(bpe(R"(["b a"])"), "\"ba\", which is not in the vocabulary");
  expect_error(bpe(R"(["ab"])"), "not two tokens");
  expect_error(bpe(R"([["a","b","c"]])"), "3 strings");
  expect_error(bpe(R"([[["a"]]])"), "model.merges");
  expect_error(bpe(R"({"a":"b"})"), "model.vocab has an object");
}

// As Hugging Face tokenizers 0.23.3: the unknown token's own spelling is a piece, the rest of a run falls to bytes.
TEST(TokenizerJsonTest, UnigramKnowsTheUnknownTokenByItsSpelling) {
  const auto tokenizer = load_tokenizer_json(
      R"({"model":{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0.0],["a",-1.0],["<0x3C>",-9.0],
          ["<0x75>",-9.0],["<0x6E>",-9.0],["<0x6B>",-9.0],["<0x3E>",-9.0]]}})",
      {}, "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(*tokenizer->encode("a<unk>"), (Ids{1, 0}));
  EXPECT_EQ(*tokenizer->encode("u<unk>"), (Ids{3, 2, 3, 4, 5, 6}));
}

// Hugging Face tokenizers 0.23.3 gives the same; llama.cpp takes the first rank (GgufTokenizerTest).
TEST(TokenizerJsonTest, AMergeThatIsListedTwiceHasItsLastRank) {
  const auto tokenizer = load_tokenizer_json(
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"bc":4},"merges":["a b","b c","a b"]}})", {}, "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(*tokenizer->encode("abc"), (Ids{0, 4}));
}

TEST(TokenizerJsonTest, BadJsonIsRefused) {
  expect_error("", "bad JSON");
  expect_error("[]", "not a JSON object");
  expect_error("{", "bad JSON");
  expect_error(std::string(100000, '['), "nested deeper");
  expect_error(R"({"model":5})", "\"model\" must be an object");
  std::string keys = "{\"x\":{";
  for (int i = 0; i < 5000; ++i) keys += "\"" + std::to_string(i) + "\":0,";
  expect_error(keys + "\"y\":0}}", "more than 4096 keys");
}

TEST(TokenizerJsonTest, SamplingIsRefused) {
  expect_error(R"({"model":{"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]}})", "random");
}

TEST(TokenizerJsonTest, LyingCharacterMapsAreRefused) {
  expect_error(words_json(R"(,"normalizer":{"type":"Precompiled","precompiled_charsmap":"////"})"), "character map");
  expect_error(words_json(R"(,"normalizer":{"type":"Precompiled","precompiled_charsmap":"!"})"), "base64");
  // An array of one unit whose offset points far outside of it.
  EXPECT_EQ(error_of(words_json(R"(,"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAP////8AAA=="})")),
            "loaded");
  const auto tokenizer = load_tokenizer_json(
      words_json(R"(,"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAP////8AAA=="})"), {}, "t");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(*tokenizer->encode("a"), Ids{1});
}

TEST(TokenizerJsonTest, ConfigNamesTheSpecialTokens) {
  const auto tokenizer = load_tokenizer_json(
      words_json(R"(,"added_tokens":[{"id":3,"content":"<s>","special":true}])"),
      R"({"bos_token":{"content":"<s>"},"eos_token":"a","pad_token":null,"sep_token":"missing"})", "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(tokenizer->special().bos, 3);
  EXPECT_EQ(tokenizer->special().eos, 1);
  EXPECT_EQ(tokenizer->special().pad, kNoToken);
  EXPECT_EQ(tokenizer->special().sep, kNoToken);
  EXPECT_EQ(tokenizer->end_ids(), Ids{1});
}

TEST(TokenizerJsonTest, ACharacterWithoutATokenIsAnErrorWhereNothingStandsForIt) {
  const auto tokenizer =
      load_tokenizer_json(R"({"model":{"type":"Unigram","vocab":[["a",-1.0],["b",-2.0]]}})", {}, "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(*tokenizer->encode("ab"), (Ids{0, 1}));
  EXPECT_FALSE(tokenizer->encode("abc").ok());
}

// A BPE that merges runs of one letter, over characters, over bytes and with a slow-looking normalizer.
TEST(TokenizerJsonTest, NastyTextsTakeLinearithmicTime) {
  const std::string model = R"("model":{"type":"BPE","vocab":{"a":0,"aa":1,"aaaa":2,"Ġ":3,"ĠĠ":4,"<":5,"Ì":6,"ģ":7},
    "merges":["a a","aa aa","Ġ Ġ"]})";
  for (const std::string& part :
       {std::string(R"(,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false})"), std::string(),
        std::string(R"(,"normalizer":{"type":"NFC"},"added_tokens":[{"id":8,"content":"<<<<x","special":true}])")}) {
    const auto tokenizer = load_tokenizer_json("{" + model + part + "}", {}, "t");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    for (const char* unit : {"a", " ", "<", "\u0301\u0323", "\n"}) {
      std::string text;
      while (text.size() < 1 << 20) text += unit;
      const auto start = std::chrono::steady_clock::now();
      ASSERT_TRUE(tokenizer->encode(text, {false, true}).ok());
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << unit << part;
    }
  }
}

// Merging a long word through the heap gives what merging it in place would give.
TEST(TokenizerJsonTest, LongAndShortWordsMergeAlike) {
  const auto tokenizer = load_tokenizer_json(
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"ba":3,"aba":4,"abab":5},
          "merges":["b a","a b","a ba","ab ab"]}})",
      {}, "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  std::string word;
  Ids repeated;
  // "bbab" ends in a symbol that no merge carries over the seam with the next "bbab".
  for (int i = 0; i < 60; ++i) word += "bbab";
  const Ids unit = *tokenizer->encode("bbab");
  for (int i = 0; i < 60; ++i) repeated.insert(repeated.end(), unit.begin(), unit.end());
  EXPECT_EQ(*tokenizer->encode(word), repeated);
}

}  // namespace
}  // namespace linnet
