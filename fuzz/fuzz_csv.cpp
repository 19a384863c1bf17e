// Any bytes as a CSV or TSV file: read, named, recognised and made samples of, or refused. What was read, written with
// every field quoted and read again is the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "data/csv.hpp"
#include "data/sample.hpp"

namespace {

std::string quoted(const linnet::Table& table, char delimiter) {
  std::string out;
  for (const linnet::Record& record : table.records) {
    for (size_t i = 0; i < record.cells.size(); ++i) {
      if (i > 0) out += delimiter;
      out += '"';
      for (const char c : record.cells[i]) out += c == '"' ? std::string("\"\"") : std::string(1, c);
      out += '"';
    }
    out += '\n';
  }
  return out;
}

void read_named(linnet::Table table, const linnet::ColumnNames& columns) {
  std::vector<std::string> names;
  for (const auto& [use, name] : columns) names.push_back(name);
  const linnet::Result<linnet::Rows> rows = linnet::name_columns(std::move(table), names);
  if (!rows.ok() || rows->rows.empty()) return;
  const linnet::Result<linnet::FormMatch> match = linnet::recognise_form(*rows, columns);
  if (match.ok()) (void)linnet::make_samples(*rows, *match);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  std::string text(reinterpret_cast<const char*>(data), size);
  if (!check_data_text(text, "fuzz.csv").ok()) return 0;
  for (const char delimiter : {guess_delimiter(text), '\t'}) {
    Result<Table> table = parse_csv(text, delimiter, "fuzz.csv");
    if (!table.ok()) continue;
    const Result<Table> again = parse_csv(quoted(*table, delimiter), delimiter, "again.csv");
    CHECK(again.ok());
    CHECK(again->records.size() == table->records.size());
    for (size_t i = 0; i < table->records.size(); ++i) CHECK(again->records[i].cells == table->records[i].cells);
    read_named(*table, {});
    read_named(*std::move(table), {{"prompt", "1"}, {"completion", "2"}});
  }
  return 0;
}
