// What the model will read, and which of it is learned, for a person to look at before the first step.
// Thread safety: pure functions.
#pragma once

#include <string>

#include "data/render.hpp"

namespace linnet {

// The sequence as text, special tokens spelled out, without control characters. What is learned is green where
// `colour`, else it stands in ⟦brackets⟧. Ends with a new line. Of a sequence longer than `most` tokens the middle is
// left out.
std::string preview(const TokenSequence& sequence, const Tokenizer& tokenizer, bool colour, size_t most = 400);

}  // namespace linnet
