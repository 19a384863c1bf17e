#include "train/word_classifier.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <set>

#include "base/json.hpp"
#include "base/utf8.hpp"
#include "formats/safetensors_writer.hpp"
#include "quant/finite.hpp"

namespace linnet {

namespace {

constexpr const char* kFormatNote = "linnet";
constexpr const char* kFormat = "word classifier 1";
constexpr const char* kLabelsNote = "labels";
// A weight for each term and label: 64 MiB of them.
constexpr size_t kMostWeights = size_t{1} << 24;

Result<std::vector<float>> floats(const TensorSource& source, const char* name, const Shape& shape) {
  TRY_ASSIGN(const StoredTensor* tensor, source.get(name));
  if (tensor->dtype != DType::kF32 || tensor->shape != shape) {
    return invalid(fmt::format("must be F32 {}", shape.to_string()), tensor->place());
  }
  const Tensor numbers = to_f32(*tensor);
  if (first_not_finite(numbers.data<float>(), numbers.elements()) >= 0) {
    return invalid("holds NaN or infinite numbers", tensor->place());
  }
  return std::vector<float>(numbers.data<float>(), numbers.data<float>() + numbers.elements());
}

Result<std::vector<std::string>> read_terms(const TensorSource& source) {
  TRY_ASSIGN(const StoredTensor* tensor, source.get("terms"));
  if (tensor->dtype != DType::kU8 || tensor->shape.rank() != 1) {
    return invalid("must be a row of bytes", tensor->place());
  }
  std::string_view text(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
  if (!is_valid_utf8(text)) return invalid("is not UTF-8", tensor->place());
  if (!text.empty() && text.back() != '\n') return invalid("does not end with a line break", tensor->place());
  std::vector<std::string> terms;
  for (; !text.empty(); text.remove_prefix(text.find('\n') + 1)) terms.emplace_back(text.substr(0, text.find('\n')));
  return terms;
}

Tensor tensor_of(std::span<const float> numbers, const Shape& shape) {
  Tensor tensor = Tensor::empty(DType::kF32, shape);
  std::copy(numbers.begin(), numbers.end(), tensor.data<float>());
  return tensor;
}

}  // namespace

Result<std::vector<std::string>> read_labels(const std::map<std::string, std::string>& metadata,
                                             const std::string& place) {
  const auto note = metadata.find(kLabelsNote);
  if (note == metadata.end()) return invalid("names no labels", place);
  TRY_ASSIGN(const Json json, parse_json(note->second, place + ": labels"));
  if (!json.is_array() || json.empty() || json.size() > kMostLabels) {
    return invalid(fmt::format("labels must be a list of 1 to {} texts", kMostLabels), place);
  }
  std::vector<std::string> labels;
  for (const Json& one : json) {
    if (!one.is_string()) return invalid("labels must be texts", place);
    labels.push_back(one.get<std::string>());
  }
  if (std::set<std::string>(labels.begin(), labels.end()).size() != labels.size()) {
    return invalid("a label stands there twice", place);
  }
  return labels;
}

std::string write_labels(std::span<const std::string> labels) {
  Json list = Json::array();
  for (const std::string& label : labels) list.push_back(label);
  return dump_json(list);
}

Result<WordClassifier> WordClassifier::fit(ThreadPool& pool, std::span<const std::string> texts,
                                           std::span<const int32_t> classes, std::vector<std::string> labels,
                                           const CancelToken* cancel) {
  const size_t every = texts.size() * labels.size() / kMostScores + 1;
  std::vector<std::string> learned;
  std::vector<int32_t> gold;
  for (size_t i = 0; i < texts.size(); i += every) {
    learned.push_back(texts[i]);
    gold.push_back(classes[i]);
  }
  TermWeights terms = TermWeights::fit(learned, kMostWeights / labels.size());
  std::vector<TermRow> rows;
  rows.reserve(learned.size());
  for (const std::string& text : learned) rows.push_back(terms.weigh(text));
  TRY_ASSIGN(LogisticModel model,
             fit_logistic(pool, rows, gold, terms.terms().size(), labels.size(), {.cancel = cancel}));
  return WordClassifier(std::move(labels), std::move(terms), std::move(model));
}

Result<WordClassifier> WordClassifier::read(const SafetensorsFile& file, const std::string& place) {
  const auto format = file.metadata.find(kFormatNote);
  if (format == file.metadata.end() || format->second != kFormat) return invalid("is not a word classifier", place);
  TRY_ASSIGN(std::vector<std::string> labels, read_labels(file.metadata, place));
  TRY_ASSIGN(const TensorSource source, TensorSource::of(file.tensors));
  TRY_ASSIGN(std::vector<std::string> terms, read_terms(source));
  LogisticModel model{terms.size(), labels.size(), {}, {}};
  const auto features = static_cast<int64_t>(model.features), classes = static_cast<int64_t>(model.classes);
  TRY_ASSIGN(std::vector<float> idf, floats(source, "idf", {features}));
  TRY_ASSIGN(model.weights, floats(source, "weights", {features, classes}));
  TRY_ASSIGN(model.bias, floats(source, "bias", {classes}));
  TRY_ASSIGN(TermWeights weights, TermWeights::of(std::move(terms), std::move(idf), place));
  return WordClassifier(std::move(labels), std::move(weights), std::move(model));
}

Result<WordClassifier> WordClassifier::open(const std::filesystem::path& path) {
  TRY_ASSIGN(const SafetensorsFile file, open_safetensors(path));
  return read(file, path.string());
}

Status WordClassifier::save(const std::filesystem::path& path) const {
  std::string lines;
  for (const std::string& term : terms_.terms()) lines += term + '\n';
  Tensor bytes = Tensor::empty(DType::kU8, {static_cast<int64_t>(lines.size())});
  std::copy(lines.begin(), lines.end(), bytes.data<uint8_t>());
  const auto features = static_cast<int64_t>(model_.features), classes = static_cast<int64_t>(model_.classes);
  SafetensorsOptions options;
  options.max_shard_bytes = UINT64_MAX;
  options.metadata = {{kFormatNote, kFormat}, {kLabelsNote, write_labels(labels_)}};
  return write_safetensors(
      path,
      {TensorToWrite::of("terms", bytes), TensorToWrite::of("idf", tensor_of(terms_.idf(), {features})),
       TensorToWrite::of("weights", tensor_of(model_.weights, {features, classes})),
       TensorToWrite::of("bias", tensor_of(model_.bias, {classes}))},
      options);
}

std::vector<double> WordClassifier::log_probabilities(const std::string& text) const {
  return model_.log_probabilities(terms_.weigh(text));
}

}  // namespace linnet
