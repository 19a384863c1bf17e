// Any bytes as a JSON config: parsed or refused. What was accepted, written out and read again is the same value.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "base/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<Json> json = parse_json(text, "fuzz.json");
  if (!json.ok()) {
    return 0;
  }
  const std::string written = dump_json(*json);
  const Result<Json> again = parse_json(written, "again.json");
  CHECK(again.ok());
  CHECK(dump_json(*again) == written);
  const Result<JsonObject> object = JsonObject::of(*json, "fuzz.json");
  if (object.ok()) {
    for (const auto& [key, value] : json->items()) {
      (void)object->integer(key, -1000, 1000);
      (void)object->number(key);
      (void)object->numbers(key);
      (void)object->string(key);
      (void)object->object(key);
    }
  }
  return 0;
}
