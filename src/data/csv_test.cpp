#include "data/csv.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"

namespace linnet {
namespace {

std::vector<std::vector<std::string>> cells_of(const Table& table) {
  std::vector<std::vector<std::string>> out;
  for (const Record& record : table.records) out.push_back(record.cells);
  return out;
}

std::string error_of(std::string_view text, char delimiter = ',') {
  const auto table = parse_csv(text, delimiter, "t.csv");
  return table.ok() ? "no error" : table.error().to_string();
}

TEST(Csv, ReadsWhatPythonWritesAsPythonReadsIt) {
  const auto recording = read_json_file(LINNET_SOURCE_DIR "/tests/golden/data/csv.json");
  ASSERT_TRUE(recording.ok()) << recording.error().to_string();
  ASSERT_GE(recording->size(), 100U);
  for (const Json& one : *recording) {
    const auto table = parse_csv(one["text"].get<std::string>(), one["delimiter"].get<std::string>()[0], "t.csv");
    ASSERT_TRUE(table.ok()) << table.error().to_string() << "\n" << one.dump();
    EXPECT_EQ(cells_of(*table), one["rows"].get<std::vector<std::vector<std::string>>>()) << one.dump();
  }
}

TEST(Csv, RowsKeepTheLineWhereTheyBegin) {
  const auto table = parse_csv("a,b\r\n\r\n\"x\ny\",2\rlast,3\n", ',', "t.csv");
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->records.size(), 3U);
  EXPECT_EQ(table->records[1].number, 3U);
  EXPECT_EQ(table->records[2].number, 5U);
}

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_NE(error_of("a,b\n1,\"open\n").find("t.csv, line 2: the quote that begins field 2 is never closed"),
            std::string::npos);
  EXPECT_NE(error_of("a,b\n\"x\ny\" z,2\n").find("t.csv, line 3: text stands behind the closing quote of field 1"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(2000, ',')).find("more than 1024 columns"), std::string::npos);
}

TEST(Csv, TabbedFilesNeedNoQuoting) {
  const auto table = parse_csv("\"Hi,\" he said.\t\"whole\"\n\"\tb\n\"a \"\"b\"\"\"\t\"x\ty\"\n", '\t', "t.tsv");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(cells_of(*table),
            (std::vector<std::vector<std::string>>{{"\"Hi,\" he said.", "whole"}, {"\"", "b"}, {"a \"b\"", "x\ty"}}));
}

TEST(Csv, TheDelimiterIsGuessedFromTheHeader) {
  EXPECT_EQ(guess_delimiter("question,answer\n"), ',');
  EXPECT_EQ(guess_delimiter("\"Frage, gestellt\";Antwort\na,b,c,d\n"), ';');
  EXPECT_EQ(guess_delimiter("a\tb\n"), '\t');
  EXPECT_EQ(guess_delimiter(""), ',');
}

TEST(Csv, AnUnquotedQuoteInATabbedFileCostsNoSquare) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "\"a \"\" b\n";
  const auto table = parse_csv(text, '\t', "t.tsv");
  ASSERT_TRUE(table.ok());
}

}  // namespace
}  // namespace linnet
