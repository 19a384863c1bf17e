// Scores of labels: accuracy, F1 for each class and their mean, the confusion matrix.
// As scikit-learn's accuracy_score, f1_score(average="macro") and confusion_matrix define them.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/statistics.hpp"

namespace linnet {

// The right class and the predicted one: places among the task's classes.
struct Labelled {
  int32_t gold = 0;
  int32_t predicted = 0;
};

struct ConfusionMatrix {
  size_t classes = 0;
  std::vector<int64_t> counts;  // (classes, classes): row gold, column predicted

  int64_t at(size_t gold, size_t predicted) const { return counts[gold * classes + predicted]; }
};
ConfusionMatrix confusion(std::span<const Labelled> items, size_t classes);

// F1 of each class: 2 tp / (2 tp + fp + fn), 0 where that is 0/0.
std::vector<double> class_f1(const ConfusionMatrix& matrix);

Metric accuracy_metric(std::span<const Labelled> items);
// The mean of F1 over the classes that occur as gold or as prediction.
Metric macro_f1_metric(std::span<const Labelled> items, size_t classes);

}  // namespace linnet
