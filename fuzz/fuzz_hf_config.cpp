// Any bytes as config.json, generation_config.json and tokenizer_config.json: their shared conventions.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.hpp"
#include "formats/hugging_face.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const auto json = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "config.json");
  if (!json.ok()) return 0;
  (void)is_multimodal_config(*json);
  const Json text = text_config_of(*json);
  (void)read_quantisation_config(text, "config.json");
  (void)token_ids(text, "eos_token_id", "config.json");
  (void)chat_templates_of(*json, "tokenizer_config.json");
  return 0;
}
