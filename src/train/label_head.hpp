// A linear layer on an encoder's pooled output that tells classes apart.
//
// Pooled is the mean of a text's last hidden states, as LayerNorm without weights makes it (mean 0, variance 1):
//   logits = LayerNorm(mean) · Wᵀ + b.
// It begins as the nearest centroid (Snell et al. 2017, arXiv:1703.05175, with cosines): before the first step, the
// likeliest class is that whose texts the untaught encoder puts nearest.
// Ownership: values that share tensors. Thread safety: const methods.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.hpp"
#include "train/parameters.hpp"

namespace linnet {

// means: (S, C) -> (S, C), each row with mean 0 and variance 1. Differentiable.
Tensor normal_rows(Context& ctx, const Tensor& means);

class LabelHead {
 public:
  // The nearest centroid. vectors: (S, C) of normal_rows(); classes: of each, a place among `labels`. A class without a
  // vector has the centroid zero. scale: of the cosines, which are the logits.
  static LabelHead nearest_centroid(std::vector<std::string> labels, const Tensor& vectors,
                                    std::span<const int32_t> classes, float scale);

  // vectors: (S, C) of normal_rows() -> (S, K). Differentiable.
  Tensor logits(Context& ctx, const Tensor& vectors) const;
  std::vector<Parameter> parameters();

  // safetensors: "weight" (K, C), "bias" (K), and in the metadata "linnet": "label head 1" and "labels"
  // (train/word_classifier.hpp). Errors: not such a file; another width than `width`.
  static Result<LabelHead> read(const SafetensorsFile& file, int64_t width, const std::string& place);
  static Result<LabelHead> open(const std::filesystem::path& path, int64_t width);
  Status save(const std::filesystem::path& path) const;

  const std::vector<std::string>& labels() const { return labels_; }
  const Tensor& weight() const { return weight_; }  // (K, C)
  const Tensor& bias() const { return bias_; }      // (K)

 private:
  std::vector<std::string> labels_;
  Tensor weight_;
  Tensor bias_;
};

}  // namespace linnet
