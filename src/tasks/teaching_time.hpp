// How much data a time allows to teach: as often as is useful where all of it fits, else a part of it, once.
// A speed was measured by a clock, so that another day's may be another; what was chosen by it stands in run.json.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample.hpp"

namespace linnet {

struct TeachingAmount {
  size_t samples = 0;  // at least 1
  int64_t epochs = 1;
};

struct TeachingTime {
  double seconds = 0;            // that teaching may take
  double tokens_per_second = 0;  // > 0
  double tokens_per_sample = 0;  // > 0
  int64_t most_epochs = 1;       // more of them bring nothing
};

// Of `samples` (> 0) that there are.
TeachingAmount amount_for(const TeachingTime& time, size_t samples);

// `count` of them by `seed`, in their order; all where they are no more.
std::vector<Sample> take_samples(std::vector<Sample> samples, size_t count, uint64_t seed);

}  // namespace linnet
