#include "train/label_head.hpp"

#include <algorithm>
#include <cmath>

#include "formats/safetensors_writer.hpp"
#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/norm.hpp"
#include "quant/finite.hpp"
#include "train/word_classifier.hpp"

namespace linnet {

namespace {

constexpr const char* kFormatNote = "linnet";
constexpr const char* kFormat = "label head 1";
constexpr float kEps = 1e-12f;  // BERT's layer_norm_eps

Result<Tensor> read_tensor(const TensorSource& source, const char* name, const Shape& shape) {
  TRY_ASSIGN(const StoredTensor* tensor, source.get(name));
  if (tensor->dtype != DType::kF32 || tensor->shape != shape) {
    return invalid("must be F32 " + shape.to_string(), tensor->place());
  }
  Tensor numbers = to_f32(*tensor).clone();
  if (first_not_finite(numbers.data<float>(), numbers.elements()) >= 0) {
    return invalid("holds NaN or infinite numbers", tensor->place());
  }
  return numbers;
}

Tensor filled(int64_t count, float value) {
  Tensor tensor = Tensor::empty(DType::kF32, {count});
  std::fill_n(tensor.data<float>(), count, value);
  return tensor;
}

}  // namespace

Tensor normal_rows(Context& ctx, const Tensor& means) {
  return ops::layer_norm(ctx, means, filled(means.dim(1), 1), {}, kEps);
}

LabelHead LabelHead::nearest_centroid(std::vector<std::string> labels, const Tensor& vectors,
                                      std::span<const int32_t> classes, float scale) {
  const auto count = static_cast<int64_t>(labels.size());
  const int64_t width = vectors.dim(1);
  std::vector<double> sums(static_cast<size_t>(count * width));
  for (size_t i = 0; i < classes.size(); ++i) {
    const float* vector = vectors.data<float>() + static_cast<int64_t>(i) * width;
    double* sum = sums.data() + classes[i] * width;
    for (int64_t c = 0; c < width; ++c) sum[c] += static_cast<double>(vector[c]);
  }
  LabelHead head;
  head.labels_ = std::move(labels);
  head.weight_ = Tensor::empty(DType::kF32, {count, width});
  head.bias_ = filled(count, 0);
  // A row of normal_rows() has the length √C.
  const double by = static_cast<double>(scale) / std::sqrt(static_cast<double>(width));
  for (int64_t k = 0; k < count; ++k) {
    const double* sum = sums.data() + k * width;
    double squares = 0;
    for (int64_t c = 0; c < width; ++c) squares += sum[c] * sum[c];
    const double factor = squares > 0 ? by / std::sqrt(squares) : 0;
    for (int64_t c = 0; c < width; ++c) head.weight_.data<float>()[k * width + c] = static_cast<float>(factor * sum[c]);
  }
  return head;
}

Tensor LabelHead::logits(Context& ctx, const Tensor& vectors) const {
  return ops::add(ctx, ops::matmul_transposed(ctx, vectors, weight_), bias_);
}

std::vector<Parameter> LabelHead::parameters() {
  return {{"classifier.weight", &weight_, true}, {"classifier.bias", &bias_, false}};
}

Result<LabelHead> LabelHead::read(const SafetensorsFile& file, int64_t width, const std::string& place) {
  const auto format = file.metadata.find(kFormatNote);
  if (format == file.metadata.end() || format->second != kFormat) return invalid("is not a label head", place);
  LabelHead head;
  TRY_ASSIGN(head.labels_, read_labels(file.metadata, place));
  TRY_ASSIGN(const TensorSource source, TensorSource::of(file.tensors));
  const auto count = static_cast<int64_t>(head.labels_.size());
  TRY_ASSIGN(head.weight_, read_tensor(source, "weight", {count, width}));
  TRY_ASSIGN(head.bias_, read_tensor(source, "bias", {count}));
  return head;
}

Result<LabelHead> LabelHead::open(const std::filesystem::path& path, int64_t width) {
  TRY_ASSIGN(const SafetensorsFile file, open_safetensors(path));
  return read(file, width, path.string());
}

Status LabelHead::save(const std::filesystem::path& path) const {
  SafetensorsOptions options;
  options.metadata = {{kFormatNote, kFormat}, {"labels", write_labels(labels_)}};
  return write_safetensors(path, {TensorToWrite::of("weight", weight_), TensorToWrite::of("bias", bias_)}, options);
}

}  // namespace linnet
