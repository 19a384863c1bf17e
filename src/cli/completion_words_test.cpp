#include "cli/completion_words.hpp"

#include <gtest/gtest.h>

namespace linnet::cli {
namespace {

using Words = std::vector<std::string>;

CompletionSource of_verb(std::vector<ArgumentKind> arguments) {
  return {{"chat", "rm", "completion"}, std::move(arguments), {"smollm2", "gemma3:270m", "hf:org/repo"}};
}

const std::vector<ArgumentKind> kChat{{.name = "MODEL"}, {.name = "--seed", .takes_value = true}, {.name = "--stats"}};

TEST(CompletionWords, FirstAVerb) {
  EXPECT_EQ(completion_words(of_verb({}), {""}), (Words{"chat", "completion", "help", "rm"}));
  EXPECT_EQ(completion_words(of_verb({}), {"c"}), (Words{"chat", "completion"}));
  EXPECT_EQ(completion_words(of_verb({}), {"--v"}), (Words{"--version"}));
  EXPECT_EQ(completion_words(of_verb({}), {}), Words());
}

TEST(CompletionWords, AVerbBehindHelp) {
  EXPECT_EQ(completion_words(of_verb({}), {"help", "c"}), (Words{"chat", "completion"}));
  EXPECT_EQ(completion_words(of_verb({}), {"help", "chat", ""}), Words());
}

TEST(CompletionWords, ModelsStandWhereTheVerbTakesOne) {
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", ""}), (Words{"gemma3:270m", "hf:org/repo", "smollm2"}));
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "gemma3:"}), (Words{"gemma3:270m"}));
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "smollm2", ""}), Words());
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "--stats", "s"}), (Words{"smollm2"}));
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "--seed", "7", "s"}), (Words{"smollm2"}));
  EXPECT_EQ(completion_words(of_verb({{.name = "MODEL", .many = true}}), {"rm", "gemma3:270m", "s"}),
            (Words{"smollm2"}));
  EXPECT_EQ(completion_words(of_verb({}), {"doctor", ""}), Words());
}

TEST(CompletionWords, FlagsAfterAHyphenAndNothingInPlaceOfTheirValues) {
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "--"}), (Words{"--help", "--seed", "--stats"}));
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "smollm2", "--st"}), (Words{"--stats"}));
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "--seed", ""}), Words());
  EXPECT_EQ(completion_words(of_verb(kChat), {"chat", "--seed", "-"}), Words());
}

TEST(CompletionWords, TheShellsOfCompletion) {
  EXPECT_EQ(completion_words(of_verb({{.name = "SHELL"}}), {"completion", "f"}), (Words{"fish"}));
}

}  // namespace
}  // namespace linnet::cli
