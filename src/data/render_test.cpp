#include "data/render.hpp"

#include <gtest/gtest.h>
#include <map>

#include "base/file.hpp"
#include "data/preview.hpp"
#include "data/refuse.hpp"
#include "data/render_testing.hpp"
#include "data/unusable.hpp"

namespace linnet {
namespace {

const std::map<std::string, std::string> kSpecial = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};

ChatTemplate parse(const std::string& source) {
  auto parsed = ChatTemplate::parse(Json(source), "test", kSpecial);
  if (!parsed.ok()) throw std::runtime_error(parsed.error().to_string());
  return std::move(parsed).value();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

class MaskParity : public testing::TestWithParam<bool> {};

// Transformers reads the template's {% generation %} blocks. We find the same with them, and without.
TEST_P(MaskParity, TheMaskIsTransformersMask) {
  const bool tagged = GetParam();
  const auto record = read_json_file(LINNET_SOURCE_DIR "/tests/golden/data/masks.json");
  ASSERT_TRUE(record.ok());
  std::map<std::string, Tokenizer> tokenizers;
  for (const Json& one : (*record)["cases"]) {
    const auto name = one["tokenizer"].get<std::string>();
    if (!tokenizers.contains(name)) {
      tokenizers.emplace(name, tokenizer_with_special(name, (*record)["special"].get<std::vector<std::string>>()));
    }
    const Tokenizer& tokenizer = tokenizers.at(name);
    const auto which = one["template"].get<std::string>();
    auto source = (*record)["templates"][which].get<std::string>();
    source =
        replaced(replaced(source, "[[", tagged ? "{% generation %}" : ""), "]]", tagged ? "{% endgeneration %}" : "");
    const ChatTemplate chat = parse(source);
    const Renderer renderer({.tokenizer = &tokenizer, .chat_template = &chat, .end_ids = {*tokenizer.id_of("</s>")}});
    const auto sequences = renderer.render({.place = "here", .messages = one["messages"]}, DataForm::kMessages);
    ASSERT_TRUE(sequences.ok()) << sequences.error().to_string() << which << one["messages"].dump();
    const auto tokens = one["tokens"].get<std::vector<int32_t>>();
    std::vector<uint8_t> mask;
    for (const char c : one["mask"].get<std::string>()) mask.push_back(c == '1' ? 1 : 0);
    // A special token that takes the white space behind it takes that of the reply, too; transformers then counts it as
    // said by the assistant. It is the template's, so we do not.
    for (size_t t = 0; t < mask.size(); ++t) {
      if (tokenizer.piece(tokens[t]) == "<|assistant|>") mask[t] = 0;
    }
    ASSERT_EQ(sequences->size(), 1U) << which;
    const TokenSequence& last = sequences->back();
    EXPECT_EQ(last.tokens, tokens) << name << ", " << which << ": " << one["messages"].dump();
    EXPECT_EQ(last.learned, mask) << name << ", " << which << ": " << one["messages"].dump() << "\n"
                                  << preview(last, tokenizer);
  }
}

INSTANTIATE_TEST_SUITE_P(Render, MaskParity, testing::Bool());

class RenderTest : public testing::Test {
 protected:
  static const Tokenizer& tokenizer() {
    static const Tokenizer one = tokenizer_with_special(
        "smollm", {"<s>", "</s>", "<|begin|>", "<|finish|>", "<｜Ask｜>", "<｜Say｜>", "<｜end▁of▁say｜>"});
    return one;
  }
  static int32_t id(const std::string& piece) { return *tokenizer().id_of(piece); }

  // What is rendered, the learned parts in brackets.
  static std::vector<std::string> shown(const std::string& source, const Json& messages, Json extra = Json::object()) {
    const ChatTemplate chat = parse(source);
    const Renderer renderer({.tokenizer = &tokenizer(),
                             .chat_template = &chat,
                             .end_ids = {id("</s>"), id("<|finish|>"), id("<｜end▁of▁say｜>")},
                             .extra = std::move(extra)});
    const auto sequences = renderer.render({.place = "t.jsonl, line 1", .messages = messages}, DataForm::kMessages);
    if (!sequences.ok()) return {sequences.error().to_string()};
    std::vector<std::string> out;
    for (const TokenSequence& one : *sequences) out.push_back(preview(one, tokenizer()));
    return out;
  }
  static std::string golden_template(const std::string& name) {
    return *read_file(LINNET_SOURCE_DIR "/tests/golden/templates/turns_" + name + ".jinja");
  }
  const std::string chatml_ =
      "{% for m in messages %}{{ '<|begin|>' + m.role + '\\n' + m.content + '<|finish|>\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|begin|>assistant\\n' }}{% endif %}";
  const Json chat_ = Json::parse(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                                     {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}])");
};

TEST_F(RenderTest, EachReplyAndItsEndAreLearned) {
  EXPECT_EQ(shown(chatml_, chat_),
            (std::vector<std::string>{"<|begin|>user\na<|finish|>\n<|begin|>assistant\n⟦b<|finish|>⟧\n"
                                      "<|begin|>user\nc<|finish|>\n<|begin|>assistant\n⟦d<|finish|>⟧\n"}));
}

TEST_F(RenderTest, AWeightOfZeroIsReadButNotLearned) {
  Json chat = chat_;
  chat[1]["weight"] = 0;
  EXPECT_EQ(shown(chatml_, chat),
            (std::vector<std::string>{"<|begin|>user\na<|finish|>\n<|begin|>assistant\nb<|finish|>\n"
                                      "<|begin|>user\nc<|finish|>\n<|begin|>assistant\n⟦d<|finish|>⟧\n"}));
}

TEST_F(RenderTest, WhatAPersonSpellsIsNoSpecialToken) {
  const ChatTemplate chat = parse(chatml_);
  const Renderer renderer({.tokenizer = &tokenizer(), .chat_template = &chat, .end_ids = {id("<|finish|>")}});
  Json messages =
      Json::parse(R"([{"role": "user", "content": "<|finish|>"}, {"role": "assistant", "content": "x<|finish|>y"}])");
  const auto sequences = renderer.render({.place = "p", .messages = messages}, DataForm::kMessages);
  ASSERT_TRUE(sequences.ok());
  const TokenSequence& one = sequences->front();
  EXPECT_EQ(std::ranges::count(one.tokens, id("<|finish|>")), 2);
  EXPECT_EQ(preview(one, tokenizer()),
            "<|begin|>user\n<|finish|><|finish|>\n<|begin|>assistant\n⟦x<|finish|>y<|finish|>⟧\n");
}

TEST_F(RenderTest, RepliesThatLookDifferentLaterHaveTextsOfTheirOwn) {
  Json chat = chat_;
  chat[1]["reasoning_content"] = "hm";
  chat[3]["reasoning_content"] = "so";
  EXPECT_EQ(shown(golden_template("qwen3"), chat),
            (std::vector<std::string>{
                "<|begin|>user\na<|finish|>\n<|begin|>assistant\n⟦<think>\nhm\n</think>\n\nb<|finish|>⟧\n",
                "<|begin|>user\na<|finish|>\n<|begin|>assistant\nb<|finish|>\n"
                "<|begin|>user\nc<|finish|>\n<|begin|>assistant\n⟦<think>\nso\n</think>\n\nd<|finish|>⟧\n"}));
}

TEST_F(RenderTest, AThoughtThatThePromptHasBegunIsEnded) {
  Json chat =
      Json::parse(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>hm</think>b"}])");
  EXPECT_EQ(shown(golden_template("deepseek"), chat),
            (std::vector<std::string>{"<s><｜Ask｜>a<｜Say｜><think>\n⟦hm\n</think>\n\nb<｜end▁of▁say｜>⟧\n"}));
  chat[1]["content"] = "b";
  EXPECT_EQ(shown(golden_template("deepseek"), chat),
            (std::vector<std::string>{"<s><｜Ask｜>a<｜Say｜><think>\n⟦\n</think>\n\nb<｜end▁of▁say｜>⟧\n"}));
}

TEST_F(RenderTest, ATemplateWithoutAnEndOfTurnIsRefused) {
  const std::string bare = "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}";
  EXPECT_NE(
      shown(bare, chat_)[0].find("t.jsonl, line 1: test: the chat template ends the assistant's turn with no token"),
      std::string::npos)
      << shown(bare, chat_)[0];
  const std::string tagged =
      "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{{ '\\n' }}{% endfor %}";
  EXPECT_NE(shown(tagged, chat_)[0].find("ends the assistant's turn with no token"), std::string::npos);
}

TEST_F(RenderTest, AnEndBehindTheBlockIsPartOfTheReply) {
  const std::string tagged =
      "{% for m in messages %}{% if m.role == 'user' %}{{ '<|begin|>' + m.content + '\\n' }}{% else %}{% generation "
      "%}{{ m.content }}"
      "{% endgeneration %}{{ '<|finish|>' }}{% endif %}{% endfor %}";
  EXPECT_EQ(shown(tagged, chat_), (std::vector<std::string>{"<|begin|>a\n⟦b<|finish|>⟧<|begin|>c\n⟦d<|finish|>⟧\n"}));
}

TEST_F(RenderTest, CallsThatTheTemplateDoesNotWriteAreRefused) {
  const Json chat = Json::parse(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "",
      "tool_calls": [{"function": {"name": "f", "arguments": {}}}, {"name": "g", "arguments": {}}]}])");
  const std::string lost = "t.jsonl, line 1: test: writes no tool calls: the call of \"";
  EXPECT_EQ(shown(chatml_, chat)[0].find(lost + "f\""), 0U) << shown(chatml_, chat)[0];
  const std::string first = "{% if m.tool_calls %}{{ m.tool_calls[0].function.name }}{% endif %}";
  EXPECT_EQ(shown(replaced(chatml_, "{{ '<|begin|>'", first + "{{ '<|begin|>'"), chat)[0].find(lost + "g\""), 0U);
  const std::string all =
      "{% for m in messages %}<|begin|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}"
      "{{ (c.function or c).name }}();{% endfor %}<|finish|>{% endfor %}"
      "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}";
  EXPECT_EQ(shown(all, chat),
            (std::vector<std::string>{"<|begin|>user\na<|finish|><|begin|>assistant\n⟦f();g();<|finish|>⟧\n"}));
}

TEST_F(RenderTest, AReplyThatCannotBeToldIsRefused) {
  const std::string odd =
      "{% for m in messages %}{{ m.content }}<|finish|>{% endfor %}{% if add_generation_prompt %}Now speak:{% endif %}";
  EXPECT_NE(shown(odd, chat_)[0].find("ends with \"Now speak:\""), std::string::npos) << shown(odd, chat_)[0];
  const std::string refuses = "{{ raise_exception('no system here') }}";
  EXPECT_NE(shown(refuses, chat_)[0].find("t.jsonl, line 1"), std::string::npos);
}

TEST_F(RenderTest, PlainTextIsLearnedWhole) {
  const Renderer renderer({.tokenizer = &tokenizer(), .max_length = 8});
  const std::string text = "A few words, enough of them for three windows or more.";
  const auto windows = renderer.render({.place = "p", .text = text}, DataForm::kText);
  ASSERT_TRUE(windows.ok());
  ASSERT_GT(windows->size(), 2U);
  std::vector<int32_t> joined = windows->front().tokens;
  for (size_t i = 0; i < windows->size(); ++i) {
    const TokenSequence& one = (*windows)[i];
    EXPECT_LE(one.tokens.size(), 8U);
    EXPECT_EQ(one.learned[0], 0);
    EXPECT_EQ(std::ranges::count(one.learned, 1), static_cast<int64_t>(one.tokens.size()) - 1);
    if (i == 0) continue;
    EXPECT_EQ(one.tokens.front(), joined.back());
    joined.insert(joined.end(), one.tokens.begin() + 1, one.tokens.end());
  }
  EXPECT_EQ(tokenizer().decode(joined), text);
}

TEST_F(RenderTest, ACompletionStandsBehindItsPromptWhereThereIsNoTemplate) {
  const Renderer renderer({.tokenizer = &tokenizer()});
  Sample sample{.place = "p",
                .messages = {Json{{"role", "user"}, {"content", "Two and two is"}},
                             Json{{"role", "assistant"}, {"content", " four."}}}};
  const auto rendered = renderer.render(sample, DataForm::kPromptCompletion);
  ASSERT_TRUE(rendered.ok()) << rendered.error().to_string();
  ASSERT_EQ(rendered->size(), 1U);
  const TokenSequence& one = rendered->front();
  const std::vector<int32_t> prompt = *tokenizer().encode("Two and two is", {.add_special = true});
  ASSERT_GT(one.tokens.size(), prompt.size());
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), one.tokens.begin()));
  EXPECT_EQ(tokenizer().decode(one.tokens), "Two and two is four.");
  for (size_t i = 0; i < one.tokens.size(); ++i) EXPECT_EQ(one.learned[i], i >= prompt.size()) << i;
  const int32_t eos = tokenizer().special().eos;
  EXPECT_TRUE(eos == kNoToken || one.tokens.back() == eos);
  EXPECT_FALSE(renderer.render(sample, DataForm::kMessages).ok());
  sample.messages.insert(sample.messages.begin(), Json{{"role", "system"}, {"content", "Count."}});
  EXPECT_FALSE(renderer.render(sample, DataForm::kPromptCompletion).ok());
}

TEST_F(RenderTest, RefusalsNameTheRows) {
  const ChatTemplate chat = parse(chatml_);
  const Renderer renderer(
      {.tokenizer = &tokenizer(), .chat_template = &chat, .end_ids = {id("<|finish|>")}, .max_length = 24});
  std::vector<Sample> samples;
  const auto add = [&](const std::string& question, const std::string& answer) {
    samples.push_back({.place = "faq.csv, line " + std::to_string(samples.size() + 2),
                       .messages = Json::array({Json{{"role", "user"}, {"content", question}},
                                                Json{{"role", "assistant"}, {"content", answer}}})});
  };
  ThreadPool pool(2);
  const auto render = [&] { return *renderer.render_all(samples, DataForm::kQuestionAnswer, pool); };
  add("a", "b");
  TokenSet set = render();
  EXPECT_TRUE(find_cut_off(samples, set).empty());
  EXPECT_TRUE(refuse_cut(samples, set, 24, 4096).ok());
  EXPECT_TRUE(refuse_masked_end(samples, set, renderer.end_ids(), id("<|finish|>"), 24).ok());

  // What a trainer does that pads with the end token and masks all padding: every end token is lost.
  TokenSet masked = set;
  for (TokenSequence& one : masked.sequences) {
    for (size_t t = 0; t < one.tokens.size(); ++t)
      if (one.tokens[t] == id("<|finish|>")) one.learned[t] = 0;
  }
  const Status lost = refuse_masked_end(samples, masked, renderer.end_ids(), id("<|finish|>"), 24);
  ASSERT_FALSE(lost.ok());
  EXPECT_NE(lost.error().to_string().find(
                "faq.csv, line 2: 1 sample where the end of a reply is not learned, for the padding"),
            std::string::npos);

  add("a", " ");
  add("much too long a question, of which nothing is left once it has been cut to the length", "b");
  set = render();
  EXPECT_EQ(set.cut.sequences, 1U);
  EXPECT_EQ(set.cut_samples, (std::vector<uint32_t>{2}));
  EXPECT_GT(set.cut.tokens, set.cut.learned);
  EXPECT_EQ(set.cut.learned, 2U);
  const std::string needed = std::to_string(set.sequences[2].whole);
  const std::vector<Unusable> nothing = find_cut_off(samples, set);
  ASSERT_EQ(nothing.size(), 1U);
  EXPECT_EQ(refuse_unusable(samples, nothing, 4096).error().to_string(),
            "1 sample with nothing to learn from: faq.csv, line 4 (of " + needed +
                " tokens, the length of 24 leaves nothing of the reply)\n  --length " + needed +
                " takes them whole; --allow-cuts leaves them out");
  EXPECT_NE(refuse_unusable(samples, nothing, 25).error().hint.find("the model reads 25 tokens at most"),
            std::string::npos);
  const Status cut = refuse_cut(samples, set, 24, 4096);
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.error().to_string().find("faq.csv, line 4: 1 of 3 samples are longer than 24 tokens"),
            std::string::npos);
  EXPECT_NE(cut.error().hint.find("--length " + needed + " takes them whole"), std::string::npos);
  EXPECT_TRUE(refuse_cut(samples, set, 24, 4096, 0.5).ok());
}

TEST_F(RenderTest, TestPhrasingsInTheTrainingDataAreRefused) {
  const auto one = [](const std::string& place, const std::string& question) {
    return Sample{.place = place, .messages = Json::array({Json{{"role", "user"}, {"content", question}}})};
  };
  const std::vector<Sample> train = {one("faq.csv, line 2", "When do  you open?"), one("faq.csv, line 3", "???")};
  EXPECT_TRUE(refuse_overlap(train, {one("t", "When do you close?"), one("t", "!!!")}).ok());
  const Status same = refuse_overlap(train, {one("test.csv, line 9", "WHEN do you open")});
  ASSERT_FALSE(same.ok());
  EXPECT_NE(same.error().to_string().find("test.csv, line 9 is also faq.csv, line 2"), std::string::npos);
}

TEST_F(RenderTest, QuestionsWithTwoAnswersAreNamed) {
  const auto pair = [](const std::string& place, const std::string& question, const std::string& answer) {
    return Sample{.place = place,
                  .messages = Json::array({Json{{"role", "user"}, {"content", question}},
                                           Json{{"role", "assistant"}, {"content", answer}}})};
  };
  const std::vector<Sample> samples = {pair("a, line 2", "When open?", "Nine."), pair("a, line 3", "when OPEN", "Ten."),
                                       pair("a, line 4", "When open", "Nine."), pair("a, line 5", "Where?", "Here.")};
  EXPECT_EQ(describe_contradictions(samples),
            "1 question with another answer elsewhere: a, line 3 asks what a, line 2 does");
}

TEST_F(RenderTest, ThePreviewColoursWhatIsLearned) {
  const TokenSequence sequence{.tokens = {id("<|begin|>"), id("<|finish|>")}, .learned = {0, 1}, .sample = 0};
  EXPECT_EQ(preview(sequence, tokenizer(), {.colour = true}), "<|begin|>\x1b[32m<|finish|>\x1b[0m\n");
  EXPECT_EQ(preview(sequence, tokenizer()), "<|begin|>⟦<|finish|>⟧\n");
  EXPECT_EQ(preview(sequence, tokenizer(), {.mark = PreviewMark::kUnlikelier}), "<|begin|>⟪<|finish|>⟫\n");
  EXPECT_EQ(preview(sequence, tokenizer(), {.colour = true, .mark = PreviewMark::kUnlikelier}),
            "<|begin|>\x1b[31m<|finish|>\x1b[0m\n");
  TokenSequence longer;
  longer.tokens.assign(1000, id("<|finish|>"));
  longer.learned.assign(1000, 1);
  EXPECT_NE(preview(longer, tokenizer(), {.most = 10}).find("… 990 tokens …"), std::string::npos);
}

}  // namespace
}  // namespace linnet
