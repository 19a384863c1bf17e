#include "text/word_model.hpp"

namespace linnet {

void WordModel::index_words(const std::vector<std::string>& keys, bool all_whole) {
  size_t bytes = 0;
  for (const std::string& key : keys) bytes += key.size();
  keys_.reserve(bytes);  // words_ points into it
  words_.reserve(keys.size());
  for (size_t id = 0; id < keys.size(); ++id) {
    if (keys[id].empty()) continue;
    const size_t start = keys_.size();
    keys_ += keys[id];
    words_.insert(std::string_view(keys_).substr(start), static_cast<int32_t>(id));
  }
  whole_ = std::vector<std::atomic<Whole>>(keys.size());
  for (auto& whole : whole_) whole.store(all_whole ? Whole::kYes : Whole::kUnasked, std::memory_order_relaxed);
}

Status WordModel::encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch& scratch,
                         std::vector<int32_t>& out) const {
  scratch.cache.expect(text.size());
  for (const TextSpan& span : words) {
    const std::string_view word = text.substr(span.begin, span.end - span.begin);
    if (cut_before_spaces_) {
      encode_cut(word, scratch, out);
    } else {
      encode_word(word, scratch, out);
    }
  }
  return ok_status();
}

void WordModel::encode_cut(std::string_view text, EncodeScratch& scratch, std::vector<int32_t>& out) const {
  size_t start = 0;
  size_t at = 0;
  while ((at = text.find(kSpaceMark, at)) != std::string_view::npos) {
    if (at > start) {
      encode_word(text.substr(start, at - start), scratch, out);
      start = at;
    }
    while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
  }
  if (start < text.size()) encode_word(text.substr(start), scratch, out);
}

void WordModel::encode_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const {
  const int32_t id = words_.find(word);
  if (id != kNoToken &&
      (whole_[static_cast<size_t>(id)].load(std::memory_order_relaxed) == Whole::kYes || is_whole(id, word, scratch))) {
    out.push_back(id);
    return;
  }
  encode_rare(word, scratch, out);
}

void WordModel::encode_rare(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const {
  if (!scratch.cache.enabled() || word.empty() || word.size() > WordCache::kMaxWord) {
    merge_word(word, scratch, out);
    return;
  }
  const auto [known, entry] = scratch.cache.at(word);
  if (known) {
    const size_t end = entry->first + entry->count;
    for (size_t i = entry->first; i < end; ++i) {
      const int32_t id = out[i];  // a copy: push_back may move what it came from
      out.push_back(id);
    }
    return;
  }
  const size_t first = out.size();
  merge_word(word, scratch, out);
  entry->first = first;
  entry->count = static_cast<uint32_t>(out.size() - first);
}

bool WordModel::is_whole(int32_t id, std::string_view word, EncodeScratch& scratch) const {
  std::atomic<Whole>& known = whole_[static_cast<size_t>(id)];
  if (known.load(std::memory_order_relaxed) == Whole::kNo) return false;
  std::vector<int32_t> merged;
  merge_word(word, scratch, merged);
  const bool whole = merged.size() == 1 && merged[0] == id;
  known.store(whole ? Whole::kYes : Whole::kNo, std::memory_order_relaxed);
  return whole;
}

}  // namespace linnet
