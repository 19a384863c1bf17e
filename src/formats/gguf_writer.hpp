// Writes GGUF version 3 files (ggml/docs/gguf.md).
//
//   GgufWriter writer;
//   writer.add("general.architecture", "llama");
//   writer.add("llama.block_count", uint32_t{30});
//   TRY(writer.write("model.gguf", tensors));
//
// The type of a value is that of the C++ argument; a vector becomes a list, a vector of vectors a nested one.
// The file appears whole or not at all. Thread safety: none; one writer per thread.
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "formats/gguf_metadata.hpp"
#include "formats/tensor_writer.hpp"

namespace linnet {

// How each C++ type is written.
template <class T>
struct GgufEncoding;

#define LINNET_GGUF_SCALAR(cpp_type, gguf_type)                                                     \
  template <>                                                                                       \
  struct GgufEncoding<cpp_type> {                                                                   \
    static constexpr GgufType kType = GgufType::gguf_type;                                          \
    static void append(std::string& out, cpp_type value) {                                          \
      out.append(reinterpret_cast<const char*>(&value), sizeof value); /* little-endian, as here */ \
    }                                                                                               \
  }
LINNET_GGUF_SCALAR(uint8_t, kU8);
LINNET_GGUF_SCALAR(int8_t, kI8);
LINNET_GGUF_SCALAR(uint16_t, kU16);
LINNET_GGUF_SCALAR(int16_t, kI16);
LINNET_GGUF_SCALAR(uint32_t, kU32);
LINNET_GGUF_SCALAR(int32_t, kI32);
LINNET_GGUF_SCALAR(uint64_t, kU64);
LINNET_GGUF_SCALAR(int64_t, kI64);
LINNET_GGUF_SCALAR(float, kF32);
LINNET_GGUF_SCALAR(double, kF64);
LINNET_GGUF_SCALAR(bool, kBool);
#undef LINNET_GGUF_SCALAR

template <>
struct GgufEncoding<std::string_view> {
  static constexpr GgufType kType = GgufType::kString;
  static void append(std::string& out, std::string_view value) {
    GgufEncoding<uint64_t>::append(out, value.size());
    out += value;
  }
};
template <>
struct GgufEncoding<std::string> : GgufEncoding<std::string_view> {};
template <>
struct GgufEncoding<const char*> : GgufEncoding<std::string_view> {};

template <class T>
struct GgufEncoding<std::vector<T>> {
  static constexpr GgufType kType = GgufType::kArray;
  static void append(std::string& out, const std::vector<T>& values) {
    GgufEncoding<uint32_t>::append(out, static_cast<uint32_t>(GgufEncoding<T>::kType));
    GgufEncoding<uint64_t>::append(out, values.size());
    for (const auto& value : values) GgufEncoding<T>::append(out, value);
  }
};

class GgufWriter {
 public:
  explicit GgufWriter(uint32_t alignment = 32);  // a power of two; the key general.alignment is added unless it is 32

  template <class T>
  void add(std::string_view key, const T& value) {
    begin(key, GgufEncoding<std::decay_t<const T&>>::kType);
    GgufEncoding<std::decay_t<const T&>>::append(metadata_, value);
  }
  // A value of another file, as it is there.
  void add(std::string_view key, const GgufValue& value);
  // A JSON value with the type that llama.cpp gives such values: u32, f32, bool, string, or a list of bools. Error
  // kUnsupported, which names the key, for anything else and for an integer outside u32; nothing is added then.
  Status add_json(std::string_view key, const Json& value);

  // Writes the metadata so far and all `tensors`, in their order. Errors: a key or a tensor that is there twice, more
  // than four dimensions, FP8 (which GGUF has no type for), and whatever producing or writing meets.
  Status write(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors) const;

 private:
  void begin(std::string_view key, GgufType type);

  uint32_t alignment_;
  std::vector<std::string> keys_;
  std::string metadata_;
};

}  // namespace linnet
