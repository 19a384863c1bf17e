// A file with more tensors than its config asks for: which are refused, which are harmless.
#include <gtest/gtest.h>
#include <numeric>

#include "base/json.hpp"
#include "models/families.hpp"
#include "models/transformer.hpp"

namespace linnet {
namespace {

constexpr const char* kLlamaConfig = R"({"model_type": "llama", "vocab_size": 6, "hidden_size": 8,
  "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32})";
constexpr const char* kGpt2Config = R"({"model_type": "gpt2", "vocab_size": 6, "n_embd": 8, "n_layer": 1, "n_head": 2,
  "n_positions": 4})";
constexpr const char* kBertConfig = R"({"model_type": "bert", "vocab_size": 6, "hidden_size": 8,
  "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32})";

TransformerConfig config_of(const Family& family, const char* text) {
  const Result<Json> json = parse_json(text, "config.json");
  const Result<JsonObject> object = JsonObject::of(json.value(), "config.json");
  return family.read_config(object.value()).value();
}

StoredTensor floats(std::string name, Shape shape, float first = 0) {
  const auto numbers = std::make_shared<std::vector<float>>(static_cast<size_t>(shape.elements()));
  std::iota(numbers->begin(), numbers->end(), first);
  StoredTensor tensor;
  static_cast<ElementType&>(tensor) = ElementType::of(DType::kF32);
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  tensor.file = "tiny.safetensors";
  tensor.bytes = std::as_bytes(std::span(*numbers));
  tensor.owner = numbers;
  return tensor;
}

// Loads a model whose file holds what the family's table says of `in_file`, and `more`, under the config `said`.
Status load(const Family& family, const TransformerConfig& in_file, const TransformerConfig& said,
            std::vector<StoredTensor> more, bool gguf = false) {
  std::vector<StoredTensor> tensors = std::move(more);
  for (const TensorSpec& spec : family.tensors(in_file)) {
    const Shape shape = spec.transposed && !gguf ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
    tensors.push_back(floats(gguf ? spec.gguf : spec.name, shape));
  }
  TRY_ASSIGN(const TensorSource source, TensorSource::of(std::move(tensors)));
  const Result<Transformer> loaded = Transformer::load(said, family.tensors(said), source, gguf);
  return loaded.ok() ? ok_status() : Status(loaded.error());
}

void expect_refused(const Status& status, std::string_view name, std::string_view reason) {
  ASSERT_FALSE(status.ok()) << name;
  const std::string message = status.error().to_string();
  EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

TEST(UnusedTensors, LayersThatTheConfigDoesNotCount) {
  const TransformerConfig whole = config_of(kLlama, kLlamaConfig);
  TransformerConfig fewer = whole;
  fewer.layers.resize(1);
  EXPECT_TRUE(load(kLlama, whole, whole, {}).ok());
  const Status refused = load(kLlama, whole, fewer, {});
  expect_refused(refused, "tensor model.layers.1.input_layernorm.weight", "there are 1 (nor do 8 others of the file)");
  expect_refused(load(kLlama, whole, fewer, {}, true), "tensor blk.1.attn_norm.weight", "there are 1");
}

TEST(UnusedTensors, PartsThatTheFamilyDoesNotHave) {
  const TransformerConfig config = config_of(kLlama, kLlamaConfig);
  for (const char* name : {"model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.q_norm.weight",
                           "model.norm.bias", "pooler.dense.weight", "cls.weight", "embeddings.position_ids",
                           "model.layers.0.self_attn.q_proj.input_scale"}) {
    expect_refused(load(kLlama, config, config, {floats(name, {8})}), std::string("tensor ") + name,
                   "a model of type llama with this config");
  }
  TransformerConfig biased = config;
  biased.qkv_bias = true;
  expect_refused(load(kLlama, biased, config, {}), "self_attn.q_proj.bias", "attention_bias");
}

TEST(UnusedTensors, AHeadBesideATiedEmbedding) {
  TransformerConfig tied = config_of(kLlama, kLlamaConfig);
  tied.tied_head = true;
  EXPECT_TRUE(load(kLlama, tied, tied, {floats("lm_head.weight", {6, 8})}).ok()) << "a copy of the embedding";
  expect_refused(load(kLlama, tied, tied, {floats("lm_head.weight", {6, 8}, 1)}), "tensor lm_head.weight",
                 "tie_word_embeddings");
  const TransformerConfig gpt2 = config_of(kGpt2, kGpt2Config);
  EXPECT_TRUE(load(kGpt2, gpt2, gpt2, {floats("lm_head.weight", {6, 8})}).ok());
  expect_refused(load(kGpt2, gpt2, gpt2, {floats("lm_head.weight", {6, 8}, 1)}), "tensor lm_head.weight", "ties");
}

TEST(UnusedTensors, HarmlessOnes) {
  const TransformerConfig llama = config_of(kLlama, kLlamaConfig);
  EXPECT_TRUE(load(kLlama, llama, llama,
                   {floats("model.layers.0.self_attn.rotary_emb.inv_freq", {2}),
                    floats("mtp.layers.0.norm.weight", {8}), floats("model.mtp_layers.0.norm.weight", {8})})
                  .ok());
  EXPECT_TRUE(load(kLlama, llama, llama,
                   {floats("rope_freqs.weight", {2}), floats("blk.0.attn_rot_embd.weight", {2}),
                    floats("blk.2.nextn.enorm.weight", {8})},
                   true)
                  .ok());
  const TransformerConfig gpt2 = config_of(kGpt2, kGpt2Config);
  EXPECT_TRUE(load(kGpt2, gpt2, gpt2,
                   {floats("transformer.h.0.attn.bias", {1, 1, 4, 4}), floats("transformer.h.0.attn.masked_bias", {})})
                  .ok());
  EXPECT_FALSE(load(kGpt2, gpt2, gpt2, {floats("transformer.h.0.attn.bias", {8})}).ok()) << "a bias is no mask";
  const TransformerConfig bert = config_of(kBert, kBertConfig);
  EXPECT_TRUE(load(kBert, bert, bert,
                   {floats("embeddings.position_ids", {1, 32}), floats("pooler.dense.weight", {8, 8}),
                    floats("cls.predictions.bias", {6})})
                  .ok());
}

}  // namespace
}  // namespace linnet
