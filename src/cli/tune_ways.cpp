#include "cli/tune_ways.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>
#include <string>
#include <vector>

namespace linnet::cli {

namespace {

using enum TuneWay;

// A set of ways, a bit each.
using Ways = uint32_t;

constexpr Ways bit(TuneWay way) {
  return Ways{1} << static_cast<uint32_t>(way);
}

constexpr Ways ways(std::initializer_list<TuneWay> all) {
  Ways set = 0;
  for (const TuneWay way : all) set |= bit(way);
  return set;
}

constexpr Ways kOwnWeights = ways({kLast, kFull});
constexpr Ways kOneModel = ways({kLora}) | kOwnWeights;
constexpr Ways kWriters = ways({kWriting, kPreferences}) | kOneModel;
constexpr Ways kByAdapter = ways({kEncoder, kContrastive, kWriting, kLora, kPreferences});
constexpr Ways kBySteps = ways({kEncoder, kContrastive}) | kWriters;

struct FlagWays {
  std::string_view flag;
  Ways ways;
};

// Flags that are not here are of every way.
constexpr FlagWays kFlags[] = {
    {"--declining", ways({kFaq})},
    {"--encoder", ways({kFaq, kEncoder, kContrastive})},
    {"--base", ways({kFaq, kContrastive}) | kWriters},
    {"--system", kWriters},
    {"--minutes", ways({kWriting})},
    {"--samples", ways({kWriting})},
    {"--input-tokens", ways({kWriting})},
    {"--rank", kByAdapter},
    {"--alpha", kByAdapter},
    {"--rslora", kByAdapter},
    {"--dora", kByAdapter},
    {"--target", kByAdapter},
    {"--lora-plus", ways({kWriting, kLora, kPreferences})},
    {"--layers", ways({kLast})},
    {"--weights", kOwnWeights},
    {"--teacher", kOneModel},
    {"--distil", kOneModel},
    {"--teacher-top", kOneModel},
    {"--teacher-weight", kOneModel},
    {"--teacher-temperature", kOneModel},
    {"--beta", ways({kPreferences})},
    {"--rate", kBySteps},
    {"--epochs", kBySteps},
    {"--length", ways({kContrastive}) | kWriters},
    {"--batch", ways({kContrastive}) | kWriters},
    {"--steps", ways({kPreferences}) | kOneModel},
    {"--schedule", kWriters},
    {"--warmup", kWriters},
    {"--weight-decay", kWriters},
    {"--clip", kWriters},
    {"--dropout", kWriters},
    {"--spike", kWriters},
    {"--recompute", kWriters},
    {"--memory", kWriters},
    {"--allow-cuts", kWriters},
};

struct WayName {
  TuneWay way;
  std::string_view method;  // as --method has it; empty: the data decides
};

constexpr WayName kNames[] = {
    {kFaq, "faq"},          {kEncoder, "encoder"}, {kWords, "words"}, {kContrastive, "contrastive"},
    {kLora, "lora"},        {kLast, "last"},       {kFull, "full"},   {kPreferences, "dpo"},
    {kPreferences, "orpo"}, {kPreferences, "kto"}, {kWriting, ""},
};
constexpr std::string_view kOfWriting = "pairs of phrases and texts with summaries";

// "--method lora, last or full"; "pairs of phrases and texts with summaries".
std::string names_of(Ways set) {
  std::vector<std::string_view> methods;
  for (const auto& [way, method] : kNames) {
    if ((set & bit(way)) != 0 && !method.empty()) methods.push_back(method);
  }
  if (methods.empty()) return std::string(kOfWriting);
  const std::string_view last = methods.back();
  methods.pop_back();
  const std::string names =
      fmt::format("--method {}{}{}", fmt::join(methods, ", "), methods.empty() ? "" : " or ", last);
  return (set & bit(kWriting)) == 0 ? names : fmt::format("{}, and of {}", names, kOfWriting);
}

}  // namespace

Status check_flags_of(TuneWay way, const std::function<bool(std::string_view flag)>& was_given) {
  for (const auto& [flag, set] : kFlags) {
    if ((set & bit(way)) != 0 || !was_given(flag)) continue;
    return usage_error(fmt::format("{} is of {}", flag, names_of(set)),
                       fmt::format("leave it out: it would change nothing for {}", names_of(bit(way))));
  }
  return ok_status();
}

}  // namespace linnet::cli
