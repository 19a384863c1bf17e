// Any bytes as the config.json of each family: refused, or a table of tensors that agrees with itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "base/json.hpp"
#include "models/family.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const auto json = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "config.json");
  if (!json.ok()) return 0;
  const auto object = JsonObject::of(*json, "config.json");
  if (!object.ok()) return 0;
  const auto type = object->string("model_type");
  const auto named = find_family(type.ok() ? *type : "", "config.json");
  for (const Family* family : families()) {
    // A config that names its family is read by that one; any other by all.
    if (named.ok() && *named != family) continue;
    const auto config = family->read_config(*object);
    if (!config.ok()) continue;
    CHECK(config->num_layers() > 0 && config->hidden_size > 0 && config->vocab_size > 0);
    CHECK(config->num_heads > 0 && config->head_dim > 0);
    for (const TensorSpec& spec : family->tensors(*config)) CHECK(spec.shape.elements() > 0 && !spec.name.empty());
  }
  return 0;
}
