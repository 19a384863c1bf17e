// The tokenizer.json of a tokenizer that was trained here, and the tokenizer_config.json beside it.
// Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "text/training/train_bpe.hpp"
#include "text/training/train_unigram.hpp"

namespace linnet {

// `specials` are the first tokens of `trained`.
std::string bpe_tokenizer_json(const TrainedBpe& trained, std::span<const std::string> specials);

// Tokens in order: <unk>, with `byte_tokens` the 256 bytes "<0x00>" to "<0xFF>", the pieces, `specials`.
std::string unigram_tokenizer_json(const TrainedUnigram& trained, std::span<const std::string> specials,
                                   bool byte_tokens);

// The first special token ends a text; with `unknown` there is <unk>.
std::string trained_tokenizer_config(std::span<const std::string> specials, bool unknown);

inline constexpr const char* kUnknownPiece = "<unk>";

// "<0x0A>"
std::string byte_piece(int byte);

}  // namespace linnet
