#include "base/json.hpp"

#include <gtest/gtest.h>

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
}

}  // namespace
}  // namespace linnet
