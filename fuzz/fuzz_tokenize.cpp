// Any bytes as a text: a byte-level tokenizer gives the very bytes back, whatever its pre-tokenizer; decoding token by
// token gives what decoding at once gives.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/unicode.hpp"

namespace {

using namespace linnet;

constexpr std::array kPre = {"gpt-2",       "llama-bpe",    "qwen2",  "qwen35",  "smollm", "tekken",         "gpt-4o",
                             "deepseek-v3", "deepseek-llm", "falcon", "default", "bloom",  "deepseek-coder", "viking"};

Tokenizer byte_level(const char* pre) {
  GgufTokenizerFields fields;
  fields.model = "gpt2";
  fields.pre = pre;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    fields.tokens.push_back(bytes_to_letters(std::string_view(&c, 1)));
  }
  fields.merges = {"a a", "aa aa", "Ġ Ġ", "Ġ a", "Ã ©", "Ċ Ċ", "1 1"};
  fields.tokens.insert(fields.tokens.end(), {"aa", "aaaa", "ĠĠ", "Ġa", "Ã©", "ĊĊ", "11"});
  fields.tokens.insert(fields.tokens.end(), {"<|im_end|>", "<|im", "<<"});
  fields.token_types.assign(fields.tokens.size(), 1);
  fields.token_types[fields.tokens.size() - 3] = 3;
  fields.token_types[fields.tokens.size() - 2] = 4;
  fields.token_types[fields.tokens.size() - 1] = 4;
  fields.add_bos = false;
  auto made = load_gguf_tokenizer(fields, "fuzz");
  CHECK(made.ok());
  return std::move(made).value();
}

Tokenizer merged_by_score() {
  GgufTokenizerFields fields;
  fields.model = "llama";
  fields.tokens = {"<unk>", "<s>", "</s>", "\u2581", "a", "aa", "\u2581a", "\u2581\u2581", "é"};
  fields.scores = {0, 0, 0, -1, -2, -3, -4, -5, -6};
  fields.token_types = {2, 3, 3, 1, 1, 1, 1, 1, 1};
  auto made = load_gguf_tokenizer(fields, "fuzz");
  CHECK(made.ok());
  return std::move(made).value();
}

void check_decoding(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  const std::string whole = tokenizer.decode(ids, {false});
  CHECK(is_valid_utf8(whole));
  Detokenizer detokenizer(tokenizer, {false});
  std::string streamed;
  for (const int32_t id : ids) {
    const std::string part = detokenizer.push(id);
    CHECK(is_valid_utf8(part));
    streamed += part;
  }
  streamed += detokenizer.finish();
  CHECK(streamed == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const std::vector<Tokenizer> tokenizers = [] {
    std::vector<Tokenizer> made;
    for (const char* pre : kPre) made.push_back(byte_level(pre));
    return made;
  }();
  static const Tokenizer scored = merged_by_score();
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Tokenizer& tokenizer = tokenizers[data[0] % kPre.size()];
  const auto ids = tokenizer.encode(text, {false, (data[0] & 128) != 0});
  CHECK(ids.ok());
  std::string bytes;
  for (const int32_t id : *ids) bytes += tokenizer.token_bytes(id);
  CHECK(bytes == text);
  check_decoding(tokenizer, *ids);
  CHECK(tokenizer.decode(*ids, {false}) == replace_invalid_utf8(text));
  const auto other = scored.encode(text);
  CHECK(other.ok());
  check_decoding(scored, *other);
  return 0;
}
