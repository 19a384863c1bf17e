#include "text/training/train_bpe.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <fmt/format.h>
#include <limits>
#include <queue>
#include <set>

#include "base/utf8.hpp"
#include "text/byte_alphabet.hpp"
#include "text/training/pair_tally.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

namespace {

constexpr size_t kBytes = 256;

class BpeTrainer {
 public:
  BpeTrainer(const BpeTraining& options, const TrainingRun& run)
      : options_(options),
        run_(run),
        left_(static_cast<size_t>(options.vocab_size)),
        right_(static_cast<size_t>(options.vocab_size)) {}

  Result<TrainedBpe> train(const WordCounts& words) {
    add_alphabet();
    if (pieces_.size() > static_cast<size_t>(options_.vocab_size)) {
      return usage_error(
          fmt::format("a vocabulary of {} has no room for the 256 bytes and the special tokens", options_.vocab_size),
          fmt::format("{} is the least", pieces_.size()));
    }
    TRY(lay_out(words));
    find_first_pairs(words);
    TRY(merge_all());
    return finish();
  }

 private:
  // The words lie one after the other, a slot for each byte, with kBoundary around each word. The first slot of a
  // symbol holds its id, the last one (where it has more) kInside and its length, those between kInside alone or that.
  static constexpr uint32_t kInside = 1u << 31;
  static constexpr uint32_t kBoundary = kInside - 1;

  // Places where a pair stands or stood, to be merged when its turn comes.
  struct Candidate {
    uint64_t frequency = 0;
    SymbolPair pair;
    uint32_t list = 0;

    // For a queue whose top is the most frequent, then the smallest, then the oldest.
    friend bool operator<(const Candidate& a, const Candidate& b) {
      if (a.frequency != b.frequency) return a.frequency < b.frequency;
      if (a.pair != b.pair) return a.pair > b.pair;
      return a.list > b.list;
    }
  };
  struct PlaceList {
    uint32_t count_index = 0;
    uint32_t size = 0;
    size_t first = 0;  // in places_
  };

  void add_alphabet();
  int32_t add_piece(std::string piece);
  Status lay_out(const WordCounts& words);
  void find_first_pairs(const WordCounts& words);
  Status merge_all();
  bool is_readable(SymbolPair pair) const;
  void merge(const Candidate& candidate);
  std::vector<uint32_t> places_in_words_of(const PlaceList& list, SymbolPair pair) const;
  void merge_at(uint32_t place, SymbolPair pair, uint32_t merged);
  void apply(SymbolPair pair, int32_t merged);
  void add_list(uint32_t count_index, SymbolPair pair, uint32_t size, size_t first);
  TrainedBpe finish();

  uint32_t length(int32_t id) const { return lengths_[static_cast<size_t>(id)]; }

  const BpeTraining& options_;
  const TrainingRun& run_;

  std::deque<std::string> pieces_;  // a deque, so that index_ may point into it
  PieceMap index_;
  std::vector<uint32_t> lengths_;  // by id: in slots
  std::array<int32_t, kBytes> symbols_{};

  std::vector<uint32_t> slots_;
  std::vector<uint32_t> word_at_;     // by slot
  std::vector<uint32_t> word_start_;  // by word: its first slot
  std::vector<uint64_t> word_count_;
  uint64_t tokens_ = 0;

  PairCounts counts_;
  std::vector<PlaceList> lists_;
  std::vector<uint32_t> places_;  // slots; those of one list in ascending order
  std::priority_queue<Candidate> queue_;
  NeighbourTally left_;
  NeighbourTally right_;
  std::vector<SymbolPair> merges_;
};

int32_t BpeTrainer::add_piece(std::string piece) {
  if (const int32_t known = index_.find(piece); known != kNoToken) return known;
  const auto id = static_cast<int32_t>(pieces_.size());
  pieces_.push_back(std::move(piece));
  lengths_.push_back(0);
  index_.insert(pieces_.back(), id);
  return id;
}

void BpeTrainer::add_alphabet() {
  for (const std::string& special : options_.specials) add_piece(special);
  std::array<int, kBytes> bytes{};
  for (size_t i = 0; i < kBytes; ++i) bytes[i] = static_cast<int>(i);
  std::sort(bytes.begin(), bytes.end(), [](int a, int b) {
    return byte_to_letter(static_cast<uint8_t>(a)) < byte_to_letter(static_cast<uint8_t>(b));
  });
  for (const int byte : bytes) {
    std::string letter;
    append_utf8(letter, byte_to_letter(static_cast<uint8_t>(byte)));
    const int32_t id = add_piece(std::move(letter));
    lengths_[static_cast<size_t>(id)] = 1;
    symbols_[static_cast<size_t>(byte)] = id;
  }
}

Status BpeTrainer::lay_out(const WordCounts& words) {
  uint64_t slots = 1;
  for (const WordCount& word : words.words()) slots += word.word.size() + 1;
  if (slots >= kBoundary) {
    return unsupported(fmt::format("the different words of the text have {} bytes together, more than 2 GiB", slots),
                       {}, "train on a part of the text");
  }
  slots_.reserve(slots);
  word_at_.reserve(slots);
  slots_.push_back(kBoundary);
  word_at_.push_back(0);
  for (const WordCount& word : words.words()) {
    const auto index = static_cast<uint32_t>(word_start_.size());
    word_start_.push_back(static_cast<uint32_t>(slots_.size()));
    word_count_.push_back(word.count);
    tokens_ += word.count * word.word.size();
    for (const char byte : word.word) {
      slots_.push_back(static_cast<uint32_t>(symbols_[static_cast<uint8_t>(byte)]));
    }
    slots_.push_back(kBoundary);
    word_at_.resize(slots_.size(), index);
  }
  return ok_status();
}

// Every pair of bytes, by a table of all that there can be.
void BpeTrainer::find_first_pairs(const WordCounts& words) {
  struct Pair {
    uint64_t frequency = 0;
    size_t next = 0;  // where its next place goes
    uint32_t places = 0;
  };
  std::vector<Pair> pairs(kBytes * kBytes);
  const auto pair_at = [&](std::string_view word, size_t i) -> Pair& {
    return pairs[static_cast<uint8_t>(word[i]) * kBytes + static_cast<uint8_t>(word[i + 1])];
  };
  for (const WordCount& word : words.words()) {
    for (size_t i = 0; i + 1 < word.word.size(); ++i) {
      Pair& pair = pair_at(word.word, i);
      pair.frequency += word.count;
      ++pair.places;
    }
  }
  size_t first = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].places == 0) continue;
    const SymbolPair pair{symbols_[i / kBytes], symbols_[i % kBytes]};
    const uint32_t index = counts_.index_of(pair);
    counts_.at(index).frequency = static_cast<int64_t>(pairs[i].frequency);
    add_list(index, pair, pairs[i].places, first);
    pairs[i].next = first;
    first += pairs[i].places;
  }
  places_.resize(first);
  places_.reserve(first * 3);  // each merge ends one symbol and gives at most two new places
  for (size_t w = 0; w < word_start_.size(); ++w) {
    const std::string_view word = words.words()[w].word;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      places_[pair_at(word, i).next++] = word_start_[w] + static_cast<uint32_t>(i);
    }
  }
}

void BpeTrainer::add_list(uint32_t count_index, SymbolPair pair, uint32_t size, size_t first) {
  PairCounts::Count& count = counts_.at(count_index);
  if (count.frequency <= 0) return;
  ++count.lists;
  queue_.push({static_cast<uint64_t>(count.frequency), pair, static_cast<uint32_t>(lists_.size())});
  lists_.push_back({count_index, size, first});
}

Status BpeTrainer::merge_all() {
  constexpr size_t kStepsBetweenLooks = 64;
  const auto size = static_cast<size_t>(options_.vocab_size);
  Progress progress{.stage = "merging", .total = size, .unit = ProgressUnit::kCount};
  for (size_t step = 0; pieces_.size() < size && !queue_.empty();) {
    Candidate top = queue_.top();
    queue_.pop();
    const int64_t frequency = counts_.at(lists_[top.list].count_index).frequency;
    if (frequency <= 0) continue;
    if (top.frequency != static_cast<uint64_t>(frequency)) {
      top.frequency = static_cast<uint64_t>(frequency);
      queue_.push(top);
      continue;
    }
    if (top.frequency < options_.min_frequency) break;
    if (!is_readable(top.pair)) continue;
    merge(top);
    if (step++ % kStepsBetweenLooks == 0) {
      TRY(run_.cancel.check());
      progress.done = pieces_.size();
      run_.progress(progress);
    }
  }
  progress.done = progress.total = pieces_.size();
  run_.progress(progress);
  return ok_status();
}

// Whether what the pair would become is short enough for a vocabulary: a long line of one character doubles its pieces.
bool BpeTrainer::is_readable(SymbolPair pair) const {
  const auto size = [&](int32_t id) { return pieces_[static_cast<size_t>(id)].size(); };
  return size(pair.left) + size(pair.right) <= Vocabulary::kMaxPieceBytes;
}

void BpeTrainer::merge(const Candidate& candidate) {
  const SymbolPair pair = candidate.pair;
  const int32_t merged = add_piece(pieces_[static_cast<size_t>(pair.left)] + pieces_[static_cast<size_t>(pair.right)]);
  lengths_[static_cast<size_t>(merged)] = length(pair.left) + length(pair.right);
  merges_.push_back(pair);
  const PlaceList list = lists_[candidate.list];
  if (counts_.at(list.count_index).lists > 1) {
    for (const uint32_t place : places_in_words_of(list, pair)) merge_at(place, pair, static_cast<uint32_t>(merged));
  } else {
    for (size_t i = list.first; i < list.first + list.size; ++i) {
      merge_at(places_[i], pair, static_cast<uint32_t>(merged));
    }
  }
  apply(pair, merged);
}

// A pair with several lists is merged everywhere in the words of one of them, the peer's lists being lists of words.
std::vector<uint32_t> BpeTrainer::places_in_words_of(const PlaceList& list, SymbolPair pair) const {
  std::set<uint32_t> words;
  for (size_t i = list.first; i < list.first + list.size; ++i) words.insert(word_at_[places_[i]]);
  std::vector<uint32_t> out;
  for (const uint32_t word : words) {
    for (uint32_t at = word_start_[word]; slots_[at] != kBoundary; at += length(static_cast<int32_t>(slots_[at]))) {
      if (slots_[at] == static_cast<uint32_t>(pair.left)) out.push_back(at);
    }
  }
  return out;
}

// Merges the pair at `place`, if it still stands there.
void BpeTrainer::merge_at(uint32_t place, SymbolPair pair, uint32_t merged) {
  const uint32_t middle = place + length(pair.left);
  if (slots_[place] != static_cast<uint32_t>(pair.left) || slots_[middle] != static_cast<uint32_t>(pair.right)) return;
  const uint32_t end = middle + length(pair.right);
  const uint64_t count = word_count_[word_at_[place]];
  tokens_ -= count;
  slots_[middle] = kInside;
  slots_[end - 1] = kInside | (end - place);
  slots_[place] = merged;
  if (const uint32_t before = slots_[place - 1]; before != kBoundary) {
    const uint32_t start = place - ((before & kInside) ? before - kInside : 1);
    const auto neighbour = static_cast<int32_t>(slots_[start]);
    left_.lose(neighbour, count);
    left_.gain(neighbour, count, start);
  }
  if (const uint32_t after = slots_[end]; after != kBoundary) {
    right_.lose(static_cast<int32_t>(after), count);
    // Two merged symbols side by side are one pair, whichever of them is met first.
    if (after == merged) {
      left_.gain(static_cast<int32_t>(after), count, place);
    } else {
      right_.gain(static_cast<int32_t>(after), count, place);
    }
  }
}

// What the merge of `pair` did to the pairs around it.
void BpeTrainer::apply(SymbolPair pair, int32_t merged) {
  for (const int32_t neighbour : left_.neighbours()) {
    counts_.at(counts_.index_of({neighbour, pair.left})).frequency -= static_cast<int64_t>(left_.of(neighbour).lost);
    counts_.at(counts_.index_of({neighbour, merged})).frequency += static_cast<int64_t>(left_.of(neighbour).gained);
  }
  for (const int32_t neighbour : right_.neighbours()) {
    counts_.at(counts_.index_of({pair.right, neighbour})).frequency -= static_cast<int64_t>(right_.of(neighbour).lost);
    counts_.at(counts_.index_of({merged, neighbour})).frequency += static_cast<int64_t>(right_.of(neighbour).gained);
  }
  for (NeighbourTally* side : {&left_, &right_}) {
    size_t first = places_.size();
    side->write_places(places_);
    for (const int32_t neighbour : side->neighbours()) {
      const uint32_t size = side->of(neighbour).places;
      if (size == 0) continue;
      const SymbolPair made = side == &left_ ? SymbolPair{neighbour, merged} : SymbolPair{merged, neighbour};
      add_list(counts_.index_of(made), made, size, first);
      first += size;
    }
    side->clear();
  }
}

TrainedBpe BpeTrainer::finish() {
  TrainedBpe out;
  out.pieces.assign(std::make_move_iterator(pieces_.begin()), std::make_move_iterator(pieces_.end()));
  out.tokens = tokens_;
  // Of a pair that was merged twice the last rank counts.
  PairCounts seen;
  for (auto merge = merges_.rbegin(); merge != merges_.rend(); ++merge) {
    if (seen.at(seen.index_of(*merge)).lists++ == 0) out.merges.emplace_back(merge->left, merge->right);
  }
  std::reverse(out.merges.begin(), out.merges.end());
  return out;
}

}  // namespace

Result<TrainedBpe> train_bpe(const WordCounts& words, const BpeTraining& options, const TrainingRun& run) {
  return BpeTrainer(options, run).train(words);
}

}  // namespace linnet
