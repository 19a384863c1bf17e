#include "text/training/piece_lattice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr double kUnknownPenalty = 10;  // sentencepiece's kUnkPenalty

// log(exp(x) + exp(y))
double log_sum_exp(double x, double y) {
  constexpr double kNoDifference = 50;  // beyond it the smaller one is lost in rounding
  const double least = std::min(x, y);
  const double most = std::max(x, y);
  return most > least + kNoDifference ? most : most + std::log(std::exp(least - most) + 1.0);
}

}  // namespace

PieceTable::PieceTable(std::span<const UnigramPiece> pieces) {
  std::vector<std::pair<std::string_view, int32_t>> keys;
  keys.reserve(pieces.size());
  index_.reserve(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    index_.push_back(static_cast<int32_t>(i));
    if (i > 0) keys.emplace_back(pieces[i].text, static_cast<int32_t>(i));
  }
  trie_ = Trie(std::move(keys));
  set_scores(pieces);
}

void PieceTable::update(std::span<const UnigramPiece> pieces, std::span<const uint32_t> kept) {
  std::vector<int32_t> renamed(scores_.size(), -1);
  for (size_t i = 0; i < kept.size(); ++i) renamed[kept[i]] = static_cast<int32_t>(i);
  for (int32_t& index : index_) {
    if (index >= 0) index = renamed[static_cast<size_t>(index)];
  }
  set_scores(pieces);
}

void PieceTable::set_scores(std::span<const UnigramPiece> pieces) {
  scores_.clear();
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < pieces.size(); ++i) {
    scores_.push_back(pieces[i].score);
    if (i > 0) least = std::min(least, pieces[i].score);
  }
  unknown_score_ = least - kUnknownPenalty;
}

void PieceLattice::build(std::string_view word) {
  size_ = static_cast<uint32_t>(word.size());
  edges_.clear();
  for (uint32_t begin = 0; begin < size_;) {
    const auto character = static_cast<uint32_t>(decode_utf8(word.substr(begin)).length);
    bool single = false;
    uint32_t node = Trie::kRoot;
    for (uint32_t end = begin; end < size_ && table_.trie_.step(node, static_cast<uint8_t>(word[end]));) {
      ++end;
      const int32_t value = table_.trie_.value(node);
      const int32_t piece = value == Trie::kNone ? -1 : table_.index_[static_cast<size_t>(value)];
      if (piece < 0) continue;
      edges_.push_back({begin, end, piece, table_.score(piece)});
      single |= end - begin == character;
    }
    if (!single) edges_.push_back({begin, begin + character, 0, table_.unknown_score()});
    begin += character;
  }
}

void PieceLattice::add_expected(double count, std::span<double> expected) {
  from_.assign(size_ + 1, 0);
  to_.assign(size_ + 1, 0);
  seen_.assign(size_ + 1, false);
  for (const Edge& edge : edges_) {
    const double sum = edge.score + from_[edge.begin];
    from_[edge.end] = seen_[edge.end] ? log_sum_exp(from_[edge.end], sum) : sum;
    seen_[edge.end] = true;
  }
  // From the last beginning to the first; the edges of one beginning from the shortest on.
  for (size_t last = edges_.size(); last > 0;) {
    size_t first = last - 1;
    const uint32_t begin = edges_[first].begin;
    while (first > 0 && edges_[first - 1].begin == begin) --first;
    for (size_t i = first; i < last; ++i) {
      const double sum = edges_[i].score + to_[edges_[i].end];
      to_[begin] = i > first ? log_sum_exp(to_[begin], sum) : sum;
    }
    last = first;
  }
  const double all = from_[size_];
  for (const Edge& edge : edges_) {
    const double share = from_[edge.begin] + edge.score + to_[edge.end] - all;
    expected[static_cast<size_t>(edge.piece)] += count * std::exp(share);
  }
}

std::span<const int32_t> PieceLattice::edges_to(uint32_t end) const {
  return std::span(arriving_).subspan(first_arriving_[end], first_arriving_[end + 1] - first_arriving_[end]);
}

// The best way to `end` and on by an edge of `score`; `before`: its last edge before that one, -1 at the word's begin.
// Of equal ones the first. The sum is made before the comparison: rounding decides between ways that are equally
// likely.
double PieceLattice::reach(uint32_t end, double score, int32_t& before) const {
  before = -1;
  double most = score;
  for (const int32_t edge : edges_to(end)) {
    const double sum = best_[static_cast<size_t>(edge)] + score;
    if (before >= 0 && sum <= most) continue;
    most = sum;
    before = edge;
  }
  return most;
}

void PieceLattice::find_best_beginnings() {
  first_arriving_.assign(size_ + 2, 0);
  for (const Edge& edge : edges_) ++first_arriving_[edge.end + 1];
  for (size_t i = 1; i < first_arriving_.size(); ++i) first_arriving_[i] += first_arriving_[i - 1];
  arriving_.resize(edges_.size());
  best_.resize(edges_.size());
  before_.resize(edges_.size());
  std::vector<uint32_t>& next = next_arriving_;
  next.assign(first_arriving_.begin(), first_arriving_.end());
  for (size_t i = 0; i < edges_.size(); ++i) arriving_[next[edges_[i].end]++] = static_cast<int32_t>(i);
  for (size_t i = 0; i < edges_.size(); ++i) best_[i] = reach(edges_[i].begin, edges_[i].score, before_[i]);
}

const std::vector<int32_t>& PieceLattice::best() {
  find_best_beginnings();
  int32_t last = -1;
  reach(size_, 0, last);
  path_.clear();
  write_path(last, path_);
  return path_;
}

bool PieceLattice::without_whole(std::vector<int32_t>& pieces) {
  find_best_beginnings();
  double whole = -std::numeric_limits<double>::infinity();
  int32_t last = -1;
  for (const int32_t edge : edges_to(size_)) {
    const double score = best_[static_cast<size_t>(edge)];
    if (edges_[static_cast<size_t>(edge)].begin == 0) {
      whole = score;
    } else if (last < 0 || score >= best_[static_cast<size_t>(last)]) {
      last = edge;  // of equal ones the last, which the peer's search comes to first
    }
  }
  pieces.clear();
  if (last >= 0 && best_[static_cast<size_t>(last)] > whole) return false;
  write_path(last, pieces);
  return true;
}

// The pieces of the best way that ends with `edge`, -1 for none.
void PieceLattice::write_path(int32_t edge, std::vector<int32_t>& out) const {
  for (; edge >= 0; edge = before_[static_cast<size_t>(edge)]) out.push_back(edges_[static_cast<size_t>(edge)].piece);
  std::reverse(out.begin(), out.end());
}

}  // namespace linnet
