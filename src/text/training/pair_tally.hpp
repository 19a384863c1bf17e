// The pairs of symbols that BPE training counts, and what one merge changes about them.
// Thread safety: none; an object belongs to one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/vocabulary.hpp"

namespace linnet {

struct SymbolPair {
  int32_t left = 0;
  int32_t right = 0;
  friend auto operator<=>(const SymbolPair&, const SymbolPair&) = default;
};

// From pairs to their counts, open addressing.
class PairCounts {
 public:
  struct Count {
    int64_t frequency = 0;
    uint32_t lists = 0;  // candidates that were made for the pair, each with places of its own
  };

  // The index of the pair's count, which is made where there is none; it stays.
  uint32_t index_of(SymbolPair pair);
  Count& at(uint32_t index) { return counts_[index]; }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  struct Slot {
    uint64_t key = kEmpty;
    uint32_t index = 0;
  };

  size_t start_of(uint64_t key) const { return fold_multiply(key ^ secret_.add, secret_.multiply) & mask_; }
  void grow();

  std::vector<Slot> slots_ = std::vector<Slot>(1 << 16);
  size_t mask_ = (1 << 16) - 1;
  std::vector<Count> counts_;
  HashSecret secret_ = HashSecret::get();
};

// What one merge does to the neighbours on one side: by neighbour, the frequency that the old pair loses and the new
// one gains, and the places of the new one.
class NeighbourTally {
 public:
  explicit NeighbourTally(size_t symbols) : sums_(symbols) {}

  struct Sum {
    uint64_t lost = 0;
    uint64_t gained = 0;
    uint32_t places = 0;
  };

  void lose(int32_t neighbour, uint64_t count) { sum_of(neighbour).lost += count; }
  void gain(int32_t neighbour, uint64_t count, uint32_t place) {
    Sum& sum = sum_of(neighbour);
    sum.gained += count;
    ++sum.places;
    places_.push_back({neighbour, place});
  }

  // The neighbours that were told of, each once, and what is known of each.
  std::span<const int32_t> neighbours() const { return touched_; }
  const Sum& of(int32_t neighbour) const { return sums_[static_cast<size_t>(neighbour)]; }
  // Appends the places to `out`: those of each neighbour together, in the order of neighbours(), in the order told.
  void write_places(std::vector<uint32_t>& out);
  void clear();

 private:
  struct Place {
    int32_t neighbour;
    uint32_t place;
  };

  Sum& sum_of(int32_t neighbour) {
    Sum& sum = sums_[static_cast<size_t>(neighbour)];
    if (sum.lost == 0 && sum.places == 0) touched_.push_back(neighbour);
    return sum;
  }

  std::vector<Sum> sums_;
  std::vector<int32_t> touched_;
  std::vector<Place> places_;
};

}  // namespace linnet
