// What merging adapters into a quantised base costs: the merged file against the adapters on top of the base.
// Thread safety: main thread only.
#pragma once

#include <span>
#include <string>

#include "cli/common.hpp"
#include "eval/text_score.hpp"

namespace linnet::cli {

// Scores the tokens of `text_file` (empty: a short text of Linnet's own), at most kMergeTokens of them, with both
// models: divergences are from `model` with `adapters` to the model at `merged`. Errors: no tokenizer, a text of less
// than two tokens, memory for both models, cancelled.
inline constexpr int64_t kMergeTokens = 2048;
Result<TextComparison> compare_merged(const ModelHandle& model, std::span<const ChosenAdapter> adapters,
                                      const std::string& merged, const std::string& text_file, Runtime& runtime);

}  // namespace linnet::cli
