#include "base/similar.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

const std::vector<std::string> kVerbs{"chat", "generate", "show", "list", "completion"};

TEST(Similar, FindsWhatWasMeant) {
  EXPECT_EQ(similar_words("chta", kVerbs), std::vector<std::string>{"chat"});
  EXPECT_EQ(similar_words("gen", kVerbs), std::vector<std::string>{"generate"});
  EXPECT_EQ(did_you_mean("lits", kVerbs), "did you mean list?");
  EXPECT_EQ(did_you_mean("qwen3:06b", std::vector<std::string>{"qwen2:7b", "qwen3:0.6b"}), "did you mean qwen3:0.6b?");
  EXPECT_EQ(did_you_mean("shat", kVerbs), "did you mean chat or show?");
}

TEST(Similar, SaysNothingAboutWhatIsFar) {
  EXPECT_EQ(did_you_mean("sing", kVerbs), "");
  EXPECT_EQ(did_you_mean("", kVerbs), "");
  EXPECT_EQ(did_you_mean(std::string(100000, 'c'), kVerbs), "");
}

}  // namespace
}  // namespace linnet
