#include "tasks/chat_settings.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace linnet {
namespace {

TEST(ChatSettings, SetsByName) {
  ChatSettings settings;
  ASSERT_TRUE(settings.set("temperature", "0.25").ok());
  ASSERT_TRUE(settings.set("top-k", "7").ok());
  ASSERT_TRUE(settings.set("seed", "18446744073709551615").ok());
  ASSERT_TRUE(settings.set("max-tokens", "9").ok());
  ASSERT_TRUE(settings.set("stats", "on").ok());
  EXPECT_EQ(settings.sampling.temperature, 0.25F);
  EXPECT_EQ(settings.sampling.top_k, 7);
  EXPECT_EQ(settings.sampling.seed, UINT64_MAX);
  EXPECT_EQ(settings.max_tokens, 9);
  EXPECT_TRUE(settings.stats);
}

TEST(ChatSettings, EveryListedNameTakesItsOwnValue) {
  ChatSettings settings;
  for (const auto& [name, value] : settings.list()) EXPECT_TRUE(settings.set(name, value).ok()) << name;
  EXPECT_EQ(settings.list(), ChatSettings().list());
}

TEST(ChatSettings, RefusesAndStaysAsItWas) {
  ChatSettings settings;
  const auto before = settings.list();
  for (const auto& [name, value] : std::vector<std::pair<const char*, const char*>>{{"temperature", "-1"},
                                                                                    {"temperature", "nan"},
                                                                                    {"temperature", "1x"},
                                                                                    {"temperature", ""},
                                                                                    {"top-p", "0"},
                                                                                    {"top-k", "-2"},
                                                                                    {"max-tokens", "0"},
                                                                                    {"stats", "maybe"},
                                                                                    {"warmth", "1"}}) {
    EXPECT_FALSE(settings.set(name, value).ok()) << name << " " << value;
  }
  EXPECT_EQ(settings.list(), before);
  EXPECT_NE(settings.set("warmth", "1").error().hint.find("repetition-penalty"), std::string::npos);
}

TEST(ChatSettings, FollowsTheModelsAdvice) {
  const auto advised = default_chat_settings(Json{{"temperature", 0.25}, {"top_k", 20}, {"top_p", 0.5}});
  ASSERT_TRUE(advised.ok());
  EXPECT_EQ(advised->sampling.temperature, 0.25F);
  EXPECT_EQ(advised->sampling.top_k, 20);
  EXPECT_EQ(advised->sampling.top_p, 0.5F);
  EXPECT_EQ(default_chat_settings(Json())->sampling.temperature, kDefaultChatTemperature);
  EXPECT_EQ(default_chat_settings(Json{{"do_sample", false}})->sampling.temperature, 0);
  EXPECT_FALSE(default_chat_settings(Json{{"temperature", "hot"}}).ok());
  EXPECT_FALSE(default_chat_settings(Json{{"top_p", 7}}).ok());
}

}  // namespace
}  // namespace linnet
