// What loading says of weights that are not numbers, in every format that weights can have.
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "models/families.hpp"
#include "models/transformer.hpp"

namespace linnet {
namespace {

constexpr const char* kConfig = R"({"model_type": "llama", "vocab_size": 6, "hidden_size": 256, "num_hidden_layers": 1,
  "num_attention_heads": 4, "intermediate_size": 512, "max_position_embeddings": 32})";

class NotANumber : public testing::TestWithParam<QuantFormat> {
 protected:
  void SetUp() override {
    const Result<Json> json = parse_json(kConfig, "config.json");
    ASSERT_TRUE(json.ok());
    const Result<JsonObject> object = JsonObject::of(json.value(), "config.json");
    ASSERT_TRUE(object.ok());
    Result<TransformerConfig> config = kLlama.read_config(object.value());
    ASSERT_TRUE(config.ok()) << config.error().to_string();
    config_ = std::move(config).value();
  }

  // Loads the model with every byte zero, but those of `poisoned`, which are all ones: NaN or infinite in any format.
  Result<Transformer> load(std::string_view poisoned) const {
    std::vector<StoredTensor> tensors;
    for (const TensorSpec& spec : kLlama.tensors(config_)) {
      StoredTensor tensor;
      static_cast<ElementType&>(tensor) = ElementType::of(GetParam());
      tensor.name = spec.name;
      tensor.shape = spec.shape;
      tensor.file = "tiny.gguf";
      const auto bytes = static_cast<size_t>(GetParam().bytes_of(spec.shape.elements()));
      const auto data =
          std::make_shared<std::vector<std::byte>>(bytes, spec.name == poisoned ? std::byte{0xFF} : std::byte{0});
      tensor.bytes = *data;
      tensor.owner = data;
      tensors.push_back(std::move(tensor));
    }
    TRY_ASSIGN(const TensorSource source, TensorSource::of(std::move(tensors)));
    return Transformer::load(config_, kLlama.tensors(config_), source, false);
  }

  TransformerConfig config_;
};

TEST_P(NotANumber, IsRefusedWithTheTensorsName) {
  const Result<Transformer> good = load("");
  ASSERT_TRUE(good.ok()) << good.error().to_string();
  for (const TensorSpec& spec : kLlama.tensors(config_)) {
    const Result<Transformer> bad = load(spec.name);
    ASSERT_FALSE(bad.ok()) << spec.name;
    const std::string message = bad.error().to_string();
    EXPECT_NE(message.find(spec.name), std::string::npos) << message;
    EXPECT_TRUE(message.find("NaN") != std::string::npos || message.find("infinity") != std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, NotANumber, testing::ValuesIn(quant_formats().begin(), quant_formats().end()),
                         [](const auto& row) { return std::string(row.param.name); });

// llama.cpp's converter turns the biases of q and k with their rows.
TEST(TensorTable, BiasesHaveTheRowsOfTheirWeights) {
  TransformerConfig config;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  config.qkv_bias = true;
  config.layers.resize(1);
  int turned = 0;
  for (const TensorSpec& spec : kLlama.tensors(config)) {
    const bool turns = spec.role == Role::kQuery || spec.role == Role::kKey;
    EXPECT_EQ(spec.gguf_rows == GgufRows::kRopePairs, turns) << spec.name;
    EXPECT_EQ(spec.heads, spec.role == Role::kQuery ? 4 : spec.role == Role::kKey ? 2 : 0) << spec.name;
    turned += turns ? 1 : 0;
  }
  EXPECT_EQ(turned, 4);
}

}  // namespace
}  // namespace linnet
