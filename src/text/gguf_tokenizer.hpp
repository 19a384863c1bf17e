// Tokenizers as GGUF files describe them (tokenizer.ggml.*), read as llama.cpp reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// The metadata of a file; the name of the key is "tokenizer.ggml." and the name in the comment. Optional fields are
// those that a file may leave out.
struct GgufTokenizerFields {
  std::string model;                             // model: gpt2, llama, bert, t5
  std::optional<std::string> pre;                // pre: which pre-tokenizer (gpt2)
  std::vector<std::string> tokens;               // tokens
  std::vector<float> scores;                     // scores; empty, or one for each token
  std::vector<int32_t> token_types;              // token_type; empty, or one for each token
  std::vector<std::string> merges;               // merges: "left right" (gpt2)
  std::optional<int64_t> bos;                    // bos_token_id
  std::optional<int64_t> eos;                    // eos_token_id
  std::optional<int64_t> eot;                    // eot_token_id
  std::optional<int64_t> unk;                    // unknown_token_id
  std::optional<int64_t> sep;                    // seperator_token_id (sic)
  std::optional<int64_t> pad;                    // padding_token_id
  std::optional<int64_t> cls;                    // cls_token_id
  std::optional<int64_t> mask;                   // mask_token_id
  std::optional<bool> add_bos;                   // add_bos_token
  std::optional<bool> add_eos;                   // add_eos_token
  std::optional<bool> add_sep;                   // add_sep_token
  std::optional<bool> add_space_prefix;          // add_space_prefix
  std::optional<bool> remove_extra_whitespaces;  // remove_extra_whitespaces
  std::optional<bool> lowercase;                 // normalizer.lowercase (bert)
  std::optional<bool> strip_accents;             // normalizer.strip_accents (bert)
  std::string model_name;                        // general.name, on which llama.cpp hangs how Phi-3's tokens strip
  std::string precompiled_charsmap;              // precompiled_charsmap: raw bytes (t5)
};

// Errors: an unknown model or pre-tokenizer, lists of different lengths, ids outside of the vocabulary, merges of
// tokens that there are not. `place` is the file.
Result<Tokenizer> load_gguf_tokenizer(const GgufTokenizerFields& fields, const std::string& place);

}  // namespace linnet
