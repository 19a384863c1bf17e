#include "tasks/model_size.hpp"

#include <gtest/gtest.h>

#include "models/family.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

int64_t parameters_of(const ModelSize& size, int64_t vocab) {
  const Json config = config_of(size, vocab, 256, -1, true);
  const Family* family = value(find_family(config["model_type"].get<std::string>(), "test"));
  const TransformerConfig transformer = value(family->read_config(value(JsonObject::of(config, "test"))));
  int64_t count = 0;
  for (const TensorSpec& spec : family->tensors(transformer)) {
    count += spec.shape.elements();
  }
  return count;
}

TEST(ModelSize, ComesCloseToWhatWasAsked) {
  for (const ModelShape shape : {ModelShape::kLlama, ModelShape::kGpt2}) {
    for (const int64_t vocab : {65, 8192}) {
      for (const auto& [text, wanted] :
           {std::pair<const char*, double>{"300k", 3e5}, {"1m", 1e6}, {"10m", 1e7}, {"30M", 3e7}, {"1b", 1e9}}) {
        const ModelSize size = value(choose_size({.size = text, .shape = shape}, vocab));
        const double got = static_cast<double>(parameters_of(size, vocab)) / wanted;
        EXPECT_GT(got, 0.7) << text << " " << vocab;
        EXPECT_LT(got, 1.4) << text << " " << vocab;
      }
    }
  }
  const ModelSize gpt2 = value(choose_size({.size = "124m", .shape = ModelShape::kGpt2}, 50257));
  EXPECT_EQ(gpt2.layers, 12);
  EXPECT_EQ(gpt2.width, 768);
  EXPECT_EQ(gpt2.heads, 12);
  const ModelSize ten = value(choose_size({.size = "10m", .shape = ModelShape::kGpt2}, 65));
  EXPECT_EQ(ten.layers, 6);
  EXPECT_EQ(ten.width, 384);
  EXPECT_EQ(ten.heads, 6);
}

TEST(ModelSize, EveryNumberCanBeGiven) {
  const ModelSize size =
      value(choose_size({.size = "1m", .layers = 3, .width = 96, .heads = 4, .kv_heads = 2, .inner = 100}, 65));
  EXPECT_EQ(size.layers, 3);
  EXPECT_EQ(size.width, 96);
  EXPECT_EQ(size.heads, 4);
  EXPECT_EQ(size.kv_heads, 2);
  EXPECT_EQ(size.inner, 100);
}

TEST(ModelSize, RefusesWhatDoesNotFit) {
  for (const char* text : {"", "m", "10x", "0", "-5m", "1e9b", "nan", "inf"})
    EXPECT_FALSE(parse_size(text).ok()) << text;
  EXPECT_FALSE(choose_size({.width = 100, .heads = 3}, 65).ok());
  EXPECT_FALSE(choose_size({.heads = 6, .kv_heads = 4}, 65).ok());
  EXPECT_FALSE(choose_size({.width = 9, .heads = 3}, 65).ok());  // heads of 3
  EXPECT_FALSE(choose_size({.shape = ModelShape::kGpt2, .heads = 6, .kv_heads = 2}, 65).ok());
  EXPECT_FALSE(choose_size({.layers = 0}, 65).ok());
}

}  // namespace
}  // namespace linnet
