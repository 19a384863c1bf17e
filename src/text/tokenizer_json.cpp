#include "text/tokenizer_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "text/base64.hpp"
#include "text/bpe.hpp"
#include "text/tokenizer_json_parts.hpp"
#include "text/tokenizer_json_reader.hpp"
#include "text/tokenizer_parts.hpp"
#include "text/unigram.hpp"
#include "text/word_pieces.hpp"

namespace linnet {

namespace {

// The number that Hugging Face's reader (serde_json without float_roundtrip) makes of the shortest decimal form of `x`:
// its digits as an integer, rounded, then divided by a power of ten, rounded again. Two ways of cutting a text that are
// equally likely are told apart by such last bits.
double as_serde_reads(double x) {
  constexpr int kMostPower = 308;
  std::array<char, 32> text{};
  const char* end =
      std::to_chars(text.data(), text.data() + text.size(), std::abs(x), std::chars_format::scientific).ptr;
  uint64_t digits = 0;
  int fraction = 0;
  const char* at = text.data();
  for (bool after_point = false; at < end && *at != 'e'; ++at) {
    if (*at == '.') {
      after_point = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    fraction += after_point;
  }
  int exponent = 0;
  std::from_chars(at + (at[1] == '+' ? 2 : 1), end, exponent);
  exponent -= fraction;
  if (std::abs(exponent) > kMostPower) return x;
  const std::string power_text = fmt::format("1e{}", std::abs(exponent));
  double power = 0;
  std::from_chars(power_text.data(), power_text.data() + power_text.size(), power);
  const auto whole = static_cast<double>(digits);
  return std::copysign(exponent < 0 ? whole / power : whole * power, x);
}

// One load: the file's parts, and the tokenizer that grows from them.
class Loader {
 public:
  Loader(TokenizerJson read, const std::string& place) : read_(std::move(read)), place_(place) {}

  Result<std::unique_ptr<TokenizerParts>> run() {
    TRY_ASSIGN(const JsonObject root, JsonObject::of(read_.rest, place_));
    TRY_ASSIGN(const JsonObject model, root.object("model"));
    TRY(read_added_tokens(root));
    TRY(build_vocabulary());
    TRY_ASSIGN(const std::string type, model_type(model));
    TRY_ASSIGN(const bool byte_model, takes_bytes(type, model));
    TRY_ASSIGN(parts_->normalizers, load_normalizers(root.find("normalizer"), place_));
    TRY_ASSIGN(auto pre, load_pre_tokenizers(root.find("pre_tokenizer"), byte_model, place_));
    parts_->pre_tokenizers = std::move(pre.stages);
    parts_->source.patterns = std::move(pre.patterns);
    TRY(note_source(root, pre.bytes_for_model));
    TRY(load_model(type, model, pre.bytes_for_model));
    TRY_ASSIGN(parts_->decoders, load_decoders(root.find("decoder"), place_));
    TRY_ASSIGN(const TextFrame frame, load_post_processor(root.find("post_processor"), place_));
    for (const auto* ids : {&frame.prefix, &frame.suffix}) {
      for (const int32_t id : *ids) {
        if (!parts_->vocabulary.contains(id)) {
          return invalid(fmt::format("the post-processor adds id {}, which is no token", id), place_);
        }
      }
    }
    parts_->prefix = frame.prefix;
    parts_->suffix = frame.suffix;
    if (pre.bytes_for_model && parts_->normalizers.empty()) parts_->invalid_utf8 = InvalidUtf8::kKept;
    parts_->spelling = spelling(pre.bytes_for_model);
    TRY(build_added_matchers());
    return std::move(parts_);
  }

 private:
  Status read_added_tokens(const JsonObject& root) {
    const Json* list = root.find("added_tokens");
    if (!list) return ok_status();
    if (!list->is_array()) return invalid("\"added_tokens\" is not a list", place_);
    for (const Json& item : *list) {
      TRY_ASSIGN(const JsonObject object, JsonObject::of(item, place_ + ": added_tokens"));
      AddedToken token;
      TRY_ASSIGN(token.content, object.string("content"));
      TRY_ASSIGN(token.special, object.boolean_or("special", false));
      TRY_ASSIGN(token.single_word, object.boolean_or("single_word", false));
      TRY_ASSIGN(token.lstrip, object.boolean_or("lstrip", false));
      TRY_ASSIGN(token.rstrip, object.boolean_or("rstrip", false));
      TRY_ASSIGN(token.normalized, object.boolean_or("normalized", !token.special));
      if (token.content.size() > kMaxAddedToken) {
        return invalid(fmt::format("an added token of {} bytes, more than {}", token.content.size(), kMaxAddedToken),
                       place_);
      }
      if (!token.content.empty()) added_.push_back(std::move(token));
    }
    return ok_status();
  }

  // Ids of added tokens are not taken from the file but worked out, as Hugging Face does: the vocabulary's own where
  // it has the token, else the next free one.
  Status build_vocabulary() {
    std::vector<VocabularyEntry> entries = read_.vocab;
    PieceMap known;
    known.reserve(entries.size() + added_.size());
    for (const VocabularyEntry& entry : entries) {
      if (entry.id < 0 || entry.id > INT32_MAX) {
        return invalid(fmt::format("token {:?} has id {}", entry.piece, entry.id), place_);
      }
      known.insert(entry.piece, static_cast<int32_t>(entry.id));
    }
    const auto vocab_size = static_cast<int64_t>(entries.size());
    int64_t largest_added = -1;
    for (AddedToken& token : added_) {
      int64_t id = known.find(token.content);
      if (id == kNoToken) {
        id = std::max(largest_added + 1, vocab_size);
        if (id > INT32_MAX) return invalid(fmt::format("added token {:?} has id {}", token.content, id), place_);
        entries.push_back({token.content, id, TokenKind::kNormal});
        known.insert(token.content, static_cast<int32_t>(id));
      }
      token.id = static_cast<int32_t>(id);
      largest_added = std::max(largest_added, id);
    }
    TRY_ASSIGN(parts_->vocabulary, Vocabulary::build(entries, place_));
    const auto size = static_cast<size_t>(parts_->vocabulary.size());
    in_model_.assign(size, false);
    for (const VocabularyEntry& entry : read_.vocab) in_model_[static_cast<size_t>(entry.id)] = true;
    parts_->special_ids.assign(size, false);
    for (const AddedToken& token : added_) {
      parts_->special_ids[static_cast<size_t>(token.id)] = token.special;
      parts_->vocabulary.set_kind(token.id, token.special ? TokenKind::kControl : TokenKind::kUserDefined);
    }
    return ok_status();
  }

  // Files from before tokenizers 0.8 do not name the type.
  Result<std::string> model_type(const JsonObject& model) const {
    if (model.has("type")) return model.string("type");
    if (read_.has_merges) return std::string("BPE");
    if (!read_.scores.empty()) return std::string("Unigram");
    return std::string(model.has("continuing_subword_prefix") ? "WordPiece" : "WordLevel");
  }

  Result<bool> takes_bytes(const std::string& type, const JsonObject& model) const {
    if (type != "BPE") return false;
    TRY_ASSIGN(const bool fallback, model.boolean_or("byte_fallback", false));
    TRY_ASSIGN(const std::string prefix, model.string_or("continuing_subword_prefix", ""));
    TRY_ASSIGN(const std::string suffix, model.string_or("end_of_word_suffix", ""));
    return !fallback && prefix.empty() && suffix.empty();
  }

  Status load_model(const std::string& type, const JsonObject& model, bool bytes) {
    if (type == "BPE") return load_bpe(model, bytes);
    if (type == "Unigram") return load_unigram(model);
    if (type == "WordPiece" || type == "WordLevel") {
      TRY_ASSIGN(const std::string unk, model.string_or("unk_token", type == "WordPiece" ? "[UNK]" : "<unk>"));
      set_unknown(unk);
    }
    if (type == "WordPiece") {
      WordPieceOptions options;
      options.unk = parts_->special.unk;
      TRY_ASSIGN(options.continuing_prefix, model.string_or("continuing_subword_prefix", "##"));
      TRY_ASSIGN(const int64_t longest, model.integer_or("max_input_chars_per_word", 100, 1, INT32_MAX));
      options.max_characters = static_cast<size_t>(longest);
      TRY_ASSIGN(parts_->model, WordPieceModel::build(parts_->vocabulary, in_model_, std::move(options), place_));
      parts_->algorithm = "WordPiece";
      return ok_status();
    }
    if (type == "WordLevel") {
      parts_->model = std::make_unique<WordLevelModel>(parts_->vocabulary, in_model_, parts_->special.unk,
                                                       WordLevelModel::Unit::kWord);
      parts_->algorithm = "whole words";
      return ok_status();
    }
    return unsupported(fmt::format("tokenizer model {:?}", type), place_);
  }

  Status load_bpe(const JsonObject& model, bool bytes) {
    TRY_ASSIGN(const double dropout, model.number_or("dropout", 0));
    if (dropout != 0) return unsupported(fmt::format("BPE with dropout {}: encoding would be random", dropout), place_);
    BpeOptions options;
    options.byte_level = bytes;
    options.last_rank_counts = true;
    TRY_ASSIGN(options.ignore_merges, model.boolean_or("ignore_merges", false));
    TRY_ASSIGN(options.byte_fallback, model.boolean_or("byte_fallback", false));
    TRY_ASSIGN(options.fuse_unk, model.boolean_or("fuse_unk", false));
    TRY_ASSIGN(options.continuing_prefix, model.string_or("continuing_subword_prefix", ""));
    TRY_ASSIGN(options.end_suffix, model.string_or("end_of_word_suffix", ""));
    TRY_ASSIGN(const std::string unk, model.string_or("unk_token", ""));
    set_unknown(unk);
    options.unk = parts_->special.unk;
    if (options.byte_fallback) mark_bytes();
    parts_->algorithm = bytes ? "byte-level BPE" : "BPE over characters";
    TRY_ASSIGN(auto built, BpeModel::build(parts_->vocabulary, in_model_, read_.merges, std::move(options), place_));
    parts_->held_bytes = built->held_bytes();
    parts_->model = std::move(built);
    return ok_status();
  }

  Status load_unigram(const JsonObject& model) {
    if (read_.scores.size() != read_.vocab.size()) return invalid("a Unigram model without scores", place_);
    UnigramOptions options;
    options.scores.assign(static_cast<size_t>(parts_->vocabulary.size()), 0);
    options.used = in_model_;
    double lowest = 0;
    for (size_t i = 0; i < read_.scores.size(); ++i) {
      if (!std::isfinite(read_.scores[i])) return invalid(fmt::format("token {} has no finite score", i), place_);
      lowest = i == 0 ? read_.scores[i] : std::min(lowest, read_.scores[i]);
      options.scores[i] = as_serde_reads(read_.scores[i]);
    }
    constexpr double kUnknownPenalty = 10;  // sentencepiece's kUnkPenalty
    options.look_up_unknown = true;
    options.unk_score = lowest - kUnknownPenalty;
    TRY_ASSIGN(options.byte_fallback, model.boolean_or("byte_fallback", false));
    if (options.byte_fallback) mark_bytes();
    if (model.has("unk_id")) {
      TRY_ASSIGN(const int64_t unk, model.integer("unk_id", 0, static_cast<int64_t>(read_.vocab.size()) - 1));
      options.unk = static_cast<int32_t>(unk);
      parts_->special.unk = options.unk;
      parts_->vocabulary.set_kind(options.unk, TokenKind::kUnknown);
    }
    TRY_ASSIGN(parts_->model, UnigramModel::build(parts_->vocabulary, std::move(options), place_));
    parts_->algorithm = "unigram";
    return ok_status();
  }

  // What GGUF would call this tokenizer.
  Status note_source(const JsonObject& root, bool bytes) {
    TokenizerSource& source = parts_->source;
    TRY_ASSIGN(const JsonObject model, root.object("model"));
    TRY_ASSIGN(const std::string type, model_type(model));
    TRY_ASSIGN(source.ignore_merges, model.boolean_or("ignore_merges", false));
    TRY_ASSIGN(source.byte_fallback, model.boolean_or("byte_fallback", false));
    const auto text_of = [&](const char* key) {
      const Json* node = root.find(key);
      return node ? dump_json(*node) : std::string();
    };
    const std::string normalizer = text_of("normalizer");
    const std::string pre_tokenizer = text_of("pre_tokenizer");
    const bool metaspace = pre_tokenizer.find("\"Metaspace\"") != std::string::npos;
    source.add_space_prefix = normalizer.find("\"Prepend\"") != std::string::npos ||
                              (metaspace && pre_tokenizer.find("\"never\"") == std::string::npos);
    source.remove_extra_whitespaces = normalizer.find(" {2,}") != std::string::npos;
    if (type == "BPE" && bytes) {
      source.gguf_model = "gpt2";
    } else if (type == "BPE" && source.byte_fallback && (metaspace || normalizer.find("\u2581") != std::string::npos)) {
      source.gguf_model = "llama";
    } else if (type == "Unigram" && metaspace) {
      source.gguf_model = "t5";
      source.scores.assign(static_cast<size_t>(parts_->vocabulary.size()), 0);
      for (size_t i = 0; i < read_.scores.size(); ++i) source.scores[i] = static_cast<float>(read_.scores[i]);
      TRY(note_charsmap(root.find("normalizer")));
    } else if (type == "WordPiece" && normalizer.find("\"BertNormalizer\"") != std::string::npos) {
      source.gguf_model = "bert";
      source.lowercase = normalizer.find("\"lowercase\":false") == std::string::npos;
      source.strip_accents = normalizer.find("\"strip_accents\":false") == std::string::npos && source.lowercase;
    }
    return ok_status();
  }

  Status note_charsmap(const Json* normalizer) {
    if (!normalizer || !normalizer->is_object()) return ok_status();
    if (const auto list = normalizer->find("normalizers"); list != normalizer->end() && list->is_array()) {
      for (const Json& item : *list) TRY(note_charsmap(&item));
    }
    const auto encoded = normalizer->find("precompiled_charsmap");
    if (encoded != normalizer->end() && encoded->is_string()) {
      parts_->source.charsmap = decode_base64(encoded->get_ref<const std::string&>()).value_or(std::string());
    }
    return ok_status();
  }

  void set_unknown(const std::string& token) {
    const int32_t id = parts_->vocabulary.find(token);
    if (token.empty() || id == kNoToken || !in_model_[static_cast<size_t>(id)]) return;
    parts_->special.unk = id;
    parts_->vocabulary.set_kind(id, TokenKind::kUnknown);
  }

  void mark_bytes() {
    for (int32_t id = 0; id < parts_->vocabulary.size(); ++id) {
      if (byte_of_piece(parts_->vocabulary.piece(id)) >= 0) parts_->vocabulary.set_kind(id, TokenKind::kByte);
    }
  }

  PieceSpelling spelling(bool bytes) const {
    if (bytes) return PieceSpelling::kByteLetters;
    return parts_->vocabulary.find("\u2581") != kNoToken ? PieceSpelling::kSpaceMark : PieceSpelling::kPlain;
  }

  Status build_added_matchers() {
    std::vector<AddedToken> raw;
    std::vector<AddedToken> normalized;
    size_t bytes = 0;
    for (const AddedToken& token : added_) bytes += token.content.size();
    TextGrowth growth(bytes);
    for (AddedToken& token : added_) {
      if (!token.normalized) {
        raw.push_back(std::move(token));
        continue;
      }
      const std::string as_written = token.content;
      bool starts_input = true;
      Status done = apply_normalizers(parts_->normalizers, token.content, starts_input, growth);
      if (!done.ok()) return std::move(done).error().at(fmt::format("{}: added token {:?}", place_, as_written));
      if (token.content != as_written) parts_->decoded_as[token.id] = token.content;
      normalized.push_back(std::move(token));
    }
    parts_->added = AddedTokenMatcher(std::move(raw), AddedTokenOrder::kLeftmost);
    parts_->added_normalized = AddedTokenMatcher(std::move(normalized), AddedTokenOrder::kLeftmost);
    return ok_status();
  }

  static constexpr size_t kMaxAddedToken = 4096;

  TokenizerJson read_;
  std::string place_;
  std::unique_ptr<TokenizerParts> parts_ = std::make_unique<TokenizerParts>();
  std::vector<AddedToken> added_;
  std::vector<bool> in_model_;
};

// "bos_token": "<s>", or {"content": "<s>", …}.
Status read_config(std::string_view text, const std::string& place, TokenizerParts& parts) {
  TRY_ASSIGN(const Json json, parse_json(text, place));
  TRY_ASSIGN(const JsonObject config, JsonObject::of(json, place));
  const auto read = [&](const char* key, int32_t& id) {
    const Json* token = config.find(key);
    if (token && token->is_object()) {
      const auto content = token->find("content");
      token = content == token->end() ? nullptr : &*content;
    }
    if (!token || !token->is_string()) return;
    const int32_t found = parts.vocabulary.find(token->get_ref<const std::string&>());
    if (found != kNoToken) id = found;
  };
  read("bos_token", parts.special.bos);
  read("eos_token", parts.special.eos);
  read("unk_token", parts.special.unk);
  read("pad_token", parts.special.pad);
  read("sep_token", parts.special.sep);
  read("cls_token", parts.special.cls);
  read("mask_token", parts.special.mask);
  return ok_status();
}

}  // namespace

Result<Tokenizer> load_tokenizer_json(std::string_view json, std::string_view config, const std::string& place) {
  TRY_ASSIGN(TokenizerJson read, read_tokenizer_json(json, place));
  TRY_ASSIGN(auto parts, Loader(std::move(read), place).run());
  if (!config.empty()) TRY(read_config(config, place + ": tokenizer_config", *parts));
  find_end_tokens(*parts);
  return Tokenizer(std::move(parts));
}

}  // namespace linnet
