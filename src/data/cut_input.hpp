// Inputs that are longer than a job reads: their beginnings.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "data/sample.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// Leaves of `text` its longest beginning of at most `tokens` (> 0) tokens that ends with a word, where one ends there.
// Returns whether anything was cut off. The work hangs on `tokens`, not on how long the text is. Errors: those of
// encode().
Result<bool> cut_to_tokens(std::string& text, int64_t tokens, const Tokenizer& tokenizer);

// The same for the last user message of each conversation; never for what the assistant says. Returns how many were
// cut. Same result on any number of threads. Errors: those of encode(), at the sample's place.
Result<size_t> cut_inputs(std::vector<Sample>& samples, int64_t tokens, const Tokenizer& tokenizer, ThreadPool& pool);

}  // namespace linnet
