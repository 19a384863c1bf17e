#include "quant/format.hpp"

#include <array>
#include <cstring>

#include "base/check.hpp"
#include "quant/encode.hpp"
#include "quant/finite.hpp"
#include "quant/search.hpp"

namespace linnet {

namespace {

template <class Block>
void decode_blocks(const std::byte* blocks, float* out, int64_t elements) {
  for (int64_t done = 0; done < elements; done += Block::kElements) {
    Block block;
    std::memcpy(&block, blocks, sizeof(Block));  // a block in a file need not be aligned
    decode_block(block, out + done);
    blocks += sizeof(Block);
  }
}

// As ggml sums it.
float mean_square_of(const float* row, int64_t elements) {
  float sum = 0;
  for (int64_t i = 0; i < elements; ++i) sum += row[i] * row[i];
  return sum / static_cast<float>(elements);
}

template <class Block>
void encode_blocks(const float* row, const float* importance, std::byte* out, int64_t elements) {
  const float mean_square = importance ? mean_square_of(row, elements) : 0.0f;
  for (int64_t done = 0; done < elements; done += Block::kElements) {
    Block block;
    if (importance) {
      encode_block(row + done, {importance + done, mean_square}, block);
    } else {
      encode_block(row + done, block);
    }
    std::memcpy(out, &block, sizeof(Block));
    out += sizeof(Block);
  }
}

template <class Block>
void search_blocks(const float* row, const float* importance, std::byte* out, int64_t elements) {
  static constexpr auto kAlike = [] {
    std::array<float, Block::kElements> ones{};
    ones.fill(1);
    return ones;
  }();
  for (int64_t done = 0; done < elements; done += Block::kElements) {
    Block block;
    search_block(row + done, importance ? importance + done : kAlike.data(), block);
    std::memcpy(out, &block, sizeof(Block));
    out += sizeof(Block);
  }
}

void decode_f32(const std::byte* from, float* out, int64_t elements) {
  std::memcpy(out, from, static_cast<size_t>(elements) * sizeof(float));
}

void encode_f32(const float* values, const float* /*importance*/, std::byte* out, int64_t elements) {
  std::memcpy(out, values, static_cast<size_t>(elements) * sizeof(float));
}

template <class T, T (*FromFloat)(float)>
void encode_16_bit(const float* values, const float* /*importance*/, std::byte* out, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    const T value = FromFloat(values[i]);
    std::memcpy(out + i * 2, &value, sizeof(value));
  }
}

template <class T>
void decode_16_bit(const std::byte* from, float* out, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    T value;
    std::memcpy(&value, from + i * 2, sizeof(value));
    out[i] = to_float(value);
  }
}

template <float (*ToFloat)(uint8_t)>
void decode_8_bit(const std::byte* from, float* out, int64_t elements) {
  static const std::array<float, 256> kTable = [] {
    std::array<float, 256> table{};
    for (size_t i = 0; i < table.size(); ++i) table[i] = ToFloat(static_cast<uint8_t>(i));
    return table;
  }();
  for (int64_t i = 0; i < elements; ++i) out[i] = kTable[static_cast<size_t>(from[i])];
}

template <class Block>
constexpr QuantFormat block_format(QuantType type, std::string_view name, int32_t ggml_type) {
  return {type,
          name,
          ggml_type,
          Block::kElements,
          sizeof(Block),
          decode_blocks<Block>,
          encode_blocks<Block>,
          search_blocks<Block>,
          first_not_finite_in_blocks<Block>};
}

constexpr std::array kFormats{
    QuantFormat{QuantType::kF32, "F32", 0, 1, 4, decode_f32, encode_f32, encode_f32,
                first_not_finite_in_floats<uint32_t, 0x7F800000>},
    QuantFormat{QuantType::kF16, "F16", 1, 1, 2, decode_16_bit<Half>, encode_16_bit<Half, to_half>,
                encode_16_bit<Half, to_half>, first_not_finite_in_floats<uint16_t, 0x7C00>},
    QuantFormat{QuantType::kBF16, "BF16", 30, 1, 2, decode_16_bit<BFloat16>, encode_16_bit<BFloat16, to_bfloat16>,
                encode_16_bit<BFloat16, to_bfloat16>, first_not_finite_in_floats<uint16_t, 0x7F80>},
    QuantFormat{QuantType::kF8E4M3, "F8_E4M3", -1, 1, 1, decode_8_bit<f8_e4m3_to_float>, nullptr, nullptr,
                first_not_finite_in_floats<uint8_t, 0x7F>},
    QuantFormat{QuantType::kF8E5M2, "F8_E5M2", -1, 1, 1, decode_8_bit<f8_e5m2_to_float>, nullptr, nullptr,
                first_not_finite_in_floats<uint8_t, 0x7C>},
    block_format<BlockQ4_0>(QuantType::kQ4_0, "Q4_0", 2),
    block_format<BlockQ4_1>(QuantType::kQ4_1, "Q4_1", 3),
    block_format<BlockQ5_0>(QuantType::kQ5_0, "Q5_0", 6),
    block_format<BlockQ5_1>(QuantType::kQ5_1, "Q5_1", 7),
    block_format<BlockQ8_0>(QuantType::kQ8_0, "Q8_0", 8),
    block_format<BlockQ2_K>(QuantType::kQ2_K, "Q2_K", 10),
    block_format<BlockQ3_K>(QuantType::kQ3_K, "Q3_K", 11),
    block_format<BlockQ4_K>(QuantType::kQ4_K, "Q4_K", 12),
    block_format<BlockQ5_K>(QuantType::kQ5_K, "Q5_K", 13),
    block_format<BlockQ6_K>(QuantType::kQ6_K, "Q6_K", 14),
    block_format<BlockIQ4_NL>(QuantType::kIQ4_NL, "IQ4_NL", 20),
    block_format<BlockIQ4_XS>(QuantType::kIQ4_XS, "IQ4_XS", 23),
    block_format<BlockMXFP4>(QuantType::kMXFP4, "MXFP4", 39),
};

// enum ggml_type of ggml.h, by number; gaps are numbers whose format was withdrawn.
constexpr std::array<std::string_view, 43> kGgmlNames{
    "F32",        "F16",        "Q4_0",       "Q4_1",  "Q4_2",     "Q4_3",     "Q5_0",     "Q5_1",    "Q8_0",
    "Q8_1",       "Q2_K",       "Q3_K",       "Q4_K",  "Q5_K",     "Q6_K",     "Q8_K",     "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS",    "IQ1_S",      "IQ4_NL",     "IQ3_S", "IQ2_S",    "IQ4_XS",   "I8",       "I16",     "I32",
    "I64",        "F64",        "IQ1_M",      "BF16",  "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0",
    "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4", "NVFP4",    "Q1_0",     "Q2_0"};

}  // namespace

std::span<const QuantFormat> quant_formats() {
  return kFormats;
}

const QuantFormat& quant_format(QuantType type) {
  const auto index = static_cast<size_t>(type);
  CHECK(index < kFormats.size() && kFormats[index].type == type);
  return kFormats[index];
}

const QuantFormat* find_quant_by_ggml(uint32_t ggml_type) {
  for (const QuantFormat& format : kFormats) {
    if (format.ggml_type >= 0 && static_cast<uint32_t>(format.ggml_type) == ggml_type) return &format;
  }
  return nullptr;
}

const QuantFormat* find_quant_by_name(std::string_view name) {
  for (const QuantFormat& format : kFormats) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

std::string_view ggml_type_name(uint32_t ggml_type) {
  return ggml_type < kGgmlNames.size() ? kGgmlNames[ggml_type] : std::string_view();
}

void decode_mxfp4_safetensors(const std::byte* blocks, const std::byte* scales, float* out, int64_t groups) {
  static constexpr float kDoubled[16] = {0.f,  1.f,  2.f,  3.f,  4.f,  6.f,  8.f,  12.f,
                                         -0.f, -1.f, -2.f, -3.f, -4.f, -6.f, -8.f, -12.f};
  for (int64_t group = 0; group < groups; ++group) {
    const float scale = half_scale_e8m0(static_cast<uint8_t>(scales[group]));
    for (int64_t i = 0; i < 16; ++i) {
      const auto byte = static_cast<uint8_t>(blocks[group * 16 + i]);
      out[group * 32 + 2 * i] = kDoubled[byte & 15] * scale;
      out[group * 32 + 2 * i + 1] = kDoubled[byte >> 4] * scale;
    }
  }
}

void join_mxfp4_safetensors(const std::byte* blocks, const std::byte* scales, std::byte* out, int64_t groups) {
  for (int64_t group = 0; group < groups; ++group) {
    uint8_t nibbles[BlockMXFP4::kElements];
    for (int64_t i = 0; i < kMxfp4NibbleBytes; ++i) {
      const auto byte = static_cast<uint8_t>(blocks[group * kMxfp4NibbleBytes + i]);
      nibbles[2 * i] = byte & 15;
      nibbles[2 * i + 1] = byte >> 4;
    }
    BlockMXFP4 block;
    block.e = static_cast<uint8_t>(scales[group]);
    for (int i = 0; i < 16; ++i) block.qs[i] = static_cast<uint8_t>(nibbles[i] | nibbles[i + 16] << 4);
    std::memcpy(out + group * static_cast<int64_t>(sizeof(block)), &block, sizeof(block));
  }
}

}  // namespace linnet
