#include "text/tokenizer_export.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

#include "base/json.hpp"
#include "text/base64.hpp"
#include "text/bpe.hpp"
#include "text/gguf_pre_tokenizers.hpp"
#include "text/large_object.hpp"
#include "text/tokenizer_parts.hpp"

namespace linnet {

namespace {

constexpr std::string_view kSpaceMark = "\u2581";

bool is_text(TokenKind kind) {
  return kind == TokenKind::kNormal || kind == TokenKind::kUnused;
}

// BERT's "the" and "##ing" are "▁the" and "ing" in GGUF.
std::string wordpiece_to_gguf(std::string_view piece, TokenKind kind) {
  if (!is_text(kind)) return std::string(piece);
  if (piece.starts_with("##")) return std::string(piece.substr(2));
  return std::string(kSpaceMark) + std::string(piece);
}

std::string wordpiece_from_gguf(std::string_view piece, TokenKind kind) {
  if (!is_text(kind)) return std::string(piece);
  if (piece.starts_with(kSpaceMark)) return std::string(piece.substr(kSpaceMark.size()));
  return "##" + std::string(piece);
}

std::optional<int64_t> optional_id(int32_t id) {
  return id == kNoToken ? std::nullopt : std::optional<int64_t>(id);
}

bool has(const std::vector<int32_t>& ids, int32_t id) {
  return id != kNoToken && std::find(ids.begin(), ids.end(), id) != ids.end();
}

// Scores under which merging by score does what merging by rank does: the earlier the merge, the higher.
std::vector<float> scores_of_merges(const Vocabulary& vocabulary, const BpeModel& model) {
  std::vector<float> scores(static_cast<size_t>(vocabulary.size()), 0);
  float score = 0;
  std::vector<bool> seen(scores.size(), false);
  for (const auto& [left, right] : model.merges()) {
    const int32_t id = vocabulary.find(std::string(vocabulary.piece(left)) + std::string(vocabulary.piece(right)));
    score -= 1;
    if (id == kNoToken || seen[static_cast<size_t>(id)]) continue;
    seen[static_cast<size_t>(id)] = true;
    scores[static_cast<size_t>(id)] = score;
  }
  return scores;
}

// The merges that give what merging by score gives, as Hugging Face's converter lists them.
std::vector<std::pair<std::string, std::string>> merges_of_scores(const Vocabulary& vocabulary,
                                                                  const std::vector<float>& scores) {
  struct Merge {
    float score;
    int32_t left, right;
  };
  std::vector<Merge> merges;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!is_text(vocabulary.kind(id)) && vocabulary.kind(id) != TokenKind::kUserDefined) continue;
    const std::string_view piece = vocabulary.piece(id);
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<uint8_t>(piece[cut]) & 0xC0) == 0x80) continue;  // inside a character
      const int32_t left = vocabulary.find(piece.substr(0, cut));
      const int32_t right = left == kNoToken ? kNoToken : vocabulary.find(piece.substr(cut));
      if (right != kNoToken) merges.push_back({scores[static_cast<size_t>(id)], left, right});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [&](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::pair(a.left, a.right) < std::pair(b.left, b.right);
  });
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(merges.size());
  for (const Merge& merge : merges) out.emplace_back(vocabulary.piece(merge.left), vocabulary.piece(merge.right));
  return out;
}

Json typed(const char* type) {
  return Json{{"type", type}};
}

Json replace_json(const char* from, const char* to) {
  return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

class JsonWriter {
 public:
  explicit JsonWriter(const TokenizerParts& parts) : parts_(parts) {}

  Result<std::string> run() {
    Json root =
        Json{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added_tokens()}};
    root["normalizer"] = nullptr;
    root["pre_tokenizer"] = nullptr;
    root["post_processor"] = post_processor();
    const std::string& model = parts_.source.gguf_model;
    if (model == "gpt2") {
      write_byte_level(root);
    } else if (model == "llama") {
      write_merging(root);
    } else if (model == "t5") {
      write_unigram(root);
    } else if (model == "bert") {
      write_wordpiece(root);
    } else {
      return unsupported(fmt::format("{} as a tokenizer.json", parts_.algorithm));
    }
    return dump_json(root);
  }

 private:
  std::string spelled(int32_t id) const {
    const std::string_view piece = parts_.vocabulary.piece(id);
    const TokenKind kind = parts_.vocabulary.kind(id);
    const bool converts = parts_.source.gguf_model == "bert" && parts_.source.gguf_spelling;
    return converts ? wordpiece_from_gguf(piece, kind) : std::string(piece);
  }

  Json added_tokens() const {
    Json list = Json::array();
    for (int32_t id = 0; id < parts_.vocabulary.size(); ++id) {
      const TokenKind kind = parts_.vocabulary.kind(id);
      const bool special = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
      if (!special && kind != TokenKind::kUserDefined) continue;
      list.push_back(Json{{"id", id},
                          {"content", parts_.vocabulary.piece(id)},
                          {"single_word", false},
                          {"lstrip", false},
                          {"rstrip", false},
                          {"normalized", false},
                          {"special", special}});
    }
    return list;
  }

  Json post_processor() const {
    if (parts_.prefix.empty() && parts_.suffix.empty()) return nullptr;
    Json single = Json::array();
    Json pair = Json::array();
    Json specials = Json::object();
    const auto add = [&](int32_t id, int type) {
      const std::string name(parts_.vocabulary.piece(id));
      pair.push_back(Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}});
      if (type == 0) single.push_back(pair.back());
      specials[name] = Json{{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    };
    for (const int type : {0, 1}) {
      for (const int32_t id : parts_.prefix) add(id, type);
      pair.push_back(Json{{"Sequence", {{"id", type == 0 ? "A" : "B"}, {"type_id", type}}}});
      if (type == 0) single.push_back(pair.back());
      for (const int32_t id : parts_.suffix) add(id, type);
    }
    return Json{{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
  }

  Json vocab_object() const {
    Json vocab = Json::object();
    for (int32_t id = 0; id < parts_.vocabulary.size(); ++id) {
      if (parts_.vocabulary.contains(id)) append_member(vocab, spelled(id), id);
    }
    return vocab;
  }

  Json unknown_name() const {
    return parts_.special.unk == kNoToken ? Json() : Json(std::string(parts_.vocabulary.piece(parts_.special.unk)));
  }

  void write_byte_level(Json& root) const {
    Json stages = Json::array();
    for (const std::string& pattern : parts_.source.patterns) {
      stages.push_back(
          Json{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
    const Json bytes =
        Json{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
    stages.push_back(bytes);
    root["pre_tokenizer"] = Json{{"type", "Sequence"}, {"pretokenizers", stages}};
    root["decoder"] = bytes;
    const auto& bpe = static_cast<const BpeModel&>(*parts_.model);
    Json merges = Json::array();
    for (const auto& [left, right] : bpe.merges()) {
      merges.push_back(Json::array({parts_.vocabulary.piece(left), parts_.vocabulary.piece(right)}));
    }
    root["model"] = Json{{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", nullptr},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", false},
                         {"ignore_merges", parts_.source.ignore_merges},
                         {"vocab", vocab_object()},
                         {"merges", merges}};
  }

  void write_merging(Json& root) const {
    Json normalizers = Json::array();
    if (parts_.source.add_space_prefix) normalizers.push_back(Json{{"type", "Prepend"}, {"prepend", kSpaceMark}});
    normalizers.push_back(replace_json(" ", "\u2581"));
    root["normalizer"] = Json{{"type", "Sequence"}, {"normalizers", normalizers}};
    Json decoders = Json::array({replace_json("\u2581", " "), typed("ByteFallback"), typed("Fuse")});
    if (parts_.source.add_space_prefix) {
      decoders.push_back(Json{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    root["decoder"] = Json{{"type", "Sequence"}, {"decoders", decoders}};
    Json merges = Json::array();
    for (auto& [left, right] : merges_of_scores(parts_.vocabulary, parts_.source.scores)) {
      merges.push_back(Json::array({std::move(left), std::move(right)}));
    }
    root["model"] = Json{{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", unknown_name()},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", true},
                         {"byte_fallback", true},
                         {"ignore_merges", false},
                         {"vocab", vocab_object()},
                         {"merges", merges}};
  }

  void write_unigram(Json& root) const {
    Json normalizers = Json::array();
    if (!parts_.source.charsmap.empty()) {
      normalizers.push_back(
          Json{{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(parts_.source.charsmap)}});
    }
    if (parts_.source.remove_extra_whitespaces) {
      normalizers.push_back(Json{{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
      normalizers.push_back(Json{{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}});
    }
    if (!normalizers.empty()) root["normalizer"] = Json{{"type", "Sequence"}, {"normalizers", normalizers}};
    const Json metaspace = Json{{"type", "Metaspace"},
                                {"replacement", kSpaceMark},
                                {"prepend_scheme", parts_.source.add_space_prefix ? "always" : "never"},
                                {"split", parts_.source.add_space_prefix}};
    root["pre_tokenizer"] = metaspace;
    root["decoder"] = metaspace;
    Json vocab = Json::array();
    for (int32_t id = 0; id < parts_.vocabulary.size(); ++id) {
      vocab.push_back(Json::array({parts_.vocabulary.piece(id), parts_.source.scores[static_cast<size_t>(id)]}));
    }
    root["model"] = Json{{"type", "Unigram"},
                         {"unk_id", parts_.special.unk == kNoToken ? Json() : Json(parts_.special.unk)},
                         {"vocab", vocab},
                         {"byte_fallback", parts_.source.byte_fallback}};
  }

  void write_wordpiece(Json& root) const {
    root["normalizer"] = Json{{"type", "BertNormalizer"},
                              {"clean_text", true},
                              {"handle_chinese_chars", true},
                              {"strip_accents", parts_.source.strip_accents},
                              {"lowercase", parts_.source.lowercase}};
    root["pre_tokenizer"] = typed("BertPreTokenizer");
    root["decoder"] = Json{{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
    root["model"] = Json{{"type", "WordPiece"},
                         {"unk_token", unknown_name()},
                         {"continuing_subword_prefix", "##"},
                         {"max_input_chars_per_word", 100},
                         {"vocab", vocab_object()}};
  }

  const TokenizerParts& parts_;
};

void write_tokens(const TokenizerParts& parts, GgufTokenizerFields& fields) {
  const bool wordpiece = fields.model == "bert" && !parts.source.gguf_spelling;
  for (int32_t id = 0; id < parts.vocabulary.size(); ++id) {
    const TokenKind kind = parts.vocabulary.kind(id);
    if (kind == TokenKind::kAbsent) {
      fields.tokens.push_back(fmt::format("[PAD{}]", id));
      fields.token_types.push_back(static_cast<int32_t>(TokenKind::kUnused));
      continue;
    }
    const std::string_view piece = parts.vocabulary.piece(id);
    fields.tokens.push_back(wordpiece ? wordpiece_to_gguf(piece, kind) : std::string(piece));
    fields.token_types.push_back(static_cast<int32_t>(kind));
  }
}

}  // namespace

Result<GgufTokenizerFields> to_gguf_fields(const Tokenizer& tokenizer) {
  const TokenizerParts& parts = tokenizer.parts();
  const TokenizerSource& source = parts.source;
  GgufTokenizerFields fields;
  fields.model = source.gguf_model;
  if (fields.model.empty()) {
    return unsupported(fmt::format("{} in GGUF: llama.cpp has no tokenizer model like it", parts.algorithm));
  }
  write_tokens(parts, fields);
  const auto* bpe = dynamic_cast<const BpeModel*>(parts.model.get());
  if (fields.model == "gpt2") {
    const std::string_view name =
        source.gguf_pre.empty() ? gguf_pre_tokenizer_name(source.patterns, source.ignore_merges) : source.gguf_pre;
    if (name.empty()) {
      return unsupported(fmt::format("pre-tokenizer {:?} in GGUF: llama.cpp has no name for it",
                                     source.patterns.empty() ? std::string() : source.patterns.back()));
    }
    fields.pre = std::string(name);
    for (const auto& [left, right] : bpe->merges()) {
      fields.merges.push_back(std::string(parts.vocabulary.piece(left)) + " " +
                              std::string(parts.vocabulary.piece(right)));
    }
  } else if (fields.model != "bert") {
    fields.scores = bpe ? scores_of_merges(parts.vocabulary, *bpe) : source.scores;
    fields.add_space_prefix = source.add_space_prefix;
    fields.precompiled_charsmap = source.charsmap;
    if (fields.model == "t5") fields.remove_extra_whitespaces = source.remove_extra_whitespaces;
    if (fields.model == "llama") fields.pre = "default";
  } else if (!source.lowercase || !source.strip_accents) {
    fields.lowercase = source.lowercase;
    fields.strip_accents = source.strip_accents;
  }
  const SpecialIds& special = parts.special;
  // Without a name for it, what stands before every text is the beginning.
  const int32_t bos = special.bos == kNoToken && parts.prefix.size() == 1 ? parts.prefix[0] : special.bos;
  fields.bos = optional_id(bos);
  fields.eos = optional_id(special.eos);
  fields.unk = optional_id(special.unk);
  fields.pad = optional_id(special.pad);
  fields.sep = optional_id(special.sep);
  fields.cls = optional_id(special.cls);
  fields.mask = optional_id(special.mask);
  if (fields.model == "bert" && !parts.prefix.empty() && !parts.suffix.empty()) {
    fields.bos = fields.cls = parts.prefix[0];
    fields.sep = parts.suffix[0];
  }
  fields.add_bos = has(parts.prefix, bos);
  fields.add_eos = has(parts.suffix, special.eos);
  return fields;
}

Result<std::string> to_tokenizer_json(const Tokenizer& tokenizer) {
  return JsonWriter(tokenizer.parts()).run();
}

}  // namespace linnet
