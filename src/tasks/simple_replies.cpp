#include "tasks/simple_replies.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

// Of any word's pairs there are no more than this many different ones that are looked at.
constexpr size_t kMostTerms = 2'000'000;

// Where the sentence that begins at `begin` ends: behind its mark, or at the end of its line.
size_t end_of_sentence(std::string_view text, size_t begin) {
  for (size_t at = begin; at < text.size(); ++at) {
    if (text[at] == '\n') return at;
    const bool mark = text[at] == '.' || text[at] == '!' || text[at] == '?';
    if (mark && (at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\n')) return at + 1;
  }
  return text.size();
}

std::string first_words(std::string_view sentence, size_t words) {
  const std::vector<std::string_view> all = jinja::split_words(sentence);
  const std::string_view last = all[std::min(words, all.size()) - 1];
  return std::string(sentence.substr(0, static_cast<size_t>(last.data() + last.size() - sentence.data())));
}

}  // namespace

NearestPair::NearestPair(std::vector<std::string> sources, std::vector<std::string> replies)
    : replies_(std::move(replies)), terms_(TermWeights::fit(sources, kMostTerms)) {
  CHECK(sources.size() == replies_.size());
  postings_.resize(terms_.terms().size());
  for (size_t pair = 0; pair < sources.size(); ++pair) {
    for (const TermWeight& term : terms_.weigh(sources[pair])) {
      postings_[term.term].push_back({static_cast<uint32_t>(pair), term.weight});
    }
  }
}

std::string NearestPair::reply(const std::string& phrase) const {
  std::vector<float> cosines(replies_.size(), 0);
  for (const TermWeight& term : terms_.weigh(phrase)) {
    for (const Posting& posting : postings_[term.term]) cosines[posting.pair] += term.weight * posting.weight;
  }
  const auto nearest = std::max_element(cosines.begin(), cosines.end());
  if (nearest == cosines.end() || *nearest == 0) return phrase;
  return replies_[static_cast<size_t>(nearest - cosines.begin())];
}

std::string lead_of(std::string_view text, size_t words) {
  std::string lead;
  size_t count = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = end_of_sentence(text, begin);
    const std::string_view sentence = jinja::strip_space(text.substr(begin, end - begin), true, true);
    const bool ends_line = end < text.size() && text[end] == '\n';
    begin = end + (ends_line ? 1 : 0);
    const size_t more = count_words(sentence);
    if (more == 0) continue;
    if (count == 0 && more > words) return first_words(sentence, std::max<size_t>(words, 1));
    if (count + more > words) break;
    lead += lead.empty() ? "" : "\n";
    lead += sentence;
    count += more;
  }
  return lead;
}

size_t count_words(std::string_view text) {
  return jinja::split_words(text).size();
}

}  // namespace linnet
