// Adapters against what PEFT computes with them: logits, loss and gradients. The committed ones are in
// tests/golden/adapters (models: tests/golden/models); a second, independent set may lie in ../shared/reference/*/lora.
#include "models/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "autograd/tape.hpp"
#include "base/json.hpp"
#include "formats/safetensors.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "ops/loss.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-4;

struct Case {
  std::string name;
  fs::path model;
  fs::path adapter;
};

std::vector<Case> adapter_cases() {
  std::vector<Case> cases;
  const fs::path golden = golden_dir();
  for (const auto& entry : fs::directory_iterator(golden / "adapters")) {
    const std::string name = entry.path().filename().string();
    const Json config = value(read_json_file((entry.path() / "adapter_config.json").string()));
    const auto base = config.at("base_model_name_or_path").get<std::string>();
    cases.push_back({"golden_" + name, golden / "models" / base, entry.path()});
  }
  const fs::path shared = shared_reference_dir();
  if (fs::is_directory(shared)) {
    for (const auto& entry : fs::directory_iterator(shared)) {
      if (!fs::is_directory(entry.path() / "lora")) continue;
      cases.push_back({"reference_" + entry.path().filename().string(), entry.path(), entry.path() / "lora"});
    }
  }
  std::sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  return cases;
}

class AdapterTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    model_ = std::make_unique<Transformer>(value(load_transformer(value(describe_model(GetParam().model)))));
    expected_ = value(TensorSource::of(value(open_safetensors(GetParam().adapter / "expected.safetensors")).tensors));
    const auto recorded = value(open_safetensors(GetParam().model / "expected.safetensors"));
    for (const StoredTensor& tensor : recorded.tensors) {
      if (tensor.name != "input_ids") continue;
      const Tensor ids = to_f32(tensor);
      for (int64_t b = 0; b < ids.dim(0); ++b) {
        const auto row = ids.rows(b, 1).span<float>();
        batch_.sequences.push_back({.row_begin = batch_.rows(), .rows = ids.dim(1)});
        for (size_t i = 0; i < row.size(); ++i) {
          batch_.tokens.push_back(static_cast<int32_t>(row[i]));
          targets_.push_back(i + 1 < row.size() ? static_cast<int32_t>(row[i + 1]) : ops::kIgnoreTarget);
        }
      }
    }
    for (int64_t r = 0; r < batch_.rows(); ++r) batch_.logit_rows.push_back(static_cast<int32_t>(r));
  }
  Tensor want(const std::string& name) const { return to_f32(*value(expected_.get(name))); }

  std::unique_ptr<Transformer> model_;
  TensorSource expected_;
  Batch batch_;
  std::vector<int32_t> targets_;
  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
};

TEST_P(AdapterTest, LogitsLossAndGradientsAreThoseOfPeft) {
  const Tensor plain = value(model_->forward(ctx_, batch_, nullptr)).logits;
  const Adapter adapter = value(read_adapter(GetParam().adapter));
  ASSERT_TRUE(attach_adapter(*model_, adapter).ok());
  Tape tape;
  ctx_.set_recorder(&tape);
  std::vector<std::pair<std::string, Tensor*>> watched;
  size_t attached = 0;
  model_->for_each([&](const TensorSpec& spec, Slot& slot) {
    if (spec.bias || spec.shape.rank() != 2) return;
    for (size_t e = 0; e < slot.parts.size(); ++e) {
      std::string module = name_of_expert(spec.name, static_cast<int64_t>(e));
      module.resize(module.size() - std::string_view(".weight").size());
      for (Lora& lora : slot.parts[e].adapters) {
        attached++;
        for (const auto& [part, tensor] :
             {std::pair{".lora_A.weight", &lora.a.tensor()}, std::pair{".lora_B.weight", &lora.b.tensor()},
              std::pair{".lora_magnitude_vector", &lora.magnitude}}) {
          if (!tensor->defined()) continue;
          tape.watch(*tensor);
          watched.emplace_back("grad.base_model.model." + module + part, tensor);
        }
      }
    }
  });
  EXPECT_EQ(attached, adapter.parts.size());
  const Tensor logits = value(model_->forward(ctx_, batch_, nullptr)).logits;
  EXPECT_LE(distance(logits, want("logits")), kTolerance);
  EXPECT_GT(distance(plain, want("logits")), 100 * kTolerance);  // without the adapter it would be seen
  const Tensor loss = ops::cross_entropy(ctx_, logits, targets_);
  EXPECT_LE(distance(loss, want("loss")), kTolerance);
  tape.backward(ctx_, loss);
  ctx_.set_recorder(nullptr);
  for (const auto& [name, tensor] : watched) {
    const Tensor grad = tape.grad(*tensor);
    if (!grad.defined()) {  // of an expert that no token chose
      for (const float x : want(name).span<float>()) EXPECT_EQ(x, 0) << name;
      continue;
    }
    EXPECT_LE(distance(grad, want(name)), kTolerance) << name;
  }
}

// The deliberately wrong case: one wrong number in what PEFT recorded is seen, and so is one in what the adapter holds.
TEST_P(AdapterTest, OneWrongNumberFails) {
  const Tensor right = want("logits");
  float largest = 0;
  for (const float x : right.span<float>()) largest = std::max(largest, std::abs(x));
  for (const float error : {3 * static_cast<float>(kTolerance) * largest, NAN}) {
    Tensor wrong = right.clone();
    wrong.data<float>()[wrong.elements() / 2] += error;
    EXPECT_EQ(distance(right, right), 0);
    EXPECT_GT(distance(wrong, right), kTolerance);
  }
  Adapter adapter = value(read_adapter(GetParam().adapter));
  adapter.parts.back().b = adapter.parts.back().b.clone();
  adapter.parts.back().b.data<float>()[0] += 1;
  ASSERT_TRUE(attach_adapter(ctx_, *model_, adapter).ok());
  EXPECT_GT(distance(value(model_->forward(ctx_, batch_, nullptr)).logits, right), kTolerance);
}

TEST_P(AdapterTest, HalfAndHalfIsTheWhole) {
  const Adapter adapter = value(read_adapter(GetParam().adapter));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(attach_adapter(ctx_, *model_, adapter, 0.5f).ok());
  EXPECT_LE(distance(value(model_->forward(ctx_, batch_, nullptr)).logits, want("logits")), kTolerance);
}

TEST_P(AdapterTest, MergedAndTakenOff) {
  const Tensor plain = value(model_->forward(ctx_, batch_, nullptr)).logits;
  const Adapter adapter = value(read_adapter(GetParam().adapter));
  ASSERT_TRUE(attach_adapter(*model_, adapter).ok());
  Transformer merged = *model_;
  merged.for_each([](const TensorSpec&, Slot& slot) {
    for (Linear& part : slot.parts) {
      if (part.adapters.empty()) continue;
      part.weight = Weight::from_tensor(part.merged());
      part.adapters.clear();
    }
  });
  EXPECT_LE(distance(value(merged.forward(ctx_, batch_, nullptr)).logits, want("logits")), kTolerance);
  detach_adapters(*model_);
  EXPECT_EQ(distance(value(model_->forward(ctx_, batch_, nullptr)).logits, plain), 0);
}

INSTANTIATE_TEST_SUITE_P(Models, AdapterTest, testing::ValuesIn(adapter_cases()), [](const auto& row) {
  std::string name = row.param.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

class BadAdapterTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path folder = golden_dir() / "adapters/llama";
    config_ = value(read_json_file((folder / "adapter_config.json").string()));
    tensors_ = value(open_safetensors(folder / "adapter_model.safetensors")).tensors;
  }
  // The message of parse_adapter, or "" where it succeeds.
  std::string error() const {
    const Result<Adapter> adapter = parse_adapter(config_, tensors_, "here");
    return adapter.ok() ? "" : adapter.error().to_string();
  }
  Json config_;
  std::vector<StoredTensor> tensors_;
};

TEST_F(BadAdapterTest, WhatIsNotComputedIsRefusedByName) {
  EXPECT_EQ(error(), "");
  for (const char* field : {"use_bdlora", "use_qalora", "lora_bias"}) {
    const Json before = config_;
    config_[field] = true;
    EXPECT_NE(error().find(field), std::string::npos) << error();
    config_ = before;
  }
  config_["modules_to_save"] = {"lm_head"};
  EXPECT_NE(error().find("modules_to_save"), std::string::npos);
  config_["modules_to_save"] = nullptr;
  config_["bias"] = "all";
  EXPECT_NE(error().find("bias"), std::string::npos);
  config_["bias"] = "none";
  config_["peft_type"] = "IA3";
  EXPECT_NE(error().find("IA3"), std::string::npos);
  config_["peft_type"] = "LORA";
  config_["alpha_pattern"] = {{"layers.(0|1).*", 3}};
  EXPECT_NE(error().find("regular expression"), std::string::npos);
}

TEST_F(BadAdapterTest, TensorsMustBePairs) {
  const std::vector<StoredTensor> whole = tensors_;
  tensors_.pop_back();
  EXPECT_NE(error().find("not a pair"), std::string::npos) << error();
  tensors_ = whole;
  tensors_.push_back(whole[0]);
  EXPECT_NE(error().find("twice"), std::string::npos) << error();
  tensors_ = whole;
  tensors_[0].name = "base_model.model.lm_head.lora_magnitude_vector";
  EXPECT_NE(error().find("1 dimensions"), std::string::npos) << error();
  tensors_[0].shape = Shape{tensors_[0].shape.elements()};
  tensors_.push_back(whole[0]);
  tensors_.back().name = "base_model.model.lm_head.lora_A.weight";
  EXPECT_NE(error().find("not a pair"), std::string::npos) << error();
  tensors_ = whole;
  tensors_[0].name = "base_model.model.model.embed_tokens.lora_embedding_A";
  EXPECT_NE(error().find("lora_embedding_A"), std::string::npos) << error();
  tensors_ = whole;
  config_["use_dora"] = true;
  EXPECT_NE(error().find("lora_magnitude_vector"), std::string::npos) << error();
  config_["use_dora"] = false;
  tensors_ = whole;
  const std::vector<float> nan(static_cast<size_t>(whole[0].shape.elements()), NAN);
  tensors_[0].bytes = std::as_bytes(std::span(nan));
  EXPECT_NE(error().find("NaN"), std::string::npos) << error();
  tensors_.clear();
  EXPECT_NE(error(), "");
}

TEST_F(BadAdapterTest, AnotherModelIsRefusedAndLeftAsItWas) {
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  const fs::path models = golden_dir() / "models";
  const Adapter adapter = value(parse_adapter(config_, tensors_, "here"));
  for (const char* other : {"gpt2", "llama-biases"}) {
    Transformer model = value(load_transformer(value(describe_model(models / other))));
    const Status status = attach_adapter(ctx, model, adapter);
    ASSERT_FALSE(status.ok()) << other;
    EXPECT_NE(status.error().to_string().find("made for"), std::string::npos) << status.error().to_string();
    model.for_each([](const TensorSpec&, Slot& slot) {
      for (const Linear& part : slot.parts) EXPECT_TRUE(part.adapters.empty());
    });
  }
}

}  // namespace
}  // namespace linnet
