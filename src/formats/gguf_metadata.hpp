// The key-value part of a GGUF file, as views of the mapped bytes: a list of 150,000 tokens costs nothing until it is
// asked for. Format: ggml/docs/gguf.md.
// Ownership: borrows the bytes, which must outlive it. Thread safety: constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet {

// Numbers as in the file.
enum class GgufType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };
inline constexpr uint32_t kGgufTypeCount = 13;
std::string_view gguf_type_name(GgufType type);  // "u32", "string", "array"
// Bytes of a value; 0 for strings and arrays, whose size varies.
uint64_t gguf_scalar_bytes(GgufType type);

inline constexpr int kMaxGgufArrayDepth = 8;  // llama.cpp writes one level; the format sets no limit

// A value whose extent has been checked: `bytes` are all of it, after the type number.
struct GgufValue {
  GgufType type = GgufType::kU8;
  std::span<const std::byte> bytes;

  // Of an array: the type of its elements, how many, and their bytes. Requires type == kArray.
  GgufType element_type() const;
  uint64_t count() const;
  std::span<const std::byte> elements() const;
};

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

class GgufMetadata {
 public:
  // Entries whose keys are distinct, else an error. `place` is the file's path.
  static Result<GgufMetadata> of(std::vector<GgufEntry> entries, std::string place);

  std::span<const GgufEntry> entries() const { return entries_; }  // in the order of the file
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const GgufValue* find(std::string_view key) const;

  // Typed access. An absent key, another type or a value out of range is an error that names the key. Any integer type
  // counts as an integer, any integer or float type as a number.
  Result<int64_t> integer(std::string_view key, int64_t low, int64_t high) const;
  Result<int64_t> integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const;
  Result<double> number(std::string_view key) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> boolean(std::string_view key) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string_view> string(std::string_view key) const;  // valid UTF-8
  Result<std::string_view> string_or(std::string_view key, std::string_view fallback) const;

  // Lists. A scalar counts as a list of one (llama.cpp writes per-layer numbers either way).
  Result<std::vector<int64_t>> integers(std::string_view key, int64_t low, int64_t high) const;
  Result<std::vector<float>> floats(std::string_view key) const;
  Result<std::vector<std::string_view>> strings(std::string_view key) const;  // each valid UTF-8
  Result<std::vector<bool>> booleans(std::string_view key) const;

  const std::string& place() const { return place_; }

 private:
  Error wrong(std::string_view key, std::string_view expected) const;

  std::vector<GgufEntry> entries_;
  std::vector<uint32_t> by_key_;  // indices into entries_, sorted by key
  std::string place_;
};

// A value as people read it: numbers, quoted text, lists cut after `max_items`. Invalid UTF-8 is replaced.
std::string describe_gguf_value(const GgufValue& value, size_t max_items = 8);

}  // namespace linnet
