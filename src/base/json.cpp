#include "base/json.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <numeric>

#include "base/file.hpp"

namespace linnet {

namespace {

// "[json.exception.parse_error.101] parse error at line 1, column 2: ..." without the bracket.
std::string without_code(std::string_view what) {
  const size_t start = what.find("] ");
  return std::string(start == what.npos ? what : what.substr(start + 2));
}

// Builds the document. The parser's own builder looks every new key up among those before it, which is quadratic in an
// ordered object: a vocabulary of 150,000 tokens takes it 40 seconds.
class TreeBuilder final : public nlohmann::json_sax<Json> {
 public:
  Json root;
  std::string error;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }  // not in JSON text
  bool start_object(size_t /*count*/) override { return open(Json::object()); }
  bool start_array(size_t /*count*/) override { return open(Json::array()); }
  bool key(string_t& value) override {
    open_.back()->get_ref<Json::object_t&>().emplace_back(std::move(value), nullptr);
    return true;
  }
  bool end_object() override {
    keep_last_of_equal_keys(open_.back()->get_ref<Json::object_t&>());
    open_.pop_back();
    return true;
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& what) override {
    error = "bad JSON: " + without_code(what.what());
    return false;
  }

 private:
  // Where the next value goes: the root, the end of the open list, or the key that was just read.
  Json& place(Json value) {
    if (open_.empty()) return root = std::move(value);
    if (open_.back()->is_array()) {
      return open_.back()->get_ref<Json::array_t&>().emplace_back(std::move(value));
    }
    return open_.back()->get_ref<Json::object_t&>().back().second = std::move(value);
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (open_.size() >= kMaxJsonDepth) {
      error = fmt::format("JSON is nested deeper than {}", kMaxJsonDepth);
      return false;
    }
    // Stays valid: nothing is added to a container while one inside it is open.
    open_.push_back(&place(std::move(container)));
    return true;
  }

  // As Python and JavaScript do: the last value, at the place of the first.
  static void keep_last_of_equal_keys(Json::object_t& object) {
    std::vector<size_t> order(object.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto entry = [&](size_t i) -> auto& { return *(object.begin() + static_cast<ptrdiff_t>(i)); };
    const auto key_of = [&](size_t i) -> const std::string& { return entry(i).first; };
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key_of(a) < key_of(b); });
    std::vector<bool> drop(object.size());
    bool any = false;
    for (size_t first = 0, i = 1; i < order.size(); ++i) {
      if (key_of(order[i]) != key_of(order[first])) {
        first = i;
        continue;
      }
      entry(order[first]).second = std::move(entry(order[i]).second);
      drop[order[i]] = any = true;
    }
    if (!any) return;
    Json::object_t kept;
    for (size_t i = 0; i < object.size(); ++i) {
      if (!drop[i]) kept.emplace_back(entry(i).first, std::move(entry(i).second));
    }
    object = std::move(kept);
  }

  std::vector<Json*> open_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view place) {
  TreeBuilder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return invalid(builder.error, std::string(place));
  return std::move(builder.root);
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
