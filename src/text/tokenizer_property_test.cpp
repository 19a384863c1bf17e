// What must hold for every kind of tokenizer, whatever the text: whole characters while it streams, bytes kept where
// bytes are kept, special tokens as text, and no text that takes long.
#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

#include "base/utf8.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/golden_testing.hpp"

namespace linnet {
namespace {

using Ids = std::vector<int32_t>;

// Sanitizers see the same code on less text.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LINNET_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(LINNET_SANITIZED)
constexpr size_t kLong = 1 << 14;
#else
constexpr size_t kLong = 1 << 20;
#endif

struct Named {
  std::string name;
  Tokenizer tokenizer;
};

// One of every kind that a GGUF file can hold and the recordings do not: "llama", "t5" and "bert".
Result<Tokenizer> gguf_tokenizer(const std::string& model) {
  GgufTokenizerFields fields;
  fields.model = model;
  const auto add = [&](const std::string& piece, float score, int32_t type) {
    fields.tokens.push_back(piece);
    fields.scores.push_back(score);
    fields.token_types.push_back(type);
  };
  add("<unk>", 0, 2);
  add("<s>", 0, 3);
  add("</s>", 0, 3);
  if (model == "llama") {
    for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 0, 6);
  }
  const std::string mark = "\u2581";
  float score = -1;
  for (const std::string& piece : {mark, mark + "a", std::string("a"), std::string("aa"), std::string("aaaa"),
                                   mark + mark, mark + mark + mark + mark, std::string("\u0301")}) {
    add(piece, score -= 1, 1);
  }
  fields.unk = 0;
  fields.bos = fields.cls = 1;
  fields.eos = fields.sep = 2;
  fields.add_space_prefix = true;
  return load_gguf_tokenizer(fields, model);
}

const std::vector<Named>& every_tokenizer() {
  static const std::vector<Named> all = [] {
    std::vector<Named> made;
    for (const auto& path : tokenizer_recordings()) {
      const auto record = read_json_file(path.string());
      if (!record.ok()) continue;
      if (auto tokenizer = load_recorded_tokenizer(*record); tokenizer.ok()) {
        made.push_back({path.stem().string(), *std::move(tokenizer)});
      }
    }
    for (const char* model : {"llama", "t5", "bert"}) {
      if (auto tokenizer = gguf_tokenizer(model); tokenizer.ok()) made.push_back({model, *std::move(tokenizer)});
    }
    return made;
  }();
  return all;
}

std::string random_text(std::mt19937& random) {
  constexpr char32_t kRanges[][2] = {{' ', '~'},       {0x80, 0x24F},    {0x300, 0x36F},
                                     {0x3040, 0x30FF}, {0x4E00, 0x9FFF}, {0x1F300, 0x1F64F}};
  std::string text;
  for (int i = 0; i < 40; ++i) {
    const auto& range = kRanges[random() % std::size(kRanges)];
    append_utf8(text, range[0] + static_cast<char32_t>(random() % (range[1] - range[0] + 1)));
  }
  return text;
}

TEST(TokenizerPropertyTest, ThereIsOneOfEveryKind) {
  EXPECT_EQ(every_tokenizer().size(), tokenizer_recordings().size() + 3);
}

TEST(TokenizerPropertyTest, StreamingGivesWholeCharactersAndTheSameText) {
  std::mt19937 random(5);
  for (const auto& [name, tokenizer] : every_tokenizer()) {
    for (int round = 0; round < 60; ++round) {
      Ids ids;
      for (int i = 0; i < 40; ++i) ids.push_back(static_cast<int32_t>(random() % tokenizer.vocab_size()));
      if (round % 2 == 0) {
        const auto encoded = tokenizer.encode(random_text(random));
        if (encoded.ok()) ids = *encoded;
      }
      Detokenizer detokenizer(tokenizer, {round % 3 == 0});
      std::string text;
      for (const int32_t id : ids) {
        const std::string part = detokenizer.push(id);
        ASSERT_TRUE(is_valid_utf8(part)) << name;
        text += part;
      }
      const std::string rest = detokenizer.finish();
      ASSERT_TRUE(is_valid_utf8(rest)) << name;
      ASSERT_EQ(text + rest, tokenizer.decode(ids, {round % 3 == 0})) << name;
    }
  }
}

// A text that is valid comes back as it was, so no character was cut in two and replaced on the way.
TEST(TokenizerPropertyTest, ByteLevelStreamsGiveTheTextBack) {
  std::mt19937 random(6);
  for (const char* name :
       {"gpt2", "llama3", "cl100k", "o200k", "tekken", "deepseek", "smollm", "unknown", "no-split"}) {
    const auto found = std::find_if(every_tokenizer().begin(), every_tokenizer().end(),
                                    [&](const Named& named) { return named.name == name; });
    ASSERT_NE(found, every_tokenizer().end()) << name;
    for (int round = 0; round < 40; ++round) {
      const std::string text = random_text(random);
      const auto ids = found->tokenizer.encode(text);
      ASSERT_TRUE(ids.ok());
      Detokenizer detokenizer(found->tokenizer);
      std::string streamed;
      for (const int32_t id : *ids) streamed += detokenizer.push(id);
      ASSERT_EQ(streamed + detokenizer.finish(), text) << name;
    }
  }
}

// Whatever a person types, no special token comes out of it; asked for, it does. But for tokenizer.json's unigram
// model: Hugging Face lets it find its special tokens among its pieces, and ids must be those that Hugging Face gives.
TEST(TokenizerPropertyTest, SpecialTokensInATextAreText) {
  for (const auto& [name, tokenizer] : every_tokenizer()) {
    if (name.starts_with("unigram-")) continue;
    size_t specials = 0;
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      if (tokenizer.kind(id) != TokenKind::kControl || !tokenizer.is_special(id)) continue;
      ++specials;
      const auto ids = tokenizer.encode("a" + std::string(tokenizer.piece(id)) + " b");
      if (!ids.ok()) continue;
      EXPECT_EQ(std::count(ids->begin(), ids->end(), id), 0) << name << ' ' << tokenizer.piece(id);
    }
    if (name == "gpt2" || name == "llama" || name == "llama-bpe" || name == "wordpiece-lower") {
      EXPECT_GT(specials, 0u) << name;
    }
  }
}

TEST(TokenizerPropertyTest, AMegabyteOfOneThingTakesNoTime) {
  for (const auto& [name, tokenizer] : every_tokenizer()) {
    for (const char* unit : {"a", " ", "\u0301\u0323", "字"}) {
      std::string text;
      while (text.size() < kLong) text += unit;
      const auto start = std::chrono::steady_clock::now();
      const auto ids = tokenizer.encode(text);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      // At most a second on an idle machine; the quadratic way takes hours.
      EXPECT_LT(seconds.count(), 10) << name << " of " << unit;
      // Only a pattern may give up, and then it says so.
      EXPECT_TRUE(ids.ok() || name == "unknown") << name << (ids.ok() ? "" : ids.error().to_string());
    }
  }
}

}  // namespace
}  // namespace linnet
