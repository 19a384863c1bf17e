#include "text/training/pair_tally.hpp"

#include <utility>

namespace linnet {

uint32_t PairCounts::index_of(SymbolPair pair) {
  const uint64_t key =
      static_cast<uint64_t>(static_cast<uint32_t>(pair.left)) << 32 | static_cast<uint32_t>(pair.right);
  size_t at = start_of(key);
  for (; slots_[at].key != kEmpty; at = (at + 1) & mask_) {
    if (slots_[at].key == key) return slots_[at].index;
  }
  const auto index = static_cast<uint32_t>(counts_.size());
  slots_[at] = {key, index};
  counts_.push_back({});
  if (counts_.size() * 2 > slots_.size()) grow();
  return index;
}

void PairCounts::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.key == kEmpty) continue;
    size_t at = start_of(slot.key);
    while (slots_[at].key != kEmpty) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

void NeighbourTally::write_places(std::vector<uint32_t>& out) {
  // `lost` has been read by now: it holds where the neighbour's next place goes.
  uint64_t at = out.size();
  for (const int32_t neighbour : touched_) {
    Sum& sum = sums_[static_cast<size_t>(neighbour)];
    sum.lost = at;
    at += sum.places;
  }
  out.resize(at);
  for (const Place& place : places_) out[sums_[static_cast<size_t>(place.neighbour)].lost++] = place.place;
}

void NeighbourTally::clear() {
  for (const int32_t neighbour : touched_) sums_[static_cast<size_t>(neighbour)] = {};
  touched_.clear();
  places_.clear();
}

}  // namespace linnet
