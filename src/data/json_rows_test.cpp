#include "data/json_rows.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

std::string error_of(std::string_view text) {
  const auto rows = parse_json_rows(text, "t.jsonl");
  return rows.ok() ? "no error" : rows.error().to_string();
}

TEST(JsonRows, LinesAndListsKeepTheirPlaces) {
  const auto lines = parse_json_rows("{\"a\": 1}\n\n{\"a\": \"}\"}\r\n", "t.jsonl");
  ASSERT_TRUE(lines.ok());
  ASSERT_EQ(lines->rows.size(), 2U);
  EXPECT_EQ(lines->place_of(lines->rows[1]), "t.jsonl, line 3");
  EXPECT_EQ(lines->rows[1].fields["a"], "}");

  const auto list = parse_json_rows(" [\n{\"a\": [1, {\"b\": \"],\\\"\"}]},\n\n {\"a\": 2}\n]\n", "t.json");
  ASSERT_TRUE(list.ok()) << list.error().to_string();
  ASSERT_EQ(list->rows.size(), 2U);
  EXPECT_EQ(list->rows[0].number, 2U);
  EXPECT_EQ(list->rows[1].number, 4U);
  EXPECT_EQ(list->rows[0].fields["a"][1]["b"], "],\"");
  const auto one_line = parse_json_rows("[{\"a\": 1}, {\"a\": 2},\n{\"a\": 3}]", "t.json");
  ASSERT_TRUE(one_line.ok()) << one_line.error().to_string();
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(one_line->place_of(one_line->rows[i]), "t.json, row " + std::to_string(i + 1));
  EXPECT_TRUE(parse_json_rows("[ ]", "t")->rows.empty());
  EXPECT_TRUE(parse_json_rows("", "t")->rows.empty());
}

TEST(JsonRows, ErrorsNameTheLine) {
  EXPECT_NE(error_of("{\"a\": 1}\n{\"a\": }\n").find("t.jsonl, line 2: bad JSON"), std::string::npos);
  EXPECT_EQ(error_of("{\"a\": 1}\n{\"a\": }\n").find("t.jsonl, line 2: bad JSON: syntax error while parsing value"), 0U)
      << error_of("{\"a\": 1}\n{\"a\": }\n");
  EXPECT_EQ(error_of("[{}, {}, 7]").find("t.jsonl, row 3: a row must be an object"), 0U);
  EXPECT_EQ(error_of("[{}, {\"a\": }]").find("t.jsonl, row 2: bad JSON"), 0U);
  EXPECT_NE(error_of("{\"a\": 1}\n[1]\n").find("line 2: a row must be an object"), std::string::npos);
  EXPECT_NE(error_of("[{},\n\"x\"]").find("line 2: a row must be an object {\"field\": …}, this is a string"),
            std::string::npos);
  EXPECT_NE(error_of("[{}").find("the list is never closed"), std::string::npos);
  EXPECT_NE(error_of("[{},]").find("row 2: bad JSON"), std::string::npos);
  EXPECT_NE(error_of("[{}} ]").find("without its"), std::string::npos);
  EXPECT_NE(error_of("[{}]\n{}").find("line 2: text stands behind the list"), std::string::npos);
  EXPECT_NE(error_of("{\n \"a\": 1\n}").find("expected one object a line"), std::string::npos);
  EXPECT_NE(error_of("[" + std::string(100'000, '[')).find("nested deeper"), std::string::npos);
}

}  // namespace
}  // namespace linnet
