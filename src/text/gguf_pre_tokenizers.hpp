// The pre-tokenizers that GGUF names in tokenizer.ggml.pre: llama.cpp's table, src/llama-vocab.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/pre_tokenizer.hpp"

namespace linnet {

struct GgufPreTokenizer {
  PreTokenizers stages;
  std::vector<std::string> patterns;  // of the stages, each of which isolates its matches
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
};

// Errors: a name that is not in the table.
Result<GgufPreTokenizer> gguf_pre_tokenizer(std::string_view name, const std::string& place);

// The name in the table whose patterns are `patterns` (as tokenizer.json spells them), or "" where there is none.
std::string_view gguf_pre_tokenizer_name(const std::vector<std::string>& patterns, bool ignore_merges);

}  // namespace linnet
