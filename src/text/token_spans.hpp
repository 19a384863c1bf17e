// Which bytes of a text each of its tokens stands for.
// Thread safety: pure functions.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "text/token_model.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// The tokens [begin, end) of a text.
struct TokenRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const TokenRange&) const = default;
};

// For each of `spans` (bytes of `text`, ascending), the tokens [begin, end) of `ids` that have a byte of it, where
// `ids` is what `tokenizer` makes of `text` under `options`. Tokens are laid beside the text; where a normalizer has
// changed it, so that they do not fit, the text before each edge is encoded anew. Errors: those of encode(); more than
// 256 MiB to encode anew.
Result<std::vector<TokenRange>> tokens_in_spans(const Tokenizer& tokenizer, std::string_view text,
                                                const EncodeOptions& options, std::span<const int32_t> ids,
                                                std::span<const TextSpan> spans);

}  // namespace linnet
