#include "eval/answer_score.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

double found(const char* answer, const char* facts) {
  return facts_found(answer, parse_key_facts(facts));
}

TEST(KeyFactsTest, EveryFactInOneOfItsSpellings) {
  EXPECT_EQ(found("We open at 9:30 on Mondays.", "9:30 | Monday / Mondays"), 1);
  EXPECT_EQ(found("We open at 9:30.", "9:30 | Monday / Mondays"), 0.5);
  EXPECT_EQ(found("MONDAYS, from 9.30 on", "9:30 / 9.30 / half past nine | mondays"), 1);
  EXPECT_EQ(found("anything", ""), 1);
  EXPECT_EQ(found("", "x"), 0);
}

TEST(KeyFactsTest, WholeWordsOnly) {
  EXPECT_EQ(found("It costs 125 euros", "25"), 0);
  EXPECT_EQ(found("It costs 12.50", "12"), 0);
  EXPECT_EQ(found("It costs 12.", "12"), 1);
  EXPECT_EQ(found("Send it to help@shop.example.", "help@shop.example"), 1);
  EXPECT_EQ(found("14 days after delivery", "14 days"), 1);
  EXPECT_EQ(found("14 working days", "14 days"), 0);
  EXPECT_EQ(found("within 10 days", "10%"), 0);
  EXPECT_EQ(found("You get 10 % off", "10%"), 1);
  EXPECT_EQ(found("It’s the Müller's café", "müller s café"), 1);
}

TEST(KeyFactsTest, SlashesAndBarsCanBeMeant) {
  const KeyFacts facts = parse_key_facts("24\\/7 | a \\| b / c||/ |");
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0], (std::vector<std::string>{"24/7"}));
  EXPECT_EQ(facts[1], (std::vector<std::string>{"a | b", "c"}));
  EXPECT_EQ(facts_found("open 24/7", facts), 0.5);
}

TEST(DeclinesTest, SaysThatItDoesNotKnow) {
  for (const char* text : {"", "  ", "I don't know, please ask us.", "Sorry, I don’t know that.",
                           "I do not have that information.", "I'm not sure. Call us.", "Unanswerable"}) {
    EXPECT_TRUE(declines(text)) << text;
  }
  for (const char* text :
       {"We open at nine.", "You know, we do deliver.", "Contact us by e-mail to change an order.", "I know that."}) {
    EXPECT_FALSE(declines(text)) << text;
  }
}

TEST(AnswerTest, WithoutAReferenceOnlySilenceMatches) {
  EXPECT_EQ(exact_match("", {}), 1);
  EXPECT_EQ(exact_match("nine", {}), 0);
  EXPECT_EQ(answer_f1("", {}), 1);
  EXPECT_EQ(answer_f1("nine", {}), 0);
}

TEST(AnswerTest, TheBestReferenceCounts) {
  const std::vector<std::string> references{"at nine o'clock", "Nine"};
  EXPECT_EQ(exact_match("the nine!", references), 1);
  EXPECT_NEAR(answer_f1("nine oclock", references), 0.8, 1e-12);
}

TEST(NumberTest, EmptyIsNoNumber) {
  EXPECT_EQ(strict_number("18"), "");
  EXPECT_EQ(flexible_number("none"), "");
  EXPECT_FALSE(same_number("", "#### "));
  EXPECT_TRUE(same_number("1,250.", "so\n#### $1250"));
}

}  // namespace
}  // namespace linnet
