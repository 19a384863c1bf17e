#include "tasks/chat_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/core.h>

#include "base/json.hpp"

namespace linnet {

namespace {

struct FloatSetting {
  std::string_view name;
  const char* key;  // in generation_config.json; null where transformers has none
  float SamplingParams::*field;
};

constexpr std::array<FloatSetting, 7> kFloats{{
    {"temperature", "temperature", &SamplingParams::temperature},
    {"top-p", "top_p", &SamplingParams::top_p},
    {"min-p", "min_p", &SamplingParams::min_p},
    {"typical-p", "typical_p", &SamplingParams::typical_p},
    {"repetition-penalty", "repetition_penalty", &SamplingParams::repetition_penalty},
    {"presence-penalty", nullptr, &SamplingParams::presence_penalty},
    {"frequency-penalty", nullptr, &SamplingParams::frequency_penalty},
}};

constexpr int64_t kMostReplyTokens = int64_t{1} << 40;

template <class T>
Result<T> parse_number(std::string_view name, std::string_view text) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) {
    return usage_error(fmt::format("{} must be a number, got \"{}\"", name, text));
  }
  return value;
}

Result<bool> parse_switch(std::string_view name, std::string_view text) {
  if (text == "on") return true;
  if (text == "off") return false;
  return usage_error(fmt::format("{} must be on or off, got \"{}\"", name, text));
}

std::string all_names() {
  std::string out;
  for (const auto& [name, value] : ChatSettings().list()) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

Status ChatSettings::set(std::string_view name, std::string_view value) {
  ChatSettings changed = *this;
  const auto floating = std::find_if(kFloats.begin(), kFloats.end(), [&](const auto& s) { return s.name == name; });
  if (floating != kFloats.end()) {
    TRY_ASSIGN(changed.sampling.*(floating->field), parse_number<float>(name, value));
  } else if (name == "top-k") {
    TRY_ASSIGN(changed.sampling.top_k, parse_number<int32_t>(name, value));
  } else if (name == "seed") {
    TRY_ASSIGN(changed.sampling.seed, parse_number<uint64_t>(name, value));
  } else if (name == "max-tokens") {
    TRY_ASSIGN(changed.max_tokens, parse_number<int64_t>(name, value));
    if (changed.max_tokens < 1 || changed.max_tokens > kMostReplyTokens) {
      return usage_error(fmt::format("max-tokens must be 1 or more, got {}", value));
    }
  } else if (name == "stats") {
    TRY_ASSIGN(changed.stats, parse_switch(name, value));
  } else {
    return usage_error(fmt::format("there is no setting \"{}\"", name), "the settings are " + all_names());
  }
  TRY(changed.sampling.check());
  *this = std::move(changed);
  return ok_status();
}

std::vector<std::pair<std::string, std::string>> ChatSettings::list() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const FloatSetting& setting : kFloats) {
    out.emplace_back(setting.name, fmt::format("{}", sampling.*(setting.field)));
    if (setting.name == "temperature") out.emplace_back("top-k", fmt::format("{}", sampling.top_k));
  }
  out.emplace_back("seed", fmt::format("{}", sampling.seed));
  out.emplace_back("max-tokens", fmt::format("{}", max_tokens));
  out.emplace_back("stats", stats ? "on" : "off");
  return out;
}

std::vector<std::string_view> sampling_setting_names() {
  std::vector<std::string_view> names{"top-k"};
  for (const FloatSetting& setting : kFloats) names.push_back(setting.name);
  return names;
}

Result<ChatSettings> default_chat_settings(const Json& generation_config) {
  ChatSettings settings;
  settings.sampling.temperature = kDefaultChatTemperature;
  settings.sampling.top_p = kDefaultChatTopP;
  if (generation_config.is_null()) return settings;
  const std::string place = "generation_config.json";
  TRY_ASSIGN(const JsonObject object, JsonObject::of(generation_config, place));
  for (const FloatSetting& setting : kFloats) {
    if (!setting.key || !object.has(setting.key)) continue;
    TRY_ASSIGN(const double value, object.number(setting.key));
    settings.sampling.*(setting.field) = static_cast<float>(value);
  }
  TRY_ASSIGN(const int64_t top_k, object.integer_or("top_k", 0, 0, INT32_MAX));
  settings.sampling.top_k = static_cast<int32_t>(top_k);
  TRY_ASSIGN(const bool sample, object.boolean_or("do_sample", true));
  if (!sample) settings.sampling.temperature = 0;
  if (Status good = settings.sampling.check(); !good.ok()) {
    return invalid(good.error().message, place, "set another value with a flag of linnet chat");
  }
  return settings;
}

}  // namespace linnet
