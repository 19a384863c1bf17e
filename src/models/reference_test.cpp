// Every family against what transformers and PyTorch compute: logits, hidden states, greedy tokens, losses, gradients.
// Each folder holds config.json, config.v4.json, model.safetensors and expected.safetensors; the committed ones are in
// tests/golden/models, a second, independent set may lie in ../shared/reference.
#include <algorithm>
#include <cmath>
#include <filesystem>
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

std::vector<fs::path> reference_folders() {
  std::vector<fs::path> folders;
  for (const fs::path& root : {golden_dir() / "models", shared_reference_dir()}) {
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "expected.safetensors")) folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

class Reference : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    description_ = std::make_unique<ModelDescription>(value(describe_model(GetParam())));
    model_ = std::make_unique<Transformer>(value(load_transformer(*description_)));
    expected_ = value(open_safetensors(GetParam() / "expected.safetensors")).tensors;
    const Tensor ids = to_f32(*find("input_ids"));
    for (int64_t b = 0; b < ids.dim(0); ++b) {
      const auto row = ids.rows(b, 1).span<float>();
      texts_.emplace_back(row.begin(), row.end());
    }
  }

  const StoredTensor* find(const std::string& name) const {
    const auto it = std::find_if(expected_.begin(), expected_.end(), [&](const auto& t) { return t.name == name; });
    return it == expected_.end() ? nullptr : &*it;
  }

  // All texts in one batch.
  Batch batch() const {
    Batch batch;
    for (const auto& text : texts_) {
      batch.sequences.push_back({.row_begin = batch.rows(), .rows = static_cast<int64_t>(text.size())});
      batch.tokens.insert(batch.tokens.end(), text.begin(), text.end());
    }
    for (int64_t r = 0; r < batch.rows(); ++r) batch.logit_rows.push_back(static_cast<int32_t>(r));
    return batch;
  }

  bool encoder() const { return !model_->config().has_head; }

  // Greedy tokens after `prompt`, through a cache, fed `piece` tokens at a time; refills the cache when the rotary
  // regime changes, as the engine does.
  std::vector<int32_t> greedy(std::vector<int32_t> text, int64_t count, int64_t piece) {
    KvCache cache(model_->kv_shape(DType::kF32), int64_t{1} << 30);
    const auto id = cache.add_sequence();
    int64_t done = 0;
    int regime = 0;
    for (int64_t made = 0; made < count;) {
      const auto length = static_cast<int64_t>(text.size());
      const int now = model_->config().ropes.empty() ? 0 : rope_regime(model_->config().ropes[0], length);
      if (now != regime) {
        cache.truncate(id, 0);
        done = 0;
        regime = now;
      }
      const int64_t rows = std::min(piece, length - done);
      Batch step;
      step.tokens.assign(text.begin() + done, text.begin() + done + rows);
      step.sequences.push_back({.rows = rows, .position = done, .cache_id = id, .total_length = length});
      step.logit_rows = {static_cast<int32_t>(rows - 1)};
      const ForwardOutput out = value(model_->forward(ctx_, step, &cache));
      done += rows;
      if (done < length) continue;
      const auto logits = out.logits.span<float>();
      text.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
      ++made;
    }
    return text;
  }

  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  std::unique_ptr<ModelDescription> description_;
  std::unique_ptr<Transformer> model_;
  std::vector<StoredTensor> expected_;
  std::vector<std::vector<int32_t>> texts_;
};

constexpr double kTolerance = 1e-4;

TEST_P(Reference, LogitsAndHiddenStates) {
  const ForwardOutput out = value(model_->forward(ctx_, batch(), nullptr, true));
  if (encoder()) {
    EXPECT_LE(distance(out.last_hidden, to_f32(*find("hidden.last"))), kTolerance);
    return;
  }
  EXPECT_LE(distance(out.logits, to_f32(*find("logits"))), kTolerance);
  for (size_t l = 0; l < out.hidden.size(); ++l) {
    EXPECT_LE(distance(out.hidden[l], to_f32(*find("hidden." + std::to_string(l)))), kTolerance) << "layer " << l;
  }
}

TEST_P(Reference, BothSpellingsOfTheConfigAgree) {
  if (!fs::exists(GetParam() / "config.v4.json")) return;
  const Json json = value(read_json_file((GetParam() / "config.v4.json").string()));
  const JsonObject object = value(JsonObject::of(json, "config.v4.json"));
  const TransformerConfig config = value(description_->family->read_config(object));
  const Transformer other =
      value(Transformer::load(config, description_->family->tensors(config), *description_->files.tensors, false));
  const ForwardOutput a = value(model_->forward(ctx_, batch(), nullptr));
  const ForwardOutput b = value(other.forward(ctx_, batch(), nullptr));
  EXPECT_EQ(distance(b.last_hidden, a.last_hidden), 0);
}

TEST_P(Reference, GreedyTokensThroughTheCache) {
  if (encoder()) return;
  const Tensor want = to_f32(*find("greedy"));
  for (size_t b = 0; b < texts_.size(); ++b) {
    const auto row = want.rows(static_cast<int64_t>(b), 1).span<float>();
    const std::vector<int32_t> tokens(row.begin(), row.end());
    const auto count = static_cast<int64_t>(tokens.size() - texts_[b].size());
    EXPECT_EQ(greedy(texts_[b], count, 1000), tokens) << "one prefill";
    EXPECT_EQ(greedy(texts_[b], count, 1), tokens) << "token by token";
    EXPECT_EQ(greedy(texts_[b], count, 7), tokens) << "in pieces of 7";
  }
}

TEST_P(Reference, ARowHasTheSameBitsAloneAndInABatch) {
  const ForwardOutput together = value(model_->forward(ctx_, batch(), nullptr));
  int64_t row = 0;
  for (const auto& text : texts_) {
    const ForwardOutput alone = value(model_->forward(ctx_, whole_sequence(text), nullptr));
    for (int64_t i = 0; i < alone.last_hidden.elements(); ++i) {
      ASSERT_EQ(alone.last_hidden.data<float>()[i],
                together.last_hidden.data<float>()[row * model_->config().hidden_size + i]);
    }
    row += static_cast<int64_t>(text.size());
  }
}

TEST_P(Reference, LossAndGradients) {
  if (encoder() || !find("loss")) return;
  Tape tape;
  ctx_.set_recorder(&tape);
  model_->for_each([&](const TensorSpec&, Slot& slot) {
    for (Linear& part : slot.parts) {
      if (part.weight.tensor().defined() && !wants_grad(part.weight.tensor())) tape.watch(part.weight.tensor());
      if (part.bias.defined() && !wants_grad(part.bias)) tape.watch(part.bias);
    }
    if (slot.vector.defined() && !wants_grad(slot.vector)) tape.watch(slot.vector);
  });
  const ForwardOutput out = value(model_->forward(ctx_, batch(), nullptr));
  std::vector<int32_t> targets;
  for (const auto& text : texts_) {
    targets.insert(targets.end(), text.begin() + 1, text.end());
    targets.push_back(ops::kIgnoreTarget);
  }
  const Tensor loss = ops::cross_entropy(ctx_, out.logits, targets);
  EXPECT_LE(distance(loss, to_f32(*find("loss"))), kTolerance);
  tape.backward(ctx_, loss);
  ctx_.set_recorder(nullptr);
  int compared = 0;
  model_->for_each([&](const TensorSpec& spec, Slot& slot) {
    for (int64_t e = 0; e < std::max<int64_t>(spec.experts, 1); ++e) {
      const std::string name = name_of_expert(spec.name, e);
      const StoredTensor* stored = find("grad." + name);
      ASSERT_TRUE(stored) << name;
      Tensor want = to_f32(*stored);
      if (spec.stacked) want = want.rows(e, 1).reshape(Shape(want.shape().dims().subspan(1)));
      const auto part = static_cast<size_t>(e);
      const Tensor& parameter = spec.bias                ? slot.parts[part].bias
                                : spec.shape.rank() == 2 ? slot.parts[part].weight.tensor()
                                                         : slot.vector;
      const Tensor got = tape.grad(parameter);
      if (!got.defined()) continue;  // an expert that no token chose
      compared++;
      if (!spec.transposed) {
        double largest = 0;
        for (const float x : want.span<float>()) largest = std::max(largest, double{std::abs(x)});
        if (largest < 1e-7) continue;  // mathematically zero (a key's bias): noise on both sides
        EXPECT_LE(distance(got, want), kTolerance) << name;
        continue;
      }
      Tensor turned = Tensor::empty(DType::kF32, want.shape());
      for (int64_t r = 0; r < want.dim(0); ++r) {
        for (int64_t c = 0; c < want.dim(1); ++c)
          turned.data<float>()[r * want.dim(1) + c] = got.data<float>()[c * want.dim(0) + r];
      }
      EXPECT_LE(distance(turned, want), kTolerance) << name;
    }
  });
  EXPECT_GT(compared, 10);
}

// The deliberately wrong case: one wrong number among many must be seen, and so must NaN.
TEST_P(Reference, OneWrongNumberFails) {
  const Tensor want = to_f32(*find(encoder() ? "hidden.last" : "logits"));
  Tensor got = Tensor::empty(DType::kF32, want.shape());
  float largest = 0;
  for (const float x : want.span<float>()) largest = std::max(largest, std::abs(x));
  for (const float wrong : {3e-4f * largest, NAN}) {
    std::copy_n(want.data<float>(), want.elements(), got.data<float>());
    EXPECT_EQ(distance(got, want), 0);
    got.data<float>()[want.elements() / 2] += wrong;
    EXPECT_GT(distance(got, want), kTolerance);
  }
}

// A forward that forgot a tensor could still agree where that tensor hardly matters. None hardly matters.
TEST_P(Reference, EveryTensorChangesTheOutput) {
  const TensorSource& source = *description_->files.tensors;
  const ForwardOutput right = value(model_->forward(ctx_, batch(), nullptr));
  for (size_t changed = 0; changed < source.all().size(); ++changed) {
    std::vector<StoredTensor> tensors(source.all().begin(), source.all().end());
    StoredTensor& tensor = tensors[changed];
    // Adding one number to all keys of a layer without rotation moves no softmax; the pooler has no part in hidden
    // states.
    const bool of_keys =
        tensor.name.ends_with("attention.self.key.bias") || tensor.name.ends_with("attention.attn.k.bias");
    if (of_keys || tensor.name.starts_with("pooler.")) continue;
    const auto values = std::make_shared<std::vector<float>>(tensor.bytes.size() / sizeof(float));
    std::copy_n(to_f32(tensor).data<float>(), values->size(), values->data());
    for (size_t i = 0; i < values->size(); i += 3) (*values)[i] = (*values)[i] * 1.5f + 0.1f;
    tensor.bytes = std::as_bytes(std::span(*values));
    tensor.owner = values;
    const Transformer other = value(Transformer::load(description_->transformer, model_->table(),
                                                      value(TensorSource::of(std::move(tensors))), false));
    const ForwardOutput wrong = value(other.forward(ctx_, batch(), nullptr));
    EXPECT_GT(distance(wrong.last_hidden, right.last_hidden) + (encoder() ? 0 : distance(wrong.logits, right.logits)),
              10 * kTolerance)
        << source.all()[changed].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Reference, testing::ValuesIn(reference_folders()), [](const auto& row) {
  std::string name = row.param.parent_path().filename().string() + "_" + row.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Reference);

}  // namespace
}  // namespace linnet
