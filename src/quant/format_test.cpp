// Every format against what ggml decodes (tests/golden/make_quant.py says how that was recorded).
#include "quant/format.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "quant/mxfp4.hpp"
#include "tensor/dtype.hpp"

namespace linnet {
namespace {

std::string golden(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  auto text = read_file(std::string(LINNET_SOURCE_DIR) + "/tests/golden/quant/" + name + ".bin");
  EXPECT_TRUE(text.ok()) << text.error().to_string();
  return text.ok() ? std::move(text).value() : std::string();
}

struct Vector {
  std::vector<std::byte> blocks;
  std::vector<float> values;
};

// A recording whose every block takes `block_bytes` and holds `block_elements`.
Vector load_vector(const std::string& name, size_t block_bytes, size_t block_elements) {
  const std::string text = golden(name);
  uint32_t count = 0;
  if (text.size() < sizeof count) return {};
  std::memcpy(&count, text.data(), sizeof count);
  Vector vector{std::vector<std::byte>(count * block_bytes), std::vector<float>(count * block_elements)};
  EXPECT_EQ(text.size(), sizeof count + vector.blocks.size() + vector.values.size() * sizeof(float)) << name;
  if (testing::Test::HasFailure()) return {};
  std::memcpy(vector.blocks.data(), text.data() + sizeof count, vector.blocks.size());
  std::memcpy(vector.values.data(), text.data() + sizeof count + vector.blocks.size(), vector.values.size() * 4);
  return vector;
}

// Bit for bit, except that any NaN equals any other. Returns the first index that differs, or -1.
int64_t first_difference(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

std::vector<float> decode(const QuantFormat& format, const std::vector<std::byte>& blocks) {
  const auto elements = static_cast<int64_t>(blocks.size()) / format.block_bytes * format.block_elements;
  std::vector<float> out(static_cast<size_t>(elements), -1.0f);
  format.decode(blocks.data(), out.data(), elements);
  return out;
}

TEST(QuantFormat, RegistryIsCompleteAndConsistent) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < quant_formats().size(); ++i) {
    const QuantFormat& format = quant_formats()[i];
    EXPECT_EQ(static_cast<size_t>(format.type), i) << format.name;
    EXPECT_EQ(&quant_format(format.type), &format);
    EXPECT_EQ(find_quant_by_name(format.name), &format);
    EXPECT_TRUE(names.insert(format.name).second) << format.name;
    EXPECT_GT(format.block_bytes, 0);
    EXPECT_EQ(format.is_plain(), format.block_elements == 1);
    if (format.ggml_type >= 0) {
      EXPECT_EQ(find_quant_by_ggml(static_cast<uint32_t>(format.ggml_type)), &format);
      EXPECT_EQ(ggml_type_name(static_cast<uint32_t>(format.ggml_type)), format.name);
    }
  }
  EXPECT_EQ(quant_formats().size(), static_cast<size_t>(QuantType::kMXFP4) + 1);
  EXPECT_EQ(find_quant_by_ggml(16), nullptr);  // IQ2_XXS
  EXPECT_EQ(ggml_type_name(16), "IQ2_XXS");
  EXPECT_EQ(ggml_type_name(4'000'000'000U), "");
  EXPECT_EQ(find_quant_by_name("Q9_Z"), nullptr);
}

TEST(QuantFormat, DecodesAsGgmlDoes) {
  for (const QuantFormat& format : quant_formats()) {
    if (format.ggml_type < 0) continue;
    const Vector vector = load_vector(std::string(format.name), static_cast<size_t>(format.block_bytes),
                                      static_cast<size_t>(format.block_elements));
    ASSERT_FALSE(vector.values.empty()) << format.name << ": run tests/golden/make_quant.py";
    const int64_t where = first_difference(decode(format, vector.blocks), vector.values);
    EXPECT_EQ(where, -1) << format.name << " differs at element " << where;
  }
}

TEST(QuantFormat, EncodesAsGgmlDoes) {
  for (const QuantFormat& format : quant_formats()) {
    if (format.ggml_type < 0 || format.is_plain()) continue;
    Vector vector = load_vector(std::string(format.name) + "_encoded", static_cast<size_t>(format.block_bytes),
                                static_cast<size_t>(format.block_elements));
    ASSERT_FALSE(vector.values.empty()) << format.name << ": run tests/golden/make_quant.py";
    std::vector<std::byte> blocks(vector.blocks.size() + 1);
    const auto elements = static_cast<int64_t>(vector.values.size());
    format.encode(vector.values.data(), nullptr, blocks.data() + 1, elements);  // blocks need no alignment
    const auto differ = std::mismatch(vector.blocks.begin(), vector.blocks.end(), blocks.begin() + 1).first;
    EXPECT_EQ(differ, vector.blocks.end())
        << format.name << " block " << (differ - vector.blocks.begin()) / format.block_bytes;
    // Another number gives other blocks.
    vector.values[7] = vector.values[7] * -1.5f + 0.1f;
    format.encode(vector.values.data(), nullptr, blocks.data() + 1, elements);
    EXPECT_FALSE(std::equal(vector.blocks.begin(), vector.blocks.end(), blocks.begin() + 1)) << format.name;
  }
}

struct WeightedRows {
  int64_t width = 0;
  std::vector<float> values;      // (R, width)
  std::vector<float> importance;  // (width)
};

WeightedRows load_weighted_rows() {
  const std::string text = golden("weighted_input");
  uint32_t shape[2] = {};
  if (text.size() < sizeof shape) return {};
  std::memcpy(shape, text.data(), sizeof shape);
  WeightedRows rows{shape[1], std::vector<float>(size_t{shape[0]} * shape[1]), std::vector<float>(shape[1])};
  const size_t bytes = rows.values.size() * sizeof(float);
  EXPECT_EQ(text.size(), sizeof shape + bytes + rows.importance.size() * sizeof(float));
  if (testing::Test::HasFailure()) return {};
  std::memcpy(rows.values.data(), text.data() + sizeof shape, bytes);
  std::memcpy(rows.importance.data(), text.data() + sizeof shape + bytes, rows.importance.size() * sizeof(float));
  return rows;
}

using EncodeRow = void (*)(const float* row, const float* importance, std::byte* out, int64_t elements);

std::vector<std::byte> encode_all(const QuantFormat& format, EncodeRow encode, const WeightedRows& rows,
                                  const float* importance) {
  const auto elements = static_cast<int64_t>(rows.values.size());
  std::vector<std::byte> blocks(static_cast<size_t>(format.bytes_of(elements)));
  for (int64_t done = 0; done < elements; done += rows.width) {
    encode(rows.values.data() + done, importance, blocks.data() + format.bytes_of(done), rows.width);
  }
  return blocks;
}

TEST(QuantFormat, EncodesWithImportanceAsGgmlDoes) {
  const WeightedRows rows = load_weighted_rows();
  ASSERT_FALSE(rows.values.empty()) << "run tests/golden/make_quant.py";
  for (const QuantFormat& format : quant_formats()) {
    if (format.ggml_type < 0 || format.is_plain()) continue;
    const std::string recorded = golden(std::string(format.name) + "_weighted");
    const auto* want = reinterpret_cast<const std::byte*>(recorded.data());
    const std::vector<std::byte> got = encode_all(format, format.encode, rows, rows.importance.data());
    ASSERT_EQ(got.size(), recorded.size()) << format.name;
    const auto differ = std::mismatch(got.begin(), got.end(), want).first;
    EXPECT_EQ(differ, got.end()) << format.name << " block " << (differ - got.begin()) / format.block_bytes;
    const bool weighs = format.type != QuantType::kQ8_0 && format.type != QuantType::kMXFP4;
    EXPECT_EQ(got != encode_all(format, format.encode, rows, nullptr), weighs) << format.name;
  }
}

// Of columns that all count nothing, any blocks are right, if they are numbers.
TEST(QuantFormat, NoImportanceAtAllGivesNumbers) {
  WeightedRows rows = load_weighted_rows();
  ASSERT_FALSE(rows.values.empty());
  std::fill(rows.importance.begin(), rows.importance.end(), 0.0f);
  for (float& x : rows.values) x *= 0.25f;  // so that the minimum of each block fits half precision
  for (const QuantFormat& format : quant_formats()) {
    if (!format.encode) continue;
    for (const EncodeRow encode : {format.encode, format.search}) {
      const std::vector<std::byte> blocks = encode_all(format, encode, rows, rows.importance.data());
      EXPECT_EQ(format.first_not_finite(blocks.data(), static_cast<int64_t>(rows.values.size())), -1) << format.name;
    }
  }
}

// Σ importance · difference², of each block.
std::vector<double> block_errors(const QuantFormat& format, const std::vector<std::byte>& blocks,
                                 const WeightedRows& rows, const float* importance) {
  const std::vector<float> decoded = decode(format, blocks);
  std::vector<double> errors(decoded.size() / static_cast<size_t>(format.block_elements));
  for (size_t i = 0; i < decoded.size(); ++i) {
    const double weight = importance ? importance[i % static_cast<size_t>(rows.width)] : 1;
    const double difference = double{decoded[i]} - rows.values[i];
    errors[i / static_cast<size_t>(format.block_elements)] += weight * difference * difference;
  }
  return errors;
}

// Each block by itself, with and without importance: of weights as they are, and of rows that no weights are like.
TEST(QuantFormat, TheSearchIsNeverWorseAndMostlyBetter) {
  const WeightedRows rows = load_weighted_rows();
  ASSERT_FALSE(rows.values.empty());
  for (const QuantFormat& format : quant_formats()) {
    if (!format.search || format.is_plain()) continue;
    for (const float* importance : {static_cast<const float*>(nullptr), rows.importance.data()}) {
      const auto plain = block_errors(format, encode_all(format, format.encode, rows, nullptr), rows, importance);
      const auto found = block_errors(format, encode_all(format, format.search, rows, importance), rows, importance);
      size_t better = 0;
      for (size_t i = 0; i < plain.size(); ++i) {
        EXPECT_LE(found[i], plain[i]) << format.name << " block " << i;
        better += found[i] < 0.999 * plain[i];
      }
      // MXFP4 has three powers of two to choose from, and the first is mostly right.
      EXPECT_GT(better, plain.size() / (format.type == QuantType::kMXFP4 ? 20 : 3)) << format.name;
    }
  }
}

// What a format says of its own numbers loses nothing.
TEST(QuantFormat, PlainNumbersComeBack) {
  for (const QuantType type : {QuantType::kF32, QuantType::kF16, QuantType::kBF16}) {
    const QuantFormat& format = quant_format(type);
    const std::vector<float> values{0, -0.0f, 1, -1.5f, 0x1p-14f, 240, 0.0078125f};
    std::vector<std::byte> bytes(static_cast<size_t>(format.bytes_of(static_cast<int64_t>(values.size()))));
    format.encode(values.data(), nullptr, bytes.data(), static_cast<int64_t>(values.size()));
    EXPECT_EQ(first_difference(decode(format, bytes), values), -1) << format.name;
  }
}

TEST(QuantFormat, WrongBlocksAreNoticed) {
  for (const QuantFormat& format : quant_formats()) {
    if (format.ggml_type < 0) continue;
    Vector vector = load_vector(std::string(format.name), static_cast<size_t>(format.block_bytes),
                                static_cast<size_t>(format.block_elements));
    ASSERT_FALSE(vector.blocks.empty());
    // Each byte of a block matters: flip every bit of one and at least one value must move. Block 12 has ordinary
    // scales.
    const size_t block = static_cast<size_t>(format.block_bytes) * (format.is_plain() ? 20 : 12);
    for (size_t i = 0; i < static_cast<size_t>(format.block_bytes); ++i) {
      vector.blocks[block + i] ^= std::byte{0xFF};
      EXPECT_NE(first_difference(decode(format, vector.blocks), vector.values), -1) << format.name << " byte " << i;
      vector.blocks[block + i] ^= std::byte{0xFF};
    }
  }
}

// The recordings hold infinite and NaN scales among ordinary ones: what is said of each block must be what decoding it
// gives, in every format.
TEST(QuantFormat, FindsTheFirstNumberThatIsNotFinite) {
  for (const QuantFormat& format : quant_formats()) {
    std::vector<std::byte> blocks(512);
    if (format.ggml_type >= 0) {
      blocks = load_vector(std::string(format.name), static_cast<size_t>(format.block_bytes),
                           static_cast<size_t>(format.block_elements))
                   .blocks;
    } else {
      for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::byte>(i);
    }
    blocks.insert(blocks.end(), static_cast<size_t>(format.block_bytes), std::byte{0xFF});  // not finite in any format
    const std::vector<float> values = decode(format, blocks);
    std::vector<std::byte> finite;
    size_t bad = 0;
    for (size_t block = 0; block < values.size() / static_cast<size_t>(format.block_elements); ++block) {
      const auto* bytes = blocks.data() + block * static_cast<size_t>(format.block_bytes);
      const auto first = values.begin() + static_cast<int64_t>(block) * format.block_elements;
      const auto end = first + format.block_elements;
      const auto wrong = std::find_if(first, end, [](float x) { return !std::isfinite(x); });
      EXPECT_EQ(format.first_not_finite(bytes, format.block_elements), wrong == end ? -1 : wrong - first)
          << format.name << " block " << block;
      if (wrong == end) finite.insert(finite.end(), bytes, bytes + format.block_bytes);
      bad += wrong != end;
    }
    EXPECT_GT(bad, 0U) << format.name << ": the recording shows nothing";
    const auto count = static_cast<int64_t>(finite.size()) / format.block_bytes * format.block_elements;
    ASSERT_GT(count, format.block_elements) << format.name;
    EXPECT_EQ(format.first_not_finite(finite.data(), count), -1) << format.name;
    // One bad block after many good ones, past the vectorised part of the plain formats.
    EXPECT_GE(format.first_not_finite(blocks.data(), static_cast<int64_t>(values.size())), 0) << format.name;
  }
}

TEST(QuantFormat, UnalignedBlocksDecodeTheSame) {
  for (const QuantFormat& format : quant_formats()) {
    if (format.ggml_type < 0) continue;
    const Vector vector = load_vector(std::string(format.name), static_cast<size_t>(format.block_bytes),
                                      static_cast<size_t>(format.block_elements));
    std::vector<std::byte> shifted(vector.blocks.size() + 1);
    std::copy(vector.blocks.begin(), vector.blocks.end(), shifted.begin() + 1);
    std::vector<float> out(vector.values.size());
    format.decode(shifted.data() + 1, out.data(), static_cast<int64_t>(out.size()));
    EXPECT_EQ(first_difference(out, vector.values), -1) << format.name;
  }
}

TEST(QuantFormat, EightBitFloatsDecodeByValue) {
  std::vector<std::byte> bytes(256);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  const std::vector<float> e4m3 = decode(quant_format(QuantType::kF8E4M3), bytes);
  const std::vector<float> e5m2 = decode(quant_format(QuantType::kF8E5M2), bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto same = [](float a, float b) { return (std::isnan(a) && std::isnan(b)) || a == b; };
    EXPECT_TRUE(same(e4m3[i], f8_e4m3_to_float(static_cast<uint8_t>(i)))) << i;
    EXPECT_TRUE(same(e5m2[i], f8_e5m2_to_float(static_cast<uint8_t>(i)))) << i;
  }
  EXPECT_EQ(e4m3[0x7E], 448.0f);  // the largest, OFP8 table 1
  EXPECT_EQ(e5m2[0x7B], 57344.0f);
  EXPECT_EQ(e4m3[0x01], 0x1p-9f);
  EXPECT_EQ(e5m2[0x01], 0x1p-16f);
}

TEST(QuantFormat, Mxfp4OfSafetensorsDecodesAsTransformersDoes) {
  const Vector vector = load_vector("mxfp4_safetensors", 17, 32);  // 16 bytes of nibbles and one scale per group
  ASSERT_FALSE(vector.values.empty());
  const size_t groups = vector.values.size() / 32;
  std::vector<float> out(vector.values.size());
  decode_mxfp4_safetensors(vector.blocks.data(), vector.blocks.data() + groups * 16, out.data(),
                           static_cast<int64_t>(groups));
  EXPECT_EQ(first_difference(out, vector.values), -1);
}

}  // namespace
}  // namespace linnet
