#include "cli/loss_chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>
#include <vector>

#include "base/utf8.hpp"

namespace linnet::cli {

namespace {

// Means of at most `count` equal stretches.
std::vector<double> thinned(std::span<const double> values, size_t count) {
  if (values.size() <= count) return {values.begin(), values.end()};
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = i * values.size() / count;
    const size_t end = (i + 1) * values.size() / count;
    double sum = 0;
    for (size_t j = begin; j < end; ++j) sum += values[j];
    out.push_back(sum / static_cast<double>(end - begin));
  }
  return out;
}

// Where `value` lies in 0 .. levels - 1.
size_t level_of(double value, double low, double high, size_t levels) {
  const double part = high > low ? (value - low) / (high - low) : 0;
  return static_cast<size_t>(std::lround(part * static_cast<double>(levels - 1)));
}

}  // namespace

std::string sparkline(std::span<const double> values, size_t columns) {
  static constexpr std::array<const char*, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return "";
  const std::vector<double> drawn = thinned(values, columns);
  const auto [low, high] = std::minmax_element(drawn.begin(), drawn.end());
  std::string line;
  for (const double value : drawn) line += kBlocks[level_of(value, *low, *high, kBlocks.size())];
  return line;
}

std::string loss_chart(std::span<const double> values, size_t columns, size_t rows) {
  if (values.size() < 2 || columns == 0 || rows == 0) return "";
  // A character of braille is two dots wide and four high; bits of its code point by (column, row).
  constexpr size_t kWide = 2;
  constexpr size_t kHigh = 4;
  constexpr uint8_t kDots[kWide][kHigh] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};
  constexpr char32_t kBlank = 0x2800;
  const std::vector<double> drawn = thinned(values, columns * kWide);
  const auto [low, high] = std::minmax_element(drawn.begin(), drawn.end());
  std::vector<uint8_t> cells(columns * rows);
  size_t before = 0;
  const size_t dots = columns * kWide;
  for (size_t x = 0; x < dots; ++x) {
    const double value = drawn[std::min(x * drawn.size() / dots, drawn.size() - 1)];
    const size_t y = rows * kHigh - 1 - level_of(value, *low, *high, rows * kHigh);
    // A steep piece is a line, too.
    const size_t from = x == 0 ? y : std::min(y, before + (y > before ? 1 : 0));
    const size_t to = x == 0 ? y : std::max(y, before - (y < before ? 1 : 0));
    for (size_t dot = from; dot <= to; ++dot) {
      cells[dot / kHigh * columns + x / kWide] |= kDots[x % kWide][dot % kHigh];
    }
    before = y;
  }
  std::string text;
  for (size_t row = 0; row < rows; ++row) {
    const bool labelled = row == 0 || row + 1 == rows;
    text += labelled ? fmt::format("{:8.3f} ", row == 0 ? *high : *low) : std::string(9, ' ');
    for (size_t column = 0; column < columns; ++column)
      append_utf8(text, kBlank + char32_t{cells[row * columns + column]});
    text += '\n';
  }
  return text;
}

}  // namespace linnet::cli
