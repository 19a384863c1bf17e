// What can be set while talking: how tokens are chosen, how long a reply may be, what is shown.
// Ownership: a value. Thread safety: none needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_object.hpp"
#include "engine/sampler.hpp"

namespace linnet {

inline constexpr int64_t kDefaultReplyTokens = 1024;
// Lively, but seldom off the rails: used when a model's generation_config.json says nothing.
inline constexpr float kDefaultChatTemperature = 0.7F;
inline constexpr float kDefaultChatTopP = 0.95F;

struct ChatSettings {
  SamplingParams sampling;
  int64_t max_tokens = kDefaultReplyTokens;  // of one reply
  bool stats = false;                        // token counts and speeds after each reply

  // Names are those of the command line's flags: "temperature", "top-k", …, "max-tokens", "stats". Errors kUsage: no
  // such name (all are listed), no such value; then nothing has changed.
  Status set(std::string_view name, std::string_view value);
  // Every name with its value, in the order to show them.
  std::vector<std::pair<std::string, std::string>> list() const;
};

// The names of the settings that choose tokens.
std::vector<std::string_view> sampling_setting_names();

// What the makers of a model advise; the defaults above where they say nothing. `generation_config` is that file's
// content, or null. Errors name the field: a wrong type, a value out of range.
Result<ChatSettings> default_chat_settings(const Json& generation_config);

}  // namespace linnet
