// The layer and the pooler that a classifier is exported with, computed as transformers computes them: the mean, and a
// straight line. (tests/peers/classify.py loads the folder by transformers itself.)
#include "export/classifier_export.hpp"

#include <cmath>

#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "formats/safetensors.hpp"
#include "models/reference_testing.hpp"
#include "models/text_vectors.hpp"
#include "ops/kernel_table.hpp"
#include "ops/norm.hpp"

namespace linnet {
namespace {

class ClassifierExport : public FolderTest {
 protected:
  ThreadPool pool_{1};
  Context ctx_{pool_, reference_kernels()};
  ModelDescription model_ = value(describe_model(golden_dir() / "models/bert"));
  std::vector<std::string> labels_{"x", "y", "z"};

  LinearClassifier classifier() const {
    const int64_t width = model_.transformer.hidden_size;
    LinearClassifier out{labels_, Tensor::empty(DType::kF32, {3, width}), Tensor::empty(DType::kF32, {3})};
    for (int64_t i = 0; i < 3 * width; ++i) out.weight.data<float>()[i] = std::sin(static_cast<float>(i));
    for (int64_t i = 0; i < 3; ++i) out.bias.data<float>()[i] = static_cast<float>(i);
    return out;
  }
};

Tensor tensor_of(const SafetensorsFile& file, const std::string& name) {
  for (const StoredTensor& tensor : file.tensors) {
    if (tensor.name == name) return to_f32(tensor);
  }
  ADD_FAILURE() << name;
  return {};
}

// y = x · Wᵀ + b of one row.
std::vector<double> linear(const std::vector<double>& x, const Tensor& weight, const Tensor& bias) {
  std::vector<double> y;
  for (int64_t o = 0; o < weight.dim(0); ++o) {
    double sum = bias.data<float>()[o];
    for (int64_t c = 0; c < weight.dim(1); ++c)
      sum += x[static_cast<size_t>(c)] * weight.data<float>()[o * weight.dim(1) + c];
    y.push_back(sum);
  }
  return y;
}

TEST_F(ClassifierExport, TheFirstTokensStateBecomesTheMean) {
  const Transformer weights = value(load_transformer(model_));
  const LinearClassifier head = classifier();
  value(export_classifier(model_, weights, head, nullptr, folder_ / "out", {.dtype = DType::kF32}));
  // The encoder with the layer more, through our own forward: the file's tensors without the prefix.
  const SafetensorsFile file = value(open_safetensors(folder_ / "out/model.safetensors"));
  const Json config = value(read_json_file((folder_ / "out/config.json").string()));
  EXPECT_EQ(config["architectures"][0], "BertForSequenceClassification");
  EXPECT_EQ(config["num_hidden_layers"], model_.transformer.num_layers() + 1);
  EXPECT_EQ(config["id2label"]["2"], "z");
  EXPECT_EQ(config["label2id"]["y"], 1);
  std::vector<StoredTensor> tensors;
  for (StoredTensor tensor : file.tensors) {
    if (!tensor.name.starts_with("bert.") || tensor.name.starts_with("bert.pooler")) continue;
    tensor.name = tensor.name.substr(5);
    tensors.push_back(tensor);
  }
  const TransformerConfig longer = value(model_.family->read_config(value(JsonObject::of(config, "config.json"))));
  const Transformer exported = value(
      Transformer::load(longer, model_.family->tensors(longer), value(TensorSource::of(std::move(tensors))), false));
  const std::vector<std::vector<int32_t>> texts{{1, 5, 9, 2}, {1, 7, 2}, {1, 11, 12, 13, 14, 2}};
  const Tensor means = value(text_vectors(ctx_, weights, texts, ops::Pooling::kMean, false));
  const Tensor first = value(text_vectors(ctx_, exported, texts, ops::Pooling::kCls, false));
  Tensor ones = Tensor::empty(DType::kF32, {means.dim(1)});
  std::fill_n(ones.data<float>(), ones.elements(), 1.0f);
  const Tensor want = ops::layer_norm(ctx_, means, ones, {}, 1e-12f);
  EXPECT_LT(distance(first, want), 1e-4);
  for (int64_t i = 0; i < first.dim(0); ++i) {
    const float* row = first.data<float>() + i * first.dim(1);
    std::vector<double> pooled = linear({row, row + first.dim(1)}, tensor_of(file, "bert.pooler.dense.weight"),
                                        tensor_of(file, "bert.pooler.dense.bias"));
    for (double& x : pooled) x = std::tanh(x);
    const std::vector<double> got =
        linear(pooled, tensor_of(file, "classifier.weight"), tensor_of(file, "classifier.bias"));
    const float* normal = want.data<float>() + i * want.dim(1);
    const std::vector<double> logits = linear({normal, normal + want.dim(1)}, head.weight, head.bias);
    for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(got[k], logits[k], 2e-4 * (1 + std::abs(logits[k])));
  }
}

TEST_F(ClassifierExport, WhatItCannotWriteIsRefused) {
  const Transformer weights = value(load_transformer(model_));
  EXPECT_FALSE(export_classifier(model_, weights, classifier(), nullptr, folder_ / "out", {.dtype = DType::kF16}).ok());
  const ModelDescription llama = value(describe_model(golden_dir() / "models/llama"));
  const Transformer other = value(load_transformer(llama));
  EXPECT_FALSE(export_classifier(llama, other, classifier(), nullptr, folder_ / "out", {.dtype = DType::kF32}).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

}  // namespace
}  // namespace linnet
