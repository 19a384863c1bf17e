#include "base/json.hpp"

#include <cmath>
#include <fmt/core.h>

#include "base/file.hpp"

namespace linnet {

Result<Json> parse_json(std::string_view text, std::string_view place) {
  bool too_deep = false;
  const Json::parser_callback_t limit = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kMaxJsonDepth;
    return depth <= kMaxJsonDepth;
  };
  try {
    Json json = Json::parse(text.begin(), text.end(), limit);
    if (too_deep) return invalid(fmt::format("JSON is nested deeper than {}", kMaxJsonDepth), std::string(place));
    return json;
  } catch (const Json::exception& exception) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = exception.what();
    const size_t start = what.find("] ");
    return invalid("bad JSON: " + std::string(start == what.npos ? what : what.substr(start + 2)), std::string(place));
  }
}

Result<Json> read_json_file(const std::string& path, uint64_t limit) {
  TRY_ASSIGN(const std::string text, read_file(path, limit));
  return parse_json(text, path);
}

Result<JsonObject> JsonObject::of(const Json& json, std::string place) {
  if (!json.is_object()) return invalid(fmt::format("expected an object, got {}", json.type_name()), std::move(place));
  return JsonObject(json, std::move(place));
}

const Json* JsonObject::find(std::string_view key) const {
  const auto it = json_->find(key);
  return it == json_->end() || it->is_null() ? nullptr : &*it;
}

bool JsonObject::has(std::string_view key) const {
  return find(key) != nullptr;
}

Error JsonObject::wrong(std::string_view key, std::string_view expected) const {
  const Json* value = find(key);
  if (!value) return invalid(fmt::format("field \"{}\" is missing", key), place_);
  std::string shown = dump_json(*value);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  return invalid(fmt::format("field \"{}\" must be {}, got {}", key, expected, shown), place_);
}

Result<int64_t> JsonObject::integer(std::string_view key, int64_t low, int64_t high) const {
  const Json* value = find(key);
  const auto range = [&] { return wrong(key, fmt::format("an integer from {} to {}", low, high)); };
  if (!value || !value->is_number()) return range();
  int64_t number = 0;
  if (value->is_number_unsigned()) {
    const auto wide = value->get<uint64_t>();
    if (wide > static_cast<uint64_t>(INT64_MAX)) return range();
    number = static_cast<int64_t>(wide);
  } else if (value->is_number_integer()) {
    number = value->get<int64_t>();
  } else {
    // Some configs write 1e6 or 32.0 where an integer is meant.
    const auto real = value->get<double>();
    if (!(std::abs(real) < 9e15) || real != std::floor(real)) return range();
    number = static_cast<int64_t>(real);
  }
  if (number < low || number > high) return range();
  return number;
}

Result<int64_t> JsonObject::integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
  if (!has(key)) return fallback;
  return integer(key, low, high);
}

Result<double> JsonObject::number(std::string_view key) const {
  const Json* value = find(key);
  if (!value || !value->is_number() || !std::isfinite(value->get<double>())) return wrong(key, "a number");
  return value->get<double>();
}

Result<double> JsonObject::number_or(std::string_view key, double fallback) const {
  if (!has(key)) return fallback;
  return number(key);
}

Result<bool> JsonObject::boolean_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) return wrong(key, "true or false");
  return value->get<bool>();
}

Result<std::string> JsonObject::string(std::string_view key) const {
  const Json* value = find(key);
  if (!value || !value->is_string()) return wrong(key, "a string");
  return value->get<std::string>();
}

Result<std::string> JsonObject::string_or(std::string_view key, std::string fallback) const {
  if (!has(key)) return fallback;
  return string(key);
}

Result<std::vector<double>> JsonObject::numbers(std::string_view key) const {
  const Json* value = find(key);
  if (!value || !value->is_array()) return wrong(key, "a list of numbers");
  std::vector<double> list;
  list.reserve(value->size());
  for (const Json& item : *value) {
    if (!item.is_number() || !std::isfinite(item.get<double>())) return wrong(key, "a list of numbers");
    list.push_back(item.get<double>());
  }
  return list;
}

Result<JsonObject> JsonObject::object(std::string_view key) const {
  const Json* value = find(key);
  if (!value || !value->is_object()) return wrong(key, "an object");
  return of(*value, place_ + ": " + std::string(key));
}

std::string dump_json(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace linnet
