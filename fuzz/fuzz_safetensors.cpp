// Any bytes as a safetensors file: refused, or every tensor can be read, and FP8 scales find their weights.
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/hugging_face.hpp"
#include "formats/safetensors.hpp"
#include "formats/split_weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  auto file = parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz.safetensors");
  if (!file.ok()) return 0;
  constexpr int64_t kMaxElements = 1 << 16;
  (void)keep_text_tensors(file->tensors);
  if (!attach_fp8_scales(file->tensors).ok()) return 0;
  (void)refuse_packed_weights(file->tensors);
  for (const StoredTensor& tensor : file->tensors) {
    if (tensor.shape.elements() > kMaxElements) continue;
    if (tensor.dtype && !tensor.scale) (void)as_tensor(tensor);
    if (tensor.format != nullptr) (void)to_f32(tensor);
  }
  (void)TensorSource::of(file->tensors);
  return 0;
}
