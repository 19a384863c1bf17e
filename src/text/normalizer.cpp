#include "text/normalizer.hpp"

#include <cstring>
#include <fmt/format.h>
#include <utf8proc.h>

#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"

namespace linnet {

namespace {

// A normalizer made of a function from text to text, which makes no more than a few bytes of one. `filters`: it may
// drop characters.
template <class Function>
class FunctionNormalizer : public Normalizer {
 public:
  FunctionNormalizer(const char* rule, Function function, bool filters)
      : rule_(rule), function_(std::move(function)), filters_(filters) {}
  bool drops_start(std::string_view text) const override {
    if (!filters_ || text.empty()) return false;
    return function_(text.substr(0, static_cast<size_t>(decode_utf8(text).length))).empty();
  }
  Status apply(std::string& text, TextGrowth& growth) const override {
    std::string made = function_(text);
    TRY(growth.take(rule_, text.size(), made.size()));
    text = std::move(made);
    return ok_status();
  }

 private:
  const char* rule_;
  Function function_;
  bool filters_;
};

template <class Function>
std::unique_ptr<Normalizer> normalizer_of(const char* rule, Function function, bool filters = false) {
  return std::make_unique<FunctionNormalizer<Function>>(rule, std::move(function), filters);
}

// Applies `map(character, out)` to each character.
template <class Map>
std::string map_characters(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    at += static_cast<size_t>(step.length);
    map(step.code_point, out);
  }
  return out;
}

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(std::unique_ptr<Matcher> matcher, std::string content)
      : matcher_(std::move(matcher)), content_(std::move(content)) {}

  Status apply(std::string& text, TextGrowth& growth) const override {
    std::vector<TextSpan> matches;
    TRY(matcher_->find(text, 0, false, matches));
    if (matches.empty()) return ok_status();
    size_t size = text.size() + matches.size() * content_.size();
    for (const TextSpan& match : matches) size -= match.end - match.begin;
    TRY(growth.take("Replace", text.size(), size));
    std::string out;
    out.reserve(size);
    size_t at = 0;
    for (const TextSpan& match : matches) {
      out.append(text, at, match.begin - at);
      out += content_;
      at = match.end;
    }
    out.append(text, at);
    text = std::move(out);
    return ok_status();
  }

 private:
  std::unique_ptr<Matcher> matcher_;
  std::string content_;
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}

  Status apply(std::string& text, TextGrowth& growth) const override {
    if (text.empty()) return ok_status();
    TRY(growth.take("Prepend", text.size(), text.size() + prefix_.size()));
    text.insert(0, prefix_);
    return ok_status();
  }

 private:
  std::string prefix_;
};

std::string strip(std::string_view text, bool left, bool right) {
  const CharTable& table = CharTable::get();
  size_t begin = 0;
  size_t end = text.size();
  bool blank = true;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    at += static_cast<size_t>(step.length);
    if (table.flags(step.code_point) & kWhiteSpace) {
      if (blank && left) begin = at;
    } else {
      blank = false;
      end = at;
    }
  }
  if (blank) return left || right ? std::string() : std::string(text);
  return std::string(text.substr(begin, (right ? end : text.size()) - begin));
}

std::string bert_clean(std::string_view text) {
  const CharTable& table = CharTable::get();
  return map_characters(text, [&](char32_t c, std::string& out) {
    if (c == '\t' || c == '\n' || c == '\r') {
      out.push_back(' ');
      return;
    }
    const uint16_t flags = table.flags(c);
    if (c == 0 || c == kReplacementCharacter || (flags & (kControl | kFormat)) || is_private_use(c)) return;
    if (flags & kWhiteSpace) {
      out.push_back(' ');
    } else {
      append_utf8(out, c);
    }
  });
}

std::string drop_flags(std::string_view text, uint16_t flags) {
  const CharTable& table = CharTable::get();
  return map_characters(text, [&](char32_t c, std::string& out) {
    if (!(table.flags(c) & flags)) append_utf8(out, c);
  });
}

std::string bert_normalize(std::string_view text, const BertNormalization& options) {
  std::string out = options.clean_text ? bert_clean(text) : std::string(text);
  if (options.handle_chinese_chars) {
    out = map_characters(out, [](char32_t c, std::string& made) {
      if (is_cjk_ideograph(c)) made.push_back(' ');
      append_utf8(made, c);
      if (is_cjk_ideograph(c)) made.push_back(' ');
    });
  }
  if (options.strip_accents) out = drop_flags(normalize_unicode(out, NormalForm::kNfd), kMn);
  if (options.lowercase) {
    out = map_characters(out, [](char32_t c, std::string& made) { append_lowercase(made, c); });
  }
  return out;
}

void nmt_character(char32_t c, std::string& out) {
  const bool dropped =
      (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  if (dropped) return;
  const bool space = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  append_utf8(out, space ? U' ' : c);
}

// Stops once there are more than `most` bytes.
std::string precompiled_normalize(std::string_view text, const CharsMap& map, size_t most) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size() && out.size() <= most) {
    // The grapheme that begins here.
    Utf8Step step = decode_utf8(text.substr(at));
    size_t end = at + static_cast<size_t>(step.length);
    utf8proc_int32_t state = 0;
    while (end < text.size()) {
      const Utf8Step next = decode_utf8(text.substr(end));
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(step.code_point),
                                           static_cast<utf8proc_int32_t>(next.code_point), &state)) {
        break;
      }
      end += static_cast<size_t>(next.length);
      step = next;
    }
    const std::string_view grapheme = text.substr(at, end - at);
    at = end;
    if (grapheme.size() < 6) {
      if (const CharsMap::Match match = map.shortest(grapheme); match.length > 0) {
        out += match.replacement;
        continue;
      }
    }
    for (size_t i = 0; i < grapheme.size();) {
      const auto length = static_cast<size_t>(decode_utf8(grapheme.substr(i)).length);
      const std::string_view character = grapheme.substr(i, length);
      const CharsMap::Match match = map.shortest(character);
      out += match.length > 0 ? match.replacement : character;
      i += length;
    }
  }
  return out;
}

class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharsMap map) : map_(std::move(map)) {}

  Status apply(std::string& text, TextGrowth& growth) const override {
    std::string made = precompiled_normalize(text, map_, growth.most(text.size()));
    TRY(growth.take("Precompiled", text.size(), made.size()));
    text = std::move(made);
    return ok_status();
  }

 private:
  CharsMap map_;
};

const char* name_of(NormalForm form) {
  switch (form) {
    case NormalForm::kNfc:
      return "NFC";
    case NormalForm::kNfd:
      return "NFD";
    case NormalForm::kNfkc:
      return "NFKC";
    case NormalForm::kNfkd:
      return "NFKD";
  }
  return "";
}

}  // namespace

Status apply_normalizers(const Normalizers& normalizers, std::string& text, bool& starts_input, TextGrowth& growth) {
  for (size_t i = 0; i < normalizers.size(); ++i) {
    starts_input = starts_input && !normalizers[i]->drops_start(text);
    Status done = normalizers[i]->apply(text, growth);
    if (!done.ok()) return std::move(done).error().at(fmt::format("normalizer {}", i + 1));
  }
  return ok_status();
}

std::unique_ptr<Normalizer> unicode_normalizer(NormalForm form) {
  return normalizer_of(name_of(form), [form](std::string_view text) { return normalize_unicode(text, form); });
}

std::unique_ptr<Normalizer> lowercase_normalizer() {
  return normalizer_of("Lowercase", [](std::string_view text) {
    return map_characters(text, [](char32_t c, std::string& out) { append_lowercase(out, c); });
  });
}

std::unique_ptr<Normalizer> strip_accents_normalizer() {
  return normalizer_of(
      "StripAccents", [](std::string_view text) { return drop_flags(text, kMark); }, true);
}

std::unique_ptr<Normalizer> replace_normalizer(std::unique_ptr<Matcher> matcher, std::string content) {
  return std::make_unique<ReplaceNormalizer>(std::move(matcher), std::move(content));
}

std::unique_ptr<Normalizer> prepend_normalizer(std::string prefix) {
  return std::make_unique<PrependNormalizer>(std::move(prefix));
}

std::unique_ptr<Normalizer> strip_normalizer(bool left, bool right) {
  return normalizer_of(
      "Strip", [left, right](std::string_view text) { return strip(text, left, right); }, left);
}

std::unique_ptr<Normalizer> byte_letters_normalizer() {
  return normalizer_of("ByteLevel", [](std::string_view text) { return bytes_to_letters(text); });
}

std::unique_ptr<Normalizer> nmt_normalizer() {
  return normalizer_of(
      "Nmt", [](std::string_view text) { return map_characters(text, nmt_character); }, true);
}

std::unique_ptr<Normalizer> bert_normalizer(BertNormalization options) {
  return normalizer_of(
      "BertNormalizer", [options](std::string_view text) { return bert_normalize(text, options); }, true);
}

std::unique_ptr<Normalizer> precompiled_normalizer(CharsMap map) {
  return std::make_unique<PrecompiledNormalizer>(std::move(map));
}

Result<CharsMap> CharsMap::parse(std::string_view blob, std::string_view place) {
  CharsMap map;
  if (blob.empty()) return map;
  uint32_t size = 0;
  if (blob.size() < sizeof size) {
    return invalid(fmt::format("a precompiled character map of {} bytes", blob.size()), std::string(place));
  }
  std::memcpy(&size, blob.data(), sizeof size);
  if (size % 4 != 0 || size == 0 || size >= blob.size() - sizeof size) {
    return invalid(fmt::format("a precompiled character map of {} bytes says that its array has {}", blob.size(), size),
                   std::string(place));
  }
  // Every replacement then ends inside the blob.
  if (blob.back() != '\0') {
    return invalid("a precompiled character map whose last replacement has no end", std::string(place));
  }
  map.blob_ = blob;
  map.units_ = size / 4;
  map.strings_at_ = sizeof size + size;
  return map;
}

CharsMap::Match CharsMap::longest(std::string_view text) const {
  return walk(text, false);
}

CharsMap::Match CharsMap::shortest(std::string_view text) const {
  return walk(text, true);
}

// The unit layout of Darts-clone: label in bits 0-7, has-leaf in 8, offset in 10-30 shifted by 8 where bit 9 is set; a
// leaf has bit 31 and its value below.
CharsMap::Match CharsMap::walk(std::string_view text, bool first) const {
  Match match;
  if (units_ == 0) return match;
  const auto unit_at = [&](size_t index) {
    uint32_t unit = 0;
    std::memcpy(&unit, blob_.data() + 4 + index * 4, sizeof unit);
    return unit;
  };
  const auto offset_of = [](uint32_t unit) -> size_t { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
  size_t node = offset_of(unit_at(0));
  for (size_t i = 0; i < text.size(); ++i) {
    const auto label = static_cast<uint8_t>(text[i]);
    node ^= label;
    if (label == 0 || node >= units_) break;
    const uint32_t unit = unit_at(node);
    if ((unit & (1u << 31 | 0xFF)) != label) break;
    node ^= offset_of(unit);
    if (node >= units_) break;
    if ((unit >> 8) & 1) {
      const size_t at = strings_at_ + (unit_at(node) & ~(1u << 31));
      if (at >= blob_.size()) break;
      match = {i + 1, std::string_view(blob_.data() + at)};
      if (first) break;
    }
  }
  return match;
}

}  // namespace linnet
