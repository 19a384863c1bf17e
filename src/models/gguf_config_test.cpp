// What a config says survives GGUF, whatever llama.cpp has keys for; and the keys that llama.cpp does have are its own.
#include "models/gguf_config.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>

#include "formats/gguf_writer.hpp"

namespace linnet {
namespace {

constexpr const char* kSizes = R"({"vocab_size": 7, "hidden_size": 16, "num_attention_heads": 4, "head_dim": 4,
  "num_key_value_heads": 2, "intermediate_size": 12, "max_position_embeddings": 64)";

template <class T>
T value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

// `fields` is JSON, the rest of an object that begins with kSizes.
Json config_json(const std::string& fields) {
  return value(parse_json(std::string(kSizes) + ", " + fields + "}", "config.json"));
}

TransformerConfig read(const Json& json) {
  const JsonObject object = value(JsonObject::of(json, "config.json"));
  return value(value(find_family(value(object.string("model_type")), "config.json"))->read_config(object));
}

class GgufConfigs : public testing::Test {
 protected:
  // Through a file that has these entries and an embedding.
  TransformerConfig read_back(const std::vector<std::pair<std::string, Json>>& entries) {
    const auto path = std::filesystem::path(testing::TempDir()) / "linnet_gguf_config.gguf";
    GgufWriter writer;
    for (const auto& [key, entry] : entries) {
      const Status added = writer.add_json(key, entry);
      if (!added.ok()) throw std::runtime_error(added.error().to_string());
    }
    const Status written =
        writer.write(path, {TensorToWrite::of("token_embd.weight", Tensor::zeros(DType::kF32, {7, 16}))});
    if (!written.ok()) throw std::runtime_error(written.error().to_string());
    return read(value(config_from_gguf(*value(Gguf::open(path)))).config);
  }

  TransformerConfig there_and_back(const std::string& fields) {
    const Json json = config_json(fields);
    const TransformerConfig config = read(json);
    const GgufMetadataOut out = config_to_gguf(*value(find_family(config.model_type, "")), config, json);
    warnings_ = out.warnings;
    entries_ = out.entries;
    return read_back(out.entries);
  }

  bool warned_of(std::string_view what) const {
    return std::any_of(warnings_.begin(), warnings_.end(),
                       [&](const std::string& warning) { return warning.find(what) != std::string::npos; });
  }
  const Json* entry(std::string_view key) const {
    const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.first == key; });
    return it == entries_.end() ? nullptr : &it->second;
  }

  std::vector<std::string> warnings_;
  std::vector<std::pair<std::string, Json>> entries_;
};

std::vector<int64_t> windows(const TransformerConfig& config) {
  std::vector<int64_t> all;
  for (const LayerConfig& layer : config.layers) all.push_back(layer.window);
  return all;
}

TEST_F(GgufConfigs, WindowsGoIntoLlamaCppsPattern) {
  const TransformerConfig back = there_and_back(
      R"("model_type": "gemma3_text", "num_hidden_layers": 3, "sliding_window": 9, "query_pre_attn_scalar": 4,
         "layer_types": ["full_attention", "sliding_attention", "sliding_attention"])");
  EXPECT_EQ(windows(back), (std::vector<int64_t>{0, 9, 9}));
  ASSERT_TRUE(entry("gemma3.attention.sliding_window_pattern"));
  EXPECT_EQ(*entry("gemma3.attention.sliding_window_pattern"), Json({false, true, true}));
  EXPECT_TRUE(warnings_.empty()) << warnings_[0];

  // llama.cpp also reads a period, and then the layers of the family's own.
  auto entries = entries_;
  for (auto& [key, pattern] : entries) {
    if (key.ends_with("pattern")) pattern = 2;
  }
  EXPECT_EQ(windows(read_back(entries)), (std::vector<int64_t>{9, 0, 9}));
  std::erase_if(entries, [](const auto& e) { return e.first.ends_with("pattern"); });
  EXPECT_EQ(windows(read_back(entries)), (std::vector<int64_t>{9, 9, 9}));
  for (auto& [key, layers] : entries) {
    if (key.ends_with("block_count")) layers = 6;
  }
  EXPECT_EQ(windows(read_back(entries)), (std::vector<int64_t>{9, 9, 9, 9, 9, 0}));
}

TEST_F(GgufConfigs, WindowsThatLlamaCppIgnoresAreWarnedOf) {
  EXPECT_EQ(windows(there_and_back(R"("model_type": "mistral", "num_hidden_layers": 2, "sliding_window": 5)")),
            (std::vector<int64_t>{5, 5}));
  EXPECT_TRUE(warned_of("\"sliding_window\" has no key in GGUF: it goes into linnet.sliding_window"));
  EXPECT_EQ(windows(there_and_back(R"("model_type": "phi3", "num_hidden_layers": 2, "sliding_window": 5)")),
            (std::vector<int64_t>{5, 5}));
  EXPECT_TRUE(warned_of("llama.cpp ignores the sliding window"));
  // A window as long as the context changes nothing.
  there_and_back(R"("model_type": "mistral", "num_hidden_layers": 2, "sliding_window": 64)");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(GgufConfigs, MixturesThatLlamaCppComputesOtherwiseAreWarnedOf) {
  const std::string moe = R"("model_type": "qwen3_moe", "num_hidden_layers": 4, "num_experts": 4,
                             "num_experts_per_tok": 2, "moe_intermediate_size": 6)";
  TransformerConfig back = there_and_back(moe + R"(, "norm_topk_prob": true)");
  EXPECT_EQ(back.moe.weights, ops::RouterWeights::kSoftmaxThenTopScaled);
  EXPECT_TRUE(warnings_.empty());
  back = there_and_back(moe);  // not said: false to transformers, true to llama.cpp
  EXPECT_EQ(back.moe.weights, ops::RouterWeights::kSoftmaxThenTop);
  EXPECT_TRUE(warned_of("norm_topk_prob"));
  back = there_and_back(moe + R"(, "norm_topk_prob": true, "decoder_sparse_step": 2, "mlp_only_layers": [3])");
  EXPECT_FALSE(back.layers[0].experts);
  EXPECT_TRUE(back.layers[1].experts);
  EXPECT_FALSE(back.layers[3].experts);
  EXPECT_TRUE(warned_of("decoder_sparse_step") && warned_of("mlp_only_layers"));
}

TEST_F(GgufConfigs, LayersWithoutPositions) {
  const auto rotated = [](const TransformerConfig& config) {
    std::vector<int> all;
    for (const LayerConfig& layer : config.layers) all.push_back(layer.rope);
    return all;
  };
  EXPECT_EQ(rotated(there_and_back(R"("model_type": "smollm3", "num_hidden_layers": 5)")),
            (std::vector<int>{1, 1, 1, 0, 1}));
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(rotated(there_and_back(R"("model_type": "smollm3", "num_hidden_layers": 5, "no_rope_layer_interval": 2)")),
            (std::vector<int>{1, 0, 1, 0, 1}));
  EXPECT_TRUE(warned_of("no_rope_layers"));
}

TEST_F(GgufConfigs, Gemma27BsHaveAScaleOfTheirOwn) {
  const auto scale = [&](const std::string& model_type, int layers) {
    const Json json = config_json(R"("model_type": ")" + model_type + R"(", "sliding_window": 9, "hidden_act": "gelu",
        "num_hidden_layers": )" + std::to_string(layers));
    TransformerConfig config = read(json);
    config.hidden_size = 16;
    auto entries = config_to_gguf(*value(find_family(model_type, "")), config, json).entries;
    for (auto& [key, number] : entries) {
      if (key.ends_with("key_length") || key.ends_with("value_length") || key.ends_with("dimension_count")) number = 2;
    }
    return read_back(entries).attention_scale;
  };
  EXPECT_FLOAT_EQ(scale("gemma2", 46), 0.5f);
  EXPECT_FLOAT_EQ(scale("gemma3_text", 62), 0.5f);
  EXPECT_FLOAT_EQ(scale("gemma2", 42), 1 / std::sqrt(2.0f));
}

// It has another name in config.json, which the file's reader never saw.
TEST_F(GgufConfigs, AMissingKeyIsCalledAsInTheFile) {
  there_and_back(R"("model_type": "llama", "num_hidden_layers": 1)");
  for (const char* key : {"context_length", "embedding_length", "block_count", "attention.head_count"}) {
    const std::string full = std::string("llama.") + key;
    auto entries = entries_;
    ASSERT_EQ(std::erase_if(entries, [&](const auto& entry) { return entry.first == full; }), 1u) << key;
    try {
      read_back(entries);
      ADD_FAILURE() << key;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("linnet_gguf_config.gguf: metadata key \"" + full + "\" is missing"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST_F(GgufConfigs, YarnAsLlamaCppMeansIt) {
  const std::string yarn = R"("model_type": "llama", "num_hidden_layers": 1, "rope_scaling": {"rope_type": "yarn",
      "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 30.0, "truncate": )";
  TransformerConfig back = there_and_back(yarn + "true}");
  EXPECT_FALSE(entry("llama.rope.scaling.attn_factor"));
  EXPECT_NEAR(back.ropes[0].attention_factor, 0.1 * std::log(4.0) + 1, 1e-6);
  EXPECT_EQ(back.ropes[0].beta_fast, 30);
  EXPECT_TRUE(back.ropes[0].truncate);
  EXPECT_TRUE(warnings_.empty());
  back = there_and_back(yarn + R"(false, "attention_factor": 1.5})");
  EXPECT_NEAR(back.ropes[0].attention_factor, 1.5, 1e-6);
  EXPECT_FALSE(back.ropes[0].truncate);
  EXPECT_TRUE(warned_of("truncate"));
}

}  // namespace
}  // namespace linnet
