// Multinomial logistic regression on sparse rows: the usual linear classifier of weighted words.
//
// Minimised is strength * Σ -log softmax(x · W + b)[label] + ½ ‖W‖², as scikit-learn's LogisticRegression does from
// three classes on (b is not held back), by L-BFGS (Liu & Nocedal 1989, "On the limited memory BFGS method for large
// scale optimization"). Sums run in an order that sizes alone decide: the same bits on any number of threads.
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "base/thread_pool.hpp"
#include "train/term_weights.hpp"

namespace linnet {

struct LogisticModel {
  size_t features = 0;         // F
  size_t classes = 0;          // K
  std::vector<float> weights;  // (F, K)
  std::vector<float> bias;     // (K)

  // The log-probability of each class: (K).
  std::vector<double> log_probabilities(const TermRow& row) const;
};

struct LogisticSettings {
  double strength = 1;      // of the data beside the norm of W: scikit-learn's C; > 0
  int most_steps = 200;     // of L-BFGS
  double tolerance = 1e-4;  // the largest number of the gradient of the mean loss where it ends
  const CancelToken* cancel = nullptr;
};

// labels: one in [0, classes) for each of `rows`, whose terms are in [0, features). Takes 14 float32 numbers of memory
// for each feature and class, and one for each row and class. Error: kCancelled.
Result<LogisticModel> fit_logistic(ThreadPool& pool, std::span<const TermRow> rows, std::span<const int32_t> labels,
                                   size_t features, size_t classes, const LogisticSettings& settings);

}  // namespace linnet
