#include "text/gguf_tokenizer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "text/byte_alphabet.hpp"

namespace linnet {
namespace {

using Ids = std::vector<int32_t>;

// All bytes, a few merges, two special tokens and a word of the user's.
GgufTokenizerFields byte_level_fields() {
  GgufTokenizerFields fields;
  fields.model = "gpt2";
  fields.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    fields.tokens.push_back(bytes_to_letters(std::string_view(&c, 1)));
  }
  fields.token_types.assign(256, 1);
  for (const char* merge : {"h e", "l l", "he ll", "Ġ w", "hell o", "ĠĠ Ġ", "Ġ Ġ"}) {
    const std::string line = merge;
    const std::string piece = line.substr(0, line.find(' ')) + line.substr(line.find(' ') + 1);
    if (piece == "ĠĠĠ") continue;
    fields.merges.push_back(line);
    fields.tokens.push_back(piece);
    fields.token_types.push_back(1);
  }
  fields.tokens.insert(fields.tokens.end(), {"<|im_end|>", "<|endoftext|>", "<word>"});
  fields.token_types.insert(fields.token_types.end(), {3, 3, 4});
  fields.bos = fields.eos = 263;
  return fields;
}

TEST(GgufTokenizerTest, MergesByRankLeftmostFirst) {
  const auto tokenizer = load_gguf_tokenizer(byte_level_fields(), "test");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(*tokenizer->encode("hello w"), (Ids{260, 259}));
  EXPECT_EQ(*tokenizer->encode("helll"), (Ids{258, 'l'}));
  EXPECT_EQ(*tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->piece(260), "hello");
  EXPECT_EQ(tokenizer->token_bytes(259), " w");
}

TEST(GgufTokenizerTest, AMergeThatIsListedTwiceHasItsFirstRank) {
  GgufTokenizerFields fields = byte_level_fields();
  fields.tokens.push_back("el");
  fields.token_types.push_back(1);
  fields.merges.insert(fields.merges.end(), {"e l", "h e"});
  const auto tokenizer = load_gguf_tokenizer(fields, "test");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(*tokenizer->encode("hel"), (Ids{256, 'l'}));
}

// llama.cpp takes a space for one wherever it stands, so a range of DeepSeek's characters begins after it.
TEST(GgufTokenizerTest, ASpaceInsideARangeOfCharactersIsASpace) {
  for (const char* pre : {"deepseek-llm", "deepseek-coder"}) {
    GgufTokenizerFields fields = byte_level_fields();
    fields.pre = pre;
    fields.tokens.push_back("Ġâ");
    fields.token_types.push_back(1);
    fields.merges.push_back("Ġ â");
    const auto tokenizer = load_gguf_tokenizer(fields, pre);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    EXPECT_EQ(tokenizer->encode(" \u2009\u0B02")->at(0), 265) << pre;
    EXPECT_EQ(tokenizer->encode(" \u2010\u0B02")->at(0), ' ') << pre;
  }
}

TEST(GgufTokenizerTest, SpecialTokensAreTextUnlessAskedFor) {
  const auto tokenizer = load_gguf_tokenizer(byte_level_fields(), "test");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->encode("a<|im_end|>")->size(), 11u);
  EXPECT_EQ(*tokenizer->encode("a<|im_end|>", {false, true}), (Ids{'a', 262}));
  EXPECT_EQ(*tokenizer->encode("<word>"), Ids{264});
  EXPECT_EQ(tokenizer->special().eot, 262);
  EXPECT_EQ(tokenizer->decode(Ids{'a', 262}), "a");
  EXPECT_EQ(tokenizer->decode(Ids{'a', 262}, {false}), "a<|im_end|>");
}

TEST(GgufTokenizerTest, StreamingGivesNoHalfCharacter) {
  const auto tokenizer = load_gguf_tokenizer(byte_level_fields(), "test");
  ASSERT_TRUE(tokenizer.ok());
  const std::string text = "é€😀";
  const auto ids = *tokenizer->encode(text);
  ASSERT_EQ(ids.size(), 9u);
  Detokenizer detokenizer(*tokenizer);
  std::vector<std::string> parts;
  for (const int32_t id : ids) parts.push_back(detokenizer.push(id));
  EXPECT_EQ(parts, (std::vector<std::string>{"", "é", "", "", "€", "", "", "", "😀"}));
  EXPECT_EQ(detokenizer.push(ids[0]), "");
  EXPECT_EQ(detokenizer.finish(), "\ufffd");
}

TEST(GgufTokenizerTest, BytesThatAreNotUtf8Survive) {
  const auto tokenizer = load_gguf_tokenizer(byte_level_fields(), "test");
  ASSERT_TRUE(tokenizer.ok());
  const auto ids = *tokenizer->encode("\xff\x80z");
  std::string bytes;
  for (const int32_t id : ids) bytes += tokenizer->token_bytes(id);
  EXPECT_EQ(bytes, "\xff\x80z");
}

// What SmolLM2's vocabulary is like: it lacks the tokens of some control characters, and of bytes that no UTF-8 has.
GgufTokenizerFields fields_without_some_bytes() {
  GgufTokenizerFields fields = byte_level_fields();
  for (const int byte : {0x04, 0xFF, 0xF5}) fields.tokens[static_cast<size_t>(byte)] = fmt::format("[{}]", byte);
  return fields;
}

TEST(GgufTokenizerTest, BytesWithoutATokenAreReplacedWhereTheyAreNoUtf8) {
  auto tokenizer = load_gguf_tokenizer(fields_without_some_bytes(), "test");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  std::vector<std::string> lost;
  tokenizer->on_loss([&](const EncodeLoss& loss) { lost.push_back(loss.to_string()); });
  // 0xC3 and 0x80 alone are no UTF-8 either, and have tokens.
  const Ids ids = *tokenizer->encode("a\xff\x80z\xf5\xc3");
  EXPECT_EQ(ids, (Ids{'a', 0xEF, 0xBF, 0xBD, 0x80, 'z', 0xEF, 0xBF, 0xBD, 0xC3}));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0], "the text is not UTF-8: U+FFFD stands for 0xFF and the like");
  EXPECT_EQ(*tokenizer->encode("z\x80"), (Ids{'z', 0x80}));
  EXPECT_EQ(lost.size(), 1u);
}

// Both peers leave it out: Hugging Face tokenizers 0.23.3 and llama.cpp, with SmolLM2 on "a\x04b".
TEST(GgufTokenizerTest, ACharacterWithoutATokenIsLeftOutAndTold) {
  auto tokenizer = load_gguf_tokenizer(fields_without_some_bytes(), "test");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  std::vector<std::string> lost;
  tokenizer->on_loss([&](const EncodeLoss& loss) { lost.push_back(loss.to_string()); });
  EXPECT_EQ(*tokenizer->encode("a\x04z\x04"), (Ids{'a', 'z'}));
  EXPECT_EQ(lost,
            std::vector<std::string>{"the tokenizer has no token for 0x04, not even an unknown one: it is left out"});
}

TEST(GgufTokenizerTest, EveryNamedPreTokenizerLoadsAndKeepsEveryByte) {
  const std::string text = "字 1234 'ſ DON'T\tÆther Ωmega\u2126 !?, \xff\n\n  x.";
  for (const char* pre :
       {"default", "gpt-2", "llama-bpe", "dbrx", "qwen2", "qwen35", "smollm", "tekken", "gpt-4o", "deepseek-v3",
        "deepseek-llm", "deepseek-coder", "falcon", "bloom", "viking", "seed-coder", "olmo", "command-r", "phi-2"}) {
    GgufTokenizerFields fields = byte_level_fields();
    fields.pre = pre;
    const auto tokenizer = load_gguf_tokenizer(fields, pre);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    const auto ids = tokenizer->encode(text);
    ASSERT_TRUE(ids.ok()) << pre;
    std::string bytes;
    for (const int32_t id : *ids) bytes += tokenizer->token_bytes(id);
    EXPECT_EQ(bytes, text) << pre;
  }
}

TEST(GgufTokenizerTest, RefusesWhatDoesNotFitTogether) {
  const auto error_of = [](const GgufTokenizerFields& fields) {
    const auto tokenizer = load_gguf_tokenizer(fields, "m.gguf");
    return tokenizer.ok() ? std::string("loaded") : tokenizer.error().to_string();
  };
  GgufTokenizerFields fields = byte_level_fields();
  fields.merges.push_back("zz top");
  EXPECT_NE(error_of(fields).find("\"zz\", which is not in the vocabulary"), std::string::npos) << error_of(fields);
  fields = byte_level_fields();
  fields.merges.push_back("nospace");
  EXPECT_NE(error_of(fields).find("nospace"), std::string::npos);
  fields = byte_level_fields();
  fields.tokens.push_back("hello");
  fields.token_types.push_back(1);
  EXPECT_NE(error_of(fields).find("has two ids, 260 and 265"), std::string::npos) << error_of(fields);
  fields = byte_level_fields();
  fields.eos = int64_t{1} << 40;
  EXPECT_NE(error_of(fields).find("1099511627776"), std::string::npos);
  fields = byte_level_fields();
  fields.token_types.pop_back();
  EXPECT_NE(error_of(fields).find("264 values for 265 tokens"), std::string::npos) << error_of(fields);
  fields = byte_level_fields();
  fields.pre = "no-such";
  EXPECT_NE(error_of(fields).find("no-such"), std::string::npos);
  fields = {};
  fields.model = "gpt2";
  EXPECT_NE(error_of(fields).find("missing or empty"), std::string::npos);
}

}  // namespace
}  // namespace linnet
