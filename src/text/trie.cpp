#include "text/trie.hpp"

#include <algorithm>
#include <array>

namespace linnet {

// Places nodes breadth first. Free units form a linked list; a node's children go where the first of them meets a free
// unit and the others do too.
class Trie::Builder {
 public:
  Builder(const std::vector<std::pair<std::string_view, int32_t>>& keys, std::vector<Unit>& units)
      : keys_(keys), units_(units) {
    units_.assign(1, Unit{});
    units_[0].parent = 0;  // the root is its own; no byte leads back to it, since bases are at least 1
  }

  void run() {
    std::vector<Range> ranges{{0, keys_.size(), 0, kRoot}};
    for (size_t i = 0; i < ranges.size(); ++i) {
      const Range range = ranges[i];
      add_children(range, ranges);
    }
    // Any base plus any byte must be inside.
    units_.resize(units_.size() + 257);
    for (Unit& unit : units_) {
      if (unit.base == 0) unit.base = 1;
    }
  }

 private:
  struct Range {
    size_t begin, end;
    size_t depth;
    uint32_t node;
  };

  void add_children(const Range& range, std::vector<Range>& ranges) {
    size_t i = range.begin;
    if (keys_[i].first.size() == range.depth) {
      units_[range.node].value = keys_[i].second;
      while (i < range.end && keys_[i].first.size() == range.depth) ++i;  // equal keys: the first counts
    }
    labels_count_ = 0;
    const size_t first_child = ranges.size();
    while (i < range.end) {
      const auto label = static_cast<uint8_t>(keys_[i].first[range.depth]);
      size_t end = i + 1;
      while (end < range.end && static_cast<uint8_t>(keys_[end].first[range.depth]) == label) ++end;
      labels_[labels_count_++] = label;
      ranges.push_back({i, end, range.depth + 1, 0});
      i = end;
    }
    if (labels_count_ == 0) return;
    const uint32_t base = find_base();
    units_[range.node].base = base;
    for (size_t child = 0; child < labels_count_; ++child) {
      const uint32_t at = base + labels_[child];
      units_[at].parent = range.node;
      ranges[first_child + child].node = at;
    }
  }

  // The smallest base, near enough, at which every label is free. Looks at a bounded number of places: a vocabulary
  // must not make building slow, only the array longer.
  uint32_t find_base() {
    while (search_from_ < units_.size() && units_[search_from_].parent != kFree) ++search_from_;
    size_t at = std::max<size_t>(search_from_, size_t{labels_[0]} + 1);
    for (int tries = 0; tries < 64 && at < units_.size(); ++at) {
      if (units_[at].parent != kFree) continue;
      ++tries;
      const size_t base = at - labels_[0];
      bool fits = true;
      for (size_t i = 1; i < labels_count_ && fits; ++i) {
        const size_t unit = base + labels_[i];
        fits = unit >= units_.size() || units_[unit].parent == kFree;
      }
      if (fits) return grow_for(base);
      if (tries == 63) search_from_ = at;  // what was looked at in vain is given up
    }
    return grow_for(std::max<size_t>(units_.size(), size_t{labels_[0]} + 1) - labels_[0]);
  }

  uint32_t grow_for(size_t base) {
    const size_t needed = base + labels_[labels_count_ - 1] + 1;
    if (units_.size() < needed) units_.resize(needed);
    return static_cast<uint32_t>(base);
  }

  const std::vector<std::pair<std::string_view, int32_t>>& keys_;
  std::vector<Unit>& units_;
  std::array<uint8_t, 256> labels_{};
  size_t labels_count_ = 0;
  size_t search_from_ = 1;
};

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> keys) {
  std::erase_if(keys, [](const auto& key) { return key.first.empty(); });
  if (keys.empty()) return;
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Builder(keys, units_).run();
  empty_ = false;
}

}  // namespace linnet
