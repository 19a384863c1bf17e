#include "data/csv.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>

namespace linnet {

namespace {

bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}

class CsvParser {
 public:
  CsvParser(std::string_view text, char delimiter, const std::string& place)
      : text_(text), delimiter_(delimiter), place_(place) {}

  Result<Table> parse() {
    Table table{.place = place_, .unit = "line", .records = {}};
    uint64_t cells = 0;
    while (at_ < text_.size()) {
      if (is_line_end(text_[at_])) {
        skip_line_end();
        continue;
      }
      if (table.records.size() == kMostRows) return at_line(fmt::format("more than {} rows", kMostRows), line_);
      TRY_ASSIGN(Record record, parse_record());
      cells += record.cells.size();
      if (cells > kMostCells) return at_line(fmt::format("more than {} cells", kMostCells), line_);
      table.records.push_back(std::move(record));
    }
    return table;
  }

 private:
  Error at_line(std::string message, uint64_t line, std::string hint = {}) const {
    return invalid(std::move(message), fmt::format("{}, line {}", place_, line), std::move(hint));
  }

  // "\r\n" is one end.
  void skip_line_end() {
    at_ += text_.substr(at_).starts_with("\r\n") ? 2 : 1;
    ++line_;
  }

  Result<Record> parse_record() {
    Record record{.number = line_, .cells = {}};
    for (;;) {
      if (record.cells.size() == kMostColumns) return at_line(fmt::format("more than {} columns", kMostColumns), line_);
      TRY_ASSIGN(std::string cell, parse_field(record.cells.size() + 1));
      record.cells.push_back(std::move(cell));
      if (at_ == text_.size()) return record;
      if (is_line_end(text_[at_])) {
        skip_line_end();
        return record;
      }
      ++at_;  // the delimiter
    }
  }

  Result<std::string> parse_field(size_t column) {
    if (at_ < text_.size() && text_[at_] == '"') {
      const std::optional<size_t> close = closing_quote();
      const bool whole = close && ends_field(*close + 1);
      if (whole) return take_quoted(*close);
      if (delimiter_ != '\t') {
        if (!close) return at_line(fmt::format("the quote that begins field {} is never closed", column), line_);
        line_ += line_ends(text_.substr(at_, *close - at_));
        return at_line(fmt::format("text stands behind the closing quote of field {}", column), line_,
                       "write a quote inside a quoted field twice: \"\"");
      }
    }
    const size_t begin = at_;
    while (!ends_field(at_)) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  bool ends_field(size_t at) const { return at >= text_.size() || text_[at] == delimiter_ || is_line_end(text_[at]); }

  // Of the field that begins at at_ with a quote.
  std::optional<size_t> closing_quote() const {
    for (size_t at = text_.find('"', at_ + 1); at != text_.npos; at = text_.find('"', at + 2)) {
      if (at + 1 == text_.size() || text_[at + 1] != '"') return at;
    }
    return std::nullopt;
  }

  std::string take_quoted(size_t close) {
    const std::string_view inside = text_.substr(at_ + 1, close - at_ - 1);
    std::string cell;
    cell.reserve(inside.size());
    for (size_t i = 0; i < inside.size(); ++i) {
      cell.push_back(inside[i]);
      if (inside[i] == '"') ++i;
    }
    line_ += line_ends(inside);
    at_ = close + 1;
    return cell;
  }

  static uint64_t line_ends(std::string_view text) {
    uint64_t count = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      count += text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) ? 1 : 0;
    }
    return count;
  }

  std::string_view text_;
  char delimiter_;
  const std::string& place_;
  size_t at_ = 0;
  uint64_t line_ = 1;
};

}  // namespace

char guess_delimiter(std::string_view text) {
  constexpr std::array<char, 3> kDelimiters = {',', ';', '\t'};
  std::array<size_t, 3> counts{};
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (is_line_end(c) && *std::ranges::max_element(counts) > 0) break;
    const auto* const at = std::ranges::find(kDelimiters, c);
    if (at != kDelimiters.end()) ++counts[static_cast<size_t>(at - kDelimiters.begin())];
  }
  return kDelimiters[static_cast<size_t>(std::ranges::max_element(counts) - counts.begin())];
}

Result<Table> parse_csv(std::string_view text, char delimiter, const std::string& place) {
  return CsvParser(text, delimiter, place).parse();
}

}  // namespace linnet
