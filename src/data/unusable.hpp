// Samples from which a model would learn nothing, or something else than is believed: a run refuses them, or leaves
// them out where a person says so. Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "data/render.hpp"
#include "data/sample.hpp"

namespace linnet {

struct Unusable {
  uint32_t sample = 0;  // its number
  std::string why = {};
  size_t needed = 0;  // tokens, where it is the length that leaves nothing of the reply
};

// By what they say: no reply, an empty one, one that is chosen and rejected at once; ascending. Where a teacher writes
// the replies (FormMatch::unanswered) only those in which nothing is asked.
std::vector<Unusable> find_unusable(const std::vector<Sample>& samples, DataForm form, bool unanswered = false);

// By what the length leaves of them: no token that is learned, of any of their sequences; of pairs of replies
// (`each_reply`), in one of them. Ascending.
std::vector<Unusable> find_cut_off(const std::vector<Sample>& samples, const TokenSet& set, bool each_reply = false);

// Errors where there are any: names the first three with their reasons, and what to do. longest: tokens that the model
// reads at most.
Status refuse_unusable(const std::vector<Sample>& samples, const std::vector<Unusable>& unusable, int64_t longest);

// Takes them out of `samples`, and says how many and which were the first.
std::string leave_out_unusable(std::vector<Sample>& samples, const std::vector<Unusable>& unusable);

}  // namespace linnet
