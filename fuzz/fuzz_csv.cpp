// Any bytes as a CSV or TSV file: read, named, recognised and made samples of, or refused. What was read, written with
// every field quoted and read again is the same.
#include <cstddef>
#include <cstdint>
#include <string>

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
    const Result<Rows> rows = name_columns(*std::move(table), {});
    if (!rows.ok() || rows->rows.empty()) continue;
    const Result<FormMatch> match = recognise_form(*rows);
    if (match.ok()) (void)make_samples(*rows, *match);
  }
  return 0;
}
