#include "data/split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/random.hpp"

namespace linnet {

namespace {

// Streams of Random: epochs take those from 0 on.
constexpr uint64_t kHoldOutStream = uint64_t{1} << 63;
constexpr size_t kFewDocuments = 20;

std::vector<uint32_t> permuted(size_t count, Random random) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  shuffle(order, random);
  return order;
}

HeldOut part(std::vector<Sample> samples, const std::vector<bool>& held) {
  HeldOut out;
  for (size_t i = 0; i < samples.size(); ++i) (held[i] ? out.held_out : out.train).push_back(std::move(samples[i]));
  return out;
}

HeldOut cut_documents(std::vector<Sample> samples, double fraction) {
  HeldOut out;
  for (Sample& sample : samples) {
    const auto wanted = static_cast<size_t>(static_cast<double>(sample.text.size()) * (1 - fraction));
    const size_t cut = sample.text.find('\n', wanted);
    if (cut != sample.text.npos && cut + 1 < sample.text.size()) {
      Sample tail = sample;
      tail.text = sample.text.substr(cut + 1);
      sample.text.resize(cut + 1);
      out.held_out.push_back(std::move(tail));
    }
    out.train.push_back(std::move(sample));
  }
  return out;
}

}  // namespace

std::vector<uint32_t> shuffled(size_t count, uint64_t seed, uint64_t epoch) {
  return permuted(count, Random(seed, epoch));
}

HeldOut hold_out(std::vector<Sample> samples, DataForm form, double fraction, size_t most, uint64_t seed) {
  CHECK(fraction >= 0 && fraction <= 0.5);
  if (form == DataForm::kText && samples.size() < kFewDocuments) {
    if (fraction == 0) return {.train = std::move(samples), .held_out = {}};
    return cut_documents(std::move(samples), fraction);
  }
  const bool phrasings = form == DataForm::kQuestionAnswer || form == DataForm::kTestList;
  const auto wanted = std::min(most, static_cast<size_t>(std::llround(fraction * static_cast<double>(samples.size()))));
  std::map<std::string_view, std::vector<uint32_t>> groups;
  for (uint32_t i = 0; i < samples.size(); ++i) groups[samples[i].group].push_back(i);
  std::map<std::string_view, size_t> left;
  for (const auto& [group, members] : groups) left[group] = members.size();
  std::map<std::string_view, size_t> of_label;  // samples that stay to be learned from
  for (const Sample& sample : samples) ++of_label[sample.label];
  const auto is_last_of_a_label = [&](const std::vector<uint32_t>& members) {
    return form == DataForm::kLabels && std::ranges::any_of(members, [&](uint32_t member) {
             return of_label[samples[member].label] <= members.size();
           });
  };

  std::vector<bool> held(samples.size(), false);
  size_t count = 0;
  for (const uint32_t i : permuted(samples.size(), Random(seed, kHoldOutStream))) {
    if (count >= wanted) break;
    const std::string_view group = samples[i].group;
    if (held[i]) continue;
    if (phrasings) {
      if (left[group] < 2) continue;
      --left[group];
      held[i] = true;
      ++count;
    } else if (count + groups[group].size() <= wanted || count == 0) {
      if (groups[group].size() * 2 > samples.size()) continue;  // a group that is most of the data stays
      if (is_last_of_a_label(groups[group])) continue;
      for (const uint32_t member : groups[group]) {
        held[member] = true;
        --of_label[samples[member].label];
      }
      count += groups[group].size();
    }
  }
  return part(std::move(samples), held);
}

}  // namespace linnet
