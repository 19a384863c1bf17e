// How much longer a tokenizer's rules may make a text.
//
// The rules come from a file that nobody vouches for, and three dozen that each double the text would take all memory.
// What real ones do lies far below the limit: NFKD makes 33 bytes of the 3 of U+FDFA, a character map as much, a space
// becomes U+2581, and the byte alphabet at most doubles.
// Thread safety: belongs to one call.
#pragma once

#include <cstddef>
#include <fmt/format.h>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

class TextGrowth {
 public:
  // All that the rules add to a text of `bytes`, or to parts of it, comes out of one budget.
  explicit TextGrowth(size_t bytes) : limit_(kTimes * bytes + kSlack), left_(limit_) {}

  // The longest that `from` bytes may become now. A rule that could make far more looks before it takes memory.
  size_t most(size_t from) const { return from + left_; }

  // `rule` makes `to` bytes of `from`. Error: more than most(from). What it takes away again is not given back, so that
  // the work stays bounded, too.
  Status take(std::string_view rule, size_t from, size_t to) {
    if (to <= from) return ok_status();
    if (to - from > left_) {
      return invalid(
          fmt::format("{} makes at least {} bytes of {}, and all rules of a tokenizer together may add {} to "
                      "this text",
                      rule, to, from, limit_),
          {}, "such rules fit no text: the tokenizer is broken, or made to do harm");
    }
    left_ -= to - from;
    return ok_status();
  }

 private:
  static constexpr size_t kTimes = 32;
  static constexpr size_t kSlack = size_t{1} << 20;
  size_t limit_;
  size_t left_;
};

}  // namespace linnet
