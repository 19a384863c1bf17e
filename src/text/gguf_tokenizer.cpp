#include "text/gguf_tokenizer.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "text/bpe.hpp"
#include "text/gguf_pre_tokenizers.hpp"
#include "text/tokenizer_parts.hpp"

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
  for (const char* name :
       {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<EOT>", "_<EOT>", "<|end_of_text|>",
        "<｜end▁of▁sentence｜>", "<end_of_utterance>", "<|return|>", "<|call|>", "<|eom_id|>"}) {
    const int32_t id = vocabulary.find(name);
    if (id != kNoToken) vocabulary.set_kind(id, TokenKind::kControl);
  }
  for (const char* name : {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}) {
    const int32_t id = vocabulary.find(name);
    if (id != kNoToken) vocabulary.set_kind(id, TokenKind::kUserDefined);
  }
  // gpt-oss: between the parts of an answer, not at its end.
  if (vocabulary.find("<|return|>") != kNoToken && vocabulary.find("<|call|>") != kNoToken) {
    const int32_t id = vocabulary.find("<|end|>");
    if (id != kNoToken) vocabulary.set_kind(id, TokenKind::kUserDefined);
  }
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

void find_added_tokens(TokenizerParts& parts) {
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

Status fill_byte_level_bpe(const GgufTokenizerFields& fields, TokenizerParts& parts, const std::string& place) {
  if (fields.merges.empty()) return invalid("the merges (tokenizer.ggml.merges) are missing", place);
  TRY_ASSIGN(GgufPreTokenizer pre, gguf_pre_tokenizer(fields.pre.value_or("default"), place));
  TRY(read_special_ids(fields, {11, 11, kNoToken, kNoToken, kNoToken, kNoToken, kNoToken}, parts, place));
  TRY_ASSIGN(const MergeList merges, split_merges(fields.merges, place));
  BpeOptions options;
  options.byte_level = true;
  options.ignore_merges = pre.ignore_merges;
  const std::vector<bool> in_model(static_cast<size_t>(parts.vocabulary.size()), true);
  TRY_ASSIGN(parts.model, BpeModel::build(parts.vocabulary, in_model, merges, std::move(options), place));
  parts.pre_tokenizers = std::move(pre.stages);
  parts.decoders.push_back(byte_level_decoder());
  parts.spelling = PieceSpelling::kByteLetters;
  parts.literal_specials = true;
  parts.keeps_bytes = true;
  parts.algorithm = "byte-level BPE";
  const bool add_bos = fields.add_bos.value_or(pre.add_bos);
  const bool add_eos = fields.add_eos.value_or(false);
  if (add_bos && parts.special.bos != kNoToken) parts.prefix.push_back(parts.special.bos);
  if (add_eos && parts.special.eos != kNoToken) parts.suffix.push_back(parts.special.eos);
  return ok_status();
}

}  // namespace

Result<Tokenizer> load_gguf_tokenizer(const GgufTokenizerFields& fields, const std::string& place) {
  auto parts = std::make_unique<TokenizerParts>();
  TRY_ASSIGN(parts->vocabulary, build_vocabulary(fields, place));
  fix_kinds(parts->vocabulary);
  find_added_tokens(*parts);
  if (fields.model == "gpt2") {
    TRY(fill_byte_level_bpe(fields, *parts, place));
  } else {
    return unsupported(fmt::format("tokenizer model {:?}", fields.model), place);
  }
  find_end_tokens(*parts);
  return Tokenizer(std::move(parts));
}

}  // namespace linnet
