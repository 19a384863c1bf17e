// The chooser with its cache, beside a forward of everything that it reads.
#include "tasks/faq_chooser.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "engine/sampler.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "tasks/chat_prompt.hpp"
#include "tasks/faq_assistant.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "text/chat_request.hpp"

namespace linnet {
namespace {

const FaqList kList{.answers = {"At the station.", "At nine.", "Yes, bread and cake."},
                    .questions = {{"Where is the shop?", 0}, {"when do you open", 1}, {"What hours", 1}, {"bread", 2}}};
const std::vector<std::string> kQuestions{"where are you?", "hours on sunday", "do you bake", "where are you?"};

class FaqChooserTest : public testing::Test {
 protected:
  FaqThinker thinker(FaqOpinions* opinions = nullptr) {
    return {model_, tokenizer_, ctx_, value(find_chat_template(handle_, tokenizer_)), opinions};
  }
  FaqChooser chooser(int64_t cache_bytes) { return {thinker(), kList, cache_bytes}; }

  // log p(question | what stands before it) by one forward without a cache, as likelihoods() scales it.
  double by_forward(std::vector<int32_t> tokens, const std::string& question) {
    const std::vector<int32_t> asked = value(tokenizer_.encode(question, {}));
    const size_t begin = tokens.size();
    tokens.insert(tokens.end(), asked.begin(), asked.end());
    const Tensor logits = value(model_.forward(ctx_, whole_sequence(tokens), nullptr)).logits;
    double sum = 0;
    for (size_t t = begin; t < tokens.size(); ++t) {
      sum += log_probability(logits.rows(static_cast<int64_t>(t) - 1, 1).span<float>(), tokens[t]);
    }
    return sum / std::sqrt(static_cast<double>(asked.size()));
  }

  std::vector<int32_t> text(const std::string& before) {
    return value(tokenizer_.encode(before, {.add_special = true}));
  }
  std::vector<int32_t> chat(Json messages) {
    ChatRequest request;
    request.messages = std::move(messages);
    request.add_generation_prompt = true;
    return value(make_chat_prompt(value(load_chat_template(handle_, tokenizer_)), tokenizer_, request)).tokens;
  }
  std::vector<int32_t> said_by_user(const std::string& text) { return chat({{{"role", "user"}, {"content", text}}}); }
  std::vector<int32_t> to_be_written(const std::string& begin) {
    return said_by_user(
        begin +
        "\nWrite one more message by a customer which this answers, in casual and indirect words. Write "
        "nothing but the message.");
  }

  ThreadPool pool_{1};
  Context ctx_{pool_, reference_kernels()};
  ModelHandle handle_ = value(find_model((golden_dir() / "tiny_chat").string()));
  Transformer model_ = value(load_transformer(handle_.description));
  Tokenizer tokenizer_ = value(load_tokenizer(handle_.description.files));
};

TEST_F(FaqChooserTest, LikelihoodsAreThoseOfAWholeForward) {
  FaqChooser with_cache = chooser(kFaqCacheBytes);
  const std::vector<uint32_t> answers{2, 1};
  const std::string asked = "Do you BAKE??";
  const std::vector<double> got = value(with_cache.likelihoods(asked, answers));
  ASSERT_EQ(got.size(), 2u);
  const double bread = by_forward(to_be_written("Answer: \"Yes, bread and cake.\"\nUsual question: bread"), asked);
  const double nine =
      by_forward(to_be_written("Answer: \"At nine.\"\nUsual question: when do you open What hours"), asked);
  EXPECT_NEAR(got[0], bread, 1e-3 * std::abs(bread));  // keys and values are kept in half precision
  EXPECT_NEAR(got[1], nine, 1e-3 * std::abs(nine));
  EXPECT_NEAR(got[0] - got[1], bread - nine, 0.2 * std::abs(bread - nine)) << "they are told apart";
}

TEST_F(FaqChooserTest, WithoutATemplateTheQuestionStandsInAList) {
  FaqChooser plain({model_, tokenizer_, ctx_}, kList);
  const std::vector<uint32_t> answers{2, 1};
  const std::vector<double> got = value(plain.likelihoods("Do you BAKE??", answers));
  ASSERT_EQ(got.size(), 2u);
  const double bread = by_forward(text("Our answer: Yes, bread and cake.\nCustomers ask for it like this:\n- bread\n-"),
                                  " do you bake\n");
  const double nine =
      by_forward(text("Our answer: At nine.\nCustomers ask for it like this:\n- when do you open\n- what hours\n-"),
                 " do you bake\n");
  EXPECT_NEAR(got[0], bread, 1e-3 * std::abs(bread));
  EXPECT_NEAR(got[1], nine, 1e-3 * std::abs(nine));
}

// A prompt of a chat cannot be cut, a list can.
TEST_F(FaqChooserTest, AnAnswerTooLongForAChatIsListed) {
  FaqList list = kList;
  for (int i = 0; i < 400; ++i) list.answers[1] += " At nine.";
  const std::vector<uint32_t> all{0, 1, 2};
  EXPECT_EQ(value(FaqChooser(thinker(), list).likelihoods("hours", all)),
            value(FaqChooser({model_, tokenizer_, ctx_}, list).likelihoods("hours", all)));
}

TEST_F(FaqChooserTest, WhatWasAskedBeforeChangesNoBit) {
  const std::vector<uint32_t> all{0, 1, 2};
  FaqChooser roomy = chooser(kFaqCacheBytes);
  FaqChooser narrow = chooser(0);  // keeps what one question needs
  std::vector<std::vector<double>> alone;
  for (const std::string& question : kQuestions) {
    FaqChooser fresh = chooser(kFaqCacheBytes);
    alone.push_back(value(fresh.likelihoods(question, all)));
  }
  for (size_t i = 0; i < kQuestions.size(); ++i) {
    EXPECT_EQ(value(roomy.likelihoods(kQuestions[i], all)), alone[i]) << kQuestions[i];
    EXPECT_EQ(value(narrow.likelihoods(kQuestions[i], all)), alone[i]) << kQuestions[i];
    const std::vector<uint32_t> some{2, 0};
    EXPECT_EQ(value(narrow.likelihoods(kQuestions[i], some)), (std::vector<double>{alone[i][2], alone[i][0]}));
  }
}

// More answers than the cache has room for: those of long ago are forgotten, and read again.
TEST_F(FaqChooserTest, ForgottenAnswersAreReadAgain) {
  FaqList many;
  for (uint32_t i = 0; i < 40; ++i) {
    many.answers.push_back("Answer " + std::to_string(i) + ", which is like no other of them.");
    many.questions.push_back({"question " + std::to_string(i), i});
  }
  const auto ask = [&](FaqChooser& one) {
    std::vector<double> all;
    for (int times = 0; times < 2; ++times) {
      for (uint32_t first = 0; first + 5 <= 40; first += 5) {
        const std::vector<uint32_t> some{first, first + 1, first + 2, first + 3, first + 4};
        for (const double x : value(one.likelihoods("question 7", some))) all.push_back(x);
      }
    }
    return all;
  };
  FaqChooser narrow(thinker(), many, 0);
  FaqChooser roomy(thinker(), many, kFaqCacheBytes);
  EXPECT_EQ(ask(narrow), ask(roomy));
}

TEST_F(FaqChooserTest, AVerdictIsTheOddsOfYesBehindTheWholePrompt) {
  const std::vector<int32_t> prompt =
      chat({{{"role", "system"}, {"content", "You check whether an answer replies to what a customer asks."}},
            {{"role", "user"},
             {"content",
              "Answer: \"At nine.\"\nIt replies to: when do you open What hours\n\nA customer asks: \"Sunday "
              "hours?\"\nDoes the answer tell the customer just what was asked? Say yes or no."}}});
  const Tensor logits = value(model_.forward(ctx_, whole_sequence(prompt), nullptr)).logits;
  const auto last = logits.rows(static_cast<int64_t>(prompt.size()) - 1, 1);
  const auto probability = [&](const char* word) {
    return std::exp(log_probability(last.span<float>(), value(tokenizer_.encode(word, {}))[0]));
  };
  const double odds = (probability("yes") + probability("Yes")) / (probability("no") + probability("No"));
  FaqChooser one = chooser(kFaqCacheBytes);
  const double verdict = value(one.verdict("Sunday hours?", 1)).value_or(0);
  EXPECT_NEAR(verdict, std::log(odds), 2e-2);  // keys and values are kept in half precision
  EXPECT_NE(value(one.verdict("Sunday hours?", 0)), verdict);
  EXPECT_FALSE(value(FaqChooser({model_, tokenizer_, ctx_}, kList).verdict("Sunday hours?", 1))) << "no template";
  EXPECT_FALSE(value(one.verdict(std::string(5000, 'x'), 1))) << "no room";
}

TEST_F(FaqChooserTest, ATemplateThatRefusesASystemMessageJudgesWithout) {
  const auto judge = [&](const char* source) {
    FaqThinker one = thinker();
    one.chat_template = value(ChatTemplate::parse(Json(source), "test"));
    return FaqChooser(std::move(one), kList).verdict("hours", 1);
  };
  const Result<std::optional<double>> got = judge(
      "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0]['content'] "
      "}}");
  ASSERT_TRUE(got.ok()) << got.error().to_string();
  EXPECT_EQ(*got, value(judge("{{ messages[-1]['content'] }}")));
  EXPECT_FALSE(judge("{{ raise_exception('nothing at all') }}").ok());
}

TEST_F(FaqChooserTest, WhatWasJudgedBeforeChangesNoBitOfAVerdict) {
  FaqChooser roomy = chooser(kFaqCacheBytes);
  FaqChooser narrow = chooser(0);
  const std::vector<uint32_t> all{0, 1, 2};
  for (const std::string& question : kQuestions) {
    for (const uint32_t answer : all) {
      const std::optional<double> alone = value(chooser(kFaqCacheBytes).verdict(question, answer));
      EXPECT_EQ(value(roomy.verdict(question, answer)), alone) << question;
      EXPECT_EQ(value(narrow.verdict(question, answer)), alone) << question;
      ASSERT_TRUE(narrow.likelihoods(question, all).ok());
    }
  }
}

// With one answer edited, only what is said of that one is asked for again.
TEST_F(FaqChooserTest, OpinionsAreKeptFromVersionToVersion) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "opinions.json";
  const std::vector<uint32_t> all{0, 1, 2};
  FaqOpinions first("tiny");
  FaqChooser before(thinker(&first), kList);
  const std::vector<double> likelihoods = value(before.likelihoods("hours", all));
  const double verdict = value(before.verdict("hours", 1)).value_or(0);
  ASSERT_TRUE(first.save(file).ok());

  FaqList edited = kList;
  edited.answers[2] = "No bread today.";
  // Every number in the file is made another, so that what is taken from it can be told from what is computed.
  Json json = value(read_json_file(file.string()));
  for (auto& [key, opinion] : json["opinions"].items()) opinion = opinion.get<double>() - 100;
  ASSERT_TRUE(write_file(file, dump_json(json)).ok());
  FaqOpinions second("tiny");
  second.load(file);
  FaqChooser after(thinker(&second), edited);
  const std::vector<double> again = value(after.likelihoods("hours", all));
  const double root = std::sqrt(static_cast<double>(value(tokenizer_.encode("hours", {})).size()));
  EXPECT_NEAR(again[0], likelihoods[0] - 100 / root, 1e-6);
  EXPECT_NEAR(again[1], likelihoods[1] - 100 / root, 1e-6);
  EXPECT_GT(again[2], likelihoods[2] - 50 / root) << "this one is computed";
  EXPECT_NEAR(value(after.verdict("hours", 1)).value_or(0), verdict - 100, 1e-6);

  FaqOpinions other("another model");
  other.load(file);
  FaqChooser third(thinker(&other), kList);
  EXPECT_EQ(value(third.likelihoods("hours", all)), likelihoods);
  for (const char* damaged : {"", "{", "[]", R"({"model": "tiny", "opinions": {"x": 1, "y": "z"}})",
                              R"({"model": "tiny", "opinions": [1]})"}) {
    ASSERT_TRUE(write_file(file, damaged).ok());
    FaqOpinions none("tiny");
    none.load(file);
    FaqChooser fourth(thinker(&none), kList);
    EXPECT_EQ(value(fourth.likelihoods("hours", all)), likelihoods) << damaged;
  }
}

TEST_F(FaqChooserTest, AQuestionBelongsWhereItIsLikelierOfTheListThanOfAnything) {
  const std::string asked = "Do you BAKE??";
  const double here = by_forward(
      said_by_user("Here are messages that customers of a place wrote to it:\n- Where is the shop?\n- What hours\n- "
                   "bread\nWrite one more message by a customer, about anything of that place, in casual words. Write "
                   "nothing but the message."),
      asked);
  const double anywhere = by_forward(
      said_by_user("Write a question or a task that somebody might give an assistant, about anything in the world. "
                   "Write nothing but the question or task."),
      asked);
  FaqChooser one = chooser(kFaqCacheBytes);
  const double belonging = value(one.belonging(asked)).value_or(INFINITY);
  EXPECT_NEAR(belonging, here - anywhere, 2e-3 * std::abs(here));  // keys and values are kept in half precision
  ASSERT_TRUE(one.belonging("hours").ok());
  EXPECT_EQ(value(one.belonging(asked)), belonging) << "what was asked before changes no bit";
  EXPECT_FALSE(value(FaqChooser({model_, tokenizer_, ctx_}, kList).belonging(asked))) << "no template";
}

// A list of long questions shows as many as there is room for.
TEST_F(FaqChooserTest, LongQuestionsLeaveRoomToJudgeWhatBelongs) {
  FaqList list = kList;
  for (uint32_t i = 3; i < 60; ++i) {
    list.answers.push_back("Answer " + std::to_string(i));
    list.questions.push_back({std::string(400, static_cast<char>('a' + i % 26)), i});
  }
  EXPECT_TRUE(value(FaqChooser(thinker(), list).belonging("hours")).has_value());
}

TEST_F(FaqChooserTest, VerdictsOnTheLikeliestCountInTheChoice) {
  const FaqList list{.answers = {"At the station.", "At nine.", "Yes, bread.", "No.", "Ask."},
                     .questions = {{"where is shop", 0},
                                   {"where is bread", 1},
                                   {"where is wifi", 2},
                                   {"where is station", 3},
                                   {"where is password", 4}}};
  const std::unique_ptr<Runtime> runtime = value(Runtime::create(1));
  const auto embedder = [&] {
    return value(Embedder::load(value(find_model((golden_dir() / "word_encoder").string())), *runtime, kFaqTokens));
  };
  const std::vector<std::string> others{"are you on facebook"};
  const auto assistant = FaqAssistant::create(embedder(), value(FaqIndex::build(list, others, embedder())), "no idea");
  assistant->set_chooser(thinker());
  const std::string question = "where is";
  const FaqJudgement judgement = value(assistant->reply(question)).judgement;
  ASSERT_EQ(judgement.candidates.size(), 5u);
  FaqChooser judge(thinker(), list, kFaqCacheBytes);
  std::vector<FaqJudgement::Candidate> all = judgement.candidates;
  EXPECT_TRUE(std::ranges::is_sorted(all, std::ranges::greater(), &FaqJudgement::Candidate::score));
  EXPECT_EQ(judgement.belonging, value(judge.belonging(question)).value_or(INFINITY));
  const FaqJudgement of_far = value(assistant->reply("are facebook on you")).judgement;
  EXPECT_TRUE(of_far.declined);
  EXPECT_EQ(of_far.belonging, 0) << "the model is not asked";
  for (const auto& one : of_far.candidates) EXPECT_EQ(one.gain, 0);
  EXPECT_NEAR(judgement.confidence,
              all[0].score - 0.9 * judgement.nearest_other + 0.2 * std::min(judgement.belonging, 0.0), 1e-9);
  std::ranges::sort(all, std::ranges::greater(), [](const auto& one) { return one.similarity + 0.1 * one.gain; });
  double least = INFINITY;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i < 3) {
      const double verdict = value(judge.verdict(question, all[i].answer)).value_or(INFINITY);
      least = std::min(least, verdict);
      EXPECT_EQ(all[i].verdict, verdict) << i;
    } else {
      EXPECT_EQ(all[i].verdict, least) << i;
    }
    EXPECT_NEAR(all[i].score, all[i].similarity + 0.1 * all[i].gain + 0.25 * all[i].verdict, 1e-9) << i;
  }
}

TEST_F(FaqChooserTest, AQuestionOfNothingTellsNothing) {
  FaqChooser one = chooser(kFaqCacheBytes);
  const std::vector<uint32_t> all{0, 1, 2};
  const std::vector<double> got = value(one.likelihoods("", all));
  EXPECT_EQ(got.size(), 3u);
  for (const double x : got) EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace linnet
