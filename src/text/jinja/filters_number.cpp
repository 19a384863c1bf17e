// Filters over numbers, the few that fit nowhere else, and the table of all.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <span>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/numbers.hpp"

namespace linnet::jinja {

namespace {

Value absolute(Interpreter& /*in*/, const Value& value, const Args& args) {
  const Bound bound("abs", args, {});
  if (const double* d = value.get<double>()) return Value::real(std::abs(*d));
  const std::optional<int64_t> i = value.integer_value();
  if (!i) type_error(fmt::format("bad operand type for abs(): '{}'", type_name(value)));
  if (*i == INT64_MIN) fail(FaultKind::kUnsupported, "integer overflow in abs()");
  return Value::integer(*i < 0 ? -*i : *i);
}

Value to_int(Interpreter& /*in*/, const Value& value, const Args& args) {
  const Bound bound("int", args, {"default", "base"});
  const Value fallback = bound.has(0) ? bound[0] : Value::integer(0);
  if (value.is_undefined()) fail_undefined(value);
  if (const Text* text = value.string()) {
    if (const std::optional<int64_t> i = parse_int(text->bytes, bound.integer(1, 10))) return Value::integer(*i);
  } else if (const std::optional<int64_t> i = value.integer_value()) {
    return Value::integer(*i);
  }
  const std::optional<double> d = value.is_string() ? parse_float(value.string()->bytes) : value.number_value();
  // The filter catches the OverflowError of int(inf) only on its second try: from text.
  if (d && std::isinf(*d) && value.is_float()) value_error("cannot convert float infinity to integer");
  if (!d || !std::isfinite(*d)) return fallback;
  return Value::integer(truncated(*d));
}

Value to_float(Interpreter& /*in*/, const Value& value, const Args& args) {
  const Bound bound("float", args, {"default"});
  if (value.is_undefined()) fail_undefined(value);
  const std::optional<double> d = value.is_string() ? parse_float(value.string()->bytes) : value.number_value();
  if (d) return Value::real(*d);
  return bound.has(0) ? bound[0] : Value::real(0);
}

Value round(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("round", args, {"precision", "method"});
  const std::string method = bound.has(1) ? in.str(bound[1]) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    fail(FaultKind::kRuntime, "method must be common, ceil or floor");
  }
  const bool by_none = bound.has(0) && bound[0].is_none();
  const int64_t precision = by_none ? 0 : bound.integer(0, 0);
  if (value.is_undefined() && method != "common") fail_undefined(value);
  if (!value.is_number()) type_error(fmt::format("type {} doesn't define __round__ method", type_name(value)));
  if (method == "common") {
    if (!value.is_float()) return Value::integer(round_int(*value.integer_value(), precision));
    if (by_none) return Value::integer(truncated(std::nearbyint(*value.get<double>())));
    return Value::real(round_float(*value.get<double>(), precision));
  }
  const Value scale = binary_operation("**", Value::integer(10), Value::integer(precision), in);
  const Value scaled = binary_operation("*", value, scale, in);
  int64_t whole = 0;
  if (const std::optional<int64_t> i = scaled.integer_value()) {
    whole = *i;
  } else {
    const double d = *scaled.get<double>();
    if (!std::isfinite(d)) value_error("cannot convert float infinity or NaN to integer");
    whole = truncated(method == "ceil" ? std::ceil(d) : std::floor(d));
  }
  return binary_operation("/", Value::integer(whole), scale, in);
}

Value file_size(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("filesizeformat", args, {"binary"});
  if (value.is_undefined()) fail_undefined(value);
  const std::optional<double> bytes = value.is_string() ? parse_float(value.string()->bytes) : value.number_value();
  if (!bytes) value_error("filesizeformat needs a number");
  const bool binary = bound.boolean(0, false);
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return in.text("1 Byte");
  if (*bytes < base) return in.text(fmt::format("{} Bytes", truncated(*bytes)));
  const std::string_view kPrefixes = binary ? "KMGTPEZY" : "kMGTPEZY";
  double unit = base;
  size_t i = 0;
  for (; i + 1 < kPrefixes.size() && *bytes >= unit * base; ++i) unit *= base;
  return in.text(fmt::format("{:.1f} {}{}", *bytes / unit, kPrefixes[i], binary ? "iB" : "B"));
}

Value fallback(Interpreter& /*in*/, const Value& value, const Args& args) {
  const Bound bound("default", args, {"default_value", "boolean"});
  const bool absent = value.is_undefined() || (bound.boolean(1, false) && !truthy(value));
  if (!absent) return value;
  return bound.has(0) ? bound[0] : Value::text("");
}

Value attr(Interpreter& in, const Value& value, const Args& args) {
  const Bound bound("attr", args, {"name"}, 1);
  if (!bound[0].is_string()) type_error("attribute name must be string");
  const std::string& name = bound[0].string()->bytes;
  if (value.is_undefined()) fail_undefined(value);
  // Unlike value.name it never falls back to value["name"].
  if (value.is_dict() && !is_mutating_method(value, name) && !find_attribute(value, name, in) &&
      !(name.starts_with("__") && name.ends_with("__"))) {
    return Value::undefined(fmt::format("'{}' has no attribute '{}'", described(value), name));
  }
  return in.getattr(value, name);
}

Value unsupported(Interpreter& /*in*/, const Value& /*value*/, const Args& /*args*/) {
  fail(FaultKind::kUnsupported, "the filters pprint, random, striptags, urlize and wordwrap are not supported");
}

std::span<const NamedFilter> number_filters() {
  static constexpr NamedFilter kFilters[] = {
      {"abs", absolute},
      {"attr", attr},
      {"d", fallback},
      {"default", fallback},
      {"filesizeformat", file_size},
      {"float", to_float},
      {"int", to_int},
      {"pprint", unsupported},
      {"random", unsupported},
      {"round", round},
      {"striptags", unsupported},
      {"urlize", unsupported},
      {"wordwrap", unsupported},
  };
  return kFilters;
}

}  // namespace

Filter find_filter(std::string_view name) {
  for (const auto& table : {text_filters(), list_filters(), number_filters()}) {
    for (const NamedFilter& filter : table) {
      if (filter.name == name) return filter.run;
    }
  }
  return nullptr;
}

bool is_filter_name(std::string_view name) {
  return find_filter(name) != nullptr;
}

}  // namespace linnet::jinja
