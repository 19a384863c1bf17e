// Reads a JSON object field by field, with errors that name the field. Numbers that do not fit, missing fields and
// wrong types are errors, never defaults.
//
// Apart from base/json.hpp because nlohmann::json takes three seconds to compile, and most readers only need this.
// Thread safety: const methods are safe together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.hpp"

namespace linnet {

// Keys keep the order of the file: templates and chat messages show it.
using Json = nlohmann::ordered_json;

// A document that is read once and passed on; null where there is none. Headers that hold one need not compile
// nlohmann::json.
using SharedJson = std::shared_ptr<const Json>;

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

}  // namespace linnet
