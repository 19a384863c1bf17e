// How well a model foresees a text: perplexity over a sliding window (as Hugging Face's guide "Perplexity of
// fixed-length models" computes it), and how far a second model's predictions are from the first's. Thread safety: one
// thread at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>

#include "base/cancel.hpp"
#include "models/transformer.hpp"

namespace linnet {

// A window holds `window` tokens of the text and moves on by `stride`; each token is scored once, from all tokens
// before it in its window: at least window - stride, but near the beginning of the text.
struct TextWindow {
  int64_t window = 512;
  int64_t stride = 256;  // 1 to window, less than it where there is no bos
  int32_t bos = -1;      // put before every window; below 0: nothing, and the text's first token is not scored
};

// A model as it writes: with keys and values kept as `cache`.
struct ScoredModel {
  const Transformer* model = nullptr;  // null: none
  DType cache = DType::kF32;
};

// A mean over tokens, with its standard error.
struct TokenMean {
  int64_t count = 0;
  double sum = 0;
  double squares = 0;
  double largest = 0;  // of numbers that are not below 0

  void add(double x) {
    ++count;
    largest = std::max(largest, x);
    sum += x;
    squares += x * x;
  }
  double mean() const { return sum / static_cast<double>(count); }
  double standard_error() const;
};

struct TextScore {
  TokenMean nats;  // -log p of each scored token

  double perplexity() const { return std::exp(nats.mean()); }
  double bits_per_byte(int64_t bytes) const { return nats.sum / std::log(2.0) / static_cast<double>(bytes); }
};

// The second model beside the first.
struct TextComparison {
  TextScore score;       // of the second
  TokenMean divergence;  // Kullback-Leibler, from the first's distribution to the second's, in nats
  int64_t same_top = 0;  // tokens whose likeliest prediction is the same
};

struct TextResult {
  TextScore score;
  TextComparison against;  // all zero where there is no second model
};

// Scores `tokens`, at least two. `second` may be no model; its vocabulary must be the first's. `progress` hears how
// many of how many tokens are scored. Errors: a model without a head, cancellation, logits that are not finite.
Result<TextResult> score_text(const ScoredModel& first, const ScoredModel& second, Context& ctx,
                              std::span<const int32_t> tokens, const TextWindow& window, const CancelToken& cancel,
                              const std::function<void(int64_t, int64_t)>& progress);

}  // namespace linnet
