#include "tasks/training_text.hpp"

#include <charconv>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/part_file.hpp"
#include "base/paths.hpp"
#include "hub/digest.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "text/tokenizer_export.hpp"
#include "text/tokenizer_json.hpp"
#include "text/training/tokenizer_trainer.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

struct TokenizerFiles {
  std::string json;
  std::string config;
};

// What SPEC asks to be learned; nullopt where it names a tokenizer that is there.
Result<std::optional<TokenizerTraining>> training_of(const std::string& spec) {
  const size_t colon = spec.find(':');
  const std::string kind = spec.substr(0, colon);
  TokenizerTraining training;
  if (kind == "characters") {
    training.kind = TokenizerKind::kCharacters;
    training.unknown = UnknownCharacters::kToken;
  } else if (kind == "unigram") {
    training.kind = TokenizerKind::kUnigram;
  } else if (kind != "bpe") {
    return std::optional<TokenizerTraining>();
  }
  if (colon == std::string::npos) return std::optional(training);
  const std::string size = spec.substr(colon + 1);
  int32_t vocab = 0;
  const auto parsed = std::from_chars(size.data(), size.data() + size.size(), vocab);
  if (parsed.ec != std::errc() || parsed.ptr != size.data() + size.size() || vocab <= 0) {
    return usage_error(fmt::format("\"{}\" is not the size of a vocabulary", size), "--tokenizer bpe:4096");
  }
  training.vocab_size = vocab;
  return std::optional(training);
}

Result<TokenizerFiles> existing(const std::string& spec) {
  TRY_ASSIGN(const FoundFiles found, find_files(spec));
  const ModelFiles& of = found.files;
  TokenizerFiles files;
  if (of.tokenizer_json) {
    TRY_ASSIGN(files.json, read_file(*of.tokenizer_json));
    if (of.tokenizer_config) files.config = dump_json(*of.tokenizer_config);
    return files;
  }
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(of));
  TRY_ASSIGN(files.json, to_tokenizer_json(tokenizer));
  return files;
}

// Of the texts and of where each ends, but not of how files cut them into parts.
Status digest_corpus(const TextCorpus& corpus, Digest& digest, uint64_t& bytes, const CancelToken& cancel,
                     const ProgressCallback& progress) {
  uint64_t done = 0;  // of the files
  for (size_t part = 0; part < corpus.parts(); ++part) {
    TRY(cancel.check());
    done += corpus.part_bytes(part);
    progress({.stage = "reading", .done = done, .total = corpus.bytes()});
    TRY(corpus.read(part, [&](std::string_view text) {
      digest.update(text);
      bytes += text.size();
      if (corpus.ends_texts(part)) digest.update(fmt::format("\xff{}", bytes));  // 0xff is in no UTF-8
      return ok_status();
    }));
  }
  return ok_status();
}

std::string hash(std::string_view text) {
  Digest digest;
  digest.update(text);
  return digest.hex();
}

struct Sources {
  TextCorpus train;
  std::optional<TextCorpus> held_out;
};

// Makes all that the cache holds of one text, in `folder`.
Status fill_cache(const fs::path& folder, const Sources& sources, const TokenizerFiles& files, Runtime& runtime,
                  const CancelToken& cancel, const ProgressCallback& progress) {
  TRY_ASSIGN(const Tokenizer tokenizer,
             load_tokenizer_json(files.json, files.config, (folder / "tokenizer.json").string()));
  ThreadPool& pool = runtime.context().pool();
  TRY(TokenStream::write(folder / "train.tokens", sources.train, tokenizer, pool, cancel, progress));
  if (sources.held_out) {
    TRY(TokenStream::write(folder / "held_out.tokens", *sources.held_out, tokenizer, pool, cancel, progress));
  }
  TRY(write_file(folder / "tokenizer_config.json", files.config));
  return write_file(folder / "tokenizer.json", files.json);
}

Result<TrainingText> read_cache(const fs::path& folder, bool held_out) {
  TRY_ASSIGN(std::string json, read_file(folder / "tokenizer.json"));
  TRY_ASSIGN(std::string config, read_file(folder / "tokenizer_config.json"));
  TRY_ASSIGN(Tokenizer tokenizer, load_tokenizer_json(json, config, (folder / "tokenizer.json").string()));
  TRY_ASSIGN(TokenStream train, TokenStream::open(folder / "train.tokens", tokenizer.vocab_size()));
  std::optional<TokenStream> held;
  if (held_out) {
    TRY_ASSIGN(held, TokenStream::open(folder / "held_out.tokens", tokenizer.vocab_size()));
  }
  return TrainingText{
      {}, 0, std::move(json), std::move(config), std::move(tokenizer), std::move(train), std::move(held)};
}

}  // namespace

Result<TrainingText> TrainingText::prepare(const TrainingTextSettings& settings, Runtime& runtime,
                                           const CancelToken& cancel, const ProgressCallback& progress) {
  TRY_ASSIGN(const std::optional<TokenizerTraining> training, training_of(settings.tokenizer));
  TokenizerFiles files;
  if (!training) {
    TRY_ASSIGN(files, existing(settings.tokenizer));
  }
  TRY_ASSIGN(TextCorpus corpus, TextCorpus::open(settings.paths, settings.field));
  Sources sources{std::move(corpus), std::nullopt};
  if (!settings.held_out.empty()) {
    TRY_ASSIGN(sources.held_out, TextCorpus::open(settings.held_out, settings.field));
  }
  Digest digest;
  uint64_t bytes = 0;
  TRY(digest_corpus(sources.train, digest, bytes, cancel, progress));
  if (bytes == 0) return invalid("there is no text to learn from", settings.paths.front());
  digest.update("\xff held out");
  uint64_t held_out_bytes = 0;
  if (sources.held_out) TRY(digest_corpus(*sources.held_out, digest, held_out_bytes, cancel, progress));
  const std::string text_digest = digest.hex();
  const fs::path root = cache_dir() / "training";
  const fs::path folder = root / hash(text_digest + (training ? settings.tokenizer : hash(files.json + files.config)));
  auto cached = read_cache(folder, sources.held_out.has_value());
  if (!cached.ok()) {
    if (training) {
      const TrainingRun run{runtime.context().pool(), cancel, progress};
      TRY_ASSIGN(const TrainedTokenizer trained, train_tokenizer(sources.train, *training, run));
      files = {trained.json, trained.config};
    }
    TRY_ASSIGN(TemporaryFolder fresh, TemporaryFolder::create(root, "new"));
    TRY(fill_cache(fresh.path(), sources, files, runtime, cancel, progress));
    std::error_code error;
    fs::remove_all(folder, error);  // damaged, or of an older version
    const Status placed = fresh.commit(folder);
    if (!placed.ok() && placed.error().code != ErrorCode::kConflict) return placed.error();
    cached = read_cache(folder, sources.held_out.has_value());  // perhaps another process's, which is the same
  }
  TRY_ASSIGN(TrainingText text, std::move(cached));
  text.digest = text_digest;
  text.bytes = bytes;
  return text;
}

}  // namespace linnet
