// What config.json leaves out. tests/peers/configs.py compares every field of every family with transformers.
#include "models/hf_config.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "models/families.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

Result<TransformerConfig> read(const Family& family, const char* text) {
  const Json config = with_defaults(Json::parse(text), family.defaults);
  return family.read_config(value(JsonObject::of(config, "config.json")));
}

// The text_config of gemma-3-4b-it, as its makers published it.
TEST(HfConfig, AMultimodalGemma3LeavesOutItsHeads) {
  const TransformerConfig c = value(read(kGemma3, R"({"hidden_size": 2560, "intermediate_size": 10240,
      "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
      "sliding_window": 1024})"));
  EXPECT_EQ(c.num_heads, 8);
  EXPECT_EQ(c.num_kv_heads, 4);
  EXPECT_EQ(c.head_dim, 256);
  EXPECT_EQ(c.vocab_size, 262208);
  EXPECT_EQ(c.max_positions, 131072);
  EXPECT_FLOAT_EQ(c.attention_scale, 1.0f / 16);
  EXPECT_EQ(c.layers[0].window, 1024);
  EXPECT_EQ(c.layers[5].window, 0);
  ASSERT_EQ(c.ropes.size(), 2U);
  EXPECT_EQ(c.ropes[0].kind, RopeKind::kLinear);
  EXPECT_EQ(c.ropes[0].factor, 8);
  EXPECT_EQ(c.ropes[0].theta, 1e6);
  EXPECT_EQ(c.ropes[1].kind, RopeKind::kDefault);
  EXPECT_EQ(c.ropes[1].theta, 1e4);
}

TEST(HfConfig, RopeScalingWinsOverRopeParameters) {
  const TransformerConfig c = value(read(kMixtral, R"({"model_type": "mixtral",
      "rope_parameters": {"rope_type": "default", "rope_theta": 5},
      "rope_scaling": {"type": "linear", "factor": 2}})"));
  EXPECT_EQ(c.ropes[0].kind, RopeKind::kLinear);
  EXPECT_EQ(c.ropes[0].theta, 1e6);  // the family's
  EXPECT_FALSE(read(kLlama, R"({"model_type": "llama", "rope_parameters": {"rope_type": "default"},
                                "rope_scaling": {"rope_type": "zorp", "factor": 2}})")
                   .ok());
}

TEST(HfConfig, NullIsNotLeftOut) {
  EXPECT_EQ(value(read(kMistral, R"({"model_type": "mistral"})")).layers[0].window, 4096);
  EXPECT_EQ(value(read(kMistral, R"({"model_type": "mistral", "sliding_window": null})")).layers[0].window, 0);
}

TEST(HfConfig, EveryFamilyReadsItsDefaults) {
  for (const Family* family : families()) {
    const std::string text = R"({"model_type": ")" + std::string(family->model_type) + "\"}";
    EXPECT_TRUE(read(*family, text.c_str()).ok()) << family->model_type;
  }
}

}  // namespace
}  // namespace linnet
