#include "export/classifier_export.hpp"

#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "export/hugging_face_files.hpp"
#include "export/hugging_face_out.hpp"
#include "formats/safetensors_writer.hpp"
#include "models/weights_to_write.hpp"

namespace linnet {

namespace {

// The mean beside the token's own state, which a layer adds to it: what is left of that is 1 in this many.
constexpr float kMeanScale = 0x1p20f;
// What the pooler's tanh sees: so near to 0 that it is straight to 1e-7. Powers of two round nothing.
constexpr float kPoolerScale = 0x1p-14f;

// Tensors that are one number everywhere, or on the diagonal alone.
class Filler {
 public:
  Filler(std::vector<TensorToWrite>& out, std::string prefix, DType dtype)
      : out_(out), prefix_(std::move(prefix)), dtype_(dtype) {}

  void fill(const std::string& name, const Shape& shape, float value) {
    Tensor tensor = Tensor::empty(DType::kF32, shape);
    std::fill_n(tensor.data<float>(), tensor.elements(), value);
    out_.push_back(TensorToWrite::of(prefix_ + name, to_dtype(tensor, dtype_)));
  }

  void diagonal(const std::string& name, int64_t size, float value) {
    Tensor tensor = Tensor::empty(DType::kF32, {size, size});
    std::fill_n(tensor.data<float>(), tensor.elements(), 0.0f);
    for (int64_t i = 0; i < size; ++i) tensor.data<float>()[i * size + i] = value;
    out_.push_back(TensorToWrite::of(prefix_ + name, to_dtype(tensor, dtype_)));
  }

 private:
  std::vector<TensorToWrite>& out_;
  std::string prefix_;
  DType dtype_;
};

// The layer after the last: LayerNorm(state + kMeanScale * mean), which the feed-forward leaves as it is.
void add_mean_layer(const TransformerConfig& config, DType dtype, std::vector<TensorToWrite>& out) {
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  Filler filler(out, fmt::format("bert.encoder.layer.{}.", config.num_layers()), dtype);
  for (const char* name : {"attention.self.query", "attention.self.key"}) {
    filler.fill(std::string(name) + ".weight", {width, width}, 0);
    filler.fill(std::string(name) + ".bias", {width}, 0);
  }
  filler.diagonal("attention.self.value.weight", width, 1);
  filler.fill("attention.self.value.bias", {width}, 0);
  filler.diagonal("attention.output.dense.weight", width, kMeanScale);
  filler.fill("attention.output.dense.bias", {width}, 0);
  filler.fill("intermediate.dense.weight", {inner, width}, 0);
  filler.fill("intermediate.dense.bias", {inner}, 0);
  filler.fill("output.dense.weight", {width, inner}, 0);
  filler.fill("output.dense.bias", {width}, 0);
  for (const char* name : {"attention.output.LayerNorm", "output.LayerNorm"}) {
    filler.fill(std::string(name) + ".weight", {width}, 1);
    filler.fill(std::string(name) + ".bias", {width}, 0);
  }
}

Tensor scaled(const Tensor& in, float factor) {
  Tensor out = in.clone();
  for (float& x : out.span<float>()) x *= factor;
  return out;
}

std::vector<TensorToWrite> all_tensors(const Transformer& weights, const LinearClassifier& classifier, DType dtype) {
  std::vector<TensorToWrite> out = weights_to_write(weights, dtype);
  for (TensorToWrite& tensor : out) tensor.name = "bert." + tensor.name;
  add_mean_layer(weights.config(), dtype, out);
  const int64_t width = weights.config().hidden_size;
  Filler pooler(out, "bert.pooler.", dtype);
  pooler.diagonal("dense.weight", width, kPoolerScale);
  pooler.fill("dense.bias", {width}, 0);
  out.push_back(TensorToWrite::of("classifier.weight", to_dtype(scaled(classifier.weight, 1 / kPoolerScale), dtype)));
  out.push_back(TensorToWrite::of("classifier.bias", to_dtype(classifier.bias, dtype)));
  return out;
}

void describe(const LinearClassifier& classifier, int64_t layers, Json& config) {
  config["architectures"] = {"BertForSequenceClassification"};
  config["num_hidden_layers"] = layers;
  config["problem_type"] = "single_label_classification";
  config["id2label"] = Json::object();
  config["label2id"] = Json::object();
  for (size_t i = 0; i < classifier.labels.size(); ++i) {
    config["id2label"][std::to_string(i)] = classifier.labels[i];
    config["label2id"][classifier.labels[i]] = i;
  }
}

}  // namespace

Result<ExportWarnings> export_classifier(const ModelDescription& model, const Transformer& weights,
                                         const LinearClassifier& classifier, const Tokenizer* tokenizer,
                                         const std::filesystem::path& folder, const ExportOptions& options) {
  if (model.family->model_type != "bert") {
    return unsupported(fmt::format("a classifier on {} has no form that transformers loads", model.family->model_type),
                       {}, "classifiers on BERT models have one");
  }
  if (options.dtype == DType::kF16) {
    return unsupported("a classifier's numbers leave the range of half precision", {}, "--dtype f32 or bf16");
  }
  TRY(check_new_folder(folder));
  ExportWarnings warnings;
  TRY_ASSIGN(Json config, hugging_face_config(model, tokenizer, options.dtype));
  describe(classifier, weights.config().num_layers() + 1, config);
  TRY(write_safetensors(folder / "model.safetensors", all_tensors(weights, classifier, options.dtype)));
  TRY(write_companions(model, tokenizer, config, folder, warnings));
  // sentence-transformers would pool this model's states, which mean nothing by themselves.
  for (const char* name :
       {"modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling"}) {
    std::error_code ignored;
    std::filesystem::remove_all(folder / name, ignored);
  }
  TRY(write_file(folder / "config.json", dump_json(config, 2) + "\n"));
  return warnings;
}

}  // namespace linnet
