#include "text/score_bpe.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr size_t kShortWord = 64;  // symbols; beyond, the heap wins
constexpr float kNoScore = -std::numeric_limits<float>::infinity();

}  // namespace

ScoreBpeModel::ScoreBpeModel(const Vocabulary& vocabulary, ScoreBpeOptions options) : options_(std::move(options)) {
  std::vector<std::string> keys(static_cast<size_t>(vocabulary.size()));
  for (size_t id = 0; id < keys.size(); ++id) {
    if (!options_.mergeable[id]) continue;
    keys[id] = vocabulary.piece(static_cast<int32_t>(id));
    longest_ = std::max(longest_, keys[id].size());
  }
  index_words(keys, false);
  for (size_t byte = 0; byte < 256; ++byte) byte_tokens_[byte] = vocabulary.find(fmt::format("<0x{:02X}>", byte));
  find_safe_splits(vocabulary);
}

void ScoreBpeModel::find_safe_splits(const Vocabulary& vocabulary) {
  // A run of unknown characters is one token, and must not be cut.
  if (find_word(kSpaceMark) == kNoToken) return;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!options_.mergeable[static_cast<size_t>(id)]) continue;
    const std::string_view piece = vocabulary.piece(id);
    for (size_t at = 0; (at = piece.find(kSpaceMark, at)) != std::string_view::npos; at += kSpaceMark.size()) {
      if (at > 0 && !piece.substr(0, at).ends_with(kSpaceMark)) return;
    }
  }
  cut_before_spaces();
}

int32_t ScoreBpeModel::find_merge(std::string_view both) const {
  return both.size() <= longest_ ? find_word(both) : kNoToken;
}

void ScoreBpeModel::merge_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const {
  std::vector<uint32_t>& starts = scratch.lengths;
  starts.clear();
  for (size_t at = 0; at < word.size(); at += static_cast<size_t>(decode_utf8(word.substr(at)).length)) {
    starts.push_back(static_cast<uint32_t>(at));
  }
  starts.push_back(static_cast<uint32_t>(word.size()));
  Splits splits;
  if (starts.size() - 1 <= kShortWord) {
    merge_short(word, starts, splits);
  } else {
    merge_long(word, scratch, splits);
  }
  bool after_unknown = false;
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    write(word.substr(starts[i], starts[i + 1] - starts[i]), splits, 0, after_unknown, out);
  }
}

// Symbol i is the text from starts[i] to starts[i + 1].
void ScoreBpeModel::merge_short(std::string_view word, std::vector<uint32_t>& starts, Splits& splits) const {
  std::array<float, kShortWord> scores;
  const auto look = [&](size_t left) {
    const std::string_view both = word.substr(starts[left], starts[left + 2] - starts[left]);
    const int32_t id = find_merge(both);
    scores[left] = id == kNoToken ? kNoScore : options_.scores[static_cast<size_t>(id)];
    if (id != kNoToken && !options_.unused.empty() && options_.unused[static_cast<size_t>(id)]) {
      splits[both] = starts[left + 1] - starts[left];
    }
  };
  size_t count = starts.size() - 1;
  for (size_t i = 0; i + 1 < count; ++i) look(i);
  while (count > 1) {
    const auto best = static_cast<size_t>(
        std::max_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(count) - 1) - scores.begin());
    if (scores[best] == kNoScore) break;
    starts.erase(starts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(scores.begin() + best + 1, scores.begin() + count - 1, scores.begin() + best);
    --count;
    if (best > 0) look(best - 1);
    if (best + 1 < count) look(best);
  }
}

void ScoreBpeModel::merge_long(std::string_view word, EncodeScratch& scratch, Splits& splits) const {
  std::vector<uint32_t>& starts = scratch.lengths;
  const auto count = static_cast<uint32_t>(starts.size() - 1);
  std::vector<uint32_t>& next = scratch.next;
  std::vector<uint32_t>& previous = scratch.previous;
  next.resize(count);
  previous.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;  // of the first: UINT32_MAX
  }
  auto& heap = scratch.heap;
  heap.clear();
  const auto later = [](const EncodeScratch::Candidate& a, const EncodeScratch::Candidate& b) {
    return a.score != b.score ? a.score < b.score : a.left > b.left;
  };
  const auto candidate = [&](uint32_t left, uint32_t right) {
    const uint32_t end = starts[next[right]];
    const std::string_view both = word.substr(starts[left], end - starts[left]);
    const int32_t id = find_merge(both);
    if (id == kNoToken) return false;
    heap.push_back({options_.scores[static_cast<size_t>(id)], 0, left, right, id, static_cast<uint32_t>(both.size())});
    if (!options_.unused.empty() && options_.unused[static_cast<size_t>(id)]) {
      splits[both] = starts[right] - starts[left];
    }
    return true;
  };
  for (uint32_t i = 0; i + 1 < count; ++i) candidate(i, i + 1);
  std::make_heap(heap.begin(), heap.end(), later);
  std::vector<bool> gone(count, false);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const EncodeScratch::Candidate top = heap.back();
    heap.pop_back();
    if (gone[top.left] || gone[top.right] || next[top.left] != top.right ||
        starts[next[top.right]] - starts[top.left] != top.bytes) {
      continue;
    }
    gone[top.right] = true;
    const uint32_t after = next[top.right];
    next[top.left] = after;
    if (after < count) previous[after] = top.left;
    if (previous[top.left] < count && candidate(previous[top.left], top.left)) {
      std::push_heap(heap.begin(), heap.end(), later);
    }
    if (after < count && candidate(top.left, after)) std::push_heap(heap.begin(), heap.end(), later);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i < count; i = next[i]) starts[kept++] = starts[i];
  starts[kept++] = starts[count];
  starts.resize(kept);
}

// An unused token is taken apart the way it was last put together, down to tokens that are used.
void ScoreBpeModel::write(std::string_view symbol, const Splits& splits, int depth, bool& after_unknown,
                          std::vector<int32_t>& out) const {
  const int32_t id = find_merge(symbol);
  if (id != kNoToken) {
    if (!options_.unused.empty() && options_.unused[static_cast<size_t>(id)] && depth < 32) {
      if (const auto split = splits.find(symbol); split != splits.end()) {
        write(symbol.substr(0, split->second), splits, depth + 1, after_unknown, out);
        write(symbol.substr(split->second), splits, depth + 1, after_unknown, out);
        return;
      }
    }
    out.push_back(id);
    after_unknown = false;
    return;
  }
  const auto token_of = [&](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
  if (options_.byte_fallback &&
      std::all_of(symbol.begin(), symbol.end(), [&](char byte) { return token_of(byte) != kNoToken; })) {
    for (const char byte : symbol) out.push_back(token_of(byte));
    after_unknown = false;
    return;
  }
  if (!after_unknown && options_.unk != kNoToken) out.push_back(options_.unk);
  after_unknown = true;
}

}  // namespace linnet
