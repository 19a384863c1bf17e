// Python's two ways to format: "…" % arguments, and "…".format(arguments).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/numbers.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

// Widths and precisions beyond this are refused; the longest double has 309 digits before the point.
constexpr int64_t kMaxWidth = 1 << 20;

struct Spec {
  std::string fill = " ";
  char align = 0;  // one of < > = ^, 0: the type's own
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  int64_t width = 0;
  char grouping = 0;
  int64_t precision = -1;
  char type = 0;
};

std::string ascii_repr(std::string text) {
  std::string out;
  for (const char32_t c : decode(text)) {
    const auto code = static_cast<uint32_t>(c);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else {
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
  }
  return out;
}

// The digits of |d| in one of the types e f g %, without a sign.
std::string real_digits(double d, char type, int64_t precision, bool alternate) {
  if (!std::isfinite(d)) {
    const bool big = type == 'E' || type == 'F' || type == 'G';
    const std::string word = std::isnan(d) ? (big ? "NAN" : "nan") : (big ? "INF" : "inf");
    return type == '%' ? word + "%" : word;
  }
  const auto digits = static_cast<int>(precision < 0 ? 6 : precision);
  if (type == '%') return fmt::format("{:.{}f}%", std::abs(d) * 100, digits);
  const char pattern[] = {'%', '#', '.', '*', type, '\0'};
  const char plain[] = {'%', '.', '*', type, '\0'};
  const char* chosen = alternate ? pattern : plain;
  // C's types mean what Python's do. A double has at most 309 digits before the point.
  std::string out(static_cast<size_t>(digits) + 330, '\0');
  const int size = std::snprintf(out.data(), out.size(), chosen, digits, std::abs(d));
  out.resize(static_cast<size_t>(std::max(0, size)));
  return out;
}

// format(d, "") and, with a precision, what float's default type shows: repr with at least one digit after the point.
std::string real_default(double d, int64_t precision) {
  if (precision < 0) return repr_float(std::abs(d));
  std::string out = real_digits(d, 'g', precision, false);
  if (std::isfinite(d) && out.find_first_of(".e") == std::string::npos) out += ".0";
  // With so few digits that the number is shown as 1e+01, Python keeps the exponent.
  if (std::isfinite(d) && std::abs(d) >= std::pow(10.0, static_cast<double>(std::max<int64_t>(1, precision) - 1)) &&
      out.ends_with(".0") && precision <= 1) {
    out = fmt::format("{:.{}e}", std::abs(d), std::max<int64_t>(0, precision - 1));
  }
  return out;
}

std::string group_digits(const std::string& number, char separator, int size) {
  size_t end = 0;
  while (end < number.size() && std::isxdigit(static_cast<unsigned char>(number[end]))) ++end;
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % static_cast<size_t>(size) == 0) out += separator;
    out += number[i];
  }
  return out + number.substr(end);
}

std::string sign_of(bool negative, char sign) {
  if (negative) return "-";
  return sign == '+' ? "+" : sign == ' ' ? " " : "";
}

// Pads `body`, which follows `prefix` (sign and 0x), to the width.
std::string pad(const Spec& spec, const std::string& prefix, const std::string& body, char default_align,
                Interpreter& in) {
  const int64_t missing = std::max<int64_t>(0, spec.width - code_points(prefix) - code_points(body));
  in.budget().take(static_cast<uint64_t>(missing) * spec.fill.size());
  const auto fill = [&](int64_t count) {
    std::string out;
    for (int64_t i = 0; i < count; ++i) out += spec.fill;
    return out;
  };
  switch (spec.align != 0 ? spec.align : default_align) {
    case '<':
      return prefix + body + fill(missing);
    case '^':
      return fill(missing / 2) + prefix + body + fill(missing - missing / 2);
    case '=':
      return prefix + fill(missing) + body;
    default:
      return fill(missing) + prefix + body;
  }
}

// -------------------------------------------------------------------------------------------------- format(v, spec)

int64_t read_number(std::string_view& text) {
  int64_t value = 0;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    value = std::min(value * 10 + (text[digits] - '0'), kMaxWidth + 1);
    ++digits;
  }
  if (value > kMaxWidth) value_error("width or precision is too big in a format");
  text.remove_prefix(digits);
  return digits == 0 ? -1 : value;
}

Spec parse_spec(std::string_view text, const Value& value) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  const auto take = [&](std::string_view any) -> char {
    if (text.empty() || any.find(text[0]) == any.npos) return 0;
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  const size_t first = text.empty() ? 0 : static_cast<size_t>(decode_utf8(text).length);
  if (first > 0 && first < text.size() && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
  } else {
    spec.align = take("<>=^");
  }
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  if (!text.empty() && text[0] == '0') {
    text.remove_prefix(1);
    spec.zero = true;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = value.is_string() ? '<' : '=';
    }
  }
  spec.width = std::max<int64_t>(0, read_number(text));
  spec.grouping = take(",_");
  if (take(".") != 0) {
    spec.precision = read_number(text);
    if (spec.precision < 0) value_error("Format specifier missing precision");
  }
  if (text.size() > 1) value_error("Invalid format specifier");
  if (!text.empty()) spec.type = text[0];
  return spec;
}

[[noreturn]] void unknown_code(char code, const Value& value) {
  value_error(fmt::format("Unknown format code '{}' for object of type '{}'", code, type_name(value)));
}

std::string format_int(const Spec& spec, const Value& value, Interpreter& in) {
  const int64_t number = *value.integer_value();
  const uint64_t magnitude = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  if (spec.precision >= 0) value_error("Precision not allowed in integer format specifier");
  std::string prefix = sign_of(number < 0, spec.sign);
  std::string digits;
  switch (spec.type) {
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      break;
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      break;
    case 'c': {
      if (number < 0 || number > 0x10FFFF || (number >= 0xD800 && number < 0xE000)) {
        value_error("%c arg not in range(0x110000)");
      }
      std::string one;
      append_utf8(one, static_cast<char32_t>(number));
      return pad(spec, "", one, '<', in);
    }
    default:
      digits = std::to_string(magnitude);
  }
  const bool decimal = spec.type == 0 || spec.type == 'd' || spec.type == 'n';
  if (spec.alternate && !decimal) prefix += std::string("0") + spec.type;
  if (spec.grouping != 0) {
    if (spec.grouping == ',' && !decimal) value_error(fmt::format("Cannot specify ',' with '{}'.", spec.type));
    digits = group_digits(digits, spec.grouping, decimal ? 3 : 4);
  }
  return pad(spec, prefix, digits, '>', in);
}

std::string format_real(const Spec& spec, double number, Interpreter& in) {
  const char type = spec.type == 'n' ? 'g' : spec.type;
  in.budget().take(static_cast<uint64_t>(std::max<int64_t>(0, spec.precision)) + 330);
  std::string digits =
      type == 0 ? real_default(number, spec.precision) : real_digits(number, type, spec.precision, spec.alternate);
  if (spec.grouping != 0) digits = group_digits(digits, spec.grouping, 3);
  return pad(spec, sign_of(std::signbit(number) && !std::isnan(number), spec.sign), digits, '>', in);
}

std::string format_value(const Value& value, std::string_view text, Interpreter& in) {
  if (text.empty()) return in.str(value);
  if (const Text* self = value.string()) {
    const Spec spec = parse_spec(text, value);
    if (spec.type != 0 && spec.type != 's') unknown_code(spec.type, value);
    if (spec.align == '=') value_error("'=' alignment not allowed in string format specifier");
    if (spec.sign != '-') value_error("Sign not allowed in string format specifier");
    if (spec.grouping != 0) value_error(fmt::format("Cannot specify '{}' with 's'.", spec.grouping));
    std::string body = self->bytes;
    if (spec.precision >= 0 && spec.precision < self->length) {
      body = encode(std::u32string_view(decode(body)).substr(0, static_cast<size_t>(spec.precision)));
    }
    return pad(spec, "", body, '<', in);
  }
  if (!value.is_number()) {
    type_error(fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
  }
  const Spec spec = parse_spec(text, value);
  constexpr std::string_view kReal = "eEfFgG%n";
  const bool real_type = spec.type != 0 && kReal.find(spec.type) != kReal.npos;
  if (value.is_float() || (real_type && spec.type != 'n')) {
    if (spec.type != 0 && !real_type) unknown_code(spec.type, value);
    return format_real(spec, *value.number_value(), in);
  }
  constexpr std::string_view kInteger = "bcdoxXn";
  if (spec.type != 0 && kInteger.find(spec.type) == kInteger.npos) unknown_code(spec.type, value);
  return format_int(spec, value, in);
}

// One "…".format() call.
class BraceFormatter {
 public:
  BraceFormatter(const Args& args, Interpreter& in) : args_(args), in_(in) {}

  std::string run(std::string_view text, int depth) {
    if (depth > 2) value_error("Max string recursion exceeded");
    std::string out;
    size_t at = 0;
    while (at < text.size()) {
      const char c = text[at];
      if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '}') {
        value_error("Single '}' encountered in format string");
      } else if (c == '{') {
        const size_t end = closing(text, at);
        out += field(text.substr(at + 1, end - at - 1), depth);
        at = end + 1;
      } else {
        out += c;
        ++at;
      }
    }
    in_.budget().take(out.size());
    return out;
  }

 private:
  static size_t closing(std::string_view text, size_t open) {
    int level = 0;
    for (size_t i = open; i < text.size(); ++i) {
      if (text[i] == '{') ++level;
      if (text[i] == '}' && --level == 0) return i;
    }
    value_error(open + 1 == text.size() ? "Single '{' encountered in format string"
                                        : "expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    size_t name_end = 0;
    int brackets = 0;
    while (name_end < text.size() && (brackets > 0 || (text[name_end] != ':' && text[name_end] != '!'))) {
      brackets += text[name_end] == '[' ? 1 : text[name_end] == ']' ? -1 : 0;
      ++name_end;
    }
    Value value = lookup(text.substr(0, name_end));
    std::string_view rest = text.substr(name_end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2) value_error("end of string while looking for conversion specifier");
      if (rest.size() > 2 && rest[2] != ':') value_error("expected ':' after conversion specifier");
      value = converted(value, rest[1]);
      rest.remove_prefix(2);
    }
    const std::string spec = rest.starts_with(':') ? run(rest.substr(1), depth + 1) : "";
    return format_value(value, spec, in_);
  }

  Value converted(const Value& value, char how) {
    if (how == 's') return in_.text(in_.str(value));
    if (how == 'r') return in_.text(repr(value, in_.budget()));
    if (how == 'a') return in_.text(ascii_repr(repr(value, in_.budget())));
    value_error(fmt::format("Unknown conversion specifier '{}'", how));
  }

  Value lookup(std::string_view path) {
    const size_t end = std::min(path.find_first_of(".["), path.size());
    Value value = argument(path.substr(0, end));
    path.remove_prefix(end);
    while (!path.empty()) {
      if (path[0] == '.') {
        const size_t stop = std::min(path.find_first_of(".[", 1), path.size());
        if (stop == 1) value_error("Empty attribute in format string");
        value = in_.getattr(value, std::string(path.substr(1, stop - 1)));
        path.remove_prefix(stop);
        continue;
      }
      if (path[0] != '[') value_error("Only '.' or '[' may follow ']' in format field specifier");
      const size_t stop = path.find(']');
      if (stop == path.npos) value_error("Missing ']' in format string");
      if (stop == 1) value_error("Empty attribute in format string");
      value = in_.getitem(value, key(path.substr(1, stop - 1)));
      path.remove_prefix(stop + 1);
    }
    return value;
  }

  static Value key(std::string_view text) {
    std::string_view digits = text;
    const int64_t number = read_number(digits);
    return digits.empty() && number >= 0 ? Value::integer(number) : Value::text(std::string(text));
  }

  Value argument(std::string_view name) {
    const Value index = key(name);
    if (name.empty() || !index.is_string()) {
      if (name.empty() ? numbered_ : automatic_ > 0) {
        value_error("cannot switch between manual field specification and automatic field numbering");
      }
      numbered_ |= !name.empty();
      const int64_t i = name.empty() ? automatic_++ : *index.integer_value();
      if (i >= static_cast<int64_t>(args_.positional.size())) {
        value_error(fmt::format("Replacement index {} out of range for positional args tuple", i));
      }
      return args_.positional[static_cast<size_t>(i)];
    }
    const auto at = std::ranges::find_if(args_.named, [&](const auto& one) { return one.first == name; });
    if (at == args_.named.end()) value_error(fmt::format("'{}'", name));
    return at->second;
  }

  const Args& args_;
  Interpreter& in_;
  int64_t automatic_ = 0;
  bool numbered_ = false;
};

// ------------------------------------------------------------------------------------------------------ text % values

class PercentFormatter {
 public:
  PercentFormatter(std::string_view text, const Value& values, Interpreter& in)
      : text_(text), values_(values), in_(in) {}

  std::string run() {
    std::string out;
    while (at_ < text_.size()) {
      const size_t percent = std::min(text_.find('%', at_), text_.size());
      out += text_.substr(at_, percent - at_);
      at_ = percent;
      if (at_ < text_.size()) {
        ++at_;
        out += directive();
        in_.budget().take(16);
      }
    }
    // A mapping need not be used up, nor may anything else that has subscripts.
    const bool mapping = values_.is_list() || values_.is_dict() || values_.range() || values_.is_undefined();
    const size_t count = values_.is_tuple() ? values_.sequence()->items.size() : 1;
    if (!mapping && used_ < count) type_error("not all arguments converted during string formatting");
    return out;
  }

 private:
  char current() const {
    if (at_ >= text_.size()) value_error("incomplete format");
    return text_[at_];
  }

  const Value& next_value() {
    if (values_.is_tuple()) {
      if (used_ >= values_.sequence()->items.size()) type_error("not enough arguments for format string");
      return values_.sequence()->items[used_++];
    }
    if (used_++ > 0) type_error("not enough arguments for format string");
    return values_;
  }

  int64_t number_or_star(bool allow_negative) {
    if (current() == '*') {
      ++at_;
      const std::optional<int64_t> value = next_value().integer_value();
      if (!value) type_error("* wants int");
      if (*value > kMaxWidth || *value < -kMaxWidth) value_error("width is too big in a format");
      return allow_negative ? *value : std::max<int64_t>(0, *value);
    }
    std::string_view rest = text_.substr(at_);
    const int64_t value = std::max<int64_t>(0, read_number(rest));
    at_ = text_.size() - rest.size();
    return value;
  }

  std::string directive() {
    if (current() == '%') {
      ++at_;
      return "%";
    }
    std::optional<Value> named;
    if (current() == '(') named = mapped();
    Spec spec;
    bool left = false;
    for (;; ++at_) {
      const char flag = current();
      if (flag == '-') {
        left = true;
      } else if (flag == '+') {
        spec.sign = '+';
      } else if (flag == ' ') {
        spec.sign = spec.sign == '+' ? '+' : ' ';
      } else if (flag == '#') {
        spec.alternate = true;
      } else if (flag == '0') {
        spec.zero = true;
      } else {
        break;
      }
    }
    spec.width = number_or_star(true);
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (current() == '.') {
      ++at_;
      spec.precision = number_or_star(false);
    }
    if (current() == 'h' || current() == 'l' || current() == 'L') ++at_;
    spec.type = current();
    ++at_;
    const Value value = named ? *named : next_value();
    spec.align = left ? '<' : '>';
    return convert(spec, left, value);
  }

  Value mapped() {
    const size_t start = ++at_;
    int level = 1;
    for (; level > 0; ++at_) {
      if (at_ >= text_.size()) value_error("incomplete format key");
      level += text_[at_] == '(' ? 1 : text_[at_] == ')' ? -1 : 0;
    }
    const Value key = Value::text(std::string(text_.substr(start, at_ - 1 - start)));
    if (values_.is_undefined()) fail_undefined(values_);
    const Dict* dict = values_.dict_value();
    if (!dict) type_error("format requires a mapping");
    used_ = 1;
    const Value* value = dict->find(key, in_.budget());
    if (!value) value_error(repr(key, in_.budget()));
    return *value;
  }

  std::string convert(Spec spec, bool left, const Value& value) {
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a':
        return text(spec, value);
      case 'c':
        return character(spec, value);
      case 'd':
      case 'i':
      case 'u':
        return integer(spec, left, decimal(spec, value));
      case 'x':
      case 'X':
      case 'o':
        if (!value.integer_value()) {
          type_error(fmt::format("%{} format: an integer is required, not {}", spec.type, type_name(value)));
        }
        return integer(spec, left, *value.integer_value());
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        const std::optional<double> number = value.is_string() ? std::nullopt : value.number_value();
        if (value.is_undefined()) fail_undefined(value);
        if (!number) type_error(fmt::format("must be real number, not {}", type_name(value)));
        in_.budget().take(static_cast<uint64_t>(std::max<int64_t>(0, spec.precision)) + 330);
        const double real = number.value_or(0);  // there is one here, which not every compiler sees
        const std::string digits = real_digits(real, spec.type, spec.precision, spec.alternate);
        return padded_number(spec, left, sign_of(std::signbit(real) && !std::isnan(real), spec.sign), digits);
      }
      default:
        value_error(fmt::format("unsupported format character '{}' (0x{:x})", spec.type,
                                static_cast<unsigned char>(spec.type)));
    }
  }

  std::string text(const Spec& spec, const Value& value) {
    std::string body = spec.type == 's' ? in_.str(value) : repr(value, in_.budget());
    if (spec.type == 'a') body = ascii_repr(std::move(body));
    if (spec.precision >= 0 && spec.precision < code_points(body)) {
      body = encode(std::u32string_view(decode(body)).substr(0, static_cast<size_t>(spec.precision)));
    }
    return pad(spec, "", body, '>', in_);
  }

  std::string character(const Spec& spec, const Value& value) {
    if (const Text* one = value.string()) {
      if (one->length != 1) type_error("%c requires int or char");
      return pad(spec, "", one->bytes, '>', in_);
    }
    const std::optional<int64_t> code = value.integer_value();
    if (!code) type_error("%c requires int or char");
    if (*code < 0 || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) {
      value_error("%c arg not in range(0x110000)");
    }
    std::string body;
    append_utf8(body, static_cast<char32_t>(*code));
    return pad(spec, "", body, '>', in_);
  }

  static int64_t decimal(const Spec& spec, const Value& value) {
    if (const std::optional<int64_t> i = value.integer_value()) return *i;
    if (value.is_undefined()) fail_undefined(value);
    const double* d = value.get<double>();
    if (!d) type_error(fmt::format("%{} format: a real number is required, not {}", spec.type, type_name(value)));
    if (!std::isfinite(*d)) value_error("cannot convert float infinity or NaN to integer");
    return truncated(*d);
  }

  std::string integer(const Spec& spec, bool left, int64_t number) {
    const uint64_t magnitude = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    std::string prefix = sign_of(number < 0, spec.sign);
    std::string digits = spec.type == 'x'   ? fmt::format("{:x}", magnitude)
                         : spec.type == 'X' ? fmt::format("{:X}", magnitude)
                         : spec.type == 'o' ? fmt::format("{:o}", magnitude)
                                            : std::to_string(magnitude);
    if (spec.alternate && (spec.type == 'x' || spec.type == 'X' || spec.type == 'o')) {
      prefix += std::string("0") + spec.type;
    }
    if (spec.precision > static_cast<int64_t>(digits.size())) {
      in_.budget().take(static_cast<uint64_t>(spec.precision));
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    }
    return padded_number(spec, left, prefix, digits);
  }

  std::string padded_number(Spec spec, bool left, const std::string& prefix, const std::string& digits) {
    if (spec.zero && !left) {
      spec.fill = "0";
      spec.align = '=';
    }
    return pad(spec, prefix, digits, '>', in_);
  }

  std::string_view text_;
  const Value& values_;
  Interpreter& in_;
  size_t at_ = 0;
  size_t used_ = 0;
};

}  // namespace

std::string format_percent(const Text& text, const Value& arguments, Interpreter& in) {
  return PercentFormatter(text.bytes, arguments, in).run();
}

std::string format_braces(const Text& text, const Args& args, Interpreter& in) {
  return BraceFormatter(args, in).run(text.bytes, 0);
}

}  // namespace linnet::jinja
