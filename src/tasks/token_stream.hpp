// The tokens of a whole text, one after the other, in a mapped file: a text is cut into tokens once, and a run of any
// length reads them without holding them in memory.
//
// The file: the tokens, of 2 bytes each (4 where the vocabulary is above 65536), then "linnet tokens 1\0", uint32 bytes
// of a token, uint32 vocabulary, uint64 count, all little-endian. Ownership: holds the mapping. Thread safety: const
// methods may be called from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/cancel.hpp"
#include "base/mapped_file.hpp"
#include "base/progress.hpp"
#include "base/thread_pool.hpp"
#include "text/tokenizer.hpp"
#include "text/training/corpus.hpp"

namespace linnet {

class TokenStream {
 public:
  // Errors: not such a file, one that is cut or longer, a token outside of its vocabulary, another vocabulary than
  // `vocab`.
  static Result<TokenStream> open(const std::filesystem::path& path, int32_t vocab);
  // The same of such a file's bytes, which are borrowed. place: of errors.
  static Result<TokenStream> parse(std::span<const std::byte> bytes, int32_t vocab, const std::string& place);

  // Writes the tokens of `corpus` to `path`. The tokenizer's end token, where it has one, stands behind each text.
  // Errors: those of reading and encoding; kCancelled.
  static Status write(const std::filesystem::path& path, const TextCorpus& corpus, const Tokenizer& tokenizer,
                      ThreadPool& pool, const CancelToken& cancel, const ProgressCallback& progress);

  int64_t size() const { return size_; }
  // Tokens [begin, begin + out.size()). Requires that they are there.
  void read(int64_t begin, std::span<int32_t> out) const;

 private:
  TokenStream(const std::byte* tokens, int64_t size, bool wide) : tokens_(tokens), size_(size), wide_(wide) {}

  std::shared_ptr<const MappedFile> file_;  // null where the bytes are borrowed
  const std::byte* tokens_;
  int64_t size_;
  bool wide_;  // tokens of 4 bytes
};

}  // namespace linnet
