// FP8 and MXFP4 checkpoints: weights whose scales are tensors of their own.
#include "formats/split_weights.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>

#include "formats/safetensors.hpp"

namespace linnet {
namespace {

StoredTensor stored(const std::string& name, const Tensor& tensor) {
  StoredTensor out;
  static_cast<ElementType&>(out) = ElementType::of(tensor.dtype());
  out.name = name;
  out.shape = tensor.shape();
  out.owner = std::make_shared<Tensor>(tensor);
  out.bytes = {tensor.raw(), static_cast<size_t>(tensor.bytes())};
  out.file = "f";
  return out;
}

std::string error_of(const Status& status) {
  return status.ok() ? "no error" : status.error().to_string();
}

// ---- FP8

Tensor fp8_ones(const Shape& shape) {
  Tensor tensor = Tensor::empty(DType::kF8E4M3, shape);
  std::memset(tensor.raw(), 0x38, static_cast<size_t>(tensor.bytes()));  // 1.0
  return tensor;
}

TEST(Fp8Scales, BlocksRowsAndWholeTensors) {
  const Tensor blocks = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, Shape{2, 3});
  const Tensor rows = Tensor::from(std::vector<float>{7, 8, 9}, Shape{3, 1});
  const Tensor whole = Tensor::from(std::vector<float>{11}, Shape{});
  std::vector<StoredTensor> tensors{stored("a.weight", fp8_ones({130, 300})), stored("a.weight_scale_inv", blocks),
                                    stored("b.weight", fp8_ones({3, 5})),     stored("b.weight_scale", rows),
                                    stored("c.weight", fp8_ones({4, 4})),     stored("c.weight_scale", whole),
                                    stored("c.input_scale", whole),           stored("d.weight", fp8_ones({2, 2})),
                                    stored("e.bias", fp8_ones({3})),          stored("e.bias_scale", whole)};
  const Status status = attach_fp8_scales(tensors);
  ASSERT_TRUE(status.ok()) << status.error().to_string();
  ASSERT_EQ(tensors.size(), 5U);  // the scales are no tensors of their own
  const Tensor a = to_f32(tensors[0]);
  const auto at = [&](int64_t row, int64_t column) { return a.data<float>()[row * 300 + column]; };
  EXPECT_EQ(at(0, 0), 1.0f);
  EXPECT_EQ(at(127, 127), 1.0f);
  EXPECT_EQ(at(127, 128), 2.0f);
  EXPECT_EQ(at(0, 299), 3.0f);
  EXPECT_EQ(at(128, 0), 4.0f);
  EXPECT_EQ(at(129, 256), 6.0f);
  EXPECT_EQ(to_f32(tensors[1]).data<float>()[2 * 5 + 4], 9.0f);
  EXPECT_EQ(to_f32(tensors[2]).data<float>()[15], 11.0f);
  EXPECT_EQ(to_f32(tensors[3]).data<float>()[3], 1.0f);
  EXPECT_EQ(to_f32(tensors[4]).data<float>()[2], 11.0f);
  float row[300];
  decode_rows(tensors[0], 129, 1, row);
  EXPECT_EQ(row[128], 5.0f);
}

// Every layout, as PyTorch scales it; the matrices of a stack and the rows of a matrix one by one as well.
struct Compared {
  int equal = 0;
  int different = 0;
};

Compared compare_with_pytorch(const TensorSource& source) {
  Compared compared;
  const auto compare = [&](const StoredTensor& got, std::span<const float> want) {
    const Tensor values = to_f32(got);
    const bool equal = values.bytes() == static_cast<int64_t>(want.size_bytes()) &&
                       std::memcmp(values.raw(), want.data(), want.size_bytes()) == 0;
    ++(equal ? compared.equal : compared.different);
  };
  for (const StoredTensor& tensor : source.all()) {
    const StoredTensor* expected = source.find("expected." + tensor.name);
    if (!expected) continue;
    const Tensor want = as_tensor(*expected);
    compare(tensor, want.span<float>());
    for (int64_t e = 0; e < tensor.shape[0]; ++e) compare(matrix_of(tensor, e), want.rows(e, 1).span<float>());
  }
  return compared;
}

Result<TensorSource> scaled_recording(const std::function<void(std::vector<StoredTensor>&)>& change = {}) {
  TRY_ASSIGN(SafetensorsFile file, open_safetensors(LINNET_SOURCE_DIR "/tests/golden/formats/fp8.safetensors"));
  if (change) change(file.tensors);
  TRY(attach_fp8_scales(file.tensors, {.fp8 = true, .block_rows = 8, .block_columns = 16}));
  return TensorSource::of(std::move(file.tensors));
}

TEST(Fp8Scales, EqualPyTorchBitForBit) {
  const auto source = scaled_recording();
  ASSERT_TRUE(source.ok()) << source.error().to_string();
  const Compared compared = compare_with_pytorch(*source);
  EXPECT_EQ(compared.different, 0);
  EXPECT_EQ(compared.equal, 5 * (1 + 20) + 4 * (1 + 3));
}

// The deliberately wrong case: one bit of one number that PyTorch made.
TEST(Fp8Scales, AWrongRecordingIsNoticed) {
  std::vector<std::byte> wrong;
  const auto source = scaled_recording([&](std::vector<StoredTensor>& tensors) {
    const auto recorded = std::find_if(tensors.begin(), tensors.end(), [](const StoredTensor& tensor) {
      return tensor.name.starts_with("expected.") && tensor.shape.rank() == 2;
    });
    ASSERT_NE(recorded, tensors.end());
    wrong.assign(recorded->bytes.begin(), recorded->bytes.end());
    wrong[wrong.size() / 2] ^= std::byte{1};
    recorded->bytes = wrong;
  });
  ASSERT_TRUE(source.ok()) << source.error().to_string();
  EXPECT_EQ(compare_with_pytorch(*source).different, 2);  // the matrix, and one of its rows
}

TEST(Fp8Scales, AScaleThatDoesNotFitIsRefused) {
  struct Case {
    Shape weight;
    Shape scale;
  };
  const Case kCases[] = {{{130, 300}, {3, 1}},
                         {{130, 300}, {2}},
                         {{130, 300}, {2, 3, 1}},
                         {{4, 6}, {6}},
                         {{5}, {5}},
                         {{2, 130, 300}, {3}},
                         {{2, 130, 300}, {2, 2}},
                         {{2, 4, 6}, {3, 1, 1}},
                         {{2, 4, 6}, {2, 3, 1}},
                         {{2, 2, 3, 3}, {2, 2}},
                         {{4, 6}, {0}}};
  for (const auto& [weight, scale] : kCases) {
    Tensor values = Tensor::zeros(DType::kF32, scale);
    std::vector<StoredTensor> tensors{stored("a.weight", fp8_ones(weight)), stored("a.weight_scale_inv", values)};
    EXPECT_EQ(error_of(attach_fp8_scales(tensors)), "f: tensor a.weight_scale_inv: its shape " + scale.to_string() +
                                                        " does not fit the weight's " + weight.to_string());
  }
  std::vector<StoredTensor> tensors{stored("a.weight", fp8_ones({2, 2})),
                                    stored("a.weight_scale", Tensor::zeros(DType::kI32, {}))};
  EXPECT_EQ(error_of(attach_fp8_scales(tensors)), "f: tensor a.weight_scale: a scale must be a float, is I32");
}

TEST(Fp8Scales, MissingOnesAreRefusedWhereTheConfigPromisesThem) {
  std::vector<StoredTensor> tensors{stored("a.weight", fp8_ones({2, 2}))};
  EXPECT_TRUE(attach_fp8_scales(tensors).ok());  // a plain cast to FP8
  EXPECT_NE(
      error_of(attach_fp8_scales(tensors, {.fp8 = true}))
          .find("f: tensor a.weight: is F8_E4M3 without a scale: neither a.weight_scale_inv nor a.weight_scale is "
                "there"),
      std::string::npos);
}

// ---- MXFP4

StoredTensor bytes(const std::string& name, const Shape& shape) {
  Tensor tensor = Tensor::empty(DType::kU8, shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.data<uint8_t>()[i] = static_cast<uint8_t>(7 * i + 120);
  return stored(name, tensor);
}

std::vector<StoredTensor> mxfp4(const Shape& blocks, const Shape& scales) {
  return {bytes("w_blocks", blocks), bytes("w_scales", scales)};
}

TEST(Mxfp4, BlocksAndScalesBecomeOneTensor) {
  std::vector<StoredTensor> tensors = mxfp4({2, 3, 4, 16}, {2, 3, 4});
  tensors.push_back(bytes("other", {5}));
  const Status status = join_mxfp4(tensors);
  ASSERT_TRUE(status.ok()) << status.error().to_string();
  ASSERT_EQ(tensors.size(), 2U);
  const StoredTensor& joined = tensors[0];
  EXPECT_EQ(joined.name, "w");
  EXPECT_EQ(joined.type_name(), "MXFP4");
  EXPECT_EQ(joined.shape, (Shape{2, 3, 128}));
  EXPECT_EQ(joined.stored_bytes(), 2U * 3 * 4 * 17);

  // As ggml's blocks, as the rows of one matrix, and at once: the same numbers.
  const Tensor all = to_f32(joined);
  const Tensor whole = to_f32(with_whole_blocks(joined));
  EXPECT_TRUE(with_whole_blocks(joined).split_scales.empty());
  float row[128];
  decode_rows(matrix_of(joined, 1), 2, 1, row);
  for (int64_t i = 0; i < all.elements(); ++i) EXPECT_EQ(whole.data<float>()[i], all.data<float>()[i]) << i;
  for (int64_t i = 0; i < 128; ++i) EXPECT_EQ(row[i], all.data<float>()[5 * 128 + i]) << i;
  const Tensor matrix = to_f32(with_whole_blocks(matrix_of(joined, 1)));
  for (int64_t i = 0; i < 3 * 128; ++i) EXPECT_EQ(matrix.data<float>()[i], all.data<float>()[3 * 128 + i]) << i;
}

TEST(Mxfp4, HalvesThatDoNotFitAreRefused) {
  const auto error = [](std::vector<StoredTensor> tensors) { return error_of(join_mxfp4(tensors)); };
  EXPECT_EQ(error({bytes("w_blocks", {2, 3, 4, 16})}),
            "f: tensor w_blocks: is half of an MXFP4 weight, but its other half w_scales is missing\n"
            "  the file is damaged or incomplete: download it again");
  EXPECT_NE(error({bytes("w_scales", {2, 3, 4})}).find("its other half w_blocks is missing"), std::string::npos);
  EXPECT_EQ(error(mxfp4({2, 3, 4, 16}, {2, 3, 5})),
            "f: tensor w_scales: its shape (2, 3, 5) does not fit the blocks' (2, 3, 4, 16)");
  EXPECT_EQ(error(mxfp4({2, 3, 4, 16}, {24})),
            "f: tensor w_scales: its shape (24) does not fit the blocks' (2, 3, 4, 16)");
  EXPECT_NE(error(mxfp4({2, 3, 4, 8}, {2, 3, 4})).find("must have the shape (..., groups, 16), have (2, 3, 4, 8)"),
            std::string::npos);
  EXPECT_NE(error(mxfp4({4, 16}, {4})).find("must have the shape (..., groups, 16)"), std::string::npos);
  EXPECT_NE(error({bytes("w_blocks", {1, 1, 1, 16}), stored("w_scales", Tensor::zeros(DType::kF32, {1, 1, 1}))})
                .find("MXFP4 scales must be U8, are F32"),
            std::string::npos);
}

}  // namespace
}  // namespace linnet
