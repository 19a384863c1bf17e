// A taught list of questions, asked: the encoder finds what the list says, the language model chooses among it, and
// what the list does not answer is declined. The reply is an answer of the list, word for word.
//
// In the folder of a run: encoder/ (the encoder's adapter), faq.json and faq.safetensors (tasks/faq_index.hpp), and
// run.json, which names the encoder and what is said to a declined question.
// Ownership: owns encoder and list; borrows runtime, language model and tokenizer. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tasks/faq_chooser.hpp"
#include "tasks/faq_index.hpp"

namespace linnet {

// What is thought of a question before anything is said.
struct FaqJudgement {
  struct Candidate {
    uint32_t answer = 0;
    double similarity = 0;  // to the nearest question of the list
    double gain = 0;        // FaqChooser's likelihood, less the best; 0 where it was not asked
    double verdict = 0;     // FaqChooser's, of the likeliest; of others the least of these; a usual one without any
    double score = 0;       // of all three
  };
  std::vector<Candidate> candidates;  // the best first; at least one
  double nearest_other = 0;           // similarity to the nearest question that the list does not answer
  double belonging = 0;               // FaqChooser's; 0 where it was not asked
  double confidence = 0;
  bool declined = false;  // everything is far away, and then no chooser was asked, or confidence is too small
};

struct FaqReply {
  std::string text;
  FaqJudgement judgement;
};

// The taught encoder of the run in `folder`. Errors: a run.json that names none; an encoder that is not on this
// machine.
Result<ModelHandle> faq_encoder(const std::filesystem::path& folder);

class FaqAssistant {
 public:
  static std::unique_ptr<FaqAssistant> create(Embedder embedder, FaqIndex index, std::string declining);
  // The run in `folder`. Errors: files that are not those of such a run.
  static Result<std::unique_ptr<FaqAssistant>> open(const std::filesystem::path& folder, Runtime& runtime);

  // Lets a language model choose from now on; without one, the encoder decides alone.
  void set_chooser(FaqThinker thinker);
  // Errors: an empty question; those of the models.
  Result<FaqReply> reply(const std::string& question) const;
  const FaqList& list() const { return index_.list(); }

 private:
  FaqAssistant(Embedder embedder, FaqIndex index, std::string declining)
      : embedder_(std::move(embedder)), index_(std::move(index)), declining_(std::move(declining)) {}
  Result<FaqJudgement> judge(const std::string& question) const;

  Embedder embedder_;
  FaqIndex index_;
  std::string declining_;  // what is said where the list has no answer
  std::unique_ptr<FaqChooser> chooser_;
};

}  // namespace linnet
