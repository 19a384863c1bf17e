// Any bytes as an adapter: refused, or its parts can be held against a model.
//   PEFT: the JSON of adapter_config.json, a zero byte, and adapter_model.safetensors.
//   llama.cpp: a GGUF file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.hpp"
#include "base/json.hpp"
#include "formats/safetensors.hpp"
#include "models/adapter.hpp"

namespace {

using namespace linnet;

// As tests/golden/models/llama, whose adapters are the seeds.
std::vector<TensorSpec> small_table() {
  TransformerConfig config;
  config.hidden_size = 32;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  config.intermediate_size = 44;
  config.vocab_size = 61;
  config.layers.resize(2);
  return llama_tensors(config, GgufRows::kRopePairs);
}

void use(const Result<Adapter>& adapter, std::span<const TensorSpec> table) {
  if (!adapter.ok()) return;
  CHECK(!adapter->parts.empty() && adapter->bytes() > 0);
  for (const Adapter::Part& part : adapter->parts) (void)adapter->scale_of(part);
  (void)check_fits(*adapter, table);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<TensorSpec> table = small_table();
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto part = parse_gguf(bytes, "fuzz.gguf"); part.ok()) {
    use(parse_gguf_adapter(part->metadata, part->tensors, "llama", table, "fuzz.gguf"), table);
    return 0;
  }
  const uint8_t* const end = std::find(data, data + size, uint8_t{0});
  const auto config = parse_json({reinterpret_cast<const char*>(data), static_cast<size_t>(end - data)}, "fuzz.json");
  if (!config.ok() || end == data + size) return 0;
  const auto file = parse_safetensors(bytes.subspan(static_cast<size_t>(end - data) + 1), "fuzz.safetensors");
  if (file.ok()) use(parse_adapter(*config, file->tensors, "fuzz"), table);
  return 0;
}
