#include "data/xlsx.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"

namespace linnet {
namespace {

const std::string kFolder = LINNET_SOURCE_DIR "/tests/golden/data/";

Result<Table> read(const std::string& file, const std::string& sheet = "") {
  TRY_ASSIGN(const std::string bytes, read_file(kFolder + file));
  std::string said;
  return parse_xlsx(bytes, sheet, file, said);
}

std::string error_of(const std::string& file, const std::string& sheet = "") {
  const auto table = read(file, sheet);
  return table.ok() ? "no error" : table.error().to_string();
}

TEST(Xlsx, HasTheCellsThatOpenpyxlHas) {
  const auto table = read("faq.xlsx");
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_EQ(table->place, "faq.xlsx, sheet \"FAQ\"");  // the first that is not hidden
  const auto expected = read_json_file(kFolder + "xlsx.json");
  std::vector<std::vector<std::string>> rows;
  for (const Json& row : (*expected)["FAQ"]) {
    rows.push_back(row.get<std::vector<std::string>>());
    if (rows.back() == std::vector<std::string>(4)) rows.pop_back();
  }
  rows[3][3] = "TRUE";        // as a spreadsheet shows it, not Python
  rows[5][1] = "2020-02-29";  // openpyxl adds the time
  rows[5][3] = "aAb";         // openpyxl leaves Excel's escape
  ASSERT_EQ(table->records.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(table->records[i].cells, rows[i]) << i;
  EXPECT_EQ(table->records[2].number, 4U);  // the empty row counts
}

TEST(Xlsx, InlineTextsAndPrefixesAndMissingReferences) {
  const auto table = read("inline.xlsx");
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  ASSERT_EQ(table->records.size(), 2U);
  EXPECT_EQ(table->records[0].cells, (std::vector<std::string>{"question", "answer"}));
  EXPECT_EQ(table->records[1].cells, (std::vector<std::string>{"", "by formula"}));
  EXPECT_EQ(table->records[1].number, 7U);
}

TEST(Xlsx, AnotherSheetByItsName) {
  const auto table = read("faq.xlsx", "Notes");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->records[0].cells[1], "this");
  EXPECT_NE(error_of("faq.xlsx", "Faq").find("the sheets are: Notes, FAQ, Other"), std::string::npos);
}

TEST(Xlsx, RefusesWhatItCannotRead) {
  EXPECT_NE(error_of("error.xlsx").find("row 2: cell B2 holds the error #N/A"), std::string::npos)
      << error_of("error.xlsx");
  EXPECT_NE(error_of("formula.xlsx").find("cell B2 holds a formula"), std::string::npos) << error_of("formula.xlsx");
  EXPECT_NE(error_of("bomb.xlsx").find("unpacks to more than 64 MiB"), std::string::npos) << error_of("bomb.xlsx");
  std::string said;
  EXPECT_FALSE(parse_xlsx("", "", "x", said).ok());
  EXPECT_FALSE(parse_xlsx("PK\x03\x04 nothing", "", "x", said).ok());
  EXPECT_NE(parse_xlsx("\xD0\xCF\x11\xE0", "", "x", said).error().message.find("password"), std::string::npos);
}

TEST(Xlsx, ACutFileIsAnErrorAtEveryLength) {
  const auto bytes = read_file(kFolder + "inline.xlsx");
  for (size_t size = 0; size < bytes->size(); size += 97) {
    std::string said;
    EXPECT_FALSE(parse_xlsx(std::string_view(*bytes).substr(0, size), "", "x", said).ok()) << size;
  }
}

}  // namespace
}  // namespace linnet
