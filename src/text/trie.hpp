// A static trie over byte strings as a double array (Aoe 1989): a step is one addition and one comparison.
// Thread safety: const methods may be called from any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace linnet {

class Trie {
 public:
  Trie() = default;
  // Values are not negative. Empty keys are ignored; of equal keys the first counts.
  explicit Trie(std::vector<std::pair<std::string_view, int32_t>> keys);

  static constexpr uint32_t kRoot = 0;
  static constexpr int32_t kNone = -1;

  // Follows `byte` from `node`; false where no key goes on so.
  bool step(uint32_t& node, uint8_t byte) const {
    const uint32_t child = units_[node].base + byte;
    if (units_[child].parent != node) return false;
    node = child;
    return true;
  }
  // The value of the key that ends at `node`, or kNone.
  int32_t value(uint32_t node) const { return units_[node].value; }

  bool empty() const { return empty_; }

 private:
  struct Unit {
    uint32_t base = 0;
    uint32_t parent = kFree;
    int32_t value = kNone;
  };
  static constexpr uint32_t kFree = UINT32_MAX;

  class Builder;
  // One free unit past the last base, so that step() needs no bounds check.
  std::vector<Unit> units_ = std::vector<Unit>(257);
  bool empty_ = true;
};

}  // namespace linnet
