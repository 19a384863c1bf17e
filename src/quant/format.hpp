// The number formats that weights are stored in, and the way from each to float32 and back.
//
// A format is a name, a block size, a decoder and an encoder; the layouts are in one header each (q4_0.hpp, ...), the
// encoders in encode.hpp and search.hpp. To add one: its header, a QuantType, a line in format.cpp, a golden vector.
// Decoding equals ggml's dequantize_row_* bit for bit (NaN payloads aside), encoding its ggml_quantize_chunk.
// Thread safety: all of it is constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace linnet {

enum class QuantType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4
};

struct QuantFormat {
  QuantType type;
  std::string_view name;   // as llama.cpp prints it: "Q4_K"; plain floats as safetensors spells them
  int32_t ggml_type;       // its number in GGUF files; -1: none
  int64_t block_elements;  // consecutive elements of a row that share a block; 1 for plain floats
  int64_t block_bytes;
  // Decodes `elements` (a multiple of block_elements) to float32. The bytes need no alignment.
  void (*decode)(const std::byte* blocks, float* out, int64_t elements);
  // Encodes a row of `elements` (a multiple of block_elements) finite numbers. importance: what the squared error of
  // each counts beside others, finite and at least 0; null: all alike. Null where nobody writes the format (8-bit
  // floats).
  void (*encode)(const float* row, const float* importance, std::byte* out, int64_t elements);
  // The same, but for the least squared error that is found, and slower (quant/search.hpp).
  void (*search)(const float* row, const float* importance, std::byte* out, int64_t elements);
  // Index of the first of `elements` that decodes to NaN or infinity; -1: none.
  int64_t (*first_not_finite)(const std::byte* blocks, int64_t elements);

  bool is_plain() const { return block_elements == 1; }
  // Bytes of `elements`, a multiple of block_elements.
  int64_t bytes_of(int64_t elements) const { return elements / block_elements * block_bytes; }
};

// Every format, in the order of QuantType.
std::span<const QuantFormat> quant_formats();
const QuantFormat& quant_format(QuantType type);
// nullptr when there is none.
const QuantFormat* find_quant_by_ggml(uint32_t ggml_type);
const QuantFormat* find_quant_by_name(std::string_view name);

// The name of any type number that ggml has had, also of those that Linnet does not decode: "IQ2_XS", "TQ1_0";
// empty for a number that ggml never gave out.
std::string_view ggml_type_name(uint32_t ggml_type);

}  // namespace linnet
