#include "base/json.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <string>

namespace linnet {
namespace {

TEST(Json, DepthIsLimited) {
  EXPECT_TRUE(parse_json(std::string(100, '[') + std::string(100, ']'), "x").ok());
  EXPECT_FALSE(parse_json(std::string(100000, '['), "x").ok());
  EXPECT_FALSE(parse_json(std::string(1000, '[') + std::string(1000, ']'), "x").ok());
}

TEST(Json, ErrorsNameFileAndField) {
  const Json json =
      *parse_json(R"({"a": 3, "b": "x", "c": 1e6, "d": 18446744073709551615, "e": null, "f": 1.5})", "f.json");
  const JsonObject object = *JsonObject::of(json, "f.json");
  EXPECT_EQ(*object.integer("a", 0, 9), 3);
  EXPECT_EQ(*object.integer("c", 0, 1 << 30), 1000000);
  EXPECT_EQ(*object.integer_or("e", 7, 0, 9), 7);
  EXPECT_FALSE(object.integer("d", 0, INT64_MAX).ok());
  EXPECT_FALSE(object.integer("f", 0, 9).ok());
  EXPECT_EQ(object.integer("b", 0, 9).error().to_string(),
            "f.json: field \"b\" must be an integer from 0 to 9, got \"x\"");
  EXPECT_EQ(object.string("zz").error().to_string(), "f.json: field \"zz\" is missing");
}

TEST(Json, RejectsInvalidUtf8AndSyntax) {
  EXPECT_FALSE(parse_json("\"\xff\"", "x").ok());
  EXPECT_FALSE(parse_json("{\"a\":}", "x").ok());
  EXPECT_FALSE(parse_json("", "x").ok());
  EXPECT_EQ(parse_json("[1e999]", "f.json").error().to_string(), "f.json: bad JSON: number overflow parsing '1e999'");
  EXPECT_NE(parse_json("[1,]", "f.json").error().message.find("bad JSON: parse error at line 1, column 4"),
            std::string::npos);
}

TEST(Json, KeepsOrderAndTheLastOfEqualKeys) {
  EXPECT_EQ(dump_json(*parse_json(R"({"b":1,"a":{"x":1,"x":[2]},"b":3,"c":null,"b":{}})", "x")),
            R"({"b":{},"a":{"x":[2]},"c":null})");
  EXPECT_EQ(dump_json(*parse_json("[true,-1,2.5,\"s\",[],{}]", "x")), "[true,-1,2.5,\"s\",[],{}]");
}

TEST(Json, ManyKeysTakeNoQuadraticTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"token" + std::to_string(i % 150'000) + "\":" + std::to_string(i) + ",";
  text.back() = '}';
  const auto begin = std::chrono::steady_clock::now();
  const auto json = parse_json(text, "x");
  ASSERT_TRUE(json.ok()) << json.error().to_string();
  EXPECT_EQ(json->size(), 150'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));  // the quadratic way takes minutes
}

}  // namespace
}  // namespace linnet
