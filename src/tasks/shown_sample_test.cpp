#include "tasks/shown_sample.hpp"

#include <gtest/gtest.h>

#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet {
namespace {

class ShownSampleTest : public testing::Test {
 protected:
  std::optional<ShownSample> choose(DataForm form, const Sample& sample, int64_t longest = 128) const {
    return ShownSample::choose({.form = form, .held_out = {sample}}, {.chat_template = &template_,
                                                                      .tokenizer = &tokenizer_,
                                                                      .end_tokens = end_tokens(handle_, tokenizer_),
                                                                      .longest = longest});
  }
  std::string written(const std::optional<ShownSample>& shown) const {
    if (!shown) return "none";
    ThreadPool pool(1);
    Context ctx(pool, reference_kernels());
    const CancelToken never;
    return value(shown->write(ctx, model_, never));
  }

  ModelHandle handle_ = value(find_model((golden_dir() / "tiny_chat").string()));
  Transformer model_ = value(load_transformer(handle_.description));
  Tokenizer tokenizer_ = value(load_tokenizer(handle_.description.files));
  ChatTemplate template_ = value(load_chat_template(handle_, tokenizer_));
};

Json says(const char* role, const char* content) {
  return {{"role", role}, {"content", content}};
}

TEST_F(ShownSampleTest, OfAConversationTheLastTurnIsAsked) {
  const Json two = {says("user", "Hello"), says("assistant", "Hello. I am Linnet.")};
  EXPECT_EQ(written(choose(DataForm::kMessages, {.messages = two})),
            "asked: Hello\nright: Hello. I am Linnet.\nreply: Hello. I am Linnet.");
  Json four = {says("user", "Count"), says("assistant", "one"), says("user", "More"), says("assistant", "two")};
  four[1]["weight"] = 0;
  EXPECT_EQ(written(choose(DataForm::kShareGpt, {.messages = four})).find("asked: More\nright: two\nreply: "), 0u);
}

TEST_F(ShownSampleTest, OfATextItsBeginningIsGoneOnWith) {
  const std::string text = written(choose(DataForm::kText, {.text = "one two three one two three"}));
  EXPECT_EQ(text.find("begins: one"), 0u) << text;
  EXPECT_NE(text.find("\nright: "), std::string::npos) << text;
  EXPECT_NE(text.find("\nwrites: "), std::string::npos) << text;
}

TEST_F(ShownSampleTest, WhatCannotBeAskedIsNotChosen) {
  const Json two = {says("user", "Hello"), says("assistant", "Hello. I am Linnet.")};
  EXPECT_EQ(written(choose(DataForm::kMessages, {.messages = two}, 8)), "none") << "it does not fit";
  EXPECT_EQ(written(choose(DataForm::kMessages, {.messages = Json::array({says("user", "Hello")})})), "none")
      << "nobody replies";
  EXPECT_EQ(written(choose(DataForm::kUnpairedPreference, {.messages = two, .desired = false})), "none");
  EXPECT_EQ(written(choose(DataForm::kText, {.text = ""})), "none");
}

}  // namespace
}  // namespace linnet
