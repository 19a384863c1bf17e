// A run that was taught on labelled texts, asked: which label is a text's?
//
// In the folder of a run: encoder/ (the encoder's adapter) and head.safetensors (train/label_head.hpp),
// untaught.safetensors (the head before the first step), words.safetensors (train/word_classifier.hpp), and
// classifier.json, which says which of the two answers; run.json names the encoder. A run of --method words has the
// words alone. Ownership: owns model and runtime. Thread safety: one thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/embedder.hpp"
#include "train/label_head.hpp"
#include "train/word_classifier.hpp"

namespace linnet {

// Tokens that are read of a text.
inline constexpr int64_t kClassifierTokens = 256;

inline constexpr const char* kHeadFile = "head.safetensors";
inline constexpr const char* kUntaughtFile = "untaught.safetensors";
inline constexpr const char* kWordsFile = "words.safetensors";

enum class ClassifierKind : uint8_t {
  kEncoder,   // as it was taught
  kUntaught,  // the encoder as it was, and the nearest centroid
  kWords,     // weighted words
};
// "encoder", "words", as classifier.json has it.
std::string_view classifier_kind_name(ClassifierKind kind);

// Which of a run's classifiers answers. Errors: a classifier.json that does not say.
Result<ClassifierKind> answering_kind(const std::filesystem::path& folder);
// Written last: a run without it is not finished.
Status set_answering(const std::filesystem::path& folder, ClassifierKind kind);

// The vectors that a head reads, (S, C): pooled as label_head.hpp says, whatever the encoder's own pooling.
Result<Tensor> label_vectors(Context& ctx, const Embedder& embedder, std::span<const std::vector<int32_t>> texts);
// The same of many texts, some at a time. Errors: kCancelled.
Result<Tensor> label_vectors(Context& ctx, const Embedder& embedder, std::span<const std::string> texts,
                             const CancelToken* cancel);

// The log-probability of each label.
using LabelChances = std::vector<double>;

class Classifier {
 public:
  // The run in `folder`; kind: nullopt: the one that answers. Errors: files that are not those of such a run; an
  // encoder that is not on this machine.
  static Result<std::unique_ptr<Classifier>> open(const std::filesystem::path& folder, int threads,
                                                  std::optional<ClassifierKind> kind = std::nullopt);

  ClassifierKind kind() const { return kind_; }
  const std::vector<std::string>& labels() const;
  // A text's chances are the same whatever stands beside it. on_texts (may be empty) hears how many are done.
  // Errors: an empty text; kCancelled.
  Result<std::vector<LabelChances>> classify(std::span<const std::string> texts, const CancelToken* cancel = nullptr,
                                             const std::function<void(size_t done)>& on_texts = {}) const;

 private:
  explicit Classifier(ClassifierKind kind) : kind_(kind) {}

  ClassifierKind kind_;
  std::optional<WordClassifier> words_;
  std::unique_ptr<Runtime> runtime_;
  std::optional<Embedder> embedder_;
  std::optional<LabelHead> head_;
};

// The encoder of the run in `folder`, with its adapter unless `untaught`. Errors: a run of words alone.
Result<ModelHandle> classifier_encoder(const std::filesystem::path& folder, bool untaught = false);

// The place of the likeliest; of equals the first.
size_t likeliest(const LabelChances& chances);

}  // namespace linnet
