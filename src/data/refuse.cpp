#include "data/refuse.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>
#include <unordered_set>

#include "base/strings.hpp"
#include "text/jinja/pystr.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

constexpr size_t kShown = 3;

// "faq.csv, line 3; faq.csv, line 9; and 5 more".
std::string list_places(const std::vector<Sample>& samples, const std::vector<uint32_t>& which) {
  std::vector<std::string> places;
  for (const uint32_t i : which) {
    if (places.size() < kShown) places.push_back(samples[i].place);
  }
  std::string out = fmt::format("{}", fmt::join(places, "; "));
  if (which.size() > kShown) out += fmt::format("; and {} more", which.size() - kShown);
  return out;
}

// Whether each run of learned tokens holds an end token.
bool every_run_ends(const TokenSequence& sequence, const std::vector<int32_t>& end_ids) {
  for (size_t t = 0; t < sequence.tokens.size();) {
    if (sequence.learned[t] == 0) {
      ++t;
      continue;
    }
    bool ends = false;
    for (; t < sequence.tokens.size() && sequence.learned[t] != 0; ++t) {
      ends |= std::ranges::count(end_ids, sequence.tokens[t]) > 0;
    }
    if (!ends) return false;
  }
  return true;
}

}  // namespace

Status refuse_masked_end(const std::vector<Sample>& samples, const TokenSet& set, const std::vector<int32_t>& end_ids,
                         int32_t pad, int64_t max_length) {
  std::vector<uint32_t> unended;
  for (const TokenSequence& sequence : set.sequences) {
    if (samples[sequence.sample].messages.empty() || every_run_ends(sequence, end_ids)) continue;
    const bool cut = std::ranges::binary_search(set.cut_samples, sequence.sample) &&
                     sequence.tokens.size() == static_cast<size_t>(max_length);
    if (!cut && (unended.empty() || unended.back() != sequence.sample)) unended.push_back(sequence.sample);
  }
  if (unended.empty()) return ok_status();
  const bool padding = pad != kNoToken && std::ranges::count(end_ids, pad) > 0;
  return invalid(
      counted(unended.size(), "sample") +
          (padding
               ? " where the end of a reply is not learned, for the padding token is the end token and is masked away"
               : " where the end of a reply is not learned"),
      list_places(samples, unended), "the model would never stop: learn the end token of each reply");
}

Status refuse_cut(const std::vector<Sample>& samples, const TokenSet& set, int64_t max_length, int64_t longest,
                  double allowed) {
  const size_t cut = set.cut_samples.size();
  if (static_cast<double>(cut) <= allowed * static_cast<double>(samples.size())) return ok_status();
  const int64_t needed = std::ranges::max_element(set.sequences, {}, &TokenSequence::whole)->whole;
  const std::string whole = needed <= longest
                                ? fmt::format("--length {} takes them whole", needed)
                                : fmt::format("the model reads {} tokens at most, the longest has {}", longest, needed);
  return invalid(
      fmt::format("{} of {} samples are longer than {} tokens: {} tokens would be cut off, {} of them to be learned",
                  cut, samples.size(), max_length, set.cut.tokens, set.cut.learned),
      list_places(samples, set.cut_samples), whole + "; --allow-cuts learns what is left of them");
}

Status refuse_one_label(const std::vector<Sample>& samples) {
  const auto other = [&](const Sample& sample) { return sample.label != samples.front().label; };
  if (samples.empty() || std::ranges::any_of(samples, other)) return ok_status();
  return invalid(fmt::format("all {} have the label \"{}\"", counted(samples.size(), "text"), samples.front().label),
                 {}, "add texts with other labels");
}

std::string normal_phrasing(std::string_view text) {
  const std::u32string folded = jinja::casefold(jinja::decode(normalize_unicode(text, NormalForm::kNfkc)));
  std::u32string out;
  bool gap = false;
  for (const char32_t c : folded) {
    if (!jinja::is_alnum(c)) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out.push_back(U' ');
    gap = false;
    out.push_back(c);
  }
  // A phrasing of signs alone ("???", "🙂") is itself.
  return out.empty() ? std::string(jinja::strip_space(text, true, true)) : jinja::encode(out);
}

std::vector<Overlap> find_overlaps(const std::vector<Sample>& train, const std::vector<Sample>& test) {
  std::unordered_map<std::string, size_t> seen;
  for (size_t i = 0; i < train.size(); ++i) seen.emplace(normal_phrasing(phrasing_of(train[i])), i);
  std::vector<Overlap> out;
  for (size_t i = 0; i < test.size(); ++i) {
    if (const auto at = seen.find(normal_phrasing(phrasing_of(test[i]))); at != seen.end())
      out.push_back({at->second, i});
  }
  return out;
}

size_t leave_out_overlap(std::vector<Sample>& train, const std::vector<Sample>& test) {
  std::unordered_set<std::string> asked;
  for (const Sample& sample : test) asked.insert(normal_phrasing(phrasing_of(sample)));
  return std::erase_if(train,
                       [&](const Sample& sample) { return asked.contains(normal_phrasing(phrasing_of(sample))); });
}

std::string describe_contradictions(const std::vector<Sample>& samples) {
  std::unordered_map<std::string, size_t> seen;
  std::vector<std::string> shown;
  size_t count = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto [at, is_new] = seen.emplace(normal_phrasing(phrasing_of(samples[i])), i);
    if (is_new || answer_of(samples[at->second]) == answer_of(samples[i])) continue;
    if (++count <= kShown)
      shown.push_back(fmt::format("{} asks what {} does", samples[i].place, samples[at->second].place));
  }
  if (count == 0) return {};
  if (count > kShown) shown.push_back(fmt::format("{} more", count - kShown));
  return fmt::format("{} with another answer elsewhere: {}", counted(count, "question"), fmt::join(shown, "; "));
}

Status refuse_overlap(const std::vector<Sample>& train, const std::vector<Sample>& test) {
  const std::vector<Overlap> overlaps = find_overlaps(train, test);
  if (overlaps.empty()) return ok_status();
  std::vector<std::string> shown;
  for (const Overlap& one : overlaps) {
    if (shown.size() < kShown)
      shown.push_back(fmt::format("{} is also {}", test[one.test].place, train[one.train].place));
  }
  if (overlaps.size() > kShown) shown.push_back(fmt::format("and {} more", overlaps.size() - kShown));
  return invalid(
      fmt::format("{} of {} test phrasings stand in the training data", overlaps.size(), test.size()),
      fmt::format("{}", fmt::join(shown, "; ")),
      "a test must ask what was not learned: take them out of one of the two, or let --leave-out-overlap take them "
      "out of the training data");
}

}  // namespace linnet
