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
  ConfusionMatrix matrix{classes, std::vector<int64_t>(classes * (classes + 1))};
  for (const Labelled& item : items) {
    CHECK(item.gold >= 0 && std::cmp_less(item.gold, classes) && std::cmp_less(item.predicted, classes));
    const size_t column = item.predicted < 0 ? classes : static_cast<size_t>(item.predicted);
    ++matrix.counts[static_cast<size_t>(item.gold) * (classes + 1) + column];
  }
  return matrix;
}

std::vector<double> class_f1(const ConfusionMatrix& matrix) {
  std::vector<double> out;
  for (size_t c = 0; c < matrix.classes; ++c) {
    double gold = 0, predicted = 0;
    for (size_t other = 0; other <= matrix.classes; ++other) gold += static_cast<double>(matrix.at(c, other));
    for (size_t other = 0; other < matrix.classes; ++other) predicted += static_cast<double>(matrix.at(other, c));
    out.push_back(f1(static_cast<double>(matrix.at(c, c)), gold, predicted));
  }
  return out;
}

Metric accuracy_metric(std::span<const Labelled> items) {
  std::vector<double> right;
  right.reserve(items.size());
  for (const Labelled& item : items) right.push_back(item.gold == item.predicted ? 1 : 0);
  return mean_metric("accuracy", std::move(right));
}

Metric macro_f1_metric(std::span<const Labelled> items, size_t classes) {
  // Of each class: items that are and were told to be it, that are it, that were told to be it.
  Metric metric{"macro_f1", 3 * classes, {}, [classes](std::span<const double> sums, size_t) {
                  double total = 0, present = 0;
                  for (size_t c = 0; c < classes; ++c) {
                    const double gold = sums[3 * c + 1], predicted = sums[3 * c + 2];
                    if (gold + predicted == 0) continue;
                    total += f1(sums[3 * c], gold, predicted);
                    ++present;
                  }
                  return present > 0 ? total / present : 0;
                }};
  std::vector<double> numbers;
  for (const Labelled& item : items) {
    numbers.assign(metric.width, 0);
    numbers[3 * static_cast<size_t>(item.gold) + 1] = 1;
    if (item.predicted >= 0) numbers[3 * static_cast<size_t>(item.predicted) + 2] = 1;
    if (item.predicted == item.gold) numbers[3 * static_cast<size_t>(item.gold)] = 1;
    metric.add(numbers);
  }
  return metric;
}

}  // namespace linnet
