// Filters that make or change text.
#include <algorithm>
#include <fmt/format.h>
#include <span>

#include "base/strings.hpp"
#include "base/utf8.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

Value as_text(Interpreter& in, const Value& value) {
  return value.is_string() ? value : in.text(in.str(value));
}

template <std::u32string (*kConvert)(std::u32string_view)>
Value convert(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("filter", args, {});
  const std::string text = in.str(value);
  in.budget().take(text.size() * 8);
  return in.text(encode(kConvert(decode(text))));
}

Value string(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("string", args, {});
  return as_text(in, value);
}

// Title case as jinja2 makes it: words begin after white space, hyphens and opening brackets only.
Value title(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("title", args, {});
  const std::u32string points = decode(in.str(value));
  in.budget().take(points.size() * 8);
  const auto separates = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  };
  std::u32string out;
  size_t at = 0;
  while (at < points.size()) {
    size_t end = at + 1;
    const bool gap = separates(points[at]);
    while (end < points.size() && separates(points[end]) == gap) ++end;
    const std::u32string_view word = std::u32string_view(points).substr(at, end - at);
    out += upper(word.substr(0, 1));
    out += lower(word.substr(1));
    at = end;
  }
  return in.text(encode(out));
}

Value trim(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("trim", args, {"chars"});
  const Value text = as_text(in, value);
  in.budget().step(text.string()->bytes.size() / 8);
  return in.text(strip_characters(*text.string(), bound.find(0), true, true));
}

Value replace(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("replace", args, {"old", "new", "count"}, 2);
  const int64_t count = bound.given(2) ? bound.integer(2, -1) : -1;
  return in.text(replace_text(in.str(value), in.str(bound[0]), in.str(bound[1]), count, in.budget()));
}

Value center(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("center", args, {"width"});
  Args forwarded;
  forwarded.positional.push_back(Value::integer(bound.integer(0, 80)));
  const Value text = as_text(in, value);
  return call_string_method(*text.string(), "center", forwarded, in);
}

Value format(Interpreter& in, const Value& value, const Args& args) {
  if (!args.positional.empty() && !args.named.empty()) {
    fail(FaultKind::kRuntime, "can't handle positional and keyword arguments at the same time");
  }
  const Value text = as_text(in, value);
  if (args.named.empty()) return in.text(format_percent(*text.string(), in.tuple(args.positional), in));
  Dict named;
  for (const auto& [name, one] : args.named) named.set(in.text(name), one, in.budget());
  return in.text(format_percent(*text.string(), in.dict(std::move(named)), in));
}

Value indent(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("indent", args, {"width", "first", "blank"});
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string()) type_error(fmt::format("indent of '{}', which is not a string", type_name(value)));
  std::string margin;
  if (bound.has(0) && bound[0].is_string()) {
    margin = bound[0].string()->bytes;
  } else {
    const int64_t width = std::max<int64_t>(0, bound.integer(0, 4));
    in.budget().take(static_cast<uint64_t>(width));
    margin.assign(static_cast<size_t>(width), ' ');
  }
  const bool blank = bound.boolean(2, false);
  const std::string text = value.string()->bytes + "\n";
  std::string out = bound.boolean(1, false) ? margin : "";
  bool first = true;
  for (const std::string_view line : split_lines(text, false)) {
    in.budget().take(line.size() + margin.size() + 1);
    if (!first) {
      out += '\n';
      if (blank || !line.empty()) out += margin;
    }
    first = false;
    out += line;
  }
  return in.text(std::move(out));
}

Value truncate(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("truncate", args, {"length", "killwords", "end", "leeway"});
  const int64_t length = bound.integer(0, 255);
  const Value end = bound.has(2) ? as_text(in, bound[2]) : Value::text("...");
  const int64_t leeway = bound.given(3) ? bound.integer(3, 5) : 5;
  if (length < end.string()->length) {
    value_error(fmt::format("expected length >= {}, got {}", end.string()->length, length));
  }
  if (leeway < 0) value_error(fmt::format("expected leeway >= 0, got {}", leeway));
  const std::optional<int64_t> size = length_of(value);
  if (!size) type_error(fmt::format("object of type '{}' has no len()", type_name(value)));
  // Anything that is short enough passes.
  if (*size <= length || *size - length <= leeway) return value;
  const Text* text = value.string();
  if (!text) type_error(fmt::format("truncate of '{}', which is not a string", type_name(value)));
  in.budget().take(text->bytes.size() * 8);
  const auto kept = static_cast<size_t>(length - end.string()->length);
  std::string out = encode(std::u32string_view(decode(text->bytes)).substr(0, kept));
  if (!bound.boolean(1, false)) {
    const size_t space = out.rfind(' ');
    if (space != std::string::npos) out.resize(space);
  }
  return in.text(out + end.string()->bytes);
}

Value wordcount(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("wordcount", args, {});
  int64_t words = 0;
  bool inside = false;
  for (const char32_t c : decode(in.str(value))) {
    const bool word = c == '_' || is_alnum(c);
    words += word && !inside;
    inside = word;
  }
  return Value::integer(words);
}

Value escape(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("escape", args, {});
  return in.text(html_escaped(in.str(value)));
}

std::string percent_encoded(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Value urlencode(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("urlencode", args, {});
  const bool iterable = value.sequence() || value.is_dict() || value.view() || value.range() || value.is_undefined() ||
                        value.object_as<Iterator>();
  if (value.is_string() || !iterable) return in.text(percent_encoded(in.str(value), false));
  std::string out;
  const auto add = [&](const Value& key, const Value& item) {
    if (!out.empty()) out += '&';
    out += percent_encoded(in.str(key), true) + '=' + percent_encoded(in.str(item), true);
    in.budget().take(out.size() / 64);
  };
  if (const Dict* dict = value.dict_value()) {
    for (const auto& [key, item] : dict->items) add(key, item);
    return in.text(std::move(out));
  }
  for (const Value& pair : in.collect(value)) {
    const std::vector<Value> both = in.collect(pair);
    if (both.size() != 2) value_error("urlencode needs pairs of a key and a value");
    add(both[0], both[1]);
  }
  return in.text(std::move(out));
}

Value xmlattr(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("xmlattr", args, {"autospace"});
  const Dict* dict = value.dict_value();
  if (value.is_undefined()) fail_undefined(value);
  if (!dict) type_error(fmt::format("'{}' object has no attribute 'items'", type_name(value)));
  std::string out;
  for (const auto& [key, item] : dict->items) {
    if (item.is_none() || item.is_undefined()) continue;
    if (!key.is_string()) type_error("expected string or bytes-like object");
    if (key.string()->bytes.find_first_of(" \t\n\v\f\r/>=") != std::string::npos) {
      value_error(fmt::format("Invalid character in attribute name: {}", repr(key, in.budget())));
    }
    if (!out.empty()) out += ' ';
    out += html_escaped(key.string()->bytes) + "=\"" + html_escaped(in.str(item)) + '"';
  }
  if (bound.boolean(0, true) && !out.empty()) out.insert(0, " ");
  return in.text(std::move(out));
}

Value tojson(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = bound.boolean(0, false);
  style.sort_keys = bound.boolean(3, false);
  if (bound.given(1)) {
    if (const Text* text = bound[1].string()) {
      style.indent = text->bytes;
    } else {
      const int64_t width = std::max<int64_t>(0, bound.integer(1, 0));
      in.budget().take(static_cast<uint64_t>(width));
      style.indent = std::string(static_cast<size_t>(width), ' ');
    }
    style.item_separator = ",";
  }
  if (bound.given(2)) {
    const std::vector<Value> both = in.collect(bound[2]);
    if (both.size() != 2 || !both[0].is_string() || !both[1].is_string()) {
      value_error("separators must be two strings: (item_separator, key_separator)");
    }
    style.item_separator = both[0].string()->bytes;
    style.key_separator = both[1].string()->bytes;
  }
  return Value::text(to_json(value, style, in.budget()));
}

}  // namespace

std::span<const NamedFilter> text_filters() {
  static constexpr NamedFilter kFilters[] = {
      {"capitalize", convert<capitalize>},
      {"center", center},
      {"e", escape},
      {"escape", escape},
      {"forceescape", escape},
      {"format", format},
      {"indent", indent},
      {"lower", convert<lower>},
      {"replace", replace},
      {"safe", string},
      {"string", string},
      {"title", title},
      {"tojson", tojson},
      {"trim", trim},
      {"truncate", truncate},
      {"upper", convert<upper>},
      {"urlencode", urlencode},
      {"wordcount", wordcount},
      {"xmlattr", xmlattr},
  };
  return kFilters;
}

}  // namespace linnet::jinja
