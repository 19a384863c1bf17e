// Tensors as they lie in model files: named, typed, mapped; decoded when somebody asks.
//
// A StoredTensor is a description and a span; nothing is read before it is used. A TensorSource is a set of them with
// distinct names, from one file or from all the shards of a model.
// Ownership: `owner` keeps the bytes alive. Thread safety: values and constants; concurrent reads are fine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.hpp"
#include "base/result.hpp"
#include "quant/format.hpp"
#include "tensor/tensor.hpp"

namespace linnet {

// The hint where a file does not hold what it says.
inline constexpr std::string_view kPullAgain = "the file is damaged or incomplete: download it again";

// What the elements of a stored tensor are. At least one of the two is set: floats have both, block formats only
// `format`, integers, booleans and F64 only `dtype`.
struct ElementType {
  const QuantFormat* format = nullptr;
  std::optional<DType> dtype;

  static ElementType of(DType dtype);
  static ElementType of(const QuantFormat& format);

  // Requires dtype: plain elements, not blocks.
  DType plain() const;
  std::string_view type_name() const;
  int64_t block_elements() const { return format ? format->block_elements : 1; }
  // Bytes of `elements`, a multiple of block_elements().
  int64_t bytes_of(int64_t elements) const;
};

// FP8 checkpoints keep scales beside a weight of E matrices (R, C), E = 1 where it is not stacked:
// x[e][r][c] = stored[e][r][c] * values[e][r / block_rows][c / block_columns].
// Blocks of 128 x 128 (DeepSeek, Qwen), whole rows, or whole matrices.
struct WeightScale {
  Tensor values;     // (E or 1 for all, ceil(R / block_rows), ceil(C / block_columns)) float32
  int64_t rows = 1;  // R
  int64_t block_rows = 1;
  int64_t block_columns = 1;
};

// The number of the type in GGUF files; nullopt where it has none (FP8, booleans, unsigned bytes).
std::optional<uint32_t> ggml_type_of(const ElementType& type);
// The element type of that number; nullopt where Linnet decodes none.
std::optional<ElementType> element_type_of_ggml(uint32_t ggml_type);

struct StoredTensor : ElementType {
  std::string name;
  Shape shape;  // row-major, in the order of Hugging Face: GGUF's dimensions reversed
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;         // of the bytes
  std::shared_ptr<const WeightScale> scale;  // null except in FP8 checkpoints: decoding `bytes` is not all then
  // MXFP4 as gpt-oss's safetensors split it (quant/mxfp4.hpp): a scale byte for each block, whose nibbles are `bytes`.
  // Empty everywhere else.
  std::span<const std::byte> split_scales;
  std::string file;     // path, for messages
  uint64_t offset = 0;  // of the bytes in that file

  std::string place() const { return file + ": tensor " + name; }
  uint64_t stored_bytes() const { return bytes.size() + split_scales.size(); }
};

// All elements as float32, scales applied. An unscaled F32 tensor is a view of the file.
Tensor to_f32(const StoredTensor& tensor);
// Rows [first, first + count) of the tensor seen as (shape.rows(), shape[-1]), scales applied: count * shape[-1]
// floats.
void decode_rows(const StoredTensor& tensor, int64_t first, int64_t count, float* out);
// A tensor with split_scales as the blocks of its format, copied; any other as it is.
StoredTensor with_whole_blocks(const StoredTensor& tensor);
// Matrix or vector `index` of the E that a tensor of shape (E, ...) holds, with its scales.
StoredTensor matrix_of(const StoredTensor& tensor, int64_t index);
// A tensor of a plain type as it is stored: a view of the file, or a copy where the file does not align its elements.
// Requires dtype; ignores `scale`.
Tensor as_tensor(const StoredTensor& tensor);

class TensorSource {
 public:
  TensorSource() = default;
  // Errors: two tensors of one name.
  static Result<TensorSource> of(std::vector<StoredTensor> tensors);

  // nullptr when absent. The pointer lives as long as the source.
  const StoredTensor* find(std::string_view name) const;
  // The tensor, or an error that names it.
  Result<const StoredTensor*> get(std::string_view name) const;
  std::span<const StoredTensor> all() const { return tensors_; }  // in the order of the files
  uint64_t total_bytes() const;

 private:
  std::vector<StoredTensor> tensors_;
  std::vector<uint32_t> by_name_;  // indices into tensors_, sorted by name
};

// Tensors' place in a file's data, for the check that they do not share bytes.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string_view name;
};
// Sorts `ranges`; an error that names two tensors when they overlap.
Status check_no_overlap(std::vector<ByteRange>& ranges, const std::string& place);

}  // namespace linnet
