#include "cli/table.hpp"

#include <algorithm>

#include "base/utf8.hpp"

namespace linnet::cli {

namespace {

// Characters, as a terminal counts most of them.
size_t width_of(std::string_view text) {
  size_t width = 0;
  for (; !text.empty(); ++width) text.remove_prefix(decode_utf8(text).length);
  return width;
}

}  // namespace

std::string format_table(const std::vector<std::vector<std::string>>& rows, const std::vector<size_t>& right) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      const bool flush_right = std::ranges::find(right, i) != right.end();
      if (flush_right) text += padding;
      text += row[i];
      if (i + 1 == row.size()) break;
      if (!flush_right) text += padding;
      text += "  ";
    }
    text += '\n';
  }
  return text;
}

}  // namespace linnet::cli
