// A rendered conversation to token ids. Special tokens come from the template alone: what people write is text, even
// when it spells <|im_end|>.
//
// Before rendering, mark() puts noncharacters around every special token that the messages spell; encode() reads what
// stands between them as text. The Unicode standard sets U+FDD0..U+FDEF aside for such internal use.
// Thread safety: const methods may be called from any thread. Ownership: borrows the tokenizer.
#pragma once

#include <bitset>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "text/token_spans.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

struct PromptMarks {
  std::string open;
  std::string close;
};

class PromptEncoder {
 public:
  explicit PromptEncoder(const Tokenizer& tokenizer);

  // Marks every text in `json`, to a depth of 64. nullopt where no special token is spelled: nothing is changed then.
  // Errors: the messages use every one of the noncharacters.
  Result<std::optional<PromptMarks>> mark(Json& json) const;

  Result<std::vector<int32_t>> encode(std::string_view rendered, const std::optional<PromptMarks>& marks) const;

  struct Encoded {
    std::vector<int32_t> tokens;
    std::vector<TokenRange> ranges;  // of each span, in their order
  };
  // Finds besides which tokens lie in each of `spans` (bytes of `rendered`, ascending, apart from each other): those
  // that have a byte of it, as transformers' char_to_token gives them. A token that stands across the edge is in.
  Result<Encoded> encode_spans(std::string_view rendered, const std::optional<PromptMarks>& marks,
                               std::span<const TextSpan> spans) const;

  // `rendered` without the marks.
  static std::string without_marks(std::string rendered, const std::optional<PromptMarks>& marks);

  // The special token that `text` ends with, the longest if there are several; kNoToken where there is none.
  int32_t special_at_end(std::string_view text) const;
  // The special token that `text` begins with.
  int32_t special_at_begin(std::string_view text) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  bool mark_text(std::string& text, const PromptMarks& marks) const;
  bool mark_all(Json& json, const PromptMarks& marks, int depth) const;

  const Tokenizer* tokenizer_;
  std::vector<int32_t> special_;  // the longest spelling first, so that none is cut by another that begins it
  std::bitset<256> first_bytes_;  // of their spellings
};

}  // namespace linnet
