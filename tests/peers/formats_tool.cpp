// Rewrites model files for the comparison with the peers (tests/peers/formats.py).
//
//   formats_tool open PATH                    opens a model and prints how many milliseconds that took
//   formats_tool gguf IN OUT                  copies a GGUF: all metadata, all tensors
//   formats_tool safetensors IN OUT BYTES     decodes a GGUF to float32 safetensors in shards of at most BYTES
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "formats/gguf_writer.hpp"
#include "formats/model_files.hpp"
#include "formats/safetensors_writer.hpp"

namespace linnet {
namespace {

Status open_timed(const std::string& path) {
  const auto begin = std::chrono::steady_clock::now();
  TRY_ASSIGN(const ModelFiles files, open_model_files(path));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{:.2f} ms, {} tensors, {} bytes\n", took.count(), files.tensors->all().size(),
             files.tensors->total_bytes());
  return ok_status();
}

Status copy_gguf(const std::string& in, const std::string& out) {
  TRY_ASSIGN(const auto gguf, Gguf::open(in));
  GgufWriter writer;
  for (const GgufEntry& entry : gguf->metadata().entries()) writer.add(entry.key, entry.value);
  std::vector<TensorToWrite> tensors;
  for (const StoredTensor& tensor : gguf->tensors().all()) tensors.push_back(TensorToWrite::copy_of(tensor));
  return writer.write(out, tensors);
}

Status decode_to_safetensors(const std::string& in, const std::string& out, uint64_t shard_bytes) {
  TRY_ASSIGN(const auto gguf, Gguf::open(in));
  std::vector<TensorToWrite> tensors;
  for (const StoredTensor& tensor : gguf->tensors().all()) {
    tensors.push_back({tensor.name, ElementType::of(DType::kF32), tensor.shape,
                       [&tensor]() -> Result<TensorBytes> { return TensorBytes::of(to_f32(tensor)); }});
  }
  SafetensorsOptions options;
  options.max_shard_bytes = shard_bytes;
  return write_safetensors(out, std::move(tensors), options);
}

Status run(const std::vector<std::string>& arguments) {
  const std::string& verb = arguments[0];
  if (verb == "open" && arguments.size() == 2) return open_timed(arguments[1]);
  if (verb == "gguf" && arguments.size() == 3) return copy_gguf(arguments[1], arguments[2]);
  if (verb == "safetensors" && arguments.size() == 4) {
    return decode_to_safetensors(arguments[1], arguments[2], std::strtoull(arguments[3].c_str(), nullptr, 10));
  }
  return usage_error("formats_tool open PATH | gguf IN OUT | safetensors IN OUT BYTES");
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const linnet::Status status = linnet::run(arguments.empty() ? std::vector<std::string>{""} : arguments);
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.error().to_string());
  return 1;
}
