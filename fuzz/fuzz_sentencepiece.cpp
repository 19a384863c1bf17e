// Any bytes as tokenizer.model: refused, or a tokenizer that encodes and decodes without harm.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "base/utf8.hpp"
#include "text/sentencepiece.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = load_sentencepiece(bytes, "tokenizer.model");
  if (!tokenizer.ok()) return 0;
  for (const std::string_view text : {std::string_view("ab  a ▁b zz </s>"), std::string_view("\xff\xe2\x82 a")}) {
    const auto ids = tokenizer->encode(text, {true, true});
    if (!ids.ok()) continue;
    CHECK(is_valid_utf8(tokenizer->decode(*ids, {false})));
  }
  return 0;
}
