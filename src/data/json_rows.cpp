#include "data/json_rows.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace linnet {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

uint64_t newlines(std::string_view text) {
  return static_cast<uint64_t>(std::ranges::count(text, '\n'));
}

// The parser counts lines from the row's first; the place says which that is.
std::string without_line(std::string message) {
  constexpr std::string_view kBegin = "parse error at line ";
  const size_t begin = message.find(kBegin);
  const size_t column = begin == message.npos ? message.npos : message.find(", column ", begin);
  const size_t end = column == message.npos ? message.npos : message.find(": ", column);
  if (end != message.npos) message.erase(begin, end + 2 - begin);
  return message;
}

std::string place_of(const Rows& rows, uint64_t number) {
  return fmt::format("{}, {} {}", rows.place, rows.unit, number);
}

Status check_room(const Rows& rows, uint64_t number) {
  if (rows.rows.size() + rows.left_out.size() < kMostRows) return ok_status();
  return invalid(fmt::format("more than {} rows", kMostRows), place_of(rows, number));
}

Status add_row(Rows& out, std::string_view text, uint64_t number) {
  const std::string place = place_of(out, number);
  Result<Json> parsed = parse_json(text, place);
  if (!parsed.ok()) {
    Error error = std::move(parsed).error();
    error.message = without_line(std::move(error.message));
    return error;
  }
  Json fields = std::move(parsed).value();
  if (!fields.is_object()) {
    return invalid(fmt::format("a row must be an object {{\"field\": …}}, this is a {}", fields.type_name()), place);
  }
  out.rows.push_back({std::move(fields), number});
  return ok_status();
}

// Lines do not tell the rows of this list apart.
void number_by_place(Rows& rows) {
  rows.unit = "row";
  for (size_t i = 0; i < rows.rows.size(); ++i) rows.rows[i].number = i + 1;
}

// The end of the value that begins at `at`: the comma or bracket behind it. Bad JSON ends somewhere, which the parser
// then says.
size_t end_of_value(std::string_view text, size_t at) {
  int64_t depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if ((c == ',' && depth == 0) || ((c == ']' || c == '}') && --depth < 0)) {
      break;
    }
  }
  return std::min(at, text.size());
}

Status parse_list(Rows& out, std::string_view text, size_t open) {
  uint64_t line = 1 + newlines(text.substr(0, open));
  size_t at = open + 1;
  bool by_place = false;
  const auto skip_space = [&] {
    for (; at < text.size() && is_space(text[at]); ++at) line += text[at] == '\n' ? 1 : 0;
  };
  const auto bad = [&](std::string message) {
    return invalid(std::move(message), fmt::format("{}, line {}", out.place, line));
  };
  skip_space();
  if (at < text.size() && text[at] == ']') {
    ++at;
  } else {
    for (;;) {
      skip_space();
      const size_t end = end_of_value(text, at);
      if (!by_place && !out.rows.empty() && out.rows.back().number == line) {
        by_place = true;
        number_by_place(out);
      }
      const uint64_t number = by_place ? out.rows.size() + 1 : line;
      TRY(check_room(out, number));
      TRY(add_row(out, text.substr(at, end - at), number));
      line += newlines(text.substr(at, end - at));
      at = end + 1;
      if (end == text.size()) return bad("the list is never closed with a \"]\"");
      if (text[end] == ']') break;
      if (text[end] != ',') return bad("bad JSON: a \"}\" without its \"{\"");
    }
  }
  skip_space();
  if (at < text.size()) return bad("text stands behind the list");
  return ok_status();
}

}  // namespace

Result<Rows> parse_json_rows(std::string_view text, const std::string& place, BadRows bad) {
  Rows out{.place = place, .unit = "line", .rows = {}};
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return out;
  if (text[first] == '[') {
    TRY(parse_list(out, text, first));
    return out;
  }
  uint64_t line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view one = text.substr(at, end - at);
    at = end + 1;
    if (std::ranges::all_of(one, is_space)) continue;
    TRY(check_room(out, line));
    Status added = add_row(out, one, line);
    if (added.ok()) continue;
    Error error = std::move(added).error();
    if (bad == BadRows::kLeaveOut) {
      out.left_out.push_back({std::move(error.place), std::move(error.message)});
      continue;
    }
    if (out.rows.empty()) error.hint = "expected one object a line, or a list of objects: [{…}, {…}]";
    return error;
  }
  return out;
}

}  // namespace linnet
