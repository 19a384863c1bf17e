#include "formats/split_weights.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <set>
#include <string>

#include "quant/mxfp4.hpp"

namespace linnet {

namespace {

bool is_fp8(const StoredTensor& tensor) {
  return tensor.dtype == DType::kF8E4M3 || tensor.dtype == DType::kF8E5M2;
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Elements of the weight per element of the scale along one dimension; 0 where none fits.
int64_t scale_block(int64_t extent, int64_t scales, int64_t block) {
  if (scales == 1) return std::max<int64_t>(extent, 1);
  if (scales == extent) return 1;
  return ceil_div(extent, block) == scales ? block : 0;
}

// The scale's shape as (E, rows, columns) beside a weight of `rank` dimensions. Besides a number for all there are
// (rows) and (rows, columns) for a matrix, (E), (E, rows) and (E, rows, columns) for stacked ones.
Shape scale_shape(const Shape& shape, int rank) {
  if (shape.elements() == 1) return {1, 1, 1};
  const bool stacked = rank == 3;
  if (shape.rank() == rank) return stacked ? shape : Shape{1, shape[0], shape[1]};
  if (shape.rank() == 1) return stacked ? Shape{shape[0], 1, 1} : Shape{1, shape[0], 1};
  return {shape[0], shape[1], 1};
}

Result<std::shared_ptr<const WeightScale>> make_scale(const StoredTensor& weight, const StoredTensor& stored,
                                                      const QuantisationConfig& quantisation) {
  const Shape& shape = stored.shape;
  const int rank = weight.shape.rank();
  const Error misfit =
      invalid(fmt::format("its shape {} does not fit the weight's {}", shape.to_string(), weight.shape.to_string()),
              stored.place());
  const bool matrices = rank == 2 || rank == 3;
  if (shape.elements() < 1 || shape.rank() > rank || (shape.elements() > 1 && !matrices)) return misfit;
  const Shape parts = scale_shape(shape, rank);
  const int64_t experts = rank == 3 ? weight.shape[0] : 1;
  const int64_t rows = rank >= 2 ? weight.shape[-2] : 1;
  const int64_t columns = rank >= 1 ? weight.shape[-1] : 1;
  auto scale = std::make_shared<WeightScale>();
  scale->rows = std::max<int64_t>(rows, 1);
  scale->block_rows = scale_block(rows, parts[1], quantisation.block_rows);
  scale->block_columns = scale_block(columns, parts[2], quantisation.block_columns);
  if (scale->block_rows == 0 || scale->block_columns == 0 || (parts[0] != 1 && parts[0] != experts)) return misfit;
  // A list of numbers is one a row: only a matrix of scales can mean blocks.
  if (shape.rank() < rank && parts[1] != 1 && parts[1] != rows) return misfit;
  if (!stored.format || stored.format->block_elements != 1) {
    return invalid(fmt::format("a scale must be a float, is {}", stored.type_name()), stored.place());
  }
  scale->values = to_f32(stored).reshape(parts);
  return std::shared_ptr<const WeightScale>(std::move(scale));
}

Status check_scaled(const StoredTensor& weight, const QuantisationConfig& quantisation) {
  if (weight.scale || !quantisation.fp8) return ok_status();
  return unsupported(fmt::format("is {} without a scale: neither {}_scale_inv nor {}_scale is there, though the config "
                                 "says that the weights are quantised to FP8",
                                 weight.type_name(), weight.name, weight.name),
                     weight.place(), "take this model in F32, F16 or BF16, or as GGUF");
}

}  // namespace

Status attach_fp8_scales(std::vector<StoredTensor>& tensors, const QuantisationConfig& quantisation) {
  if (std::none_of(tensors.begin(), tensors.end(), is_fp8)) return ok_status();
  TRY_ASSIGN(const TensorSource source, TensorSource::of(tensors));
  std::set<std::string_view> used;
  for (StoredTensor& weight : tensors) {
    if (!is_fp8(weight)) continue;
    for (const char* suffix : {"_scale_inv", "_scale"}) {
      const StoredTensor* stored = source.find(weight.name + suffix);
      if (!stored || weight.scale) continue;
      TRY_ASSIGN(weight.scale, make_scale(weight, *stored, quantisation));
      used.insert(stored->name);
    }
    TRY(check_scaled(weight, quantisation));
    constexpr std::string_view kWeight = ".weight";
    if (!weight.name.ends_with(kWeight)) continue;
    const std::string input = weight.name.substr(0, weight.name.size() - kWeight.size()) + ".input_scale";
    if (const StoredTensor* stored = source.find(input)) used.insert(stored->name);
  }
  std::erase_if(tensors, [&](const StoredTensor& tensor) { return used.contains(tensor.name); });
  return ok_status();
}

// ---- MXFP4

namespace {

constexpr std::string_view kBlocks = "_blocks";
constexpr std::string_view kScales = "_scales";

bool is_part(const StoredTensor& tensor, std::string_view suffix) {
  return tensor.dtype == DType::kU8 && tensor.name.ends_with(suffix);
}

std::string stem_of(const StoredTensor& part, std::string_view suffix) {
  return part.name.substr(0, part.name.size() - suffix.size());
}

Error missing_part(const StoredTensor& part, const std::string& other) {
  return invalid(fmt::format("is half of an MXFP4 weight, but its other half {} is missing", other), part.place(),
                 "the file is damaged or incomplete: download it again");
}

Result<StoredTensor> join(const StoredTensor& blocks, const StoredTensor& scales) {
  const Shape& shape = blocks.shape;
  const int rank = shape.rank();
  if (rank < 3 || shape[-1] != kMxfp4NibbleBytes) {
    return invalid(fmt::format("MXFP4 blocks must have the shape (..., groups, {}), have {}", kMxfp4NibbleBytes,
                               shape.to_string()),
                   blocks.place());
  }
  const auto outer = shape.dims().first(static_cast<size_t>(rank) - 1);
  if (scales.shape != Shape(outer)) {
    return invalid(fmt::format("its shape {} does not fit the blocks' {}", scales.shape.to_string(), shape.to_string()),
                   scales.place());
  }
  StoredTensor joined = blocks;
  static_cast<ElementType&>(joined) = ElementType::of(quant_format(QuantType::kMXFP4));
  joined.name = stem_of(blocks, kBlocks);
  joined.shape = Shape(outer).with_last(outer.back() * BlockMXFP4::kElements);
  joined.split_scales = scales.bytes;
  joined.owner =
      std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(blocks.owner, scales.owner);
  return joined;
}

}  // namespace

Status join_mxfp4(std::vector<StoredTensor>& tensors) {
  const auto any_part = [](const StoredTensor& t) { return is_part(t, kBlocks) || is_part(t, kScales); };
  if (std::none_of(tensors.begin(), tensors.end(), any_part)) return ok_status();
  TRY_ASSIGN(const TensorSource source, TensorSource::of(tensors));
  std::set<std::string> used;
  for (StoredTensor& tensor : tensors) {
    if (is_part(tensor, kScales)) {
      const std::string blocks = stem_of(tensor, kScales) + std::string(kBlocks);
      if (!source.find(blocks)) return missing_part(tensor, blocks);
    }
    if (!is_part(tensor, kBlocks)) continue;
    const std::string name = stem_of(tensor, kBlocks) + std::string(kScales);
    const StoredTensor* scales = source.find(name);
    if (!scales) return missing_part(tensor, name);
    if (scales->dtype != DType::kU8) {
      return invalid(fmt::format("MXFP4 scales must be U8, are {}", scales->type_name()), scales->place());
    }
    TRY_ASSIGN(tensor, join(tensor, *scales));
    used.insert(name);
  }
  std::erase_if(tensors, [&](const StoredTensor& tensor) { return used.contains(tensor.name); });
  return ok_status();
}

}  // namespace linnet
