// What the columns of each weight matrix count: the mean square of the activations that they are multiplied with, over
// a text. Rounding a weight of column c by e moves an output by e x_c, so the expected squared error of a matrix
// product is the sum of e² times the column's mean square, where columns are uncorrelated. llama.cpp calls it the
// importance matrix.
// Thread safety: const methods are safe together.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "models/transformer.hpp"

namespace linnet {

class Importance {
 public:
  // Of the matrix with this name in GGUF: (C), of a mixture's experts (E, C), all above 0, of mean 1 over a matrix's
  // columns. Empty: it was never used.
  std::span<const float> of(std::string_view name) const;
  bool empty() const { return columns_.empty(); }

  void add(std::string name, std::vector<float> columns) { columns_.emplace(std::move(name), std::move(columns)); }

 private:
  std::map<std::string, std::vector<float>, std::less<>> columns_;
};

// The text is cut into windows of `window` tokens, one after the other; the last may be shorter.
struct CalibrationWindow {
  int64_t window = 512;
  int32_t bos = -1;  // put before each window, and counted; below 0: nothing
};

// Runs `model` over `tokens`, at least one. The activations of the head count, too; of an expert, those of the rows
// that were sent to it, and one that got none counts all its columns alike. Columns that are never active count a
// millionth of the matrix's mean, so that no weight is free. The result is the same on any number of threads.
// `progress` hears how many of how many tokens were read. Errors: activations that are not finite, with the matrix's
// name; a token outside the vocabulary; cancellation.
Result<Importance> measure_importance(const Transformer& model, Context& ctx, std::span<const int32_t> tokens,
                                      const CalibrationWindow& window, const CancelToken& cancel,
                                      const std::function<void(int64_t, int64_t)>& progress);

}  // namespace linnet
