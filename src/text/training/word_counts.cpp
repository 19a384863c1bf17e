#include "text/training/word_counts.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>

#include "base/utf8.hpp"

namespace linnet {

std::string_view WordCounts::keep(std::string_view word) {
  constexpr size_t kBlock = 1 << 20;
  if (word.size() > room_) {
    blocks_.emplace_back();
    room_ = std::max(kBlock, word.size());
    blocks_.back().reserve(room_);
  }
  std::vector<char>& block = blocks_.back();
  const char* begin = block.data() + block.size();
  block.insert(block.end(), word.begin(), word.end());
  room_ -= word.size();
  return {begin, word.size()};
}

Status WordCounts::insert(std::string_view kept, uint64_t count) {
  if (words_.size() >= static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return unsupported("the text has more than 2147483647 different words", {}, "train on a part of it");
  }
  index_.insert(kept, static_cast<int32_t>(words_.size()));
  words_.push_back({kept, count});
  return ok_status();
}

Status WordCounts::add(std::string_view word, uint64_t count) {
  if (const int32_t known = index_.find(word); known != kNoToken) {
    words_[static_cast<size_t>(known)].count += count;
    return ok_status();
  }
  return insert(keep(word), count);
}

Status WordCounts::absorb(WordCounts&& other) {
  if (words_.empty()) {
    *this = std::move(other);
    return ok_status();
  }
  index_.reserve(words_.size() + other.words_.size() / 2);
  for (const WordCount& word : other.words_) {
    if (const int32_t known = index_.find(word.word); known != kNoToken) {
      words_[static_cast<size_t>(known)].count += word.count;
    } else {
      TRY(insert(word.word, word.count));
    }
  }
  // In front, so that the newest block stays the one with room.
  for (std::vector<char>& block : other.blocks_) blocks_.push_front(std::move(block));
  return ok_status();
}

void WordCounts::sort() {
  std::sort(words_.begin(), words_.end(), [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
  index_ = PieceMap();
  index_.reserve(words_.size());
  for (size_t i = 0; i < words_.size(); ++i) index_.insert(words_[i].word, static_cast<int32_t>(i));
}

uint64_t WordCounts::total() const {
  uint64_t total = 0;
  for (const WordCount& word : words_) total += word.count;
  return total;
}

namespace {

// The first part that went wrong, whatever order threads came to them in.
class FirstError {
 public:
  bool reached(int64_t part) const { return part >= part_.load(std::memory_order_relaxed); }
  void report(int64_t part, Error error) {
    const std::lock_guard lock(mutex_);
    if (reached(part)) return;
    part_.store(part, std::memory_order_relaxed);
    error_ = std::move(error);
  }
  Status take() && {
    if (error_) return *std::move(error_);
    return ok_status();
  }

 private:
  std::mutex mutex_;
  std::atomic<int64_t> part_ = std::numeric_limits<int64_t>::max();
  std::optional<Error> error_;
};

Status add_in_pieces(std::string_view word, size_t longest, WordCounts& counts) {
  while (word.size() > longest) {
    const size_t size = longest - incomplete_utf8_tail(word.substr(0, longest));
    TRY(counts.add(word.substr(0, size), 1));
    word.remove_prefix(size);
  }
  return word.empty() ? ok_status() : counts.add(word, 1);
}

Status count_part(const TextCorpus& corpus, size_t part, const PreTokenizers& stages, size_t longest,
                  WordCounts& counts) {
  PreText pre;
  return corpus.read(part, [&](std::string_view text) -> Status {
    pre.text = text;
    pre.words.assign(1, {0, text.size()});
    pre.starts_input = true;
    TextGrowth growth(text.size());
    for (const auto& stage : stages) TRY(stage->apply(pre, growth));
    for (const TextSpan& span : pre.words) {
      TRY(add_in_pieces(pre.text.substr(span.begin, span.end - span.begin), longest, counts));
    }
    return ok_status();
  });
}

}  // namespace

Result<WordCounts> count_words(const TextCorpus& corpus, const PreTokenizers& stages, const TrainingRun& run,
                               size_t longest) {
  std::vector<WordCounts> counts(static_cast<size_t>(run.pool.size()));
  FirstError first_error;
  std::atomic<uint64_t> done = 0;
  RateMeter rate;
  run.pool.parallel_for(static_cast<int64_t>(corpus.parts()), 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t part = begin; part < end; ++part) {
      if (first_error.reached(part) || run.cancel.cancelled()) return;
      const auto index = static_cast<size_t>(part);
      if (Status status = count_part(corpus, index, stages, longest, counts[static_cast<size_t>(thread)]);
          !status.ok()) {
        first_error.report(part, std::move(status).error());
      }
      done.fetch_add(corpus.part_bytes(index), std::memory_order_relaxed);
      if (thread != 0) continue;  // the calling thread alone shows progress
      Progress progress{.stage = "reading", .done = done.load(std::memory_order_relaxed), .total = corpus.bytes()};
      rate.fill(progress, RateMeter::Clock::now());
      run.progress(progress);
    }
  });
  TRY(run.cancel.check());
  TRY(std::move(first_error).take());
  WordCounts all;
  for (WordCounts& part : counts) TRY(all.absorb(std::move(part)));
  return all;
}

}  // namespace linnet
