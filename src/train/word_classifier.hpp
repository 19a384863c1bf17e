// The simple classifier that a taught one must beat: weighted words (term_weights.hpp) and logistic regression
// (logistic.hpp), in one file.
//
// The file is safetensors: "terms" (bytes), the terms by rising bytes with a line break after each; "idf" (F) float32;
// "weights" (F, K) and "bias" (K) float32; in its metadata "linnet" is "word classifier 1", and "labels" a JSON list of
// K texts. Ownership: values. Thread safety: const methods.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "formats/safetensors.hpp"
#include "train/logistic.hpp"
#include "train/term_weights.hpp"

namespace linnet {

// The labels that one classifier knows, at most.
inline constexpr size_t kMostLabels = 1000;

// What a file's metadata says under "labels": distinct texts, at least one and at most kMostLabels.
Result<std::vector<std::string>> read_labels(const std::map<std::string, std::string>& metadata,
                                             const std::string& place);
std::string write_labels(std::span<const std::string> labels);

class WordClassifier {
 public:
  // labels: names of the classes; classes: of each text, a place among them. Of very many texts only so many are
  // learned from, at even distances, that all classes of all of them are kMostScores numbers. Error: kCancelled.
  static constexpr size_t kMostScores = size_t{1} << 26;
  static Result<WordClassifier> fit(ThreadPool& pool, std::span<const std::string> texts,
                                    std::span<const int32_t> classes, std::vector<std::string> labels,
                                    const CancelToken* cancel);

  // Errors: not such a file, each with what is wrong in it.
  static Result<WordClassifier> read(const SafetensorsFile& file, const std::string& place);
  static Result<WordClassifier> open(const std::filesystem::path& path);
  Status save(const std::filesystem::path& path) const;

  const std::vector<std::string>& labels() const { return labels_; }
  size_t terms() const { return terms_.terms().size(); }
  // Of each label.
  std::vector<double> log_probabilities(const std::string& text) const;

 private:
  WordClassifier(std::vector<std::string> labels, TermWeights terms, LogisticModel model)
      : labels_(std::move(labels)), terms_(std::move(terms)), model_(std::move(model)) {}

  std::vector<std::string> labels_;
  TermWeights terms_;
  LogisticModel model_;
};

}  // namespace linnet
