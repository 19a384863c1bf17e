// A larger model that another one learns from: distillation (Hinton et al. 2015, arXiv:1503.02531), from what it finds
// likely at each token (tasks/teacher_table.hpp) or from what it writes.
// Ownership: a Teacher owns what it found, no weights. Thread safety: const methods may be called from any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "tasks/model_handle.hpp"

namespace linnet {

enum class DistilFrom : uint8_t {
  kLogits,  // its probabilities of the tokens that are learned
  kText,    // its own answers to the data's prompts
};

struct TeacherSettings {
  std::string name;  // of the model; empty: there is none
  DistilFrom from = DistilFrom::kLogits;
  int64_t top = 64;       // kLogits: so many of its likeliest tokens count one by one, all others as one
  double weight = 0.5;    // kLogits: of its probabilities, beside the data's own tokens
  float temperature = 0;  // kText: 0: the likeliest answer
};

class Teacher {
 public:
  // Reads all files once, for digest(). Errors: not found; an encoder, a list of questions, a classifier.
  static Result<Teacher> find(const std::string& name, const CancelToken* cancel = nullptr);

  const ModelHandle& model() const { return model_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  // SHA-256 over all that decides what it says: weights, config, tokenizer, adapters.
  const std::string& digest() const { return digest_; }

  // Error kUnsupported that names the first token which is not the same in both.
  Status check_vocabulary(const Tokenizer& pupil, const std::string& pupil_name) const;

  // Its weights and adapters, ready to run. Errors: as load_weights.
  Result<Transformer> load(Runtime& runtime, int64_t context) const;

 private:
  Teacher(ModelHandle model, Tokenizer tokenizer) : model_(std::move(model)), tokenizer_(std::move(tokenizer)) {}

  ModelHandle model_;
  Tokenizer tokenizer_;
  std::string digest_;
};

}  // namespace linnet
