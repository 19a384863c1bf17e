// What the writers of model files have in common: tensors that are produced one at a time while the file is written, so
// that a model need not fit in memory twice.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "formats/stored_tensor.hpp"

namespace linnet {

// Bytes that somebody keeps alive.
struct TensorBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;

  static TensorBytes of(Tensor tensor);
  static TensorBytes of(std::vector<std::byte> bytes);
};

struct TensorToWrite {
  std::string name;
  ElementType type;
  Shape shape;
  // Called once, when the file has come to this tensor; must give exactly the bytes that type and shape need. An error
  // (also kCancelled) ends the writing, and no file appears.
  std::function<Result<TensorBytes>()> produce;

  uint64_t bytes() const { return static_cast<uint64_t>(type.bytes_of(shape.elements())); }

  // A tensor that is written as it is.
  static TensorToWrite copy_of(const StoredTensor& tensor);
  static TensorToWrite of(std::string name, const Tensor& tensor);
};

// `numbers` (float32) as `dtype`. Error: what is infinite there; it names the tensor and its largest number.
Result<Tensor> narrowed(const Tensor& numbers, DType dtype, const std::string& name);
// The error where `values`, those of the tensor at `place`, do not fit `format`; `wider` says what does.
Error does_not_fit(std::span<const float> values, std::string_view format, const std::string& place,
                   const std::string& wider);

// Names are there and distinct, and rows are whole blocks; else an error. `place` is the file to be.
Status check_tensors(const std::vector<TensorToWrite>& tensors, const std::string& place);

// Produces `tensor` and writes it. Requires nothing of the file's position.
Status write_tensor(AtomicFile& file, const TensorToWrite& tensor);
Status write_zeros(AtomicFile& file, uint64_t count);

}  // namespace linnet
