// What the model will read, and which of it is learned, for a person to look at before the first step.
// Thread safety: pure functions.
#pragma once

#include <string>

#include "data/render.hpp"

namespace linnet {

// What becomes of the tokens that count.
enum class PreviewMark {
  kLikelier,    // learned: green, or ⟦in brackets⟧
  kUnlikelier,  // a reply that people found bad: red, or ⟪in brackets⟫
};

struct PreviewStyle {
  bool colour = false;
  PreviewMark mark = PreviewMark::kLikelier;
  size_t most = 400;  // tokens: of a longer sequence the middle is left out
};

// The sequence as text, special tokens spelled out, without control characters. Ends with a new line.
std::string preview(const TokenSequence& sequence, const Tokenizer& tokenizer, const PreviewStyle& style = {});

}  // namespace linnet
