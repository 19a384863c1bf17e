// One row of logits as a distribution. Ownership: borrows the logits. Thread safety: const.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "tensor/tensor.hpp"

namespace linnet {

// p[i] = exp(logits[i] - normaliser), in double so that a large vocabulary costs no digits.
struct LogitRow {
  std::span<const float> logits;
  double normaliser;

  explicit LogitRow(std::span<const float> all) : logits(all) {
    const double largest = *std::max_element(all.begin(), all.end());
    double sum = 0;
    for (const float logit : all) sum += std::exp(logit - largest);
    normaliser = largest + std::log(sum);
  }
  // Row r of logits: (R, V).
  LogitRow(const Tensor& all, int64_t r)
      : LogitRow(all.span<float>().subspan(static_cast<size_t>(r * all.dim(1)), static_cast<size_t>(all.dim(1)))) {}

  double log_of(size_t i) const { return logits[i] - normaliser; }
  // The likeliest; of equals the first.
  size_t top() const { return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()); }
};

}  // namespace linnet
