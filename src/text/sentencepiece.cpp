#include "text/sentencepiece.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "text/score_bpe.hpp"
#include "text/sentencepiece_normalizer.hpp"
#include "text/tokenizer_parts.hpp"
#include "text/unigram.hpp"
#include "text/word_pieces.hpp"

namespace linnet {

namespace {

constexpr size_t kMaxPieces = 1 << 24;

// One field of a message. Protobuf's wire format: a varint key (number << 3 | type), then the value.
struct Field {
  uint32_t number = 0;
  uint32_t type = 0;
  uint64_t value = 0;      // varint, and the bits of fixed32 and fixed64
  std::string_view bytes;  // length-delimited
};

// Walks the fields of one message, each bounded by the message itself.
class FieldReader {
 public:
  FieldReader(std::string_view bytes, const std::string& place) : bytes_(bytes), place_(place) {}

  bool done() const { return at_ >= bytes_.size(); }

  Result<Field> next() {
    const size_t start = at_;
    Field field;
    TRY_ASSIGN(const uint64_t key, varint());
    field.number = static_cast<uint32_t>(key >> 3 & 0x1FFFFFFF);
    field.type = static_cast<uint32_t>(key & 7);
    switch (field.type) {
      case 0: {
        TRY_ASSIGN(field.value, varint());
        return field;
      }
      case 1:
        TRY(fixed(8, field.value));
        return field;
      case 5:
        TRY(fixed(4, field.value));
        return field;
      case 2: {
        TRY_ASSIGN(const uint64_t size, varint());
        if (size > bytes_.size() - at_) {
          return error(start,
                       fmt::format("field {} has {} bytes, but {} are left", field.number, size, bytes_.size() - at_));
        }
        field.bytes = bytes_.substr(at_, static_cast<size_t>(size));
        at_ += static_cast<size_t>(size);
        return field;
      }
      default:
        return error(start, fmt::format("field {} has wire type {}", field.number, field.type));
    }
  }

 private:
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return error(at_, "the file ends inside a number");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return error(at_, "a number of more than 64 bits");
  }

  Status fixed(size_t size, uint64_t& value) {
    if (size > bytes_.size() - at_) return error(at_, "the file ends inside a number");
    std::memcpy(&value, bytes_.data() + at_, size);
    at_ += size;
    return ok_status();
  }

  Error error(size_t at, std::string message) const {
    return invalid(std::move(message), fmt::format("{}: byte {} of a message", place_, at),
                   "the file is damaged, or is no SentencePiece model");
  }

  std::string_view bytes_;
  std::string place_;
  size_t at_ = 0;
};

// Calls `visit(field)` for each field of a message.
template <class Visit>
Status for_each_field(std::string_view bytes, const std::string& place, Visit visit) {
  FieldReader reader(bytes, place);
  while (!reader.done()) {
    TRY_ASSIGN(const Field field, reader.next());
    TRY(visit(field));
  }
  return ok_status();
}

Status expect_type(const Field& field, uint32_t type, const std::string& place) {
  if (field.type == type) return ok_status();
  return invalid(fmt::format("field {} has wire type {}, not {}", field.number, field.type, type), place,
                 "the file is damaged, or is no SentencePiece model");
}

Status read_piece(std::string_view bytes, const std::string& place, SentencePieceModel::Piece& piece) {
  return for_each_field(bytes, place, [&](const Field& field) -> Status {
    if (field.number == 1) {
      TRY(expect_type(field, 2, place));
      piece.text = field.bytes;
    } else if (field.number == 2) {
      TRY(expect_type(field, 5, place));
      const auto bits = static_cast<uint32_t>(field.value);
      std::memcpy(&piece.score, &bits, sizeof bits);
      if (!std::isfinite(piece.score)) return invalid(fmt::format("piece {:?} has no finite score", piece.text), place);
    } else if (field.number == 3) {
      TRY(expect_type(field, 0, place));
      // NORMAL 1, UNKNOWN 2, CONTROL 3, USER_DEFINED 4, UNUSED 5, BYTE 6: GGUF took its numbers from here.
      if (field.value < 1 || field.value > 6) {
        return invalid(fmt::format("piece {:?} has type {}", piece.text, field.value), place);
      }
      piece.kind = static_cast<TokenKind>(field.value);
    }
    return ok_status();
  });
}

Status read_trainer(std::string_view bytes, const std::string& place, SentencePieceModel& model) {
  return for_each_field(bytes, place, [&](const Field& field) -> Status {
    const auto number = [&](auto& out) -> Status {
      TRY(expect_type(field, 0, place));
      using Out = std::remove_reference_t<decltype(out)>;
      out = static_cast<Out>(static_cast<int64_t>(field.value));
      return ok_status();
    };
    switch (field.number) {
      case 3:
        TRY(expect_type(field, 0, place));
        if (field.value < 1 || field.value > 4) return unsupported(fmt::format("model type {}", field.value), place);
        model.type = static_cast<SentencePieceModel::Type>(field.value);
        return ok_status();
      case 24:
        return number(model.whitespace_as_suffix);
      case 35:
        return number(model.byte_fallback);
      case 40:
        return number(model.unk);
      case 41:
        return number(model.bos);
      case 42:
        return number(model.eos);
      case 43:
        return number(model.pad);
      default:
        return ok_status();
    }
  });
}

Status read_normalizer(std::string_view bytes, const std::string& place, SentencePieceModel& model) {
  return for_each_field(bytes, place, [&](const Field& field) -> Status {
    if (field.number == 2) {
      TRY(expect_type(field, 2, place));
      model.charsmap = field.bytes;
    } else if (field.number >= 3 && field.number <= 5) {
      TRY(expect_type(field, 0, place));
      (field.number == 3   ? model.add_dummy_prefix
       : field.number == 4 ? model.remove_extra_whitespaces
                           : model.escape_whitespaces) = field.value != 0;
    }
    return ok_status();
  });
}

// Which tokens a text may become, for the models that cut and merge.
std::vector<bool> ids_of(const Vocabulary& vocabulary, std::initializer_list<TokenKind> kinds) {
  std::vector<bool> chosen(static_cast<size_t>(vocabulary.size()));
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    chosen[static_cast<size_t>(id)] = std::find(kinds.begin(), kinds.end(), vocabulary.kind(id)) != kinds.end();
  }
  return chosen;
}

Status build_unigram(const SentencePieceModel& model, TokenizerParts& parts, const std::string& place) {
  UnigramOptions options;
  float lowest = 0;
  bool any = false;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    if (piece.kind != TokenKind::kNormal) continue;
    lowest = any ? std::min(lowest, piece.score) : piece.score;
    any = true;
  }
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    // A user's symbol scores so high that it is always chosen, the longer the better: unigram_model.cc.
    options.scores.push_back(
        piece.kind == TokenKind::kUserDefined
            ? static_cast<double>(static_cast<float>(0.1 * (static_cast<int>(piece.text.size()) - 1)))
            : static_cast<double>(piece.score));
  }
  options.used = ids_of(parts.vocabulary, {TokenKind::kNormal, TokenKind::kUserDefined});
  options.unk_score = static_cast<double>(lowest - 10.0f);
  options.unk = model.unk;
  options.byte_fallback = model.byte_fallback;
  options.single_precision = true;
  TRY_ASSIGN(parts.model, UnigramModel::build(parts.vocabulary, std::move(options), place));
  parts.algorithm = "SentencePiece unigram";
  return ok_status();
}

Status build_model(const SentencePieceModel& model, TokenizerParts& parts, const std::string& place) {
  if (model.type == SentencePieceModel::Type::kUnigram) return build_unigram(model, parts, place);
  if (model.type == SentencePieceModel::Type::kBpe) {
    ScoreBpeOptions options;
    for (const SentencePieceModel::Piece& piece : model.pieces) options.scores.push_back(piece.score);
    options.mergeable = ids_of(parts.vocabulary, {TokenKind::kNormal, TokenKind::kUserDefined, TokenKind::kUnused});
    options.unused = ids_of(parts.vocabulary, {TokenKind::kUnused});
    if (std::find(options.unused.begin(), options.unused.end(), true) == options.unused.end()) options.unused.clear();
    options.unk = model.unk;
    options.byte_fallback = model.byte_fallback;
    parts.model = std::make_unique<ScoreBpeModel>(parts.vocabulary, std::move(options));
    parts.algorithm = "SentencePiece BPE";
    return ok_status();
  }
  const std::vector<bool> in_model = ids_of(parts.vocabulary, {TokenKind::kNormal, TokenKind::kUserDefined});
  const bool characters = model.type == SentencePieceModel::Type::kChar;
  const WordLevelModel::Unit unit =
      characters ? WordLevelModel::Unit::kCharacter : WordLevelModel::Unit::kSentencePiece;
  if (!characters) {
    parts.pre_tokenizers.push_back(split_stage(
        literal_matcher("\u2581"),
        model.whitespace_as_suffix ? SplitBehavior::kMergedWithPrevious : SplitBehavior::kMergedWithNext, false));
  }
  parts.model = std::make_unique<WordLevelModel>(parts.vocabulary, in_model, model.unk, unit);
  parts.algorithm = characters ? "SentencePiece characters" : "SentencePiece words";
  return ok_status();
}

Status fill_parts(const SentencePieceModel& model, TokenizerParts& parts, const std::string& place) {
  std::vector<VocabularyEntry> entries;
  entries.reserve(model.pieces.size());
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    entries.push_back({piece.text, static_cast<int64_t>(entries.size()), piece.kind});
  }
  TRY_ASSIGN(parts.vocabulary, Vocabulary::build(entries, place));
  std::vector<AddedToken> control;
  std::vector<AddedToken> user;
  SentencePieceNormalization normalization;
  for (int32_t id = 0; id < parts.vocabulary.size(); ++id) {
    const TokenKind kind = parts.vocabulary.kind(id);
    const bool special = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    parts.special_ids.push_back(kind == TokenKind::kControl);
    if (!special && kind != TokenKind::kUserDefined) continue;
    AddedToken token;
    token.id = id;
    token.content = parts.vocabulary.piece(id);
    token.special = special;
    if (!special) normalization.verbatim.push_back(token.content);
    (special ? control : user).push_back(std::move(token));
  }
  parts.added = AddedTokenMatcher(std::move(control), AddedTokenOrder::kLeftmost);
  // Unigram reaches user-defined symbols through their scores; the others see them cut out first.
  if (model.type != SentencePieceModel::Type::kUnigram) {
    parts.added_normalized = AddedTokenMatcher(std::move(user), AddedTokenOrder::kLeftmost);
  }
  TRY_ASSIGN(normalization.map, CharsMap::parse(model.charsmap, place));
  normalization.add_dummy_prefix = model.add_dummy_prefix;
  normalization.remove_extra_whitespaces = model.remove_extra_whitespaces;
  normalization.escape_whitespaces = model.escape_whitespaces;
  normalization.whitespace_as_suffix = model.whitespace_as_suffix;
  parts.normalizers.push_back(sentencepiece_normalizer(std::move(normalization)));
  parts.invalid_utf8 = InvalidUtf8::kNormalized;
  parts.spelling = PieceSpelling::kSpaceMark;
  parts.skipped_is_piece = true;
  parts.decoders.push_back(
      sentencepiece_decoder(model.add_dummy_prefix || model.remove_extra_whitespaces, model.remove_extra_whitespaces));
  for (const SentencePieceModel::Piece& piece : model.pieces) parts.source.scores.push_back(piece.score);
  parts.source.gguf_model = model.type == SentencePieceModel::Type::kBpe       ? "llama"
                            : model.type == SentencePieceModel::Type::kUnigram ? "t5"
                                                                               : "";
  parts.source.charsmap = model.charsmap;
  parts.source.add_space_prefix = model.add_dummy_prefix;
  parts.source.remove_extra_whitespaces = model.remove_extra_whitespaces;
  parts.source.byte_fallback = model.byte_fallback;
  return build_model(model, parts, place);
}

}  // namespace

Result<SentencePieceModel> read_sentencepiece(std::string_view bytes, const std::string& place) {
  SentencePieceModel model;
  const Status status = for_each_field(bytes, place, [&](const Field& field) -> Status {
    if (field.number < 1 || field.number > 3) return ok_status();
    TRY(expect_type(field, 2, place));
    if (field.number == 2) return read_trainer(field.bytes, place + ": trainer_spec", model);
    if (field.number == 3) return read_normalizer(field.bytes, place + ": normalizer_spec", model);
    if (model.pieces.size() >= kMaxPieces) return invalid(fmt::format("more than {} pieces", kMaxPieces), place);
    return read_piece(field.bytes, fmt::format("{}: piece {}", place, model.pieces.size()),
                      model.pieces.emplace_back());
  });
  if (!status.ok()) return status.error();
  if (model.pieces.empty()) return invalid("no pieces", place, "the file is damaged, or is no SentencePiece model");
  const auto count = static_cast<int64_t>(model.pieces.size());
  // The file's own unknown piece counts, not what the trainer was asked for.
  const auto unknown = std::find_if(model.pieces.begin(), model.pieces.end(),
                                    [](const auto& piece) { return piece.kind == TokenKind::kUnknown; });
  if (unknown == model.pieces.end()) return invalid("no piece has the type UNKNOWN", place);
  model.unk = static_cast<int32_t>(unknown - model.pieces.begin());
  for (int32_t* id : {&model.bos, &model.eos, &model.pad}) {
    if (*id < 0 || *id >= count || model.pieces[static_cast<size_t>(*id)].kind != TokenKind::kControl) *id = kNoToken;
  }
  return model;
}

Result<Tokenizer> load_sentencepiece(std::string_view bytes, const std::string& place,
                                     const SentencePieceLoadOptions& options) {
  TRY_ASSIGN(const SentencePieceModel model, read_sentencepiece(bytes, place));
  auto parts = std::make_unique<TokenizerParts>();
  TRY(fill_parts(model, *parts, place));
  parts->special.unk = model.unk;
  parts->decoded_as[model.unk] = " \u2047 ";  // the default of TrainerSpec.unk_surface
  parts->special.bos = model.bos;
  parts->special.eos = model.eos;
  parts->special.pad = model.pad;
  if (options.add_bos && model.bos != kNoToken) parts->prefix.push_back(model.bos);
  if (options.add_eos && model.eos != kNoToken) parts->suffix.push_back(model.eos);
  find_end_tokens(*parts);
  return Tokenizer(std::move(parts));
}

}  // namespace linnet
