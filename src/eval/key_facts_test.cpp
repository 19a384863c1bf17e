#include "eval/key_facts.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

bool holds(const char* reply, const char* spelling) {
  return FactText(reply).holds({spelling});
}

TEST(KeyFactsTest, TimesAsAShopWritesThem) {
  for (const char* reply : {"We open at 9am.", "We open at 9 am", "Open from 9 a.m. on", "from 09:00", "from 9:00!",
                            "at 9:00 a.m.", "9 AM–5 PM", "at 9.00 am"}) {
    for (const char* fact : {"9am", "9 am", "9 a.m.", "9:00", "09:00", "9:00 AM"}) {
      EXPECT_TRUE(holds(reply, fact)) << reply << " / " << fact;
    }
    EXPECT_TRUE(holds(reply, "9")) << reply;
    EXPECT_FALSE(holds(reply, "9 pm")) << reply;
    EXPECT_FALSE(holds(reply, "21:00")) << reply;
    EXPECT_FALSE(holds(reply, "9:30")) << reply;
  }
  EXPECT_TRUE(holds("until 6:30pm", "18:30"));
  EXPECT_TRUE(holds("until 18.30", "6:30 pm"));
  EXPECT_TRUE(holds("12 pm", "12:00"));
  EXPECT_TRUE(holds("12 a.m.", "0:00"));
  EXPECT_FALSE(holds("at 9:30", "9"));
  EXPECT_FALSE(holds("at 19:00", "9:00"));
  EXPECT_FALSE(holds("for 9 euros", "9:00"));
  EXPECT_FALSE(holds("for €9.30", "9:30"));
}

TEST(KeyFactsTest, SpansOfTimeAndOfDays) {
  for (const char* reply : {"9-17", "9–17", "9 - 17", "9:00–17:00", "from 9 to 17"})
    EXPECT_TRUE(holds(reply, "9-17")) << reply;
  EXPECT_TRUE(holds("Mon–Fri", "mon - fri"));
  EXPECT_TRUE(holds("Mon to Fri", "mon-fri"));
  EXPECT_TRUE(holds("2–3 days", "2 to 3 days"));
  EXPECT_TRUE(holds("We are there 24/7.", "24/7"));
  EXPECT_FALSE(holds("9 to 5", "9-17"));
}

TEST(KeyFactsTest, PricesAsAShopWritesThem) {
  for (const char* reply : {"It is €12.", "12 €", "12€", "EUR 12", "12 euros", "12,00 €", "€12.00", "€ 12,-"}) {
    for (const char* fact : {"€12", "12 €", "12 EUR", "12"}) {
      EXPECT_TRUE(holds(reply, fact)) << reply << " / " << fact;
    }
    EXPECT_FALSE(holds(reply, "$12")) << reply;
    EXPECT_FALSE(holds(reply, "€1")) << reply;
  }
  EXPECT_FALSE(holds("12 days", "€12"));
  EXPECT_FALSE(holds("€12.50", "€12"));
  EXPECT_FALSE(holds("€125", "€12"));
  EXPECT_TRUE(holds("12,50 €", "€12.50"));
  EXPECT_TRUE(holds("€12.5", "€12.50"));
  EXPECT_TRUE(holds("$1,250", "1250 dollars"));
  EXPECT_TRUE(holds("1.250,00 €", "€1250"));
  EXPECT_TRUE(holds("£5", "5 GBP"));
  EXPECT_TRUE(holds("You get 10 % off", "10%"));
  EXPECT_TRUE(holds("You get 10 percent off", "10%"));
  EXPECT_FALSE(holds("within 10 days", "10%"));
}

TEST(KeyFactsTest, OtherNumbersAreAsTheyAre) {
  EXPECT_TRUE(holds("It weighs 0.125 kg", "0.125kg"));
  EXPECT_FALSE(holds("It weighs 0.125 kg", "125"));
  EXPECT_TRUE(holds("Call 030/123-456", "030 123 456"));
  EXPECT_FALSE(holds("Call 030 12", "30 12"));
  EXPECT_TRUE(holds("On 3.12.2026", "3.12.2026"));
  EXPECT_FALSE(holds("On 3.12.2026", "3.12"));
  EXPECT_TRUE(holds("Version 1.2.3", "1.2.3"));
  EXPECT_TRUE(holds("16:9", "16:9"));
  EXPECT_FALSE(holds("model B12", "12"));
  EXPECT_TRUE(holds("model b12", "B12"));
}

TEST(KeyFactsTest, WordsWholeAndWithoutCaseOrPunctuation) {
  EXPECT_TRUE(holds("MONDAYS, of course", "mondays"));
  EXPECT_TRUE(holds("On Sundays we are closed.", "Sunday"));
  EXPECT_FALSE(holds("On Sunday we are closed.", "Sundays"));
  EXPECT_FALSE(holds("mistress", "mistres"));
  EXPECT_FALSE(holds("bus", "bu"));
  EXPECT_TRUE(holds("14 days after delivery", "14 days"));
  EXPECT_TRUE(holds("within 14days", "14 days"));
  EXPECT_FALSE(holds("14 working days", "14 days"));
  EXPECT_TRUE(holds("Send it to help@shop.example.", "help@shop.example"));
  EXPECT_TRUE(holds("It’s the Müller's cafe\u0301", "müller’s café"));
  EXPECT_TRUE(holds("Smith & Sons", "smith and sons"));
}

TEST(KeyFactsTest, OneSpellingOfEachFact) {
  const FactText reply("We open at 9:30 on Mondays.");
  EXPECT_EQ(reply.share_of(std::vector<Fact>{{"9:30"}, {"Monday", "Mondays"}}), 1);
  EXPECT_EQ(reply.share_of(std::vector<Fact>{{"9:30"}, {"Sunday"}}), 0.5);
  EXPECT_EQ(reply.share_of({}), 1);
  EXPECT_FALSE(reply.holds({}));
}

// A fact of many words in a text of many more: the time grows with their sum.
TEST(KeyFactsTest, LongTextsAreSearchedInLinearTime) {
  std::string text, fact;
  for (int i = 0; i < 100'000; ++i) text += "a ";
  for (int i = 0; i < 50'000; ++i) fact += "a ";
  EXPECT_TRUE(FactText(text).holds({fact}));
  EXPECT_FALSE(FactText(text).holds({fact + "b"}));
}

TEST(KeyFactsTest, HostileTextIsOnlyText) {
  for (const char* text : {"", " ", "\xFF\xFE", "99999999999999999999:99", "a.m.", ".,:", "9:", ":9", "9.:,9", "€",
                           "%%", "9:00:00:00", "1,,2", "24:00 pm", "0 am"}) {
    EXPECT_FALSE(FactText(text).holds({"never there"})) << text;
    EXPECT_FALSE(FactText("something else").holds({text})) << text;
  }
}

}  // namespace
}  // namespace linnet
