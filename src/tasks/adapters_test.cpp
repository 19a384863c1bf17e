#include "tasks/adapters.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

const std::string kGolden = LINNET_SOURCE_DIR "/tests/golden/";

TEST(Adapters, APathMayEndInAShare) {
  const ModelDescription model = *describe_model(kGolden + "models/llama");
  const auto choose = [&](const std::string& text) { return choose_adapter(text, model, {}); };
  EXPECT_EQ(choose(kGolden + "adapters/llama")->share, 1);
  const auto half = choose(kGolden + "adapters/llama=0.5");
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(half->share, 0.5f);
  EXPECT_EQ(half->text, kGolden + "adapters/llama=0.5");
  for (const char* wrong : {"=", "=1x", "=nan", "=inf"}) {
    const auto refused = choose(kGolden + "adapters/llama" + wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage) << wrong;
  }
  EXPECT_FALSE(choose(kGolden + "adapters/none").ok());
  EXPECT_FALSE(choose(kGolden + "adapters/gpt2").ok());
}

}  // namespace
}  // namespace linnet
