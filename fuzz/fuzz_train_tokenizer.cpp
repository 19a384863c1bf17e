// Any bytes as a text to learn a tokenizer from: refused, or a tokenizer that is read again and gives the text back.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.hpp"
#include "text/tokenizer_json.hpp"
#include "text/training/tokenizer_trainer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  if (size == 0) return 0;
  TokenizerTraining options;
  options.kind = static_cast<TokenizerKind>(data[0] % 3);
  options.vocab_size = 280 + data[0];
  options.min_frequency = data[0] % 4;
  options.specials = {"<|endoftext|>", "ab"};
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  static ThreadPool pool(1);
  const CancelToken never;
  const auto trained = train_tokenizer(TextCorpus::of_text("text", text), options, {pool, never});
  if (!trained.ok()) return 0;
  const auto tokenizer = load_tokenizer_json(trained->json, trained->config, "trained");
  CHECK(tokenizer.ok());
  CHECK(tokenizer->vocab_size() == trained->vocab_size);
  const auto ids = tokenizer->encode(text);
  CHECK(ids.ok());
  // Merging may make "ab", which is then the special token, as in the peer. U+2581 is a space to all kinds but the
  // first; a byte order mark is no text.
  const bool exact = options.kind == TokenizerKind::kBpe || text.find("\u2581") == std::string::npos;
  CHECK(!exact || text.starts_with("\xEF\xBB\xBF") || tokenizer->decode(*ids, {.skip_special = false}) == text);
  return 0;
}
