#include "text/tokenizer_json_parts.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/json.hpp"
#include "base/utf8.hpp"
#include "text/base64.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

Error unknown_type(std::string_view part, std::string_view type, const std::string& place) {
  return unsupported(fmt::format("{} {:?}", part, type), place, "this tokenizer has a part that Linnet does not know");
}

// {"String": "x"} or {"Regex": "x"}; older files have the string alone.
Result<std::unique_ptr<Matcher>> load_pattern(const JsonObject& object, std::string* spelled = nullptr) {
  const Json* pattern = object.find("pattern");
  if (pattern && pattern->is_string()) {
    if (spelled) *spelled = pattern->get<std::string>();
    if (pattern->get_ref<const std::string&>().empty()) return invalid("an empty pattern", object.place());
    return literal_matcher(pattern->get<std::string>());
  }
  TRY_ASSIGN(const JsonObject kinds, object.object("pattern"));
  if (kinds.has("String")) {
    TRY_ASSIGN(std::string literal, kinds.string("String"));
    if (literal.empty()) return invalid("an empty pattern", object.place());
    return literal_matcher(std::move(literal));
  }
  TRY_ASSIGN(const std::string regex, kinds.string("Regex"));
  if (spelled) *spelled = regex;
  return compile_pattern(regex, PatternDialect::kHuggingFace, object.place());
}

Status add_normalizer(const Json& node, const std::string& place, Normalizers& out);

Result<std::unique_ptr<Normalizer>> load_bert_normalizer(const JsonObject& object) {
  BertNormalization options;
  TRY_ASSIGN(options.clean_text, object.boolean_or("clean_text", true));
  TRY_ASSIGN(options.handle_chinese_chars, object.boolean_or("handle_chinese_chars", true));
  TRY_ASSIGN(options.lowercase, object.boolean_or("lowercase", true));
  TRY_ASSIGN(options.strip_accents, object.boolean_or("strip_accents", options.lowercase));
  return bert_normalizer(options);
}

Status add_named_normalizer(const std::string& type, const JsonObject& object, Normalizers& out) {
  const std::string& place = object.place();
  if (type == "NFC") {
    out.push_back(unicode_normalizer(NormalForm::kNfc));
  } else if (type == "NFD") {
    out.push_back(unicode_normalizer(NormalForm::kNfd));
  } else if (type == "NFKC") {
    out.push_back(unicode_normalizer(NormalForm::kNfkc));
  } else if (type == "NFKD") {
    out.push_back(unicode_normalizer(NormalForm::kNfkd));
  } else if (type == "Lowercase") {
    out.push_back(lowercase_normalizer());
  } else if (type == "StripAccents") {
    out.push_back(strip_accents_normalizer());
  } else if (type == "Nmt") {
    out.push_back(nmt_normalizer());
  } else if (type == "ByteLevel") {
    out.push_back(byte_letters_normalizer());
  } else if (type == "BertNormalizer") {
    TRY_ASSIGN(auto made, load_bert_normalizer(object));
    out.push_back(std::move(made));
  } else if (type == "Strip") {
    TRY_ASSIGN(const bool left, object.boolean_or("strip_left", true));
    TRY_ASSIGN(const bool right, object.boolean_or("strip_right", true));
    out.push_back(strip_normalizer(left, right));
  } else if (type == "Prepend") {
    TRY_ASSIGN(std::string prefix, object.string("prepend"));
    out.push_back(prepend_normalizer(std::move(prefix)));
  } else if (type == "Replace") {
    TRY_ASSIGN(auto matcher, load_pattern(object));
    TRY_ASSIGN(std::string content, object.string("content"));
    out.push_back(replace_normalizer(std::move(matcher), std::move(content)));
  } else if (type == "Precompiled") {
    TRY_ASSIGN(const std::string encoded, object.string_or("precompiled_charsmap", ""));
    const auto blob = decode_base64(encoded);
    if (!blob) return invalid("precompiled_charsmap is not base64", place);
    TRY_ASSIGN(CharsMap map, CharsMap::parse(*blob, place));
    out.push_back(precompiled_normalizer(std::move(map)));
  } else {
    return unknown_type("normalizer", type, place);
  }
  return ok_status();
}

Status add_normalizer(const Json& node, const std::string& place, Normalizers& out) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(node, place));
  TRY_ASSIGN(const std::string type, object.string("type"));
  if (type != "Sequence") return add_named_normalizer(type, object, out);
  const Json* list = object.find("normalizers");
  if (!list || !list->is_array()) return invalid("a Sequence without \"normalizers\"", place);
  for (const Json& item : *list) TRY(add_normalizer(item, place, out));
  return ok_status();
}

// --- pre-tokenizers

Result<SplitBehavior> load_behavior(const JsonObject& object, std::string fallback) {
  TRY_ASSIGN(const std::string name, object.string_or("behavior", std::move(fallback)));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return unknown_type("split behavior", name, object.place());
}

struct Metaspace {
  std::string mark;
  PrependScheme scheme = PrependScheme::kAlways;
  bool split = true;
};

Result<Metaspace> load_metaspace(const JsonObject& object) {
  Metaspace read;
  TRY_ASSIGN(read.mark, object.string_or("replacement", "\u2581"));
  const Utf8Step step = decode_utf8(read.mark);
  if (!step.valid || static_cast<size_t>(step.length) != read.mark.size()) {
    return invalid("Metaspace's \"replacement\" must be one character", object.place());
  }
  TRY_ASSIGN(const bool prefix, object.boolean_or("add_prefix_space", true));
  TRY_ASSIGN(const std::string scheme, object.string_or("prepend_scheme", prefix ? "always" : "never"));
  if (scheme == "always") {
    read.scheme = PrependScheme::kAlways;
  } else if (scheme == "first") {
    read.scheme = PrependScheme::kFirst;
  } else if (scheme == "never") {
    read.scheme = PrependScheme::kNever;
  } else {
    return unknown_type("Metaspace prepend_scheme", scheme, object.place());
  }
  TRY_ASSIGN(read.split, object.boolean_or("split", true));
  return read;
}

Status add_byte_level(const JsonObject& object, bool bytes_for_model, LoadedPreTokenizers& out) {
  TRY_ASSIGN(const bool prefix, object.boolean_or("add_prefix_space", true));
  TRY_ASSIGN(const bool regex, object.boolean_or("use_regex", true));
  if (prefix) out.stages.push_back(prefix_space_stage());
  if (regex) {
    TRY_ASSIGN(auto matcher, compile_pattern(kGpt2Pattern, PatternDialect::kHuggingFace, object.place()));
    out.stages.push_back(split_stage(std::move(matcher), SplitBehavior::kIsolated, false));
    out.patterns.emplace_back(kGpt2Pattern);
  }
  if (bytes_for_model) {
    out.bytes_for_model = true;
  } else {
    out.stages.push_back(byte_letters_stage());
  }
  return ok_status();
}

Status add_split(const JsonObject& object, LoadedPreTokenizers& out) {
  std::string spelled;
  TRY_ASSIGN(auto matcher, load_pattern(object, &spelled));
  TRY_ASSIGN(const SplitBehavior behavior, load_behavior(object, "Isolated"));
  TRY_ASSIGN(const bool invert, object.boolean_or("invert", false));
  out.stages.push_back(split_stage(std::move(matcher), behavior, invert));
  out.patterns.push_back(std::move(spelled));
  return ok_status();
}

// `last`: nothing follows this component.
Status add_pre_tokenizer(const Json& node, bool last, bool model_takes_bytes, const std::string& place,
                         LoadedPreTokenizers& out) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(node, place));
  TRY_ASSIGN(const std::string type, object.string("type"));
  const auto split = [&](std::unique_ptr<Matcher> matcher, SplitBehavior behavior, bool invert = false) {
    out.stages.push_back(split_stage(std::move(matcher), behavior, invert));
    return ok_status();
  };
  if (type == "Sequence") {
    const Json* list = object.find("pretokenizers");
    if (!list || !list->is_array()) return invalid("a Sequence without \"pretokenizers\"", place);
    for (size_t i = 0; i < list->size(); ++i) {
      TRY(add_pre_tokenizer((*list)[i], last && i + 1 == list->size(), model_takes_bytes, place, out));
    }
    return ok_status();
  }
  if (type == "ByteLevel") return add_byte_level(object, last && model_takes_bytes, out);
  if (type == "Split") return add_split(object, out);
  if (type == "Whitespace") return split(words_matcher(), SplitBehavior::kRemoved, true);
  if (type == "WhitespaceSplit") return split(white_space_matcher(), SplitBehavior::kRemoved);
  if (type == "BertPreTokenizer") {
    TRY(split(white_space_matcher(), SplitBehavior::kRemoved));
    return split(punctuation_matcher(), SplitBehavior::kIsolated);
  }
  if (type == "Punctuation") {
    TRY_ASSIGN(const SplitBehavior behavior, load_behavior(object, "Isolated"));
    return split(punctuation_matcher(), behavior);
  }
  if (type == "Digits") {
    TRY_ASSIGN(const bool individual, object.boolean_or("individual_digits", false));
    out.patterns.emplace_back(individual ? R"(\p{N})" : R"(\p{N}+)");
    return split(flags_matcher(kNumber, 1), individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "CharDelimiterSplit") {
    TRY_ASSIGN(std::string delimiter, object.string("delimiter"));
    if (delimiter.empty()) return invalid("an empty delimiter", place);
    return split(literal_matcher(std::move(delimiter)), SplitBehavior::kRemoved);
  }
  if (type == "Metaspace") {
    TRY_ASSIGN(Metaspace read, load_metaspace(object));
    out.stages.push_back(metaspace_stage(std::move(read.mark), read.scheme, read.split));
    return ok_status();
  }
  if (type == "FixedLength") {
    TRY_ASSIGN(const int64_t length, object.integer_or("length", 5, 1, 1 << 20));
    out.stages.push_back(fixed_length_stage(static_cast<size_t>(length)));
    return ok_status();
  }
  return unknown_type("pre-tokenizer", type, place);
}

// --- decoders

// Replace rules one after the other multiply what they add, and decoding has no error to give: the most bytes that they
// may make of one together. Real ones turn a mark into a space.
constexpr size_t kMostReplaced = 1024;

struct DecoderState {
  bool fused = false;   // pieces may continue each other
  size_t replaced = 1;  // bytes that the Replace rules so far can make of one
};

Status add_replace_decoder(const JsonObject& object, DecoderState& state, DecoderStages& out) {
  TRY_ASSIGN(std::shared_ptr<const Matcher> matcher, load_pattern(object));
  TRY_ASSIGN(std::string content, object.string("content"));
  if (content.size() > kMostReplaced / state.replaced) {
    return invalid(
        fmt::format("Replace makes {} bytes of one, where earlier rules make up to {}; all together may make {}",
                    content.size(), state.replaced, kMostReplaced),
        object.place());
  }
  state.replaced *= std::max<size_t>(content.size(), 1);
  out.push_back(replace_decoder(std::move(matcher), std::move(content), state.fused));
  return ok_status();
}

Status add_decoder(const Json& node, const std::string& place, DecoderState& state, DecoderStages& out) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(node, place));
  TRY_ASSIGN(const std::string type, object.string("type"));
  if (type == "Sequence") {
    const Json* list = object.find("decoders");
    if (!list || !list->is_array()) return invalid("a Sequence without \"decoders\"", place);
    for (const Json& item : *list) TRY(add_decoder(item, place, state, out));
  } else if (type == "ByteLevel") {
    out.push_back(byte_level_decoder());
    state.fused = true;
  } else if (type == "ByteFallback") {
    out.push_back(byte_fallback_decoder());
  } else if (type == "Fuse") {
    out.push_back(fuse_decoder());
    state.fused = true;
  } else if (type == "Strip") {
    TRY_ASSIGN(std::string content, object.string_or("content", " "));
    const Utf8Step step = decode_utf8(content);
    if (!step.valid || static_cast<size_t>(step.length) != content.size()) {
      return invalid("Strip's \"content\" must be one character", place);
    }
    TRY_ASSIGN(const int64_t start, object.integer_or("start", 0, 0, 1 << 20));
    TRY_ASSIGN(const int64_t stop, object.integer_or("stop", 0, 0, 1 << 20));
    out.push_back(strip_decoder(std::move(content), static_cast<size_t>(start), static_cast<size_t>(stop)));
  } else if (type == "Replace") {
    TRY(add_replace_decoder(object, state, out));
  } else if (type == "Metaspace") {
    TRY_ASSIGN(Metaspace read, load_metaspace(object));
    out.push_back(metaspace_decoder(std::move(read.mark), read.scheme != PrependScheme::kNever));
  } else if (type == "WordPiece") {
    TRY_ASSIGN(std::string prefix, object.string_or("prefix", "##"));
    TRY_ASSIGN(const bool cleanup, object.boolean_or("cleanup", true));
    out.push_back(wordpiece_decoder(std::move(prefix), cleanup));
  } else if (type == "BPEDecoder") {
    TRY_ASSIGN(std::string suffix, object.string_or("suffix", "</w>"));
    out.push_back(bpe_decoder(std::move(suffix)));
  } else if (type == "CTC") {
    TRY_ASSIGN(std::string pad, object.string_or("pad_token", "<pad>"));
    TRY_ASSIGN(std::string delimiter, object.string_or("word_delimiter_token", "|"));
    TRY_ASSIGN(const bool cleanup, object.boolean_or("cleanup", true));
    out.push_back(ctc_decoder(std::move(pad), std::move(delimiter), cleanup));
  } else {
    return unknown_type("decoder", type, place);
  }
  return ok_status();
}

// --- post-processors

// ["[SEP]", 102]
Result<int32_t> load_token_pair(const JsonObject& object, std::string_view key) {
  const Json* pair = object.find(key);
  if (!pair || !pair->is_array() || pair->size() != 2 || !(*pair)[1].is_number_integer()) {
    return invalid(fmt::format("field {:?} must be [token, id]", key), object.place());
  }
  const auto id = (*pair)[1].get<int64_t>();
  if (id < 0 || id > INT32_MAX) return invalid(fmt::format("{} has id {}", key, id), object.place());
  return static_cast<int32_t>(id);
}

Status load_template(const JsonObject& object, TextFrame& frame) {
  const std::string& place = object.place();
  const Json* single = object.find("single");
  if (!single || !single->is_array()) return invalid("a TemplateProcessing without \"single\"", place);
  bool after_text = false;
  for (const Json& item : *single) {
    TRY_ASSIGN(const JsonObject piece, JsonObject::of(item, place));
    if (piece.has("Sequence")) {
      if (after_text) return unsupported("a template that has its text twice", place);
      after_text = true;
      continue;
    }
    TRY_ASSIGN(const JsonObject special, piece.object("SpecialToken"));
    TRY_ASSIGN(const std::string name, special.string("id"));
    TRY_ASSIGN(const JsonObject specials, object.object("special_tokens"));
    TRY_ASSIGN(const JsonObject token, specials.object(name));
    TRY_ASSIGN(const std::vector<double> ids, token.numbers("ids"));
    for (const double id : ids) {
      if (id < 0 || id > INT32_MAX) return invalid(fmt::format("special token {:?} has id {}", name, id), place);
      (after_text ? frame.suffix : frame.prefix).push_back(static_cast<int32_t>(id));
    }
  }
  if (!after_text) return unsupported("a template without its text", place);
  return ok_status();
}

Status add_post_processor(const Json& node, const std::string& place, TextFrame& frame) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(node, place));
  TRY_ASSIGN(const std::string type, object.string("type"));
  if (type == "ByteLevel") return ok_status();  // changes offsets only
  if (type == "Sequence") {
    const Json* list = object.find("processors");
    if (!list || !list->is_array()) return invalid("a Sequence without \"processors\"", place);
    for (const Json& item : *list) TRY(add_post_processor(item, place, frame));
    return ok_status();
  }
  TextFrame outer;
  if (type == "TemplateProcessing") {
    TRY(load_template(object, outer));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    TRY_ASSIGN(const int32_t cls, load_token_pair(object, "cls"));
    TRY_ASSIGN(const int32_t sep, load_token_pair(object, "sep"));
    outer.prefix.push_back(cls);
    outer.suffix.push_back(sep);
  } else {
    return unknown_type("post-processor", type, place);
  }
  // A later processor stands around what the earlier ones made.
  frame.prefix.insert(frame.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
  frame.suffix.insert(frame.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  return ok_status();
}

}  // namespace

Result<Normalizers> load_normalizers(const Json* node, const std::string& place) {
  Normalizers out;
  if (node) TRY(add_normalizer(*node, place + ": normalizer", out));
  return out;
}

Result<LoadedPreTokenizers> load_pre_tokenizers(const Json* node, bool model_takes_bytes, const std::string& place) {
  LoadedPreTokenizers out;
  if (node) TRY(add_pre_tokenizer(*node, true, model_takes_bytes, place + ": pre_tokenizer", out));
  return out;
}

Result<DecoderStages> load_decoders(const Json* node, const std::string& place) {
  DecoderStages out;
  if (!node) {
    out.push_back(spaces_decoder());
    return out;
  }
  DecoderState state;
  TRY(add_decoder(*node, place + ": decoder", state, out));
  return out;
}

Result<TextFrame> load_post_processor(const Json* node, const std::string& place) {
  TextFrame frame;
  if (node) TRY(add_post_processor(*node, place + ": post_processor", frame));
  return frame;
}

}  // namespace linnet
