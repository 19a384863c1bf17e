// linnet tokenizer train: a tokenizer learned from a text.
#include <chrono>
#include <filesystem>
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/part_file.hpp"
#include "base/progress.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "text/training/tokenizer_trainer.hpp"

namespace linnet::cli {

namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string action;
  std::vector<std::string> files;
  std::string kind = "bpe";
  int vocab_size = 0;
  std::string out;
  std::vector<std::string> specials;
  bool no_special = false;
  uint64_t min_frequency = TokenizerTraining{}.min_frequency;
  std::string unknown;
  std::string field = "text";
  int threads = 0;
  bool json = false;
};

Result<TokenizerTraining> read_options(const Flags& flags) {
  TokenizerTraining options;
  options.kind = flags.kind == "bpe"       ? TokenizerKind::kBpe
                 : flags.kind == "unigram" ? TokenizerKind::kUnigram
                                           : TokenizerKind::kCharacters;
  if (flags.vocab_size > 0) options.vocab_size = flags.vocab_size;
  options.min_frequency = flags.min_frequency;
  if (flags.no_special && !flags.specials.empty()) {
    return usage_error("--special and --no-special exclude each other");
  }
  if (flags.no_special || !flags.specials.empty()) options.specials = flags.specials;
  if (!flags.unknown.empty() && options.kind == TokenizerKind::kBpe) {
    return usage_error("--unknown is for --kind unigram and characters", "byte-level BPE knows every byte");
  }
  const bool token = flags.unknown == "token" || (flags.unknown.empty() && options.kind == TokenizerKind::kCharacters);
  options.unknown = token ? UnknownCharacters::kToken : UnknownCharacters::kBytes;
  return options;
}

double bytes_per_token(const TrainedTokenizer& trained) {
  return static_cast<double>(trained.bytes) / static_cast<double>(trained.tokens);
}

std::string describe(const Flags& flags, const TrainedTokenizer& trained) {
  std::string out = fmt::format("{} tokens", trained.vocab_size);
  if (trained.merges > 0) out += fmt::format(", {} of them merged", trained.merges);
  out += fmt::format("\nfrom {} of words: {}, of which {} are different\n", format_bytes(trained.bytes), trained.words,
                     trained.distinct_words);
  out += fmt::format("the text is {} tokens, {:.2f} bytes a token\n", trained.tokens, bytes_per_token(trained));
  return out + fmt::format("wrote {}\n", (fs::path(flags.out) / "tokenizer.json").string());
}

Json to_json(const Flags& flags, const TrainedTokenizer& trained, double seconds) {
  return {{"out", flags.out},
          {"kind", flags.kind},
          {"vocab_size", trained.vocab_size},
          {"merges", trained.merges},
          {"bytes", trained.bytes},
          {"words", trained.words},
          {"distinct_words", trained.distinct_words},
          {"tokens", trained.tokens},
          {"bytes_per_token", bytes_per_token(trained)},
          {"seconds", seconds}};
}

Status run(const Flags& flags) {
  if (flags.action != "train") {
    return usage_error("there is no linnet tokenizer " + flags.action, "linnet tokenizer train FILES --out FOLDER");
  }
  if (flags.files.empty()) return usage_error("FILES is required", "- for standard input");
  TRY_ASSIGN(const TokenizerTraining options, read_options(flags));
  const fs::path folder = flags.out;
  TRY(check_new_folder(folder));
  const auto start = std::chrono::steady_clock::now();
  TRY_ASSIGN(const TextCorpus corpus, TextCorpus::open(flags.files, flags.field));
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  TrainedTokenizer trained;
  {
    ProgressPrinter printer = ProgressPrinter::for_stderr();
    const TrainingRun run{runtime->context().pool(), interrupt_token(),
                          [&](const Progress& progress) { printer.update(progress); }};
    TRY_ASSIGN(trained, train_tokenizer(corpus, options, run));
  }
  TRY_ASSIGN(NewFolder made, NewFolder::create(folder));
  TRY(write_file(folder / "tokenizer_config.json", trained.config));
  TRY(write_file(folder / "tokenizer.json", trained.json));
  made.keep();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (flags.kind != "characters" &&
      trained.vocab_size < options.vocab_size.value_or(TokenizerTraining::kDefaultVocab)) {
    log_warning("the text has no more than {} tokens in it", trained.vocab_size);
  }
  return flags.json ? print_json(to_json(flags, trained, seconds)) : print(describe(flags, trained));
}

}  // namespace

Job declare_tokenizer(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("ACTION", flags->action, "train").required();
  args.add("FILES", flags->files, "texts: files, folders, .jsonl; - for standard input");
  args.add("--kind", flags->kind, "bpe (of bytes), unigram or characters").one_of({"bpe", "unigram", "characters"});
  args.add("--vocab-size", flags->vocab_size, "tokens in all; without it 8192, or every character")
      .in_range(1, TokenizerTraining::kMaxVocab);
  args.add("--out", flags->out, "a new folder for tokenizer.json").required().not_empty();
  args.add("--special", flags->specials, "a special token, again for more; without it <|endoftext|>");
  args.flag("--no-special", flags->no_special, "no special token");
  args.add("--min-frequency", flags->min_frequency, "bpe: pairs that occur less often are not merged");
  args.add("--unknown", flags->unknown, "a character without a token: token (<unk>) or its bytes")
      .one_of({"token", "bytes"});
  args.add("--field", flags->field, "of each line in .jsonl: the text");
  args.add("--threads", flags->threads, "0: every core").in_range(0, 1024);
  args.flag("--json", flags->json, "what was learned, as JSON");
  args.notes(
      "A folder gives its .txt, .text, .md, .jsonl and .ndjson. Texts are UTF-8; anything else is refused, by line.\n"
      "Without --unknown, unigram falls back to bytes (256 tokens), characters to <unk>. Merges are those of Hugging\n"
      "Face tokenizers' BpeTrainer; its tokenizers, transformers and Linnet read the folder.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
