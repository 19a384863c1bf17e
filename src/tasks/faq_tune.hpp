// `linnet tune` on a list of questions: an encoder learns what belongs to which answer (tasks/faq_lessons.hpp). The
// language model that chooses (tasks/faq_chooser.hpp) stays as it is. Weights alone do not carry such a list: taught to
// write the answers, a small model invents those that it was not shown (docs/faq.md has the figures).
// Ownership: owns the data. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.hpp"
#include "tasks/faq_assistant.hpp"
#include "tasks/teaching.hpp"

namespace linnet {

inline constexpr const char* kFaqEncoder = "mpnet";
inline constexpr const char* kFaqChooser = "qwen2.5-coder:1.5b";
inline constexpr const char* kDeclining = "I don't know that. Please ask us directly.";

struct FaqSettings {
  std::string base = kFaqChooser;
  std::string encoder = kFaqEncoder;
  std::string declining = kDeclining;  // the reply where the list has no answer
  uint64_t seed = 0;
  int threads = 0;
};

// Whether what was read is better looked up than written: short questions and answers, few enough to know by heart.
bool is_faq(const Dataset& dataset);

class FaqTuner {
 public:
  // Loads no weights. Errors: a model that is not there; an encoder that is none.
  static Result<std::unique_ptr<FaqTuner>> prepare(const FaqSettings& settings, const Dataset& dataset);

  const FaqList& list() const { return list_; }
  int64_t encoder_steps() const { return encoder_steps_; }
  // All that decides what is learned, for run.json.
  Json info() const;

  // Teaches, and writes the run to version.folder. Errors: those of load_weights and run_loop.
  Status run(const RunVersion& version, bool resume, const TeachingHooks& hooks);
  // After run(): the list as the encoder saw it before it learned.
  const FaqIndex& untaught() const { return untaught_; }

 private:
  // Teaches the adapter that `embedder` has on. others: questions that the list does not answer.
  Status teach_encoder(Embedder& embedder, const std::vector<std::string>& others, const RunVersion& version,
                       bool resume, const TeachingHooks& hooks);

  FaqTuner(FaqSettings settings, ModelHandle encoder, ModelHandle base, std::unique_ptr<Runtime> runtime)
      : settings_(std::move(settings)),
        encoder_(std::move(encoder)),
        base_(std::move(base)),
        runtime_(std::move(runtime)) {}

  FaqSettings settings_;
  ModelHandle encoder_;
  ModelHandle base_;
  std::unique_ptr<Runtime> runtime_;
  FaqList list_;
  FaqIndex untaught_;
  int64_t encoder_steps_ = 0;
  bool bfloat16_ = false;
};

}  // namespace linnet
