// Any bytes as a spreadsheet. Where they are no zip file, they are the XML of a sheet in one, so that the fuzzer gets
// behind the checksums.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <zip.h>

#include "base/check.hpp"
#include "base/utf8.hpp"
#include "data/xlsx.hpp"

namespace {

void add(zip_t* zip, const char* name, std::string_view text) {
  zip_source_t* source = zip_source_buffer(zip, text.data(), text.size(), 0);
  CHECK(source != nullptr);
  CHECK(zip_file_add(zip, name, source, 0) >= 0);
}

// The sheet up to the first NUL byte, then the shared strings, then the styles.
std::string workbook_of(std::string_view parts) {
  constexpr std::string_view kWorkbook = R"(<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>)";
  constexpr std::string_view kRelations =
      R"(<Relationships><Relationship Id="r1" Type="x/worksheet" Target="sheet.xml"/></Relationships>)";
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* buffer = zip_source_buffer_create(nullptr, 0, 0, &error);
  CHECK(buffer != nullptr);
  zip_source_keep(buffer);
  zip_t* zip = zip_open_from_source(buffer, ZIP_TRUNCATE, &error);
  CHECK(zip != nullptr);
  add(zip, "xl/workbook.xml", kWorkbook);
  add(zip, "xl/_rels/workbook.xml.rels", kRelations);
  for (const char* name : {"xl/sheet.xml", "xl/sharedStrings.xml", "xl/styles.xml"}) {
    const size_t end = std::min(parts.find('\0'), parts.size());
    add(zip, name, parts.substr(0, end));
    parts.remove_prefix(std::min(end + 1, parts.size()));
  }
  CHECK(zip_close(zip) == 0);
  std::string out;
  CHECK(zip_source_open(buffer) == 0);
  char block[4096];
  for (zip_int64_t got = 0; (got = zip_source_read(buffer, block, sizeof block)) > 0;) {
    out.append(block, static_cast<size_t>(got));
  }
  zip_source_close(buffer);
  zip_source_free(buffer);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string said;
  const Result<Table> table =
      parse_xlsx(bytes.starts_with("PK") ? std::string(bytes) : workbook_of(bytes), "", "fuzz.xlsx", said);
  if (!table.ok()) return 0;
  for (const Record& record : table->records) {
    for (const std::string& cell : record.cells) CHECK(is_valid_utf8(cell));
  }
  (void)name_columns(*table, {});
  return 0;
}
