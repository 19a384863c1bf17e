// Any bytes as tokenizer.json: refused, or a tokenizer that encodes and decodes without harm.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "base/utf8.hpp"
#include "text/tokenizer_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = load_tokenizer_json(json, {}, "tokenizer.json");
  if (!tokenizer.ok()) return 0;
  for (const std::string_view text :
       {std::string_view("Hello, wörld 12 <s> ▁x\n"), std::string_view("\xff\xe2\x82 a")}) {
    const auto ids = tokenizer->encode(text, {true, true});
    if (!ids.ok()) continue;
    CHECK(is_valid_utf8(tokenizer->decode(*ids, {false})));
  }
  for (int32_t id = -1; id < 64; ++id) (void)tokenizer->token_bytes(id);
  return 0;
}
