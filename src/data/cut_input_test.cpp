#include "data/cut_input.hpp"

#include <gtest/gtest.h>

#include "base/utf8.hpp"
#include "data/render_testing.hpp"

namespace linnet {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer one = tokenizer_with_special("gpt2", {});
  return one;
}

size_t count(const std::string& text) {
  return tokenizer().encode(text)->size();
}

TEST(CutInput, KeepsTheLongestBeginningOfWholeWords) {
  std::string all;
  for (int i = 0; i < 3000; ++i) all += (i % 7 == 0 ? "\n" : " ") + std::string("word") + std::to_string(i);
  for (const int64_t tokens : {1, 2, 7, 100, 1000}) {
    std::string text = all;
    const auto cut = cut_to_tokens(text, tokens, tokenizer());
    ASSERT_TRUE(cut.ok() && *cut);
    EXPECT_TRUE(all.starts_with(text));
    EXPECT_LE(count(text), static_cast<size_t>(tokens));
    // One word more would not fit.
    const size_t next = all.find_first_of(" \n", all.find_first_not_of(" \n", text.size()));
    EXPECT_GT(count(all.substr(0, next)), static_cast<size_t>(tokens)) << tokens;
    EXPECT_TRUE(text.empty() || all[text.size()] == ' ' || all[text.size()] == '\n') << tokens;
  }
  std::string text = all;
  const auto whole = cut_to_tokens(text, static_cast<int64_t>(count(all)), tokenizer());
  EXPECT_FALSE(*whole);
  EXPECT_EQ(text, all);
  std::string empty;
  EXPECT_FALSE(*cut_to_tokens(empty, 1, tokenizer()));
}

// One giant line without a word's end, of characters of several bytes.
TEST(CutInput, AGiantWordIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "ß漢";
  ASSERT_TRUE(*cut_to_tokens(text, 50, tokenizer()));
  EXPECT_LE(count(text), 50U);
  EXPECT_GT(count(text), 40U);
  EXPECT_TRUE(is_valid_utf8(text));
}

TEST(CutInput, NeverCutsAReply) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += "many words ";
  std::vector<Sample> samples(2);
  samples[0].messages = {{{"role", "user"}, {"content", many}}, {{"role", "assistant"}, {"content", many}}};
  samples[1].messages = {{{"role", "user"}, {"content", "few"}}, {{"role", "assistant"}, {"content", many}}};
  ThreadPool pool(2);
  const auto cut = cut_inputs(samples, 10, tokenizer(), pool);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(*cut, 1U);
  const auto kept = samples[0].messages[0]["content"].get<std::string>();
  EXPECT_TRUE(many.starts_with(kept + " ")) << kept;
  EXPECT_LE(count(kept), 10U);
  EXPECT_EQ(samples[0].messages[1]["content"], many);
  EXPECT_EQ(samples[1].messages[0]["content"], "few");
}

}  // namespace
}  // namespace linnet
