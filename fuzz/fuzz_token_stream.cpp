// Any bytes as a file of tokens: refused, or every token of it is one of the vocabulary.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "tasks/token_stream.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  for (const int32_t vocab : {300, 70'000}) {
    const auto stream = TokenStream::parse(std::as_bytes(std::span(data, size)), vocab, "fuzz.tokens");
    if (!stream.ok()) continue;
    std::vector<int32_t> tokens(static_cast<size_t>(stream->size()));
    stream->read(0, tokens);
    for (const int32_t token : tokens) CHECK(token >= 0 && token < vocab);
  }
  return 0;
}
