// What every reader of a data file gives: rows of named fields, each with its place in the file.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace linnet {

// Limits of one data file: what a person tunes on is far below, and a hostile file cannot take the memory.
inline constexpr uint64_t kMostRows = 4'000'000;
inline constexpr uint64_t kMostCells = 10'000'000;
inline constexpr uint64_t kMostColumns = 1024;

struct Row {
  Json fields = Json::object();  // name -> text (tables) or any value (JSON)
  uint64_t number = 0;           // line of the file where it begins, or row of the sheet; from 1
};

// Why a row is not used.
struct Flaw {
  std::string place;
  std::string why;
};
// "faq.csv, line 3 (the reply is empty); faq.csv, line 9 (there is no reply); and 5 more": the first three.
std::string list_flaws(const std::vector<Flaw>& flaws);

// What a reader does about a row that is damaged, of which the rest of the file does not hang.
enum class BadRows : uint8_t { kError, kLeaveOut };

struct Rows {
  std::string place;         // "faq.csv", "faq.xlsx, sheet \"FAQ\""
  std::string unit;          // what a row's number counts: "line" or "row"
  bool named = true;         // false: a table without a header; its fields are "1", "2", …
  bool has_columns = false;  // a table: every row has the same fields
  std::vector<Row> rows;
  std::vector<Flaw> left_out = {};  // damaged rows

  // "faq.csv, line 12"
  std::string place_of(const Row& row) const;
};

// A table before its header is read.
struct Record {
  uint64_t number = 0;  // as Row::number
  std::vector<std::string> cells;
};

struct Table {
  std::string place;
  std::string unit;
  std::vector<Record> records;
};

// Names the columns of `table` by its first record, where that is a header: it has a name that is understood
// (data/form.hpp) or one of `extra_names`. Where it has none, and `extra_names` are places ("1", "3") or there are two
// columns that look like data, the columns are named by their places. Errors: two columns of one name; a row with more
// or fewer cells than the header, unless such are left out; a first row that may be either.
Result<Rows> name_columns(Table table, const std::vector<std::string>& extra_names, BadRows bad = BadRows::kError);

// The text of a data file without its byte order mark. Errors: not UTF-8 (the line is named, UTF-16 recognised), NUL
// bytes.
Result<std::string> read_data_text(const std::string& path);
Status check_data_text(std::string& text, const std::string& place);

}  // namespace linnet
