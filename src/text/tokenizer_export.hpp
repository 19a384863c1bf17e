// The way back: a tokenizer as the fields of a GGUF file, and as a tokenizer.json.
//
// What comes out, llama.cpp and Hugging Face tokenizers read; ids of ordinary text stay the same. What the target
// cannot say (a normal form in GGUF, llama.cpp's own reading of a pattern) is lost, as it is in their own converters.
// Thread safety: pure functions.
#pragma once

#include <string>

#include "base/result.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// Errors: a kind of tokenizer that GGUF has no model for, a pre-tokenizer that llama.cpp has no name for.
Result<GgufTokenizerFields> to_gguf_fields(const Tokenizer& tokenizer);

// The text of a tokenizer.json. Errors: a tokenizer that did not come from GGUF or SentencePiece (the tokenizer.json
// that it came from is the better one), words and characters.
Result<std::string> to_tokenizer_json(const Tokenizer& tokenizer);

}  // namespace linnet
