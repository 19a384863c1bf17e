#include "tasks/token_stream.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/core.h>
#include <vector>

#include "base/check.hpp"
#include "base/file.hpp"

namespace linnet {

namespace {

static_assert(std::endian::native == std::endian::little);

// At the end: the count is known last.
struct Trailer {
  char magic[16] = "linnet tokens 1";
  uint32_t token_bytes = 0;
  uint32_t vocab = 0;
  uint64_t count = 0;
};
static_assert(sizeof(Trailer) == 32);

template <class T>
Status append(AtomicFile& file, const std::vector<int32_t>& tokens) {
  const std::vector<T> narrow(tokens.begin(), tokens.end());
  return file.write(std::as_bytes(std::span(narrow)));
}

// The tokens of one part; `end` behind each of its texts that ends there.
Status encode_part(const TextCorpus& corpus, size_t part, const Tokenizer& tokenizer, std::vector<int32_t>& tokens) {
  const int32_t end = tokenizer.special().eos;
  TRY(corpus.read(part, [&](std::string_view text) -> Status {
    TRY_ASSIGN(const std::vector<int32_t> more, tokenizer.encode(text));
    tokens.insert(tokens.end(), more.begin(), more.end());
    if (end != kNoToken && corpus.ends_texts(part)) tokens.push_back(end);
    return ok_status();
  }));
  return ok_status();
}

template <class T>
bool all_below(const std::byte* bytes, int64_t count, uint32_t vocab) {
  uint32_t highest = 0;
  for (int64_t i = 0; i < count; ++i) {
    T token;
    std::memcpy(&token, bytes + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    highest = std::max<uint32_t>(highest, token);
  }
  return count == 0 || highest < vocab;
}

template <class T>
void widen(const std::byte* bytes, std::span<int32_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T token;
    std::memcpy(&token, bytes + i * sizeof(T), sizeof(T));
    out[i] = static_cast<int32_t>(token);
  }
}

bool is_wide(int32_t vocab) {
  return vocab > 1 << 16;
}

}  // namespace

Result<TokenStream> TokenStream::open(const std::filesystem::path& path, int32_t vocab) {
  TRY_ASSIGN(std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  TRY_ASSIGN(TokenStream stream, parse(file->bytes(), vocab, path.string()));
  stream.file_ = std::move(file);
  return stream;
}

Result<TokenStream> TokenStream::parse(std::span<const std::byte> bytes, int32_t vocab, const std::string& place) {
  Trailer trailer;
  if (bytes.size() < sizeof(Trailer)) return invalid("is no file of tokens", place);
  const uint64_t body = bytes.size() - sizeof(Trailer);
  std::memcpy(&trailer, bytes.data() + body, sizeof(Trailer));
  if (std::memcmp(trailer.magic, Trailer().magic, sizeof trailer.magic) != 0) {
    return invalid("is no file of tokens", place);
  }
  const uint64_t token_bytes = is_wide(vocab) ? sizeof(uint32_t) : sizeof(uint16_t);
  if (trailer.vocab != static_cast<uint32_t>(vocab) || trailer.token_bytes != token_bytes) {
    return invalid(fmt::format("is of a vocabulary of {}, not {}", trailer.vocab, vocab), place);
  }
  if (trailer.count > body / token_bytes || trailer.count * token_bytes != body) {
    return invalid(fmt::format("holds {} bytes of tokens, where it promises {} tokens", body, trailer.count), place,
                   "it is cut: delete it");
  }
  const auto count = static_cast<int64_t>(trailer.count);
  const std::byte* tokens = bytes.data();
  const bool good = is_wide(vocab) ? all_below<uint32_t>(tokens, count, trailer.vocab)
                                   : all_below<uint16_t>(tokens, count, trailer.vocab);
  if (!good) return invalid("holds a token outside of its vocabulary", place, "it is damaged: delete it");
  return TokenStream(tokens, count, is_wide(vocab));
}

Status TokenStream::write(const std::filesystem::path& path, const TextCorpus& corpus, const Tokenizer& tokenizer,
                          ThreadPool& pool, const CancelToken& cancel, const ProgressCallback& progress) {
  const bool wide = is_wide(tokenizer.vocab_size());
  TRY_ASSIGN(AtomicFile file, AtomicFile::create(path));
  Trailer trailer;
  trailer.token_bytes = wide ? sizeof(uint32_t) : sizeof(uint16_t);
  trailer.vocab = static_cast<uint32_t>(tokenizer.vocab_size());
  const auto parts = static_cast<int64_t>(corpus.parts());
  const int64_t wave = int64_t{4} * pool.size();  // parts whose tokens are in memory
  std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(wave));
  uint64_t done = 0;
  for (int64_t begin = 0; begin < parts; begin += wave) {
    TRY(cancel.check());
    const int64_t count = std::min(wave, parts - begin);
    std::vector<Status> results(static_cast<size_t>(count), ok_status());
    pool.parallel_for(count, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t i = first; i < last; ++i) {
        const auto at = static_cast<size_t>(i);
        tokens[at].clear();
        results[at] = encode_part(corpus, static_cast<size_t>(begin + i), tokenizer, tokens[at]);
      }
    });
    for (int64_t i = 0; i < count; ++i) {
      TRY(std::move(results[static_cast<size_t>(i)]));
      const std::vector<int32_t>& one = tokens[static_cast<size_t>(i)];
      TRY(wide ? append<uint32_t>(file, one) : append<uint16_t>(file, one));
      trailer.count += one.size();
      done += corpus.part_bytes(static_cast<size_t>(begin + i));
    }
    progress({.stage = "cutting into tokens", .done = done, .total = corpus.bytes()});
  }
  TRY(file.write(std::as_bytes(std::span(&trailer, 1))));
  return file.commit();
}

void TokenStream::read(int64_t begin, std::span<int32_t> out) const {
  CHECK(begin >= 0 && begin + static_cast<int64_t>(out.size()) <= size_);
  if (wide_) return widen<uint32_t>(tokens_ + static_cast<size_t>(begin) * sizeof(uint32_t), out);
  widen<uint16_t>(tokens_ + static_cast<size_t>(begin) * sizeof(uint16_t), out);
}

}  // namespace linnet
