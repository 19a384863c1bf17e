// Any bytes as a chat template, rendered over a conversation with tools. Limits are small, so that one input is fast.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.hpp"
#include "text/jinja/template.hpp"

namespace {

const linnet::Json& variables() {
  static const linnet::Json json = linnet::Json::parse(R"({
    "messages": [{"role": "system", "content": "Be bríef 🙂"}, {"role": "user", "content": " Hi\n"},
                 {"role": "assistant", "content": null, "tool_calls": [{"id": "abcdefghi", "type": "function",
                  "function": {"name": "f", "arguments": {"x": [1, 2.5, true, null]}}}]},
                 {"role": "tool", "tool_call_id": "abcdefghi", "content": "{}"}],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object",
               "properties": {"x": {"type": "array", "items": {"type": "number"}}}, "required": ["x"]}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "i": 42, "s": "Hello", "l": [3, 1, 2],
    "d": {"b": 1, "a": "two"}})");
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = Template::parse(source, "fuzz");
  if (!parsed.ok()) return 0;
  RenderOptions options;
  options.limits.steps = 100'000;
  options.limits.bytes = 4 << 20;
  options.limits.output = 1 << 20;
  options.now = std::tm{};
  (void)parsed->render(variables(), options);
  return 0;
}
