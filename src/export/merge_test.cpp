// Models with adapters folded in: out in every form, they give the logits that they gave with the adapters on.
#include <cstring>
#include <gtest/gtest.h>
#include <set>

#include "base/folder_testing.hpp"
#include "base/random.hpp"
#include "export/quantise.hpp"
#include "models/adapter.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

class MergeTest : public FolderTest {
 protected:
  Tensor logits(const Transformer& model) {
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 15; ++i) tokens.push_back((7 * i + 3) % static_cast<int32_t>(model.config().vocab_size));
    return value(model.forward(ctx_, whole_sequence(tokens), nullptr)).logits;
  }
  Tensor logits(const fs::path& path) { return logits(value(load_transformer(value(describe_model(path))))); }

  // An adapter that changes a model by much.
  static Adapter strong_adapter(const Transformer& model, bool dora, uint64_t seed) {
    Adapter adapter = value(new_adapter(model, {.rank = 3, .alpha = 3, .dora = dora, .seed = seed}));
    Random random(seed, 1000);
    for (Adapter::Part& part : adapter.parts) {
      for (float& x : part.b.span<float>()) x = 0.2f * random.normal();
      if (!part.magnitude.defined()) continue;
      for (float& x : part.magnitude.span<float>()) x *= 1 + 0.2f * random.normal();
    }
    return adapter;
  }

  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  CancelToken cancel_;
};

TEST_F(MergeTest, EveryFormGivesTheSameLogits) {
  for (const char* name : {"llama", "gpt2", "gpt-neox", "phi3", "mixtral", "gemma2", "qwen3"}) {
    const ModelDescription description = value(describe_model(golden_dir() / "models" / name));
    Transformer model = value(load_transformer(description));
    const Tensor plain = logits(model);
    for (const bool dora : {false, true}) {
      // Two at once, one by half: each changes the base as it is.
      ASSERT_TRUE(attach_adapter(model, strong_adapter(model, dora, 1)).ok());
      ASSERT_TRUE(attach_adapter(model, strong_adapter(model, false, 2), 0.5f).ok());
      const Tensor want = logits(model);
      EXPECT_GT(distance(want, plain), 0.01) << name;
      const fs::path folder = folder_ / (std::string(name) + (dora ? "-dora" : ""));
      value(export_hugging_face(description, model, nullptr, folder, {.dtype = DType::kF32}));
      EXPECT_LE(distance(logits(folder), want), 1e-4) << name;
      const fs::path file = folder.string() + ".gguf";
      value(export_gguf(description, model, nullptr, file, {.dtype = DType::kF32}));
      EXPECT_LE(distance(logits(file), want), 1e-4) << name;
      detach_adapters(model);
    }
  }
}

// Rounded once: each number is the nearest bfloat16 to the float32 sum.
TEST_F(MergeTest, IsRoundedOnce) {
  const ModelDescription description = value(describe_model(golden_dir() / "models/llama"));
  Transformer model = value(load_transformer(description));
  ASSERT_TRUE(attach_adapter(model, strong_adapter(model, false, 1)).ok());
  value(export_hugging_face(description, model, nullptr, folder_ / "half", {.dtype = DType::kBF16}));
  const ModelDescription half = value(describe_model(folder_ / "half"));
  for (const LinearModule& module : linear_modules(model.table())) {
    const Tensor want = to_dtype(model.slot_of(*module.spec).parts[module.part].merged(), DType::kBF16);
    const StoredTensor& got = *value(half.files.tensors->get(module.name + ".weight"));
    ASSERT_EQ(got.bytes.size(), static_cast<size_t>(want.bytes()));
    EXPECT_EQ(std::memcmp(got.bytes.data(), want.raw(), got.bytes.size()), 0) << module.name;
  }
}

// What a merge makes infinite, in float32 or in the type that is written, is written nowhere.
TEST_F(MergeTest, NumbersThatDoNotFitAreNamed) {
  const ModelDescription description = value(describe_model(golden_dir() / "models/llama"));
  Transformer model = value(load_transformer(description));
  value(export_gguf(description, model, nullptr, folder_ / "base.gguf", {.dtype = DType::kF16}));
  const ModelDescription base = value(describe_model(folder_ / "base.gguf"));
  for (const auto& [size, said] :
       {std::pair(1e30f, "what is folded in makes a number infinite"), std::pair(1e4f, "is beyond what F16 holds")}) {
    Adapter adapter = value(new_adapter(model, {.rank = 1, .alpha = 1, .targets = {"layers.1.mlp.down_proj"}}));
    for (float& x : adapter.parts[0].a.span<float>()) x = size;
    for (float& x : adapter.parts[0].b.span<float>()) x = size;
    ASSERT_TRUE(attach_adapter(model, adapter).ok());
    const auto folder = export_hugging_face(description, model, nullptr, folder_ / "half", {.dtype = DType::kF16});
    const auto file = export_gguf(description, model, nullptr, folder_ / "half.gguf", {.dtype = DType::kF16});
    const auto merged = merge_into_gguf(base, model, folder_ / "merged.gguf", pool_, cancel_, {});
    ASSERT_FALSE(folder.ok() || file.ok() || merged.ok());
    for (const Error& error : {folder.error(), file.error(), merged.error()}) {
      EXPECT_NE(error.message.find(said), std::string::npos) << error.to_string();
    }
    EXPECT_EQ(folder.error().place, "tensor model.layers.1.mlp.down_proj.weight");
    EXPECT_EQ(file.error().place, "tensor blk.1.ffn_down.weight");
    for (const char* name : {"half/model.safetensors", "half.gguf", "merged.gguf"}) {
      EXPECT_FALSE(fs::exists(folder_ / name)) << name;
    }
    detach_adapters(model);
  }
}

// A quantised GGUF keeps its formats, its metadata and every byte that no adapter changes.
TEST_F(MergeTest, AQuantisedFileKeepsWhatTheAdapterLeavesAlone) {
  const ModelDescription golden = value(describe_model(golden_dir() / "models/llama"));
  const Transformer plain = value(load_transformer(golden));
  value(quantise(golden, &plain, nullptr, folder_ / "base.gguf", {find_quant_mix("Q8_0"), false}, pool_, cancel_, {}));
  const ModelDescription base = value(describe_model(folder_ / "base.gguf"));
  Transformer model = value(load_transformer(base));
  Adapter adapter = value(new_adapter(model, {.rank = 2, .targets = {"q_proj", "layers.1.mlp.down_proj"}}));
  for (Adapter::Part& part : adapter.parts) {
    for (float& x : part.b.span<float>()) x = 0.1f;
  }
  ASSERT_TRUE(attach_adapter(model, adapter).ok());
  const QuantiseReport report = value(merge_into_gguf(base, model, folder_ / "merged.gguf", pool_, cancel_, {}));

  std::set<std::string> changed;
  for (const QuantisedTensor& tensor : report.tensors) changed.insert(tensor.name);
  EXPECT_EQ(changed, (std::set<std::string>{"blk.0.attn_q.weight", "blk.1.attn_q.weight", "blk.1.ffn_down.weight"}));
  const auto before = value(Gguf::open(folder_ / "base.gguf"));
  const auto after = value(Gguf::open(folder_ / "merged.gguf"));
  ASSERT_EQ(after->tensors().all().size(), before->tensors().all().size());
  for (const StoredTensor& was : before->tensors().all()) {
    const StoredTensor& is = *value(after->tensors().get(was.name));
    EXPECT_EQ(is.format, was.format) << was.name;
    const bool same = std::equal(is.bytes.begin(), is.bytes.end(), was.bytes.begin(), was.bytes.end());
    EXPECT_EQ(same, !changed.contains(was.name)) << was.name;
  }
  for (const GgufEntry& entry : before->metadata().entries()) {
    const GgufValue* value = after->metadata().find(entry.key);
    ASSERT_NE(value, nullptr) << entry.key;
    EXPECT_TRUE(
        std::equal(value->bytes.begin(), value->bytes.end(), entry.value.bytes.begin(), entry.value.bytes.end()))
        << entry.key;
  }
  EXPECT_LE(distance(logits(folder_ / "merged.gguf"), logits(model)), 0.05);
}

}  // namespace
}  // namespace linnet
