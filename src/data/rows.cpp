#include "data/rows.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/file.hpp"
#include "base/strings.hpp"
#include "base/utf8.hpp"
#include "data/form.hpp"

namespace linnet {

namespace {

std::string place_of_record(const Table& table, const Record& record) {
  return fmt::format("{}, {} {}", table.place, table.unit, record.number);
}

// Does the first record look like something that is learned from, rather than like names of columns?
bool looks_like_data(const Table& table) {
  constexpr size_t kLongestName = 40;
  const Record& first = table.records.front();
  for (size_t column = 0; column < first.cells.size(); ++column) {
    const std::string& cell = first.cells[column];
    if (cell.empty() || cell.size() > kLongestName || cell.find_first_of(".,!?;:") != cell.npos) return true;
    if (std::ranges::all_of(cell, [](char c) { return c >= '0' && c <= '9'; })) return true;
    const auto again = [&](const Record& record) {
      return column < record.cells.size() && record.cells[column] == cell;
    };
    if (std::any_of(table.records.begin() + 1, table.records.end(), again)) return true;
  }
  return false;
}

// Whether a person named columns, and by their places: "1", "3".
bool are_places(const std::vector<std::string>& names, size_t columns) {
  const auto is_place = [&](const std::string& name) {
    for (size_t place = 1; place <= columns; ++place) {
      if (name == std::to_string(place)) return true;
    }
    return false;
  };
  return !names.empty() && std::ranges::all_of(names, is_place);
}

Result<bool> first_is_header(const Table& table, const std::vector<std::string>& extra_names) {
  const Record& first = table.records.front();
  const auto known = [&](const std::string& cell) {
    return is_field_name(cell) || std::ranges::count(extra_names, cell) > 0;
  };
  if (std::ranges::any_of(first.cells, known)) return true;
  if (are_places(extra_names, first.cells.size())) return false;
  if (first.cells.size() == 2 && looks_like_data(table)) return false;
  std::vector<std::string> cells;
  for (const std::string& cell : first.cells) {
    if (cells.size() < 12) cells.push_back(cell.size() > 40 ? cell.substr(0, 37) + "..." : cell);
  }
  return invalid(
      fmt::format("no column has a name that is understood: {}", fmt::join(cells, " | ")),
      place_of_record(table, first),
      fmt::format("name the columns as one of these does; of a table without names, --input 1 --output 2 says "
                  "which is which:\n{}",
                  list_of_forms()));
}

Status check_names(const Table& table, const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!name.empty() && !seen.insert(name).second) {
      return invalid(fmt::format("two columns are called \"{}\"", name), place_of_record(table, table.records.front()),
                     "rename one of them");
    }
  }
  return ok_status();
}

}  // namespace

std::string list_flaws(const std::vector<Flaw>& flaws) {
  constexpr size_t kShown = 3;
  std::vector<std::string> shown;
  for (const Flaw& flaw : flaws) {
    if (shown.size() < kShown) shown.push_back(fmt::format("{} ({})", flaw.place, flaw.why));
  }
  if (flaws.size() > kShown) shown.push_back(fmt::format("and {} more", flaws.size() - kShown));
  return fmt::format("{}", fmt::join(shown, "; "));
}

std::string Rows::place_of(const Row& row) const {
  return fmt::format("{}, {} {}", place, unit, row.number);
}

Result<Rows> name_columns(Table table, const std::vector<std::string>& extra_names, BadRows bad) {
  Rows out{.place = table.place, .unit = table.unit, .has_columns = true, .rows = {}};
  if (table.records.empty()) return out;
  TRY_ASSIGN(out.named, first_is_header(table, extra_names));
  std::vector<std::string> names;
  if (out.named) {
    names = table.records.front().cells;
    TRY(check_names(table, names));
  } else {
    for (size_t i = 0; i < table.records.front().cells.size(); ++i) names.push_back(std::to_string(i + 1));
  }
  out.rows.reserve(table.records.size());
  for (auto record = table.records.begin() + (out.named ? 1 : 0); record != table.records.end(); ++record) {
    if (record->cells.size() != names.size()) {
      std::string why =
          fmt::format("{}, where the first row has {}", counted(record->cells.size(), "cell"), names.size());
      const std::string place = place_of_record(table, *record);
      if (bad == BadRows::kError) {
        return invalid(std::move(why), place, "a cell that has the separator or a new line in it must stand in quotes");
      }
      out.left_out.push_back({place, std::move(why)});
      continue;
    }
    Row row{.number = record->number};
    auto& object = row.fields.get_ref<Json::object_t&>();
    for (size_t i = 0; i < names.size(); ++i) {
      if (!names[i].empty()) object.emplace_back(names[i], std::move(record->cells[i]));
    }
    record->cells = {};
    out.rows.push_back(std::move(row));
  }
  return out;
}

Status check_data_text(std::string& text, const std::string& place) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return invalid("the text is UTF-16", place, "save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")");
  }
  const auto at_line = [&](size_t byte) {
    const auto line = 1 + std::ranges::count(std::string_view(text).substr(0, byte), '\n');
    return fmt::format("{}, line {}", place, line);
  };
  if (const size_t bad = first_invalid_utf8(text); bad != text.size()) {
    return invalid(fmt::format("byte 0x{:02X} is not UTF-8", static_cast<uint8_t>(text[bad])), at_line(bad),
                   "save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")");
  }
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    return invalid("a NUL byte: this is no text file", at_line(nul));
  }
  return ok_status();
}

Result<std::string> read_data_text(const std::string& path) {
  TRY_ASSIGN(std::string text, read_file(path));
  TRY(check_data_text(text, path));
  return text;
}

}  // namespace linnet
