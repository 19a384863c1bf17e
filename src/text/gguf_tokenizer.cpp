#include "text/gguf_tokenizer.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "text/bpe.hpp"
#include "text/gguf_pre_tokenizers.hpp"
#include "text/score_bpe.hpp"
#include "text/sentencepiece_normalizer.hpp"
#include "text/tokenizer_parts.hpp"
#include "text/unigram.hpp"
#include "text/word_pieces.hpp"

namespace linnet {

namespace {

constexpr size_t kMaxTokens = 1 << 24;

TokenKind kind_of(int32_t type) {
  return type >= 1 && type <= 6 ? static_cast<TokenKind>(type) : TokenKind::kNormal;
}

Result<Vocabulary> build_vocabulary(const GgufTokenizerFields& fields, const std::string& place) {
  const size_t count = fields.tokens.size();
  if (count == 0) return invalid("the vocabulary (tokenizer.ggml.tokens) is missing or empty", place);
  if (count > kMaxTokens) return invalid(fmt::format("{} tokens, more than {}", count, kMaxTokens), place);
  const auto check = [&](size_t have, const char* name) -> Status {
    if (have == 0 || have == count) return ok_status();
    return invalid(fmt::format("tokenizer.ggml.{} has {} values for {} tokens", name, have, count), place);
  };
  TRY(check(fields.scores.size(), "scores"));
  TRY(check(fields.token_types.size(), "token_type"));
  std::vector<VocabularyEntry> entries(count);
  for (size_t i = 0; i < count; ++i) {
    entries[i].piece = fields.tokens[i].empty() ? fmt::format("[EMPTY_{}]", i) : fields.tokens[i];
    entries[i].id = static_cast<int64_t>(i);
    if (!fields.token_types.empty()) entries[i].kind = kind_of(fields.token_types[i]);
  }
  return Vocabulary::build(entries, place);
}

// llama.cpp's tokens that are named for what they are, whatever type the file gives them.
void fix_kinds(Vocabulary& vocabulary) {
  // clang-format off
  constexpr std::string_view kControl[] = {
      "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
      "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
      "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
      "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>",
      "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>",
      "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>",
      "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
      "<reponame>", "<|file_sep|>"};
  // clang-format on
  for (const std::string_view name : kControl) {
    const int32_t id = vocabulary.find(name);
    if (id != kNoToken) vocabulary.set_kind(id, TokenKind::kControl);
  }
  for (const std::string_view name : {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}) {
    const int32_t id = vocabulary.find(name);
    if (id != kNoToken) vocabulary.set_kind(id, TokenKind::kUserDefined);
  }
  // gpt-oss: between the parts of an answer, not at its end.
  if (vocabulary.find("<|return|>") != kNoToken && vocabulary.find("<|call|>") != kNoToken) {
    const int32_t id = vocabulary.find("<|end|>");
    if (id != kNoToken) vocabulary.set_kind(id, TokenKind::kUserDefined);
  }
}

// Phi-3's special tokens swallow the white space behind them; the files do not say so, llama.cpp goes by the name.
bool specials_strip(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  return name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
}

Result<int32_t> special_id(const std::optional<int64_t>& field, int32_t fallback, const Vocabulary& vocabulary,
                           const char* name, const std::string& place) {
  if (!field) return vocabulary.contains(fallback) ? fallback : kNoToken;
  if (!vocabulary.contains(*field)) {
    return invalid(fmt::format("tokenizer.ggml.{} is {}, outside of the {} tokens", name, *field, vocabulary.size()),
                   place);
  }
  return static_cast<int32_t>(*field);
}

struct DefaultIds {
  int32_t bos, eos, unk, sep, pad, cls, mask;
};

Status read_special_ids(const GgufTokenizerFields& fields, const DefaultIds& defaults, TokenizerParts& parts,
                        const std::string& place) {
  const auto read = [&](const std::optional<int64_t>& field, int32_t fallback, const char* name,
                        int32_t& id) -> Status {
    TRY_ASSIGN(id, special_id(field, fallback, parts.vocabulary, name, place));
    return ok_status();
  };
  TRY(read(fields.bos, defaults.bos, "bos_token_id", parts.special.bos));
  TRY(read(fields.eos, defaults.eos, "eos_token_id", parts.special.eos));
  TRY(read(fields.eot, kNoToken, "eot_token_id", parts.special.eot));
  TRY(read(fields.unk, defaults.unk, "unknown_token_id", parts.special.unk));
  TRY(read(fields.sep, defaults.sep, "seperator_token_id", parts.special.sep));
  TRY(read(fields.pad, defaults.pad, "padding_token_id", parts.special.pad));
  TRY(read(fields.cls, defaults.cls, "cls_token_id", parts.special.cls));
  TRY(read(fields.mask, defaults.mask, "mask_token_id", parts.special.mask));
  return ok_status();
}

void find_added_tokens(TokenizerParts& parts, bool strip) {
  std::vector<AddedToken> added;
  const int32_t size = parts.vocabulary.size();
  parts.special_ids.assign(static_cast<size_t>(size), false);
  for (int32_t id = 0; id < size; ++id) {
    const TokenKind kind = parts.vocabulary.kind(id);
    const bool special = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    parts.special_ids[static_cast<size_t>(id)] = special;
    if (!special && kind != TokenKind::kUserDefined) continue;
    AddedToken token;
    token.id = id;
    token.content = parts.vocabulary.piece(id);
    token.special = special;
    token.rstrip = strip && token.content != "<unk>" && token.content != "<s>" && token.content != "<|endoftext|>";
    added.push_back(std::move(token));
  }
  parts.added = AddedTokenMatcher(std::move(added), AddedTokenOrder::kLongest);
}

Result<MergeList> split_merges(const std::vector<std::string>& lines, const std::string& place) {
  MergeList merges;
  merges.reserve(lines.size());
  for (const std::string& line : lines) {
    const size_t space = line.find(' ', 1);
    if (space == std::string::npos) {
      return invalid(fmt::format("merge {} is {:?}, not two tokens with a space between", merges.size(), line), place);
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

std::vector<bool> ids_of(const Vocabulary& vocabulary, std::initializer_list<TokenKind> kinds) {
  std::vector<bool> chosen(static_cast<size_t>(vocabulary.size()));
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    chosen[static_cast<size_t>(id)] = std::find(kinds.begin(), kinds.end(), vocabulary.kind(id)) != kinds.end();
  }
  return chosen;
}

Status check_scores(const std::vector<float>& scores, const std::string& place) {
  if (scores.empty()) return invalid("the scores (tokenizer.ggml.scores) are missing", place);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) return invalid(fmt::format("token {} has no finite score", i), place);
  }
  return ok_status();
}

void add_ends(const GgufTokenizerFields& fields, bool add_bos, bool add_eos, TokenizerParts& parts) {
  if (fields.add_bos.value_or(add_bos) && parts.special.bos != kNoToken) parts.prefix.push_back(parts.special.bos);
  if (fields.add_eos.value_or(add_eos) && parts.special.eos != kNoToken) parts.suffix.push_back(parts.special.eos);
}

Status fill_byte_level_bpe(const GgufTokenizerFields& fields, TokenizerParts& parts, const std::string& place) {
  if (fields.merges.empty()) return invalid("the merges (tokenizer.ggml.merges) are missing", place);
  TRY_ASSIGN(GgufPreTokenizer pre, gguf_pre_tokenizer(fields.pre.value_or("default"), place));
  TRY(read_special_ids(fields, {11, 11, kNoToken, kNoToken, kNoToken, kNoToken, kNoToken}, parts, place));
  TRY_ASSIGN(const MergeList merges, split_merges(fields.merges, place));
  BpeOptions options;
  options.byte_level = true;
  options.ignore_merges = pre.ignore_merges;
  const std::vector<bool> in_model(static_cast<size_t>(parts.vocabulary.size()), true);
  TRY_ASSIGN(auto model, BpeModel::build(parts.vocabulary, in_model, merges, std::move(options), place));
  parts.invalid_utf8 = InvalidUtf8::kKept;
  parts.held_bytes = model->held_bytes();
  parts.model = std::move(model);
  parts.pre_tokenizers = std::move(pre.stages);
  parts.source.gguf_pre = fields.pre.value_or("default");
  parts.source.patterns = std::move(pre.patterns);
  parts.source.ignore_merges = pre.ignore_merges;
  parts.decoders.push_back(byte_level_decoder());
  parts.spelling = PieceSpelling::kByteLetters;
  parts.literal_specials = true;
  parts.algorithm = "byte-level BPE";
  add_ends(fields, pre.add_bos, false, parts);
  return ok_status();
}

// "llama": SentencePiece's merging, over every token of the file.
Status fill_score_bpe(const GgufTokenizerFields& fields, TokenizerParts& parts, const std::string& place) {
  TRY(check_scores(fields.scores, place));
  TRY(read_special_ids(fields, {1, 2, 0, kNoToken, kNoToken, kNoToken, kNoToken}, parts, place));
  ScoreBpeOptions options;
  options.scores = fields.scores;
  options.mergeable.assign(static_cast<size_t>(parts.vocabulary.size()), true);
  options.unk = parts.special.unk;
  options.byte_fallback = true;
  parts.model = std::make_unique<ScoreBpeModel>(parts.vocabulary, std::move(options));
  const bool prefix = fields.add_space_prefix.value_or(true);
  if (prefix) parts.normalizers.push_back(prepend_normalizer(" "));
  parts.normalizers.push_back(replace_normalizer(literal_matcher(" "), "\u2581"));
  parts.decoders.push_back(sentencepiece_decoder(prefix, false));
  parts.spelling = PieceSpelling::kSpaceMark;
  parts.invalid_utf8 = InvalidUtf8::kKept;
  parts.held_bytes.set();  // what has no token of its own becomes the unknown token, as other characters do
  parts.algorithm = "SentencePiece BPE";
  parts.source.scores = fields.scores;
  parts.source.add_space_prefix = prefix;
  parts.source.byte_fallback = true;
  add_ends(fields, true, false, parts);
  return ok_status();
}

Status fill_unigram(const GgufTokenizerFields& fields, TokenizerParts& parts, const std::string& place) {
  TRY(check_scores(fields.scores, place));
  TRY(read_special_ids(fields, {kNoToken, 1, 2, kNoToken, 0, kNoToken, kNoToken}, parts, place));
  UnigramOptions options;
  options.used = ids_of(parts.vocabulary, {TokenKind::kNormal, TokenKind::kUserDefined, TokenKind::kUnused});
  float lowest = std::numeric_limits<float>::max();
  SentencePieceNormalization normalization;
  for (int32_t id = 0; id < parts.vocabulary.size(); ++id) {
    const TokenKind kind = parts.vocabulary.kind(id);
    const float score = fields.scores[static_cast<size_t>(id)];
    if (kind == TokenKind::kNormal) lowest = std::min(lowest, score);
    if (kind == TokenKind::kUserDefined) normalization.verbatim.emplace_back(parts.vocabulary.piece(id));
    options.scores.push_back(kind == TokenKind::kUserDefined ? 0.0 : static_cast<double>(score));
  }
  options.unk_score = static_cast<double>(lowest - 10.0f);
  options.unk = parts.special.unk;
  TRY_ASSIGN(parts.model, UnigramModel::build(parts.vocabulary, std::move(options), place));
  TRY_ASSIGN(normalization.map, CharsMap::parse(fields.precompiled_charsmap, place));
  normalization.add_dummy_prefix = fields.add_space_prefix.value_or(false);
  normalization.remove_extra_whitespaces = fields.remove_extra_whitespaces.value_or(false);
  const bool drop_space = normalization.add_dummy_prefix || normalization.remove_extra_whitespaces;
  parts.source.scores = fields.scores;
  parts.source.charsmap = fields.precompiled_charsmap;
  parts.source.add_space_prefix = normalization.add_dummy_prefix;
  parts.source.remove_extra_whitespaces = normalization.remove_extra_whitespaces;
  parts.normalizers.push_back(llama_cpp_unigram_normalizer(std::move(normalization)));
  parts.decoders.push_back(sentencepiece_decoder(drop_space, false));
  parts.spelling = PieceSpelling::kSpaceMark;
  parts.invalid_utf8 = InvalidUtf8::kNormalized;
  parts.algorithm = "SentencePiece unigram";
  add_ends(fields, false, true, parts);
  return ok_status();
}

Status fill_wordpiece(const GgufTokenizerFields& fields, TokenizerParts& parts, const std::string& place) {
  TRY(read_special_ids(fields, {101, kNoToken, 100, 102, 0, kNoToken, 103}, parts, place));
  if (parts.special.cls == kNoToken) parts.special.cls = parts.special.bos;
  WordPieceOptions options;
  options.unk = parts.special.unk;
  options.continuing_prefix.clear();
  options.max_characters = 0;
  const std::vector<bool> in_model(static_cast<size_t>(parts.vocabulary.size()), true);
  TRY_ASSIGN(parts.model, WordPieceModel::build(parts.vocabulary, in_model, std::move(options), place));
  const bool lowercase = fields.lowercase.value_or(true);
  const bool strip_accents = fields.strip_accents.value_or(lowercase);
  parts.pre_tokenizers.push_back(llama_cpp_bert_stage(lowercase, strip_accents));
  parts.source.lowercase = lowercase;
  parts.source.strip_accents = strip_accents;
  parts.source.gguf_spelling = true;
  parts.decoders.push_back(sentencepiece_decoder(true, false));
  parts.spelling = PieceSpelling::kSpaceMark;
  parts.algorithm = "WordPiece";
  if (parts.special.bos != kNoToken) parts.prefix.push_back(parts.special.bos);
  if (parts.special.sep != kNoToken) parts.suffix.push_back(parts.special.sep);
  return ok_status();
}

}  // namespace

Result<Tokenizer> load_gguf_tokenizer(const GgufTokenizerFields& fields, const std::string& place) {
  auto parts = std::make_unique<TokenizerParts>();
  TRY_ASSIGN(parts->vocabulary, build_vocabulary(fields, place));
  fix_kinds(parts->vocabulary);
  find_added_tokens(*parts, specials_strip(fields.model_name));
  if (fields.model == "gpt2") {
    TRY(fill_byte_level_bpe(fields, *parts, place));
  } else if (fields.model == "llama") {
    TRY(fill_score_bpe(fields, *parts, place));
  } else if (fields.model == "t5") {
    TRY(fill_unigram(fields, *parts, place));
  } else if (fields.model == "bert") {
    TRY(fill_wordpiece(fields, *parts, place));
  } else {
    return unsupported(fmt::format("tokenizer model {:?}", fields.model), place);
  }
  parts->source.gguf_model = fields.model;
  find_end_tokens(*parts);
  return Tokenizer(std::move(parts));
}

}  // namespace linnet
