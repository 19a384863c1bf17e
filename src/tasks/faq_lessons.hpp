// What an encoder learns from a list of questions: to put what people type near to what was written for the same
// answer, near to that answer, and away from what the list does not answer. The loss is symmetric InfoNCE with the
// other answers of a step as negatives (van den Oord et al. 2018, arXiv:1807.03748; in batches: Henderson et al. 2017,
// arXiv:1705.00652).
// Ownership: borrows the list. Thread safety: const methods.
#pragma once

#include <string>
#include <vector>

#include "data/faq.hpp"
#include "tasks/embedder.hpp"

namespace linnet {

class FaqLessons {
 public:
  // others: questions that the list does not answer. Requires a list that is not empty.
  FaqLessons(const FaqList& list, std::vector<std::string> others, uint64_t seed);

  // How many steps show each answer often enough.
  int64_t steps() const { return steps_; }
  // The loss of step `step` in [0, steps()), a pure function of it. Errors: Embedder's.
  Result<Tensor> loss(Context& ctx, const Embedder& embedder, int64_t step) const;

 private:
  std::vector<uint32_t> answers_of_step(int64_t step) const;

  const FaqList& list_;
  std::vector<std::vector<uint32_t>> questions_of_;  // an answer's questions
  std::vector<std::string> others_;
  uint64_t seed_;
  int64_t answers_of_a_step_;
  int64_t steps_;
};

}  // namespace linnet
