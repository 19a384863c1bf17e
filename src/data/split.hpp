// What is held out, and in which order the rest is seen: by seed alone, the same on every machine.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample.hpp"

namespace linnet {

// 0 … count-1 in the order of `epoch` (Fisher–Yates over Random(seed, epoch)). Position p of a run is epoch p / count,
// place p % count, so a run resumes from the one number p.
std::vector<uint32_t> shuffled(size_t count, uint64_t seed, uint64_t epoch);

struct HeldOut {
  std::vector<Sample> train;
  std::vector<Sample> held_out;
};

// Holds out about `fraction` (0 to 0.5) of the samples, at most `most`; both parts keep their order.
// - Questions and answers: of the phrasings of one answer, never the last that is left to learn it from: an answer that
//   is asked for in one way only is learned, and not held out. So the part held out measures unseen phrasings.
// - Other forms: all samples of one group (the same prompt, the same tree) or none; of texts with labels, never the
// last
//   of a label.
// - Plain text: the end of each document, from a line's beginning on, where there are fewer than 20 documents.
HeldOut hold_out(std::vector<Sample> samples, DataForm form, double fraction, size_t most, uint64_t seed);

}  // namespace linnet
