// There and back: every recorded tokenizer that GGUF can hold, as GGUF fields, and those as a tokenizer.json again.
#include "text/tokenizer_export.hpp"

#include <algorithm>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "text/base64.hpp"
#include "text/sentencepiece.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {
namespace {

const std::vector<std::string> kTexts = {"Hello, world! It's 2024.", "licence terms and conditions",
                                         "  two  spaces\n\nlines",   "don't stop",
                                         "Grant of Patent License",  "x"};

Json recording(const std::string& name) {
  auto json = read_json_file(LINNET_SOURCE_DIR "/tests/golden/tokenizers/" + name + ".json");
  EXPECT_TRUE(json.ok());
  return json.ok() ? std::move(json).value() : Json();
}

// The ids of kTexts stay the same from `original` to GGUF to tokenizer.json.
void expect_round_trip(const Tokenizer& original, const std::string& name) {
  const auto fields = to_gguf_fields(original);
  ASSERT_TRUE(fields.ok()) << name << ": " << fields.error().to_string();
  const auto from_gguf = load_gguf_tokenizer(*fields, name);
  ASSERT_TRUE(from_gguf.ok()) << name << ": " << from_gguf.error().to_string();
  const auto json = to_tokenizer_json(*from_gguf);
  ASSERT_TRUE(json.ok()) << name << ": " << json.error().to_string();
  const auto from_json = load_tokenizer_json(*json, {}, name);
  ASSERT_TRUE(from_json.ok()) << name << ": " << from_json.error().to_string();
  for (const std::string& text : kTexts) {
    const auto ids = original.encode(text);
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(*from_gguf->encode(text), *ids) << name << ": " << text;
    EXPECT_EQ(*from_json->encode(text), *ids) << name << ": " << text;
    EXPECT_EQ(from_json->decode(*ids), original.decode(*ids)) << name;
  }
}

TEST(TokenizerExportTest, ByteLevelThereAndBack) {
  for (const char* name : {"gpt2", "llama3", "qwen2", "qwen35", "smollm", "tekken", "deepseek"}) {
    const auto tokenizer = load_tokenizer_json(dump_json(recording(name).at("tokenizer")), {}, name);
    ASSERT_TRUE(tokenizer.ok()) << name;
    expect_round_trip(*tokenizer, name);
  }
}

TEST(TokenizerExportTest, MergingAndWordPieceThereAndBack) {
  for (const char* name : {"llama-bpe", "wordpiece-lower", "wordpiece-cased"}) {
    Json json = recording(name).at("tokenizer");
    // The added word "ing" would be spelled as "##ing" is in GGUF.
    Json& added = json["added_tokens"];
    added.erase(std::remove_if(added.begin(), added.end(), [](const Json& token) { return token["content"] == "ing"; }),
                added.end());
    const auto tokenizer = load_tokenizer_json(dump_json(json), {}, name);
    ASSERT_TRUE(tokenizer.ok()) << name;
    expect_round_trip(*tokenizer, name);
  }
}

TEST(TokenizerExportTest, SentencePieceThereAndBack) {
  for (const char* name : {"spm-bpe", "spm-unigram"}) {
    const auto bytes = decode_base64(recording(name).at("sentencepiece").get<std::string>());
    const auto tokenizer = load_sentencepiece(*bytes, name);
    ASSERT_TRUE(tokenizer.ok()) << name;
    const auto fields = to_gguf_fields(*tokenizer);
    ASSERT_TRUE(fields.ok()) << name;
    const auto again = load_gguf_tokenizer(*fields, name);
    ASSERT_TRUE(again.ok()) << name << again.error().to_string();
    for (const char* text : {"Grant of Patent License", "licence terms", "x"}) {
      EXPECT_EQ(*again->encode(text), *tokenizer->encode(text)) << name << ": " << text;
    }
  }
}

TEST(TokenizerExportTest, SpecialTokensAndFramesSurvive) {
  const auto tokenizer = load_tokenizer_json(dump_json(recording("llama3").at("tokenizer")), {}, "llama3");
  ASSERT_TRUE(tokenizer.ok());
  const auto fields = to_gguf_fields(*tokenizer);
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(fields->pre, "llama-bpe");
  EXPECT_EQ(fields->add_bos, true);
  const auto again = load_gguf_tokenizer(*fields, "llama3");
  ASSERT_TRUE(again.ok());
  const std::string text = "a<|im_start|>b";
  EXPECT_EQ(*again->encode(text, {true, true}), *tokenizer->encode(text, {true, true}));
  EXPECT_EQ(*again->encode(text), *tokenizer->encode(text));
}

TEST(TokenizerExportTest, WhatGgufCannotSayIsRefused) {
  for (const char* name : {"words", "clip", "characters"}) {
    const auto tokenizer = load_tokenizer_json(dump_json(recording(name).at("tokenizer")), {}, name);
    ASSERT_TRUE(tokenizer.ok()) << name;
    EXPECT_FALSE(to_gguf_fields(*tokenizer).ok()) << name;
  }
  const auto unknown = load_tokenizer_json(dump_json(recording("unknown").at("tokenizer")), {}, "unknown");
  ASSERT_TRUE(unknown.ok());
  const auto fields = to_gguf_fields(*unknown);
  ASSERT_FALSE(fields.ok());
  EXPECT_NE(fields.error().to_string().find("has no name for it"), std::string::npos);
}

}  // namespace
}  // namespace linnet
