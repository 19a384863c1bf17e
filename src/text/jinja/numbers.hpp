// Python's numbers from and to text.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace linnet::jinja {

// int(text, base): white space, a sign, a prefix and single underscores between digits are allowed. nullopt where
// Python raises ValueError. Throws Fault kUnsupported when it does not fit 64 bits.
std::optional<int64_t> parse_int(std::string_view text, int64_t base);
// float(text).
std::optional<double> parse_float(std::string_view text);
// int(d) of a finite number. Throws Fault kUnsupported when it does not fit 64 bits.
int64_t truncated(double d);
// round(d, precision): to nearest by the exact decimal value, halves to even.
double round_float(double d, int64_t precision);
int64_t round_int(int64_t i, int64_t precision);

}  // namespace linnet::jinja
