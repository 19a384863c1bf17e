#include "eval/reply_score.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <map>

namespace linnet {
namespace {

const ListedAnswer kHours{"We open at nine in the morning.", {{"nine", "9:00"}}};
const ListedAnswer kDelivery{"Deliveries come at nine.", {{"nine", "9:00"}}};
const ListedAnswer kReturns{"Returns are free within 30 days for online orders; those of the store cannot be returned.",
                            {{"30 days"}}};
const ListedAnswer kSaleReturns{"Returns are free within 14 days.", {{"14 days"}}};
const ListedAnswer kNone{};

ReplyScore score(const char* reply, const ListedAnswer& asked) {
  return ReplyScorer(std::vector<ListedAnswer>{kHours, kDelivery, kReturns, kSaleReturns, kNone, kHours})
      .score(reply, asked);
}

TEST(ReplyScoreTest, RightIsEveryFactInOnesOwnAnswer) {
  EXPECT_TRUE(score("We open at nine in the morning.", kHours).right());
  EXPECT_TRUE(score("The doors are open from 9 a.m. on", kHours).right());
  EXPECT_FALSE(score("We open in the morning.", kHours).right());
  EXPECT_EQ(score("We open in the morning.", kHours).facts, 0);
}

TEST(ReplyScoreTest, AnAnswerWithoutFactsIsRightWordForWord) {
  const ListedAnswer plain{"It depends on the weather.", {}};
  EXPECT_TRUE(score("it depends on the weather", plain).right());
  EXPECT_FALSE(score("It depends.", plain).right());
  EXPECT_FALSE(score("It depends on the weather, or not.", plain).right());
  EXPECT_FALSE(score("Of course!", plain).right());
}

TEST(ReplyScoreTest, AWrongReplyHasItsReason) {
  EXPECT_EQ(score("We open at nine in the morning.", kHours).reason(), "");
  EXPECT_EQ(score("We open in the morning.", kHours).reason(), "lacks \"nine / 9:00\"");
  EXPECT_EQ(score("Of course!", {"It depends.", {}}).reason(), "lacks \"It depends.\"");
  EXPECT_EQ(score("Deliveries come at nine.", kHours).reason(), "another question's answer");
  EXPECT_EQ(score("I don't know.", kHours).reason(), "declined");
  EXPECT_EQ(score("At nine.", kNone).reason(), "there is no answer");
  EXPECT_EQ(score("I don't know.", kNone).reason(), "");
}

// A fact that is written in another way than in the answer does not make the answer wrong.
TEST(ReplyScoreTest, TheAnswerItselfIsRight) {
  const ListedAnswer odd{"We open at nine.", {{"9:30"}}};
  EXPECT_TRUE(score("We open at nine!", odd).right());
  EXPECT_FALSE(score("At nine.", odd).right());
}

// An answer without a letter is an answer none the less.
TEST(ReplyScoreTest, OnlyAnEmptyAnswerIsNone) {
  EXPECT_TRUE(score("x", {"A", {}}).answerable);
  EXPECT_TRUE(score("A", {"A", {}}).right());
  EXPECT_TRUE(score("x", {"–", {}}).answerable);
  EXPECT_FALSE(score("x", {" \n", {}}).answerable);
}

TEST(ReplyScoreTest, AnothersAnswerIsWrongEvenWithTheFacts) {
  const ReplyScore verbatim = score("Deliveries come at nine.", kHours);
  EXPECT_EQ(verbatim.facts, 1);
  EXPECT_TRUE(verbatim.another_answer);
  EXPECT_FALSE(verbatim.right());
  EXPECT_TRUE(score("Thanks for asking! Deliveries come at nine, as far as we are told.", kHours).another_answer);
  EXPECT_FALSE(score("Deliveries come at nine.", kDelivery).another_answer);
  // Its own answer cut short is nearer to another one in words; but that one's facts are not there.
  EXPECT_TRUE(score("Returns are free within 30 days.", kReturns).right());
  EXPECT_TRUE(score("Returns are free within 14 days.", kReturns).another_answer);
}

TEST(ReplyScoreTest, DecliningIsRightOnlyWhereThereIsNoAnswer) {
  EXPECT_TRUE(score("I don't know, please ask us.", kNone).right());
  EXPECT_TRUE(score("", kNone).right());
  EXPECT_FALSE(score("We open at nine.", kNone).right());
  const ReplyScore declined = score("I don't know whether it is nine.", kHours);
  EXPECT_TRUE(declined.declined);
  EXPECT_FALSE(declined.right());
  const ListedAnswer honest{"We do not know yet; ask us in May.", {{"May"}}};
  EXPECT_TRUE(score("We do not know yet; ask us in May.", honest).right());
}

TEST(ReplyScoreTest, DecliningSaysWhoDoesNotKnow) {
  for (const char* text : {"", " ?! ", "I don't know, please ask us.", "Sorry, I don’t know that.",
                           "I do not have that information.", "I'm not sure. Call us.", "Unanswerable"}) {
    EXPECT_TRUE(declines(text)) << text;
  }
  for (const char* text : {"We open at nine.", "You know, we do deliver.", "I know that.",
                           "If you cannot find your parcel, contact us by e-mail.", "Contact us to change an order."}) {
    EXPECT_FALSE(declines(text)) << text;
  }
}

TEST(ReplyScoreTest, Means) {
  const std::vector<ReplyScore> scores{
      score("We open at nine in the morning.", kHours),  // right
      score("We open at ten.", kHours),                  // wrong
      score("I don't know.", kHours),                    // declined
      score("At nine.", kHours),                         // right
      score("I don't know.", kNone),                     // rightly declined
      score("Sure, every day.", kNone),                  // invented
  };
  std::map<std::string, Estimate> told;
  for (const Metric& metric : reply_metrics(scores)) told[metric.name()] = estimate(metric, 0);
  EXPECT_DOUBLE_EQ(told["correct"].value, 0.5);
  EXPECT_DOUBLE_EQ(told["correct_answerable"].value, 0.5);
  EXPECT_NEAR(told["correct_answerable"].standard_error, std::sqrt(0.25 / 3), 1e-12);
  EXPECT_DOUBLE_EQ(told["declined_answerable"].value, 0.25);
  EXPECT_DOUBLE_EQ(told["declined_unanswerable"].value, 0.5);
  EXPECT_DOUBLE_EQ(told["facts"].value, 0.5);
  EXPECT_EQ(reply_metrics({}).size(), 0U);
}

TEST(ReplyScoreTest, ASampleOfATestListIsAListedAnswer) {
  Sample sample{.place = "t"};
  sample.messages = {{{"role", "user"}, {"content", "When?"}}, {{"role", "assistant"}, {"content", "At noon."}}};
  sample.facts = {{"noon"}};
  EXPECT_EQ(listed_answer(sample).answer, "At noon.");
  EXPECT_EQ(listed_answer(sample).facts, sample.facts);
  sample.messages.erase(1);
  EXPECT_EQ(listed_answer(sample).answer, "");
}

}  // namespace
}  // namespace linnet
