// All ways to cut a word into pieces, and what training asks of them: expectations, the best way, the second best.
//
// Arithmetic, its order within a word and what is taken of equally likely ways are those of Hugging Face's Lattice.
// Pieces are known by their index; index 0 is the unknown piece, which is taken for a character that is no piece.
// Thread safety: PieceTable's const methods may be called from any thread; a PieceLattice belongs to one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/training/seed_pieces.hpp"
#include "text/trie.hpp"

namespace linnet {

// Pieces by their spelling. pieces[0] is the unknown piece; the table borrows the texts while it is made only.
class PieceTable {
 public:
  explicit PieceTable(std::span<const UnigramPiece> pieces);

  // Other scores, and fewer pieces: `kept[i]` is the old index of piece i, ascending.
  void update(std::span<const UnigramPiece> pieces, std::span<const uint32_t> kept);

  size_t size() const { return scores_.size(); }
  double score(int32_t piece) const { return scores_[static_cast<size_t>(piece)]; }
  double unknown_score() const { return unknown_score_; }

 private:
  friend class PieceLattice;
  void set_scores(std::span<const UnigramPiece> pieces);

  Trie trie_;
  std::vector<int32_t> index_;  // by the trie's value: the piece, or -1 where it is gone
  std::vector<double> scores_;
  double unknown_score_ = 0;
};

class PieceLattice {
 public:
  explicit PieceLattice(const PieceTable& table) : table_(table) {}

  // Every piece that stands somewhere in `word`.
  void build(std::string_view word);

  // Adds how often each piece is expected in `count` occurrences of the word. The word is at least one byte.
  void add_expected(double count, std::span<double> expected);

  // The pieces of the most likely way to cut the word.
  const std::vector<int32_t>& best();

  // What the word is cut into where it may not be one piece: the second most likely way, or nothing where there is no
  // other. False where the most likely way has several pieces.
  bool without_whole(std::vector<int32_t>& pieces);

 private:
  struct Edge {
    uint32_t begin = 0;
    uint32_t end = 0;
    int32_t piece = 0;
    double score = 0;
  };

  void find_best_beginnings();
  double reach(uint32_t end, double score, int32_t& before) const;
  std::span<const int32_t> edges_to(uint32_t end) const;
  void write_path(int32_t edge, std::vector<int32_t>& out) const;

  const PieceTable& table_;
  uint32_t size_ = 0;         // of the word
  std::vector<Edge> edges_;   // by begin, then by end
  std::vector<double> from_;  // by position: log of the sum over all ways to get there
  std::vector<double> to_;    // the same to the end
  std::vector<bool> seen_;
  std::vector<int32_t> arriving_;         // edges by end, then by begin
  std::vector<uint32_t> first_arriving_;  // by end
  std::vector<uint32_t> next_arriving_;
  std::vector<double> best_;     // by edge: the best way from the word's begin to the edge's end
  std::vector<int32_t> before_;  // by edge: the one before it on that way
  std::vector<int32_t> path_;
};

}  // namespace linnet
