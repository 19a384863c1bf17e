// JSON from the outside world: parsed with a depth limit, read field by field with errors that name the field.
// Parser: nlohmann::json. Numbers that do not fit, missing fields and wrong types are errors, never defaults.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.hpp"

namespace linnet {

// Keys keep the order of the file: templates and chat messages show it.
using Json = nlohmann::ordered_json;

inline constexpr int kMaxJsonDepth = 128;

// Parses `text`. Errors: syntax (with the byte offset), nesting deeper than kMaxJsonDepth, invalid UTF-8.
// `place` is the file's name for the error.
Result<Json> parse_json(std::string_view text, std::string_view place);

// Reads and parses a file (at most `limit` bytes).
Result<Json> read_json_file(const std::string& path, uint64_t limit = 256ull << 20);

// A view of one JSON object that reads typed fields. `place` is prefixed to errors: "config.json: rope_theta".
// Absent and null are the same. Ownership: borrows the object.
class JsonObject {
 public:
  // Errors when `json` is not an object.
  static Result<JsonObject> of(const Json& json, std::string place);

  bool has(std::string_view key) const;
  const Json* find(std::string_view key) const;  // nullptr when absent or null

  Result<int64_t> integer(std::string_view key, int64_t low, int64_t high) const;
  Result<int64_t> integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const;
  Result<double> number(std::string_view key) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string_or(std::string_view key, std::string fallback) const;
  Result<std::vector<double>> numbers(std::string_view key) const;
  Result<JsonObject> object(std::string_view key) const;

  const std::string& place() const { return place_; }
  const Json& json() const { return *json_; }

 private:
  JsonObject(const Json& json, std::string place) : json_(&json), place_(std::move(place)) {}
  Error wrong(std::string_view key, std::string_view expected) const;

  const Json* json_;
  std::string place_;
};

// Compact text of `json`; invalid UTF-8 inside strings is replaced, never thrown on.
std::string dump_json(const Json& json, int indent = -1);

}  // namespace linnet
