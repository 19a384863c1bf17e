#include "text/jinja/numbers.hpp"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "text/jinja/fault.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet::jinja {

namespace {

// Decimal digits of every script become ASCII, as int() and float() read them; other characters stay.
std::string ascii_digits(std::string_view text) {
  std::string out;
  for (const char32_t c : decode(strip_space(text, true, true))) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (is_decimal(c)) {
      // The digits of a script stand together, from its zero on.
      char32_t zero = c;
      while (is_decimal(zero - 1) && c - zero < 9) --zero;
      out += static_cast<char>('0' + (c - zero) % 10);
    } else {
      out += '?';
    }
  }
  return out;
}

// Removes single underscores between digits; nullopt when one stands elsewhere.
std::optional<std::string> without_underscores(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto digit = [&](size_t at) { return std::isalnum(static_cast<unsigned char>(text[at])) != 0; };
    if (i == 0 || i + 1 == text.size() || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
  }
  return out;
}

int prefix_base(const std::string& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  switch (digits[1] | 0x20) {
    case 'x':
      return 16;
    case 'o':
      return 8;
    case 'b':
      return 2;
    default:
      return 10;
  }
}

}  // namespace

std::optional<int64_t> parse_int(std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) {
    fail(FaultKind::kValue, "int() base must be >= 2 and <= 36, or 0");
  }
  std::string digits = ascii_digits(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  const int prefixed = prefix_base(digits);
  if (prefixed != 10 && (base == 0 || base == prefixed)) {
    digits.erase(0, digits.size() > 2 && digits[2] == '_' ? 3 : 2);
    base = prefixed;
  } else if (base == 0) {
    // "010" is not a number without a base, "00" is.
    if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of("0_") != std::string::npos)
      return std::nullopt;
    base = 10;
  }
  const std::optional<std::string> clean = without_underscores(digits);
  if (!clean || clean->empty() || !std::isalnum(static_cast<unsigned char>((*clean)[0]))) return std::nullopt;
  uint64_t magnitude = 0;
  const char* end = clean->data() + clean->size();
  const auto read = std::from_chars(clean->data(), end, magnitude, static_cast<int>(base));
  if (read.ptr != end) return std::nullopt;
  const uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (read.ec == std::errc::result_out_of_range || magnitude > limit) {
    fail(FaultKind::kUnsupported, fmt::format("integer {} does not fit 64 bits", clean->substr(0, 60)));
  }
  return negative ? static_cast<int64_t>(0 - magnitude) : static_cast<int64_t>(magnitude);
}

std::optional<double> parse_float(std::string_view text) {
  const std::optional<std::string> clean = without_underscores(ascii_digits(text));
  if (!clean || clean->empty()) return std::nullopt;
  const bool negative = clean->starts_with('-');
  const std::string digits = clean->substr(negative || clean->starts_with('+') ? 1 : 0);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ptr != end) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) {
    const size_t e = digits.find_first_of("eE");
    value = e != std::string::npos && e + 1 < digits.size() && digits[e + 1] == '-' ? 0 : HUGE_VAL;
  } else if (read.ec != std::errc()) {
    return std::nullopt;
  }
  // from_chars also reads "nan(…)", which Python does not.
  if (digits.find('(') != std::string::npos) return std::nullopt;
  return negative ? -value : value;
}

int64_t truncated(double d) {
  if (!(d > -9223372036854775809.0 && d < 9223372036854775808.0)) {
    fail(FaultKind::kUnsupported, fmt::format("integer {} does not fit 64 bits", d));
  }
  return static_cast<int64_t>(d);
}

double round_float(double d, int64_t precision) {
  if (!std::isfinite(d) || precision > 400) return d;
  if (precision < -400) return std::copysign(0.0, d);
  if (precision >= 0) {
    // fmt prints the exact value correctly rounded, halves to even: what CPython's round does.
    const std::string text = fmt::format("{:.{}f}", d, precision);
    double out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::isinf(unit) ? std::copysign(0.0, d) : std::nearbyint(d / unit) * unit;
}

int64_t round_int(int64_t i, int64_t precision) {
  if (precision >= 0) return i;
  if (precision < -18) return 0;
  int64_t unit = 1;
  for (int64_t k = 0; k < -precision; ++k) unit *= 10;
  int64_t down = i / unit * unit;
  if (i % unit < 0) down -= unit;
  const int64_t rest = i - down;
  const bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
  int64_t out = 0;
  if (__builtin_add_overflow(down, up ? unit : 0, &out)) fail(FaultKind::kUnsupported, "integer overflow in round()");
  return out;
}

}  // namespace linnet::jinja
