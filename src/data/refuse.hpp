// What a run refuses to start on: data from which a model would learn nothing, or something else than is believed.
// Each refusal names the first places, how many there are, and what to do.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "data/render.hpp"
#include "data/sample.hpp"

namespace linnet {

// The end of a turn must be learned in every reply, or the model never stops. It is lost where the padding token is
// also the end token and the loss is masked wherever the padding stands; so also by a mask that leaves it out. Linnet
// packs sequences and does not pad, and its mask goes by place and not by token: this looks at the very masks that are
// trained on, where samples are conversations. `pad` is the tokenizer's, or kNoToken. Sequences that were cut end
// elsewhere and are passed over.
Status refuse_masked_end(const std::vector<Sample>& samples, const TokenSet& set, const std::vector<int32_t>& end_ids,
                         int32_t pad, int64_t max_length);

// More than `allowed` (0.01) of the samples cut by the length. longest: tokens that the model reads at most.
Status refuse_cut(const std::vector<Sample>& samples, const TokenSet& set, int64_t max_length, int64_t longest,
                  double allowed = 0.01);

// Texts that all have the same label (kLabels): there is nothing to tell apart.
Status refuse_one_label(const std::vector<Sample>& samples);

// Two phrasings are the same when they differ in case, width, accents' encoding, white space or punctuation alone.
std::string normal_phrasing(std::string_view text);

struct Overlap {
  size_t train = 0;  // number of a sample
  size_t test = 0;
};
// The test samples whose phrasing stands among the training samples, too, in the order of the test.
std::vector<Overlap> find_overlaps(const std::vector<Sample>& train, const std::vector<Sample>& test);
// Takes every training sample whose phrasing stands in the test out, and returns how many they were.
size_t leave_out_overlap(std::vector<Sample>& train, const std::vector<Sample>& test);
Status refuse_overlap(const std::vector<Sample>& train, const std::vector<Sample>& test);

// A sentence on the phrasings that stand in the data twice, with different answers; empty where there are none.
std::string describe_contradictions(const std::vector<Sample>& samples);

}  // namespace linnet
