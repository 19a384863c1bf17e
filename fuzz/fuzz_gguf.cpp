// Any bytes as a GGUF file: refused, or every key can be asked for and every tensor decoded.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/gguf.hpp"

namespace {

using namespace linnet;

void ask_for_each_key(const GgufMetadata& metadata) {
  for (const GgufEntry& entry : metadata.entries()) {
    (void)metadata.integer(entry.key, INT64_MIN, INT64_MAX);
    (void)metadata.number(entry.key);
    (void)metadata.boolean(entry.key);
    (void)metadata.string(entry.key);
    (void)metadata.integers(entry.key, -5, 5);
    (void)metadata.floats(entry.key);
    (void)metadata.strings(entry.key);
    (void)metadata.booleans(entry.key);
    (void)describe_gguf_value(entry.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto part = parse_gguf(std::as_bytes(std::span(data, size)), "fuzz.gguf");
  if (!part.ok()) return 0;
  ask_for_each_key(part->metadata);
  constexpr int64_t kMaxElements = 1 << 16;  // the decoders are the same for more; the input is what varies here
  for (const StoredTensor& tensor : part->tensors) {
    if (tensor.shape.elements() > kMaxElements || tensor.format == nullptr) continue;
    (void)to_f32(tensor);
  }
  (void)TensorSource::of(part->tensors);
  return 0;
}
