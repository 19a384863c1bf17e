// Element types of plain (not block-quantised) tensors, and the conversions between them and float32.
// IEEE 754 binary16, bfloat16 (the upper half of binary32), and the 8-bit floats of the OCP OFP8 specification.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace linnet {

enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kF8E4M3, kF8E5M2, kI64, kI32, kI16, kI8, kU8, kBool };

int64_t dtype_bytes(DType dtype);
std::string_view dtype_name(DType dtype);  // as safetensors spells it: "F32", "BF16", "F8_E4M3"
std::optional<DType> parse_dtype(std::string_view name);

struct Half {
  uint16_t bits = 0;
};
struct BFloat16 {
  uint16_t bits = 0;
};

// Exact. Subnormals, infinities and NaNs are kept.
inline float to_float(Half h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000) << 16;
  const uint32_t magnitude = h.bits & 0x7FFF;
  if (magnitude >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
  // Shifted into place the exponent is too small by 127 - 15; multiplying by 2^112 mends that, subnormals included.
  return std::bit_cast<float>(std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f) | sign);
}
inline float to_float(BFloat16 b) {
  return std::bit_cast<float>(static_cast<uint32_t>(b.bits) << 16);
}
// Round to nearest, ties to even; overflow gives infinity; NaN stays NaN.
Half to_half(float value);
BFloat16 to_bfloat16(float value);
float f8_e4m3_to_float(uint8_t bits);
float f8_e5m2_to_float(uint8_t bits);

}  // namespace linnet
