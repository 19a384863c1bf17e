#include "formats/gguf_metadata.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fmt/core.h>
#include <numeric>
#include <optional>

#include "base/check.hpp"
#include "base/json.hpp"
#include "base/utf8.hpp"

namespace linnet {

namespace {

struct TypeRow {
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<TypeRow, kGgufTypeCount> kTypes{{{"u8", 1},
                                                      {"i8", 1},
                                                      {"u16", 2},
                                                      {"i16", 2},
                                                      {"u32", 4},
                                                      {"i32", 4},
                                                      {"f32", 4},
                                                      {"bool", 1},
                                                      {"string", 0},
                                                      {"array", 0},
                                                      {"u64", 8},
                                                      {"i64", 8},
                                                      {"f64", 8}}};

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// nullopt where the type is no integer, or the value exceeds int64.
std::optional<int64_t> integer_at(GgufType type, const std::byte* from) {
  switch (type) {
    case GgufType::kU8:
      return load<uint8_t>(from);
    case GgufType::kI8:
      return load<int8_t>(from);
    case GgufType::kU16:
      return load<uint16_t>(from);
    case GgufType::kI16:
      return load<int16_t>(from);
    case GgufType::kU32:
      return load<uint32_t>(from);
    case GgufType::kI32:
      return load<int32_t>(from);
    case GgufType::kI64:
      return load<int64_t>(from);
    case GgufType::kU64: {
      const auto wide = load<uint64_t>(from);
      return wide <= static_cast<uint64_t>(INT64_MAX) ? std::optional(static_cast<int64_t>(wide)) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> number_at(GgufType type, const std::byte* from) {
  if (type == GgufType::kF32) return load<float>(from);
  if (type == GgufType::kF64) return load<double>(from);
  if (type == GgufType::kU64) return static_cast<double>(load<uint64_t>(from));
  if (const auto integer = integer_at(type, from)) return static_cast<double>(*integer);
  return std::nullopt;
}

std::string_view string_at(const std::byte* from) {
  return {reinterpret_cast<const char*>(from) + 8, load<uint64_t>(from)};
}

// The elements of an array, or a scalar as a list of one.
struct List {
  GgufType type;
  uint64_t count;
  const std::byte* from;
};
List list_of(const GgufValue& value) {
  if (value.type != GgufType::kArray) return {value.type, 1, value.bytes.data()};
  return {value.element_type(), value.count(), value.elements().data()};
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

uint64_t gguf_scalar_bytes(GgufType type) {
  return kTypes[static_cast<size_t>(type)].bytes;
}

GgufType GgufValue::element_type() const {
  CHECK(type == GgufType::kArray);
  return static_cast<GgufType>(load<uint32_t>(bytes.data()));
}

uint64_t GgufValue::count() const {
  CHECK(type == GgufType::kArray);
  return load<uint64_t>(bytes.data() + 4);
}

std::span<const std::byte> GgufValue::elements() const {
  CHECK(type == GgufType::kArray);
  return bytes.subspan(12);
}

Result<GgufMetadata> GgufMetadata::of(std::vector<GgufEntry> entries, std::string place) {
  GgufMetadata metadata;
  metadata.entries_ = std::move(entries);
  metadata.place_ = std::move(place);
  metadata.by_key_.resize(metadata.entries_.size());
  std::iota(metadata.by_key_.begin(), metadata.by_key_.end(), 0U);
  const auto key_of = [&](uint32_t i) { return metadata.entries_[i].key; };
  std::sort(metadata.by_key_.begin(), metadata.by_key_.end(),
            [&](uint32_t a, uint32_t b) { return key_of(a) < key_of(b); });
  const auto twice = std::adjacent_find(metadata.by_key_.begin(), metadata.by_key_.end(),
                                        [&](uint32_t a, uint32_t b) { return key_of(a) == key_of(b); });
  if (twice != metadata.by_key_.end()) {
    return invalid(fmt::format("metadata key \"{}\" is there twice", key_of(*twice)), metadata.place_);
  }
  return metadata;
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto it = std::lower_bound(by_key_.begin(), by_key_.end(), key,
                                   [&](uint32_t i, std::string_view wanted) { return entries_[i].key < wanted; });
  return it != by_key_.end() && entries_[*it].key == key ? &entries_[*it].value : nullptr;
}

Error GgufMetadata::wrong(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  if (!value) return invalid(fmt::format("metadata key \"{}\" is missing", key), place_);
  return invalid(fmt::format("metadata key \"{}\" must be {}, is {} {}", key, expected, gguf_type_name(value->type),
                             describe_gguf_value(*value, 3)),
                 place_);
}

Result<int64_t> GgufMetadata::integer(std::string_view key, int64_t low, int64_t high) const {
  const GgufValue* value = find(key);
  const auto integer = value ? integer_at(value->type, value->bytes.data()) : std::nullopt;
  if (!integer || *integer < low || *integer > high) {
    return wrong(key, fmt::format("an integer from {} to {}", low, high));
  }
  return *integer;
}

Result<int64_t> GgufMetadata::integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
  if (!has(key)) return fallback;
  return integer(key, low, high);
}

Result<double> GgufMetadata::number(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto number = value ? number_at(value->type, value->bytes.data()) : std::nullopt;
  if (!number || !std::isfinite(*number)) return wrong(key, "a finite number");
  return *number;
}

Result<double> GgufMetadata::number_or(std::string_view key, double fallback) const {
  if (!has(key)) return fallback;
  return number(key);
}

Result<bool> GgufMetadata::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value || value->type != GgufType::kBool || load<uint8_t>(value->bytes.data()) > 1) return wrong(key, "a bool");
  return load<uint8_t>(value->bytes.data()) == 1;
}

Result<bool> GgufMetadata::boolean_or(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  return boolean(key);
}

Result<std::string_view> GgufMetadata::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value || value->type != GgufType::kString) return wrong(key, "a string");
  const std::string_view text = string_at(value->bytes.data());
  if (const size_t bad = first_invalid_utf8(text); bad != text.size()) {
    return invalid(fmt::format("metadata key \"{}\" is not valid UTF-8 at its byte {}", key, bad), place_);
  }
  return text;
}

Result<std::string_view> GgufMetadata::string_or(std::string_view key, std::string_view fallback) const {
  if (!has(key)) return fallback;
  return string(key);
}

Result<std::vector<int64_t>> GgufMetadata::integers(std::string_view key, int64_t low, int64_t high) const {
  const GgufValue* value = find(key);
  const auto expected = [&] { return wrong(key, fmt::format("a list of integers from {} to {}", low, high)); };
  if (!value) return expected();
  const List list = list_of(*value);
  const uint64_t step = gguf_scalar_bytes(list.type);
  if (step == 0) return expected();
  std::vector<int64_t> integers(list.count);
  for (uint64_t i = 0; i < list.count; ++i) {
    const auto integer = integer_at(list.type, list.from + i * step);
    if (!integer || *integer < low || *integer > high) return expected();
    integers[i] = *integer;
  }
  return integers;
}

Result<std::vector<float>> GgufMetadata::floats(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return wrong(key, "a list of numbers");
  const List list = list_of(*value);
  const uint64_t step = gguf_scalar_bytes(list.type);
  if (step == 0 || list.type == GgufType::kBool) return wrong(key, "a list of numbers");
  std::vector<float> numbers(list.count);
  for (uint64_t i = 0; i < list.count; ++i) {
    numbers[i] = static_cast<float>(number_at(list.type, list.from + i * step).value_or(0));
  }
  return numbers;
}

Result<std::vector<bool>> GgufMetadata::booleans(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return wrong(key, "a list of bools");
  const List list = list_of(*value);
  if (list.type != GgufType::kBool) return wrong(key, "a list of bools");
  std::vector<bool> booleans(list.count);
  for (uint64_t i = 0; i < list.count; ++i) {
    const auto byte = load<uint8_t>(list.from + i);
    if (byte > 1) return wrong(key, "a list of bools");
    booleans[i] = byte == 1;
  }
  return booleans;
}

Result<std::vector<std::string_view>> GgufMetadata::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return wrong(key, "a list of strings");
  const List list = list_of(*value);
  if (list.type != GgufType::kString) return wrong(key, "a list of strings");
  std::vector<std::string_view> strings;
  strings.reserve(list.count);
  const std::byte* from = list.from;
  for (uint64_t i = 0; i < list.count; ++i) {
    const std::string_view text = string_at(from);
    if (!is_valid_utf8(text)) {
      return invalid(fmt::format("metadata key \"{}\": string {} is not valid UTF-8", key, i), place_);
    }
    strings.push_back(text);
    from += 8 + text.size();
  }
  return strings;
}

namespace {

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  return dump_json(std::string(text.substr(0, kShown))) + (text.size() > kShown ? "..." : "");
}

std::string describe_scalar(GgufType type, const std::byte* from) {
  if (type == GgufType::kString) return quoted(string_at(from));
  if (type == GgufType::kBool) return load<uint8_t>(from) ? "true" : "false";
  if (type == GgufType::kU64) return fmt::format("{}", load<uint64_t>(from));
  if (const auto integer = integer_at(type, from)) return fmt::format("{}", *integer);
  if (type == GgufType::kF32) return fmt::format("{}", load<float>(from));
  return fmt::format("{}", load<double>(from));
}

}  // namespace

std::string describe_gguf_value(const GgufValue& value, size_t max_items) {
  if (value.type != GgufType::kArray) return describe_scalar(value.type, value.bytes.data());
  if (value.element_type() == GgufType::kArray) return fmt::format("[{} lists]", value.count());
  const List list = list_of(value);
  std::string text = "[";
  const std::byte* from = list.from;
  for (uint64_t i = 0; i < std::min<uint64_t>(list.count, max_items); ++i) {
    text += (i ? ", " : "") + describe_scalar(list.type, from);
    from += list.type == GgufType::kString ? 8 + string_at(from).size() : gguf_scalar_bytes(list.type);
  }
  if (list.count > max_items) text += fmt::format(", ... {} in all", list.count);
  return text + "]";
}

}  // namespace linnet
