#include <algorithm>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

using Run = Value (*)(const Text&, const Args&, Interpreter&);

const Text& string_argument(std::string_view method, const Value& value) {
  const Text* text = value.string();
  if (!text) type_error(fmt::format("{}() argument must be str, not {}", method, type_name(value)));
  return *text;
}

// Decoding costs four bytes a character, encoding as many again.
std::u32string points_of(const Text& text, Interpreter& in) {
  in.budget().take(text.bytes.size() * 8);
  return decode(text.bytes);
}

template <std::u32string (*kConvert)(std::u32string_view)>
Value converted(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("str method", args, {});
  return in.text(encode(kConvert(points_of(self, in))));
}

// str.isalpha and its like: true of every character, and of at least one.
template <bool (*kClass)(char32_t)>
Value every(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("str method", args, {});
  const std::u32string points = points_of(self, in);
  return Value::boolean(!points.empty() && std::ranges::all_of(points, kClass));
}

// str.islower and isupper: no character of the other case, and one of this.
template <bool kLower>
Value all_cased(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("str method", args, {});
  bool any = false;
  for (const char32_t c : points_of(self, in)) {
    if (is_title(c) || (kLower ? is_upper(c) : is_lower(c))) return Value::boolean(false);
    any |= kLower ? is_lower(c) : is_upper(c);
  }
  return Value::boolean(any);
}

Value is_title_method(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("istitle", args, {});
  return Value::boolean(is_title_case(points_of(self, in)));
}

Value is_ascii(const Text& self, const Args& args, Interpreter& /*in*/) {
  const Bound bound("isascii", args, {});
  return Value::boolean(self.ascii());
}

Value is_identifier_method(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("isidentifier", args, {});
  return Value::boolean(is_identifier(points_of(self, in)));
}

Value is_printable_method(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("isprintable", args, {});
  return Value::boolean(std::ranges::all_of(points_of(self, in), is_printable));
}

template <bool kLeft, bool kRight>
Value strip(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("strip", args, {""});
  in.budget().step(self.bytes.size() / 8);
  return in.text(strip_characters(self, bound.find(0), kLeft, kRight));
}

// A search from the right may compare every character of `needle` at every place.
void count_search(size_t text, size_t needle, bool from_right, Interpreter& in) {
  in.budget().step(from_right ? (text / 16 + 1) * (needle / 4 + 1) : (text + needle) / 16);
}

int64_t split_limit(const Bound& bound) {
  const int64_t limit = bound.integer(1, -1);
  return limit < 0 ? INT64_MAX : limit;
}

// The words between runs of white space.
std::vector<Value> split_space(std::string_view text, int64_t limit, bool from_right, Interpreter& in) {
  std::vector<Value> words;
  text = strip_space(text, !from_right, from_right);
  while (!text.empty() && static_cast<int64_t>(words.size()) < limit) {
    size_t cut = from_right ? text.size() : 0;
    while (from_right ? cut > 0 : cut < text.size()) {
      size_t at = from_right ? cut - 1 : cut;
      while (from_right && at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
      const Utf8Step step = decode_utf8(text.substr(at));
      if (is_space(step.code_point)) break;
      cut = from_right ? at : at + static_cast<size_t>(step.length);
    }
    words.push_back(in.text(std::string(from_right ? text.substr(cut) : text.substr(0, cut))));
    text = strip_space(from_right ? text.substr(0, cut) : text.substr(cut), !from_right, from_right);
  }
  // What the limit left over keeps its white space on the far side only.
  text = strip_space(text, !from_right, from_right);
  if (!text.empty()) words.push_back(in.text(std::string(text)));
  if (from_right) std::ranges::reverse(words);
  return words;
}

std::vector<Value> split_separator(std::string_view text, std::string_view separator, int64_t limit, bool from_right,
                                   Interpreter& in) {
  if (separator.empty()) value_error("empty separator");
  count_search(text.size(), separator.size(), from_right, in);
  std::vector<Value> parts;
  while (static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = from_right ? text.rfind(separator) : find_text(text, separator);
    if (at == text.npos) break;
    in.budget().take(sizeof(Value));
    parts.push_back(in.text(std::string(from_right ? text.substr(at + separator.size()) : text.substr(0, at))));
    text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.push_back(in.text(std::string(text)));
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

template <bool kFromRight>
Value split(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("split", args, {"sep", "maxsplit"});
  const int64_t limit = split_limit(bound);
  if (!bound.given(0)) return in.list(split_space(self.bytes, limit, kFromRight, in));
  const Text& separator = string_argument("split", bound[0]);
  return in.list(split_separator(self.bytes, separator.bytes, limit, kFromRight, in));
}

Value split_lines_method(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("splitlines", args, {"keepends"});
  std::vector<Value> lines;
  for (const std::string_view line : split_lines(self.bytes, bound.boolean(0, false))) {
    lines.push_back(in.text(std::string(line)));
  }
  return in.list(std::move(lines));
}

template <bool kFromRight>
Value partition(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("partition", args, {""}, 1);
  const std::string& separator = string_argument("partition", bound[0]).bytes;
  if (separator.empty()) value_error("empty separator");
  count_search(self.bytes.size(), separator.size(), kFromRight, in);
  const size_t at = kFromRight ? self.bytes.rfind(separator) : find_text(self.bytes, separator);
  const Value nothing = Value::text("");
  if (at == std::string::npos) {
    const Value whole = in.text(self.bytes);
    return kFromRight ? in.tuple({nothing, nothing, whole}) : in.tuple({whole, nothing, nothing});
  }
  return in.tuple({in.text(self.bytes.substr(0, at)), bound[0], in.text(self.bytes.substr(at + separator.size()))});
}

Value replace(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("replace", args, {"", "", ""}, 2);
  const std::string& from = string_argument("replace", bound[0]).bytes;
  const std::string& to = string_argument("replace", bound[1]).bytes;
  return in.text(replace_text(self.bytes, from, to, bound.integer(2, -1), in.budget()));
}

// text[start:end] for the methods that take such bounds; nullopt when start is past the end.
std::optional<std::pair<int64_t, std::string>> between(const Text& self, const Bound& bound, Interpreter& in) {
  in.budget().step(self.bytes.size() / 16);
  if (!bound.given(1) && !bound.given(2)) return std::pair<int64_t, std::string>{0, self.bytes};
  const auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + self.length : at, 0, self.length); };
  const int64_t start = bound.given(1) ? bound.integer(1, 0) : 0;
  const int64_t end = bound.given(2) ? bound.integer(2, 0) : self.length;
  if (start > self.length || clamp(start) > clamp(end)) return std::nullopt;
  const std::u32string points = points_of(self, in);
  const int64_t first = clamp(start);
  return std::pair{first, encode(std::u32string_view(points).substr(static_cast<size_t>(first),
                                                                    static_cast<size_t>(clamp(end) - first)))};
}

template <bool kEnd>
Value starts_or_ends_with(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound(kEnd ? "endswith" : "startswith", args, {"", "", ""}, 1);
  const auto part = between(self, bound, in);
  const auto matches = [&](const Value& value) {
    const Text* affix = value.string();
    if (!affix) {
      type_error(fmt::format("{} first arg must be str or a tuple of str, not {}", kEnd ? "endswith" : "startswith",
                             type_name(value)));
    }
    return part && (kEnd ? part->second.ends_with(affix->bytes) : part->second.starts_with(affix->bytes));
  };
  if (!bound[0].is_tuple()) return Value::boolean(matches(bound[0]));
  return Value::boolean(std::ranges::any_of(bound[0].sequence()->items, matches));
}

template <bool kFromRight, bool kMustFind>
Value find(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("find", args, {"", "", ""}, 1);
  const std::string& needle = string_argument("find", bound[0]).bytes;
  count_search(self.bytes.size(), needle.size(), kFromRight, in);
  const auto part = between(self, bound, in);
  const size_t at = !part        ? std::string::npos
                    : kFromRight ? part->second.rfind(needle)
                                 : find_text(part->second, needle);
  if (at != std::string::npos) {
    return Value::integer(part->first + code_points(std::string_view(part->second).substr(0, at)));
  }
  if (kMustFind) value_error("substring not found");
  return Value::integer(-1);
}

Value count(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("count", args, {"", "", ""}, 1);
  const std::string& needle = string_argument("count", bound[0]).bytes;
  in.budget().step(self.bytes.size() / 16);
  const auto part = between(self, bound, in);
  if (!part) return Value::integer(0);
  if (needle.empty()) return Value::integer(code_points(part->second) + 1);
  int64_t found = 0;
  for (size_t at = find_text(part->second, needle); at != std::string::npos;
       at = find_text(part->second, needle, at + needle.size())) {
    ++found;
  }
  return Value::integer(found);
}

Value join(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("join", args, {""}, 1);
  std::string out;
  int64_t index = 0;
  for (const Value& item : in.collect(bound[0])) {
    const Text* text = item.string();
    if (!text) {
      type_error(fmt::format("sequence item {}: expected str instance, {} found", index, type_name(item)));
    }
    in.budget().take(self.bytes.size() + text->bytes.size());
    if (index++ > 0) out += self.bytes;
    out += text->bytes;
  }
  return Value::text(std::move(out));
}

Value format(const Text& self, const Args& args, Interpreter& in) {
  return in.text(format_braces(self, args, in));
}

Value format_map(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("format_map", args, {""}, 1);
  if (!bound[0].is_dict()) type_error("format_map() argument must be a mapping");
  Args named;
  for (const auto& [key, value] : bound[0].dict_value()->items) {
    if (key.is_string()) named.named.emplace_back(key.string()->bytes, value);
  }
  return in.text(format_braces(self, named, in));
}

template <bool kSuffix>
Value remove_affix(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound(kSuffix ? "removesuffix" : "removeprefix", args, {""}, 1);
  const std::string& affix = string_argument(kSuffix ? "removesuffix" : "removeprefix", bound[0]).bytes;
  std::string out = self.bytes;
  if (kSuffix && out.ends_with(affix)) out.resize(out.size() - affix.size());
  if (!kSuffix && out.starts_with(affix)) out.erase(0, affix.size());
  return in.text(std::move(out));
}

enum class Side { kLeft, kRight, kCenter };

Value padded(const Text& self, int64_t width, std::string_view fill, Side side, Interpreter& in) {
  const int64_t missing = std::max<int64_t>(0, width - self.length);
  in.budget().take(static_cast<uint64_t>(missing) * fill.size() + self.bytes.size());
  // CPython puts the odd one to the left when the width is odd.
  const int64_t left = side == Side::kLeft ? 0 : side == Side::kRight ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += self.bytes;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return Value::text(std::move(out));
}

template <Side kSide>
Value justify(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("justify", args, {"", ""}, 1);
  const Text* fill = bound.has(1) ? bound[1].string() : nullptr;
  if (bound.has(1) && (!fill || fill->length != 1)) {
    type_error("The fill character must be exactly one character long");
  }
  return padded(self, bound.integer(0, 0), fill ? fill->bytes : " ", kSide, in);
}

Value zfill(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("zfill", args, {""}, 1);
  const bool sign = self.bytes.starts_with('-') || self.bytes.starts_with('+');
  const Text digits(sign ? self.bytes.substr(1) : self.bytes);
  const Value filled = padded(digits, bound.integer(0, 0) - (sign ? 1 : 0), "0", Side::kRight, in);
  return sign ? in.text(self.bytes[0] + filled.string()->bytes) : filled;
}

Value expand_tabs(const Text& self, const Args& args, Interpreter& in) {
  const Bound bound("expandtabs", args, {"tabsize"});
  const int64_t size = bound.integer(0, 8);
  std::string out;
  int64_t column = 0;
  for (const char c : self.bytes) {
    if (c == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      in.budget().take(static_cast<uint64_t>(spaces));
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
      continue;
    }
    out += c;
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) column = c == '\n' || c == '\r' ? 0 : column + 1;
  }
  return in.text(std::move(out));
}

Value unsupported(const Text& /*self*/, const Args& /*args*/, Interpreter& /*in*/) {
  fail(FaultKind::kUnsupported, "str.encode, str.maketrans and str.translate are not supported");
}

struct NamedMethod {
  std::string_view name;
  Run run;
};

constexpr NamedMethod kMethods[] = {
    {"capitalize", converted<capitalize>},
    {"casefold", converted<casefold>},
    {"center", justify<Side::kCenter>},
    {"count", count},
    {"encode", unsupported},
    {"endswith", starts_or_ends_with<true>},
    {"expandtabs", expand_tabs},
    {"find", find<false, false>},
    {"format", format},
    {"format_map", format_map},
    {"index", find<false, true>},
    {"isalnum", every<is_alnum>},
    {"isalpha", every<is_alpha>},
    {"isascii", is_ascii},
    {"isdecimal", every<is_decimal>},
    {"isdigit", every<is_digit>},
    {"isidentifier", is_identifier_method},
    {"islower", all_cased<true>},
    {"isnumeric", every<is_numeric>},
    {"isprintable", is_printable_method},
    {"isspace", every<is_space>},
    {"istitle", is_title_method},
    {"isupper", all_cased<false>},
    {"join", join},
    {"ljust", justify<Side::kLeft>},
    {"lower", converted<lower>},
    {"lstrip", strip<true, false>},
    {"maketrans", unsupported},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace},
    {"rfind", find<true, false>},
    {"rindex", find<true, true>},
    {"rjust", justify<Side::kRight>},
    {"rpartition", partition<true>},
    {"rsplit", split<true>},
    {"rstrip", strip<false, true>},
    {"split", split<false>},
    {"splitlines", split_lines_method},
    {"startswith", starts_or_ends_with<false>},
    {"strip", strip<true, true>},
    {"swapcase", converted<swapcase>},
    {"title", converted<title>},
    {"translate", unsupported},
    {"upper", converted<upper>},
    {"zfill", zfill},
};

const NamedMethod* find_method(std::string_view name) {
  const auto* at = std::ranges::find(kMethods, name, &NamedMethod::name);
  return at == std::end(kMethods) ? nullptr : at;
}

}  // namespace

std::string strip_characters(const Text& text, const Value* characters, bool left, bool right) {
  if (!characters || characters->is_none()) return std::string(strip_space(text.bytes, left, right));
  const Text* set = characters->string();
  if (!set) type_error("strip arg must be None or str");
  std::u32string wanted = decode(set->bytes);
  std::ranges::sort(wanted);
  const std::u32string points = decode(text.bytes);
  size_t first = 0;
  size_t last = points.size();
  const auto listed = [&](char32_t c) { return std::ranges::binary_search(wanted, c); };
  while (left && first < last && listed(points[first])) ++first;
  while (right && last > first && listed(points[last - 1])) --last;
  return encode(std::u32string_view(points).substr(first, last - first));
}

std::string replace_text(const std::string& text, std::string_view from, std::string_view to, int64_t count,
                         Budget& budget) {
  if (count < 0) count = INT64_MAX;
  budget.step(text.size() / 16);
  std::string out;
  size_t at = 0;
  // An empty `from` matches before every character and at the end.
  while (count > 0 && from.empty()) {
    budget.take(to.size() + 1);
    out += to;
    --count;
    if (at >= text.size()) return out;
    do out += text[at++];
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  }
  while (count > 0) {
    const size_t found = find_text(text, from, at);
    if (found == std::string::npos) break;
    budget.take(to.size() + 1);
    out.append(text, at, found - at);
    out += to;
    at = found + from.size();
    --count;
  }
  return out.append(text, at);
}

bool is_string_method(std::string_view name) {
  return find_method(name) != nullptr;
}

Value call_string_method(const Text& self, std::string_view name, const Args& args, Interpreter& in) {
  return find_method(name)->run(self, args, in);
}

}  // namespace linnet::jinja
