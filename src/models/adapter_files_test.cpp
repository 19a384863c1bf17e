// Adapters out and back: PEFT's folders and llama.cpp's GGUF. That PEFT and llama.cpp read them, too, and agree:
// tests/peers/adapters.py.
#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "models/adapter.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

class AdapterFilesTest : public FolderTest {
 protected:
  struct Model {
    explicit Model(const std::string& name)
        : description(value(describe_model(golden_dir() / "models" / name))),
          weights(value(load_transformer(description))) {}
    std::span<const TensorSpec> table() const { return weights.table(); }
    ModelDescription description;
    Transformer weights;
  };
  static Adapter golden(const std::string& name) { return value(read_adapter(golden_dir() / "adapters" / name)); }

  Tensor logits(Transformer& model) {
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 15; ++i) tokens.push_back((7 * i + 3) % static_cast<int32_t>(model.config().vocab_size));
    return value(model.forward(ctx_, whole_sequence(tokens), nullptr)).logits;
  }
  Tensor logits_with(Model& model, const Adapter& adapter) {
    detach_adapters(model.weights);
    EXPECT_TRUE(attach_adapter(ctx_, model.weights, adapter).ok());
    return logits(model.weights);
  }

  ThreadPool pool_{1};
  Context ctx_{pool_, reference_kernels()};
};

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.defined(), b.defined());
  if (!a.defined()) return;
  EXPECT_EQ(distance(a, b), 0);
}

TEST_F(AdapterFilesTest, WhatPeftWroteIsWrittenAgain) {
  for (const auto& [name, base] : {std::pair{"llama", "llama"}, std::pair{"gpt2", "gpt2"}, std::pair{"phi3", "phi3"},
                                   std::pair{"llama-dora", "llama"}, std::pair{"gpt2-dora", "gpt2"}}) {
    const Model model(base);
    const Adapter original = golden(name);
    const fs::path out = folder_ / name;
    const Status written = write_adapter(original, model.table(), "CAUSAL_LM", out);
    ASSERT_TRUE(written.ok()) << written.error().to_string();
    const Adapter again = value(read_adapter(out));
    EXPECT_EQ(again.base, base);
    EXPECT_EQ(again.rank_stabilised, original.rank_stabilised);
    ASSERT_EQ(again.parts.size(), original.parts.size());
    for (size_t i = 0; i < again.parts.size(); ++i) {
      EXPECT_EQ(again.parts[i].module, original.parts[i].module);
      EXPECT_EQ(again.scale_of(again.parts[i]), original.scale_of(original.parts[i])) << again.parts[i].module;
      expect_same(again.parts[i].a, original.parts[i].a);
      expect_same(again.parts[i].b, original.parts[i].b);
      expect_same(again.parts[i].magnitude, original.parts[i].magnitude);
    }
    const Json theirs = value(read_json_file((golden_dir() / "adapters" / name / "adapter_config.json").string()));
    const Json ours = value(read_json_file((out / "adapter_config.json").string()));
    for (const char* field : {"r", "use_dora", "use_rslora", "fan_in_fan_out", "bias", "peft_type", "task_type"}) {
      EXPECT_EQ(ours.at(field), theirs.at(field)) << name << ": " << field;
    }
    EXPECT_EQ(std::set<Json>(ours.at("target_modules").begin(), ours.at("target_modules").end()),
              std::set<Json>(theirs.at("target_modules").begin(), theirs.at("target_modules").end()));
  }
}

TEST_F(AdapterFilesTest, LayersThatDifferHaveTheirFullNamesInPatterns) {
  const Model model("llama");
  ASSERT_TRUE(write_adapter(golden("llama"), model.table(), "CAUSAL_LM", folder_ / "a").ok());
  const Json config = value(read_json_file((folder_ / "a/adapter_config.json").string()));
  EXPECT_EQ(config.at("alpha_pattern"), Json::parse(R"({"model.layers.1.self_attn.q_proj": 11})"));
  EXPECT_EQ(config.at("rank_pattern"),
            Json::parse(R"({"model.layers.0.mlp.up_proj": 2, "model.layers.1.mlp.up_proj": 2})"));
  EXPECT_EQ(config.at("lora_alpha"), Json(5));

  Adapter one = golden("llama");
  one.parts.resize(1);
  ASSERT_TRUE(write_adapter(one, model.table(), "CAUSAL_LM", folder_ / "b").ok());
  EXPECT_EQ(value(read_json_file((folder_ / "b/adapter_config.json").string())).at("target_modules"),
            Json::parse(R"(["model.layers.0.mlp.down_proj"])"));
}

TEST_F(AdapterFilesTest, NothingIsWrittenOverAndNothingUnfit) {
  const Model llama("llama");
  const Model other("gpt2");
  const Adapter adapter = golden("llama");
  ASSERT_TRUE(write_file(folder_ / "full/note", "mine").ok());
  const Status over = write_adapter(adapter, llama.table(), "CAUSAL_LM", folder_ / "full");
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().code, ErrorCode::kConflict);
  EXPECT_EQ(value(read_file(folder_ / "full/note")), "mine");
  EXPECT_FALSE(write_adapter(adapter, other.table(), "CAUSAL_LM", folder_ / "unfit").ok());
  EXPECT_FALSE(fs::exists(folder_ / "unfit"));
}

TEST_F(AdapterFilesTest, GgufAndBackGiveTheSameLogits) {
  for (const auto& [name, base] : {std::pair{"llama", "llama"}, std::pair{"gpt2", "gpt2"}, std::pair{"phi3", "phi3"}}) {
    Model model(base);
    const Adapter original = golden(name);
    const fs::path file = folder_ / (std::string(name) + ".gguf");
    const Status written = write_gguf_adapter(original, model.description, DType::kF32, file);
    ASSERT_TRUE(written.ok()) << written.error().to_string();
    const Adapter again = value(open_adapter(file, model.description));
    EXPECT_EQ(again.base, base);
    EXPECT_LE(distance(logits_with(model, again), logits_with(model, original)), 1e-5) << name;
  }
}

// Each layer's lora_b takes what alpha / R lacks of the layer's own scale; the commonest lacks nothing.
TEST_F(AdapterFilesTest, ScalesGoIntoB) {
  const Model model("llama");
  const Adapter original = golden("llama");
  ASSERT_TRUE(write_gguf_adapter(original, model.description, DType::kF32, folder_ / "a.gguf").ok());
  const Adapter again = value(open_adapter(folder_ / "a.gguf", model.description));
  for (size_t i = 0; i < again.parts.size(); ++i) {
    const Adapter::Part& got = again.parts[i];
    const Adapter::Part& want = original.parts[i];
    EXPECT_FLOAT_EQ(static_cast<float>(got.alpha), 5.0f / std::sqrt(3.0f) * 3) << got.module;
    if (want.a.dim(0) == 3 && want.alpha == 5) {
      EXPECT_LE(distance(got.b, want.b), 1e-6) << got.module;
    }
    for (int64_t k = 0; k < got.b.elements(); ++k) {
      EXPECT_NEAR(again.scale_of(got) * got.b.data<float>()[k], original.scale_of(want) * want.b.data<float>()[k],
                  1e-5);
    }
  }
}

TEST_F(AdapterFilesTest, ExpertsOfAMixtureLieStacked) {
  Model model("mixtral");
  Adapter adapter;
  for (const LinearModule& module : linear_modules(model.table())) {
    const Shape& shape = module.spec->shape;
    if (module.spec->experts == 0 || module.part == 1) continue;  // one expert has none
    const int64_t rank = 1 + static_cast<int64_t>(module.part);   // and each another rank
    Adapter::Part part{module.name, Tensor::empty(DType::kF32, {rank, shape[1]}),
                       Tensor::empty(DType::kF32, {shape[0], rank}), Tensor(), 3};
    int64_t i = 0;
    for (float& x : part.a.span<float>()) x = 0.1f * static_cast<float>(i++ % 7 - 3);
    for (float& x : part.b.span<float>()) x = 0.1f * static_cast<float>(i++ % 5 - 2);
    adapter.parts.push_back(std::move(part));
  }
  ASSERT_FALSE(adapter.parts.empty());
  ASSERT_TRUE(write_gguf_adapter(adapter, model.description, DType::kF32, folder_ / "a.gguf").ok());
  const Adapter again = value(open_adapter(folder_ / "a.gguf", model.description));
  const Tensor plain = logits(model.weights);
  const Tensor want = logits_with(model, adapter);
  EXPECT_GT(distance(plain, want), 1e-3);
  EXPECT_LE(distance(logits_with(model, again), want), 1e-5);
}

TEST_F(AdapterFilesTest, WhatGgufCannotHoldIsRefusedWithAWayOut) {
  const Model model("llama");
  const Status dora = write_gguf_adapter(golden("llama-dora"), model.description, DType::kF32, folder_ / "a.gguf");
  ASSERT_FALSE(dora.ok());
  EXPECT_NE(dora.error().message.find("DoRA"), std::string::npos);
  EXPECT_NE(dora.error().hint.find("--merge"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "a.gguf"));
}

TEST_F(AdapterFilesTest, AGgufAdapterOfAnotherModelIsRefused) {
  const Model llama("llama");
  const Model gpt2("gpt2");
  const Model biases("llama-biases");
  ASSERT_TRUE(write_gguf_adapter(golden("llama"), llama.description, DType::kF32, folder_ / "a.gguf").ok());
  const auto error = [&](const Model& model) {
    const auto read = open_adapter(folder_ / "a.gguf", model.description);
    return read.ok() ? std::string() : read.error().to_string();
  };
  EXPECT_EQ(error(llama), "");
  EXPECT_NE(error(gpt2).find("architecture llama"), std::string::npos) << error(gpt2);
  EXPECT_NE(error(biases).find("made for"), std::string::npos) << error(biases);
}

TEST_F(AdapterFilesTest, ANewAdapterChangesNothingAndIsMadeAlikeEachTime) {
  Model model("llama");
  const Tensor plain = logits(model.weights);
  for (const bool dora : {false, true}) {
    const NewAdapter options{.rank = 4, .alpha = 8, .dora = dora, .seed = 7};
    const Adapter adapter = value(new_adapter(model.weights, options));
    EXPECT_EQ(adapter.parts.size(), 7u * 2);
    EXPECT_LE(distance(logits_with(model, adapter), plain), dora ? 1e-5 : 0);
    const Adapter again = value(new_adapter(model.weights, options));
    NewAdapter fewer = options;
    fewer.targets = {"layers.1.mlp.up_proj", "q_proj"};
    const Adapter some = value(new_adapter(model.weights, fewer));
    EXPECT_EQ(some.parts.size(), 3u);
    for (const Adapter::Part& part : adapter.parts) {
      const double bound = 1 / std::sqrt(static_cast<double>(part.a.dim(1)));
      double sum = 0;
      for (const float x : part.a.span<float>()) {
        EXPECT_LE(std::abs(x), bound);
        sum += double{x} * x;
      }
      // The variance of a uniform number in ±bound is bound² / 3.
      EXPECT_NEAR(sum / static_cast<double>(part.a.elements()) / (bound * bound / 3), 1, 0.35);
      for (const float x : part.b.span<float>()) EXPECT_EQ(x, 0);
      for (const Adapter& other : {again, some}) {
        for (const Adapter::Part& same : other.parts) {
          if (same.module == part.module) expect_same(same.a, part.a);
        }
      }
    }
    EXPECT_NE(distance(adapter.parts[0].a, adapter.parts[7].a), 0);
    EXPECT_TRUE(write_adapter(adapter, model.table(), "CAUSAL_LM", folder_ / (dora ? "dora" : "plain")).ok());
  }
  const auto unknown = new_adapter(model.weights, {.targets = {"c_attn"}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().hint.find("q_proj"), std::string::npos) << unknown.error().hint;
  EXPECT_FALSE(new_adapter(model.weights, {.rank = 0}).ok());
}

// Training changes the layers' numbers in place; the adapter that was attached has them.
TEST_F(AdapterFilesTest, TheAdapterSharesItsNumbersWithTheLayers) {
  Model model("llama");
  const Adapter adapter = value(new_adapter(model.weights, {.rank = 2}));
  ASSERT_TRUE(attach_adapter(model.weights, adapter).ok());
  model.weights.for_each([](const TensorSpec&, Slot& slot) {
    for (Linear& part : slot.parts) {
      for (Lora& lora : part.adapters) lora.b.tensor().data<float>()[1] = 3;
    }
  });
  for (const Adapter::Part& part : adapter.parts) EXPECT_EQ(part.b.data<float>()[1], 3);
}

TEST_F(AdapterFilesTest, AnotherNameOfTheBaseIsDoubted) {
  const Model model("llama");
  Adapter adapter = golden("llama");
  const std::vector<std::string> names{"hf:some-org/Llama-Tiny"};
  adapter.base = "org/llama_tiny";
  EXPECT_EQ(doubt_about_base(adapter, model.description, names), "");
  adapter.base = "/home/me/models/Llama-Tiny/";
  EXPECT_EQ(doubt_about_base(adapter, model.description, names), "");
  adapter.base = "";
  EXPECT_EQ(doubt_about_base(adapter, model.description, names), "");
  adapter.base = "Qwen/Qwen2-0.5B";
  EXPECT_NE(doubt_about_base(adapter, model.description, names).find("Qwen/Qwen2-0.5B"), std::string::npos);
}

}  // namespace
}  // namespace linnet
