// In how many ways `linnet tune` learns, and which of its flags say something to which: one that would change nothing
// is refused, since who types it counts on it.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/result.hpp"

namespace linnet::cli {

enum class TuneWay : uint8_t { kFaq, kEncoder, kWords, kContrastive, kWriting, kLora, kLast, kFull, kPreferences };

// was_given: whether a flag was typed. Errors: a flag that is of other ways, which are named.
Status check_flags_of(TuneWay way, const std::function<bool(std::string_view flag)>& was_given);

}  // namespace linnet::cli
