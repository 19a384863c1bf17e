#include "eval/classification.hpp"

#include <utility>

#include "base/check.hpp"

namespace linnet {

namespace {

double f1(double both, double gold, double predicted) {
  return gold + predicted > 0 ? 2 * both / (gold + predicted) : 0;
}

}  // namespace

ConfusionMatrix confusion(std::span<const Labelled> items, size_t classes) {
  ConfusionMatrix matrix{classes, std::vector<int64_t>(classes * classes)};
  for (const Labelled& item : items) {
    CHECK(item.gold >= 0 && std::cmp_less(item.gold, classes));
    CHECK(item.predicted >= 0 && std::cmp_less(item.predicted, classes));
    ++matrix.counts[static_cast<size_t>(item.gold) * classes + static_cast<size_t>(item.predicted)];
  }
  return matrix;
}

std::vector<double> class_f1(const ConfusionMatrix& matrix) {
  std::vector<double> out;
  for (size_t c = 0; c < matrix.classes; ++c) {
    double gold = 0, predicted = 0;
    for (size_t other = 0; other < matrix.classes; ++other) {
      gold += static_cast<double>(matrix.at(c, other));
      predicted += static_cast<double>(matrix.at(other, c));
    }
    out.push_back(f1(static_cast<double>(matrix.at(c, c)), gold, predicted));
  }
  return out;
}

Metric accuracy_metric(std::span<const Labelled> items) {
  std::vector<double> right;
  right.reserve(items.size());
  for (const Labelled& item : items) right.push_back(item.gold == item.predicted ? 1 : 0);
  return mean_metric("accuracy", right);
}

Metric macro_f1_metric(std::span<const Labelled> items, size_t classes) {
  // Of each class: items that are it, that are predicted to be it, that both are.
  Metric metric("macro_f1", 3 * classes, [classes](std::span<const double> sums, size_t) {
    double total = 0, present = 0;
    for (size_t c = 0; c < classes; ++c) {
      const double gold = sums[3 * c], predicted = sums[3 * c + 1];
      if (gold + predicted == 0) continue;
      total += f1(sums[3 * c + 2], gold, predicted);
      ++present;
    }
    return present > 0 ? total / present : 0;
  });
  for (const Labelled& item : items) {
    const size_t gold = 3 * static_cast<size_t>(item.gold), predicted = 3 * static_cast<size_t>(item.predicted);
    if (gold == predicted) {
      metric.count({gold, gold + 1, gold + 2});
    } else {
      metric.count({gold, predicted + 1});
    }
  }
  return metric;
}

}  // namespace linnet
