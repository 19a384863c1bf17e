#include "text/training/tokenizer_trainer.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/utf8.hpp"
#include "text/decoder.hpp"
#include "text/training/train_bpe.hpp"
#include "text/training/train_unigram.hpp"
#include "text/training/trained_json.hpp"

namespace linnet {

namespace {

constexpr int32_t kBytes = 256;
constexpr size_t kMaxSpecial = 256;  // bytes
// Of unigram training, which looks at every way to cut a word: sentencepiece's max_sentence_length. A text without
// spaces is one word.
constexpr size_t kLongestWord = 4192;

Status check_specials(const std::vector<std::string>& specials) {
  std::set<std::string_view> seen;
  for (const std::string& special : specials) {
    if (special.empty()) return usage_error("a special token is empty");
    if (special.size() > kMaxSpecial) {
      return usage_error(fmt::format("a special token has {} bytes, more than {}", special.size(), kMaxSpecial));
    }
    if (!is_valid_utf8(special)) return usage_error("a special token is not UTF-8");
    if (decode_utf8(special).length == static_cast<int>(special.size())) {
      return usage_error(
          fmt::format("special token {} is one character: every such character of a text would be it", special));
    }
    if (special == kUnknownPiece || byte_of_piece(special) >= 0) {
      return usage_error(fmt::format("{} is no special token to name: it is there where it is needed", special));
    }
    if (!seen.insert(special).second) return usage_error(fmt::format("special token {} is named twice", special));
  }
  return ok_status();
}

Result<PreTokenizers> stages_of(TokenizerKind kind) {
  PreTokenizers stages;
  if (kind == TokenizerKind::kBpe) {
    TRY_ASSIGN(auto gpt2, compile_pattern(kGpt2Pattern, PatternDialect::kHuggingFace, ""));
    stages.push_back(split_stage(std::move(gpt2), SplitBehavior::kIsolated, false));
  } else {
    stages.push_back(split_stage(literal_matcher("\n"), SplitBehavior::kContiguous, false));
    stages.push_back(metaspace_stage("\u2581", PrependScheme::kNever, true));
  }
  return stages;
}

// The characters that bytes' tokens are spelled with, so that a text that spells one is not read as the byte.
std::u32string byte_piece_alphabet() {
  return U"<0x123456789ABCDEF>";
}

uint64_t bytes_of(const WordCounts& words) {
  uint64_t bytes = 0;
  for (const WordCount& word : words.words()) bytes += word.count * word.word.size();
  return bytes;
}

Status train_as_bpe(const WordCounts& words, const TokenizerTraining& options, const TrainingRun& run,
                    TrainedTokenizer& out) {
  const int32_t size = options.vocab_size.value_or(TokenizerTraining::kDefaultVocab);
  TRY_ASSIGN(const TrainedBpe trained, train_bpe(words, {size, options.min_frequency, options.specials}, run));
  out.vocab_size = static_cast<int32_t>(trained.pieces.size());
  out.merges = trained.merges.size();
  out.tokens = trained.tokens;
  out.json = bpe_tokenizer_json(trained, options.specials);
  return ok_status();
}

std::vector<std::string> reserved_pieces(bool byte_tokens) {
  std::vector<std::string> reserved{kUnknownPiece};
  for (int byte = 0; byte_tokens && byte < kBytes; ++byte) reserved.push_back(byte_piece(byte));
  return reserved;
}

Status train_as_pieces(const WordCounts& words, const TokenizerTraining& options, const TrainingRun& run,
                       TrainedTokenizer& out) {
  const bool byte_tokens = options.unknown == UnknownCharacters::kBytes;
  const std::u32string alphabet = byte_tokens ? byte_piece_alphabet() : std::u32string();
  const auto specials = static_cast<int32_t>(options.specials.size());
  const int32_t others = 1 + specials + (byte_tokens ? kBytes : 0);  // tokens that are no pieces
  TrainedUnigram trained;
  if (options.kind == TokenizerKind::kUnigram) {
    const int32_t size = options.vocab_size.value_or(TokenizerTraining::kDefaultVocab);
    TRY_ASSIGN(trained, train_unigram(words, {size, others - 1, alphabet, reserved_pieces(byte_tokens)}, run));
  } else {
    const int32_t size = options.vocab_size.value_or(TokenizerTraining::kMaxVocab);
    const int32_t least = others + std::max<int32_t>(1, static_cast<int32_t>(alphabet.size()));
    if (size < least) {
      return usage_error(fmt::format("a vocabulary of {} has no room for characters", size),
                         fmt::format("{} is the least", least));
    }
    trained = train_characters(words, alphabet, static_cast<size_t>(size - others), byte_tokens);
  }
  // What a text spells is no special token.
  std::erase_if(trained.pieces, [&](const UnigramPiece& piece) {
    return std::find(options.specials.begin(), options.specials.end(), piece.text) != options.specials.end();
  });
  out.vocab_size = others + static_cast<int32_t>(trained.pieces.size());
  out.tokens = trained.tokens;
  out.json = unigram_tokenizer_json(trained, options.specials, byte_tokens);
  return ok_status();
}

}  // namespace

Result<TrainedTokenizer> train_tokenizer(const TextCorpus& corpus, const TokenizerTraining& options,
                                         const TrainingRun& run) {
  TRY(check_specials(options.specials));
  if (options.vocab_size && (*options.vocab_size < 1 || *options.vocab_size > TokenizerTraining::kMaxVocab)) {
    return usage_error(fmt::format("a vocabulary has 1 to {} tokens", TokenizerTraining::kMaxVocab));
  }
  TRY_ASSIGN(const PreTokenizers stages, stages_of(options.kind));
  const size_t longest = options.kind == TokenizerKind::kUnigram ? kLongestWord : std::string_view::npos;
  TRY_ASSIGN(WordCounts words, count_words(corpus, stages, run, longest));
  if (words.words().empty()) return invalid("there is no text to train on");
  TrainedTokenizer out;
  out.bytes = bytes_of(words);
  out.words = words.total();
  out.distinct_words = words.words().size();
  const bool bpe = options.kind == TokenizerKind::kBpe;
  if (!bpe) words.sort();  // sums of floats are made in one order
  TRY(bpe ? train_as_bpe(words, options, run, out) : train_as_pieces(words, options, run, out));
  out.config = trained_tokenizer_config(options.specials, !bpe);
  return out;
}

}  // namespace linnet
