#include "text/tokenizer.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"
#include "text/tokenizer_parts.hpp"

namespace linnet {

namespace {

constexpr size_t kMaxText = size_t{2} << 30;

bool valid_id(const TokenizerParts& parts, int64_t id) {
  return parts.vocabulary.contains(id);
}

// One encode call.
class Encoding {
 public:
  Encoding(const TokenizerParts& parts, std::string_view text, bool parse_special, std::vector<int32_t>& out)
      : parts_(parts), text_(text), parse_special_(parse_special), out_(out), growth_(text.size()) {}

  Status run() {
    if (parts_.added.empty()) return text_.empty() ? ok_status() : fragment(text_, true);
    for (const AddedTokenMatcher::Piece& piece : parts_.added.split(text_, parse_special_)) {
      if (piece.id != kNoToken) {
        out_.push_back(piece.id);
      } else {
        TRY(fragment(text_.substr(piece.span.begin, piece.span.end - piece.span.begin), piece.span.begin == 0));
      }
    }
    return ok_status();
  }
  const std::string& dropped() const { return scratch_.dropped; }

 private:
  Status fragment(std::string_view text, bool starts_input) {
    if (parts_.normalizers.empty()) return normalized(text, starts_input);
    std::string changed(text);
    TRY(apply_normalizers(parts_.normalizers, changed, starts_input, growth_));
    return normalized(changed, starts_input);
  }

  Status normalized(std::string_view text, bool starts_input) {
    if (text.empty()) return ok_status();
    if (parts_.added_normalized.empty()) return words(text, starts_input);
    for (const AddedTokenMatcher::Piece& piece : parts_.added_normalized.split(text, parse_special_)) {
      if (piece.id != kNoToken) {
        out_.push_back(piece.id);
      } else {
        TRY(words(text.substr(piece.span.begin, piece.span.end - piece.span.begin),
                  starts_input && piece.span.begin == 0));
      }
    }
    return ok_status();
  }

  Status words(std::string_view text, bool starts_input) {
    PreText pre;
    pre.text = text;
    pre.words.push_back({0, text.size()});
    pre.starts_input = starts_input;
    for (const auto& stage : parts_.pre_tokenizers) TRY(stage->apply(pre, growth_));
    return parts_.model->encode(pre.text, pre.words, scratch_, out_);
  }

  const TokenizerParts& parts_;
  std::string_view text_;
  bool parse_special_;
  std::vector<int32_t>& out_;
  TextGrowth growth_;
  EncodeScratch scratch_;
};

}  // namespace

std::string EncodeLoss::to_string() const {
  std::string spelled;
  if (is_valid_utf8(bytes) && static_cast<uint8_t>(bytes[0]) >= 0x20 && bytes != "\x7F") {
    spelled = fmt::format("\"{}\"", bytes);
  } else {
    for (const char byte : bytes)
      spelled += fmt::format("{}0x{:02X}", spelled.empty() ? "" : " ", static_cast<uint8_t>(byte));
  }
  if (kind == Kind::kNotUtf8) return fmt::format("the text is not UTF-8: U+FFFD stands for {} and the like", spelled);
  return fmt::format("the tokenizer has no token for {}, not even an unknown one: it is left out", spelled);
}

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kMaxText) {
    return invalid(fmt::format("a text of {} bytes, more than the {} that are encoded at once", text.size(), kMaxText),
                   {}, "encode it in parts");
  }
  std::string repaired;
  const bool may_lose = parts_->invalid_utf8 != InvalidUtf8::kKept || !parts_->held_bytes.all();
  if (may_lose && !is_valid_utf8(text)) {
    EncodeLoss loss{EncodeLoss::Kind::kNotUtf8, {}};
    const auto& kept = parts_->invalid_utf8 == InvalidUtf8::kKept ? parts_->held_bytes : std::bitset<256>();
    repaired = replace_invalid_utf8(text, kept, &loss.bytes);
    if (!loss.bytes.empty()) report_loss(loss);
    if (parts_->invalid_utf8 != InvalidUtf8::kNormalized) text = repaired;
  }
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  if (options.add_special) ids = parts_->prefix;
  Encoding encoding(*parts_, text, options.parse_special, ids);
  TRY(encoding.run());
  if (!encoding.dropped().empty()) report_loss({EncodeLoss::Kind::kNotInVocabulary, encoding.dropped()});
  if (options.add_special) ids.insert(ids.end(), parts_->suffix.begin(), parts_->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
  Detokenizer detokenizer(*this, options);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.push(id);
  text += detokenizer.finish();
  return text;
}

int32_t Tokenizer::vocab_size() const {
  return parts_->vocabulary.size();
}

bool Tokenizer::contains(int64_t id) const {
  return valid_id(*parts_, id);
}

std::string_view Tokenizer::piece(int32_t id) const {
  return valid_id(*parts_, id) ? parts_->vocabulary.piece(id) : std::string_view();
}

TokenKind Tokenizer::kind(int32_t id) const {
  return valid_id(*parts_, id) ? parts_->vocabulary.kind(id) : TokenKind::kAbsent;
}

bool Tokenizer::is_special(int32_t id) const {
  return valid_id(*parts_, id) && parts_->special_ids[static_cast<size_t>(id)];
}

std::string Tokenizer::token_bytes(int32_t id) const {
  if (!valid_id(*parts_, id)) return {};
  const std::string_view piece = parts_->vocabulary.piece(id);
  const TokenKind kind = parts_->vocabulary.kind(id);
  const bool literal = kind == TokenKind::kControl || kind == TokenKind::kUnknown || kind == TokenKind::kUserDefined;
  if (literal) return std::string(piece);
  if (parts_->spelling == PieceSpelling::kByteLetters) {
    return letters_to_bytes(piece).value_or(std::string(piece));
  }
  if (parts_->spelling == PieceSpelling::kPlain) return std::string(piece);
  if (const int byte = byte_of_piece(piece); byte >= 0) return std::string(1, static_cast<char>(byte));
  std::string bytes;
  constexpr std::string_view kSpaceMark = "\u2581";
  for (size_t at = 0; at < piece.size();) {
    if (piece.substr(at).starts_with(kSpaceMark)) {
      bytes.push_back(' ');
      at += kSpaceMark.size();
    } else {
      bytes.push_back(piece[at++]);
    }
  }
  return bytes;
}

std::optional<int32_t> Tokenizer::id_of(std::string_view piece) const {
  const int32_t id = parts_->vocabulary.find(piece);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

const SpecialIds& Tokenizer::special() const {
  return parts_->special;
}

const std::vector<int32_t>& Tokenizer::end_ids() const {
  return parts_->end_ids;
}

const std::string& Tokenizer::algorithm() const {
  return parts_->algorithm;
}

void find_end_tokens(TokenizerParts& parts) {
  // Names that models give to the end of a turn or of a text; llama.cpp stops at the same ones.
  constexpr std::string_view kTurnEnds[] = {
      "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",         "<|endoftext|>",     "<|end_of_text|>",
      "<EOT>",      "_<EOT>",     "[EOT]",   "<｜end▁of▁sentence｜>", "<end_of_utterance>"};
  constexpr std::string_view kOthers[] = {"<|return|>", "<|call|>", "<|eom_id|>", "</s>", "[EOS]", "<eos>"};
  std::vector<int32_t> ends;
  const auto add = [&](int32_t id) {
    if (id != kNoToken && std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  };
  const auto special = [&](std::string_view name) {
    const int32_t id = parts.vocabulary.find(name);
    return id != kNoToken && parts.special_ids[static_cast<size_t>(id)] ? id : kNoToken;
  };
  add(parts.special.eos);
  // gpt-oss says <|end|> between the parts of one answer.
  const bool harmony = special("<|return|>") != kNoToken && special("<|call|>") != kNoToken;
  for (const std::string_view name : kTurnEnds) {
    const int32_t id = special(name);
    if (id == kNoToken || (harmony && name == "<|end|>")) continue;
    if (parts.special.eot == kNoToken) parts.special.eot = id;
    add(id);
  }
  add(parts.special.eot);
  for (const std::string_view name : kOthers) add(special(name));
  parts.end_ids = std::move(ends);
}

Detokenizer::Detokenizer(const Tokenizer& tokenizer, const DecodeOptions& options)
    : tokenizer_(&tokenizer), options_(options), run_(tokenizer.parts().decoders) {}

std::string Detokenizer::push(int32_t id) {
  const TokenizerParts& parts = tokenizer_->parts();
  if (!valid_id(parts, id)) return {};
  if (options_.skip_special && tokenizer_->is_special(id))
    return parts.skipped_is_piece ? run_.push({}) : std::string();
  const auto spelled = parts.decoded_as.find(id);
  std::string piece(spelled != parts.decoded_as.end() ? std::string_view(spelled->second) : parts.vocabulary.piece(id));
  if (parts.literal_specials && parts.spelling == PieceSpelling::kByteLetters &&
      parts.vocabulary.kind(id) != TokenKind::kNormal) {
    piece = bytes_to_letters(piece);
  }
  return run_.push(std::move(piece));
}

std::string Detokenizer::finish() {
  return run_.finish();
}

}  // namespace linnet
