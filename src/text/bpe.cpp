#include "text/bpe.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"

namespace linnet {

namespace {

constexpr size_t kShortWord = 64;  // symbols; measured: the heap wins beyond about this
constexpr uint32_t kNoRank = UINT32_MAX;

}  // namespace

void BpeModel::MergeTable::reserve(size_t count) {
  slots_.assign(std::bit_ceil(std::max<size_t>(count * 2, 16)), Slot{});
  mask_ = slots_.size() - 1;
}

bool BpeModel::MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = pair_key(left, right);
  size_t at = fold_multiply(key ^ secret_.add, secret_.multiply) & mask_;
  for (; slots_[at].key != kEmpty; at = (at + 1) & mask_) {
    if (slots_[at].key == key) return false;
  }
  slots_[at] = {key, merge};
  return true;
}

Result<std::unique_ptr<BpeModel>> BpeModel::build(const Vocabulary& vocabulary, const std::vector<bool>& in_model,
                                                  const MergeList& merges, BpeOptions options, std::string_view place) {
  std::unique_ptr<BpeModel> model(new BpeModel);  // NOLINT: the constructor is private
  model->options_ = std::move(options);
  model->index_pieces(vocabulary, in_model);
  model->merges_.reserve(merges.size());
  model->merge_order_.reserve(merges.size());
  const size_t prefix = model->options_.continuing_prefix.size();
  std::string joined;
  std::vector<std::array<int32_t, 3>> found;  // left, right, result
  found.reserve(merges.size());
  for (const auto& [left, right] : merges) {
    joined = left;
    joined += std::string_view(right).substr(std::min(prefix, right.size()));
    const int32_t left_id = vocabulary.find(left);
    const int32_t right_id = vocabulary.find(right);
    const int32_t result = vocabulary.find(joined);
    if (left_id == kNoToken || right_id == kNoToken || result == kNoToken) {
      const std::string& missing = left_id == kNoToken ? left : right_id == kNoToken ? right : joined;
      return invalid(fmt::format("merge {} ({:?} {:?}) needs token {:?}, which is not in the vocabulary", found.size(),
                                 left, right, missing),
                     std::string(place));
    }
    found.push_back({left_id, right_id, result});
  }
  model->rank_merges(found);
  model->find_safe_splits(vocabulary);
  return model;
}

void BpeModel::rank_merges(const std::vector<std::array<int32_t, 3>>& merges) {
  const auto add = [&](size_t rank) {
    const auto& [left, right, result] = merges[rank];
    if (merges_.insert(left, right, {static_cast<uint32_t>(rank), result})) merge_order_.emplace_back(left, right);
  };
  if (!options_.last_rank_counts) {
    for (size_t rank = 0; rank < merges.size(); ++rank) add(rank);
    return;
  }
  for (size_t rank = merges.size(); rank > 0; --rank) add(rank - 1);
  std::reverse(merge_order_.begin(), merge_order_.end());
}

void BpeModel::index_pieces(const Vocabulary& vocabulary, const std::vector<bool>& in_model) {
  std::vector<std::string> keys(static_cast<size_t>(vocabulary.size()));
  for (size_t id = 0; id < keys.size(); ++id) {
    if (!in_model[id]) continue;
    const std::string_view piece = vocabulary.piece(static_cast<int32_t>(id));
    // A piece that is spelled outside the alphabet is one that no text can be.
    keys[id] = options_.byte_level ? letters_to_bytes(piece).value_or(std::string()) : std::string(piece);
  }
  index_words(keys, options_.ignore_merges);
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] =
        options_.byte_level ? find_word(std::string_view(&c, 1)) : find_word(fmt::format("<0x{:02X}>", byte));
  }
}

// Models that merge over characters see a whole text as one word. Where every token that merging can give has U+2581
// only at its start, or is a run of it, no merge ever crosses "x▁", and the text can be cut there.
void BpeModel::find_safe_splits(const Vocabulary& vocabulary) {
  if (options_.byte_level || !options_.continuing_prefix.empty() || !options_.end_suffix.empty()) return;
  if (find_word(kSpaceMark) == kNoToken) return;
  for (const auto& [left, right] : merge_order_) {
    // Merging only ever joins what it has built, so it is enough to look at the seams.
    const std::string_view before = vocabulary.piece(left);
    if (vocabulary.piece(right).starts_with(kSpaceMark) && !before.ends_with(kSpaceMark)) return;
  }
  cut_before_spaces();
}

void BpeModel::merge_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const {
  scratch.symbols.clear();
  if (options_.byte_level) {
    start_bytes(word, scratch);
  } else {
    start_characters(word, scratch);
  }
  if (scratch.symbols.size() <= kShortWord) {
    merge_short(scratch.symbols, out);
  } else {
    merge_long(scratch, out);
  }
}

std::bitset<256> BpeModel::held_bytes() const {
  std::bitset<256> held;
  for (size_t byte = 0; byte < held.size(); ++byte) held[byte] = byte_tokens_[byte] != kNoToken;
  return held;
}

void BpeModel::start_bytes(std::string_view word, EncodeScratch& scratch) const {
  std::vector<int32_t>& symbols = scratch.symbols;
  bool unknown_before = false;
  for (const char byte : word) {
    const int32_t symbol = byte_tokens_[static_cast<uint8_t>(byte)];
    if (symbol != kNoToken) {
      symbols.push_back(symbol);
    } else if (options_.unk == kNoToken) {
      if (scratch.dropped.empty()) scratch.dropped = byte;
    } else if (!(options_.fuse_unk && unknown_before)) {
      symbols.push_back(options_.unk);
    }
    unknown_before = symbol == kNoToken;
  }
}

void BpeModel::start_characters(std::string_view word, EncodeScratch& scratch) const {
  std::vector<int32_t>& symbols = scratch.symbols;
  const bool decorated = !options_.continuing_prefix.empty() || !options_.end_suffix.empty();
  std::string spelled;
  bool unknown_waits = false;  // an unknown token is written before the next known one: Hugging Face's order
  for (size_t at = 0; at < word.size();) {
    const auto length = static_cast<size_t>(decode_utf8(word.substr(at)).length);
    std::string_view character = word.substr(at, length);
    if (decorated) {
      spelled = at == 0 ? std::string() : options_.continuing_prefix;
      spelled += character;
      if (at + length == word.size()) spelled += options_.end_suffix;
      character = spelled;
    }
    at += length;
    const int32_t symbol = find_word(character);
    if (symbol != kNoToken) {
      if (std::exchange(unknown_waits, false)) symbols.push_back(options_.unk);
      symbols.push_back(symbol);
      continue;
    }
    const auto token_of = [&](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
    if (options_.byte_fallback &&
        std::all_of(character.begin(), character.end(), [&](char byte) { return token_of(byte) != kNoToken; })) {
      for (const char byte : character) symbols.push_back(token_of(byte));
      continue;
    }
    if (options_.unk == kNoToken) {
      if (scratch.dropped.empty()) scratch.dropped = word.substr(at - length, length);
      continue;
    }
    if (unknown_waits && !options_.fuse_unk) symbols.push_back(options_.unk);
    unknown_waits = true;
  }
  if (unknown_waits) symbols.push_back(options_.unk);
}

void BpeModel::merge_short(std::vector<int32_t>& symbols, std::vector<int32_t>& out) const {
  std::array<uint32_t, kShortWord> ranks;
  std::array<int32_t, kShortWord> results;
  size_t count = symbols.size();
  const auto look = [&](size_t left) {
    const Merge* merge = merges_.find(symbols[left], symbols[left + 1]);
    ranks[left] = merge ? merge->rank : kNoRank;
    results[left] = merge ? merge->result : kNoToken;
  };
  for (size_t i = 0; i + 1 < count; ++i) look(i);
  while (count > 1) {
    const size_t best = static_cast<size_t>(std::min_element(ranks.begin(), ranks.begin() + count - 1) - ranks.begin());
    if (ranks[best] == kNoRank) break;
    symbols[best] = results[best];
    std::copy(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              symbols.begin() + static_cast<std::ptrdiff_t>(count),
              symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(ranks.begin() + best + 1, ranks.begin() + count - 1, ranks.begin() + best);
    std::copy(results.begin() + best + 1, results.begin() + count - 1, results.begin() + best);
    --count;
    if (best + 1 < count) look(best);
    if (best > 0) look(best - 1);
  }
  out.insert(out.end(), symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

// A linked list of symbols and a heap of pairs. A pair that a merge has overtaken stays in the heap and is recognised
// when it comes out: its symbols are no longer what they were.
void BpeModel::merge_long(EncodeScratch& scratch, std::vector<int32_t>& out) const {
  std::vector<int32_t>& symbols = scratch.symbols;
  const auto count = static_cast<uint32_t>(symbols.size());
  scratch.previous.resize(count);
  scratch.next.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    scratch.previous[i] = i - 1;  // of the first: UINT32_MAX
    scratch.next[i] = i + 1;
  }
  auto& heap = scratch.heap;
  heap.clear();
  const auto later = [](const EncodeScratch::Candidate& a, const EncodeScratch::Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  };
  const auto candidate = [&](uint32_t left, uint32_t right) {
    if (const Merge* merge = merges_.find(symbols[left], symbols[right])) {
      heap.push_back({0, merge->rank, left, right, merge->result, 0});
      return true;
    }
    return false;
  };
  for (uint32_t i = 0; i + 1 < count; ++i) candidate(i, i + 1);
  std::make_heap(heap.begin(), heap.end(), later);
  const auto push = [&](uint32_t left, uint32_t right) {
    if (candidate(left, right)) std::push_heap(heap.begin(), heap.end(), later);
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const EncodeScratch::Candidate top = heap.back();
    heap.pop_back();
    if (symbols[top.left] == kNoToken || scratch.next[top.left] != top.right) continue;
    const Merge* merge = merges_.find(symbols[top.left], symbols[top.right]);
    if (!merge || merge->result != top.result) continue;
    symbols[top.left] = top.result;
    symbols[top.right] = kNoToken;
    const uint32_t after = scratch.next[top.right];
    scratch.next[top.left] = after;
    if (after < count) {
      scratch.previous[after] = top.left;
      push(top.left, after);
    }
    if (scratch.previous[top.left] < count) push(scratch.previous[top.left], top.left);
  }
  for (uint32_t i = 0; i < count; i = scratch.next[i]) out.push_back(symbols[i]);
}

}  // namespace linnet
