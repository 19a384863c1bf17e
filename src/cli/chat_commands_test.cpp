#include "cli/chat_commands.hpp"

#include <gtest/gtest.h>

namespace linnet::cli {
namespace {

TEST(ChatCommands, ReadsEachKind) {
  const auto set = parse_chat_command("/set  temperature   0.5 ");
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->verb, ChatVerb::kSet);
  EXPECT_EQ(set->argument, "temperature");
  EXPECT_EQ(set->value, "0.5");
  const auto system = parse_chat_command("/system Answer in  French.");
  ASSERT_TRUE(system.ok());
  EXPECT_EQ(system->argument, "Answer in  French.");
  EXPECT_EQ(parse_chat_command("/system")->argument, "");
  EXPECT_EQ(parse_chat_command("/adapter")->argument, "");
  EXPECT_EQ(parse_chat_command("/adapter +my shop=0.5")->argument, "+my shop=0.5");
  EXPECT_EQ(parse_chat_command("/drop")->count, 1);
  EXPECT_EQ(parse_chat_command("/drop 3")->count, 3);
  EXPECT_EQ(parse_chat_command("/save my file.json")->argument, "my file.json");
  EXPECT_EQ(parse_chat_command("/quit")->verb, ChatVerb::kBye);
}

TEST(ChatCommands, RefusesWhatItDoesNotKnow) {
  const auto unknown = parse_chat_command("/halp me");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("/halp"), std::string::npos);
  EXPECT_NE(unknown.error().hint.find("/help"), std::string::npos);
  for (const char* wrong : {"/", "/set", "/set temperature", "/save", "/load ", "/clear now", "/drop 0", "/drop -1",
                            "/drop x", "/drop 99999999999999999999", "/bye bye"}) {
    const auto result = parse_chat_command(wrong);
    ASSERT_FALSE(result.ok()) << wrong;
    EXPECT_EQ(result.error().code, ErrorCode::kUsage) << wrong;
  }
}

TEST(ChatCommands, HelpNamesEveryCommandOnce) {
  const std::string help = chat_help();
  for (const char* name :
       {"/help", "/system", "/adapter", "/set", "/show", "/save", "/load", "/regen", "/drop", "/clear", "/bye"}) {
    EXPECT_NE(help.find(std::string("  ") + name), std::string::npos) << name;
  }
}

TEST(ChatCommands, CompletesWhatIsMeantByItself) {
  EXPECT_EQ(complete_chat_command("/sh"), "/show");
  EXPECT_EQ(complete_chat_command("/s"), "");
  EXPECT_EQ(complete_chat_command("hello"), "");
}

TEST(MessageLines, OneLineIsAMessage) {
  MessageLines lines;
  EXPECT_EQ(lines.push("Hello"), "Hello");
  EXPECT_FALSE(lines.open());
}

TEST(MessageLines, BackslashGoesOn) {
  MessageLines lines;
  EXPECT_EQ(lines.push("one\\"), std::nullopt);
  EXPECT_TRUE(lines.open());
  EXPECT_EQ(lines.push("two\\"), std::nullopt);
  EXPECT_EQ(lines.push("three"), "one\ntwo\nthree");
  EXPECT_EQ(lines.push("four"), "four");
}

TEST(MessageLines, FencesHoldManyLines) {
  MessageLines lines;
  EXPECT_EQ(lines.push("\"\"\""), std::nullopt);
  EXPECT_EQ(lines.push("a\\"), std::nullopt);
  EXPECT_EQ(lines.push(""), std::nullopt);
  EXPECT_EQ(lines.push("/b"), std::nullopt);
  EXPECT_EQ(lines.push("\"\"\""), "a\\\n\n/b");
  EXPECT_EQ(lines.push("\"\"\"all in one\"\"\""), "all in one");
  EXPECT_EQ(lines.push("\"\"\"first"), std::nullopt);
  EXPECT_EQ(lines.push("last\"\"\""), "first\nlast");
}

TEST(MessageLines, PastedLinesAreLeftAlone) {
  MessageLines lines;
  EXPECT_EQ(lines.push("#define A \\\n  1 \\"), "#define A \\\n  1 \\");
}

TEST(MessageLines, GivesUp) {
  MessageLines lines;
  EXPECT_EQ(lines.push("\"\"\"begun"), std::nullopt);
  EXPECT_EQ(lines.take(), "begun\n");
  EXPECT_FALSE(lines.open());
  EXPECT_EQ(lines.push("new"), "new");
}

}  // namespace
}  // namespace linnet::cli
