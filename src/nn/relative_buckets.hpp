// Relative positions as T5 learns them (arXiv:1910.10683, section 2.1): near offsets each have a bucket of their own,
// far ones share buckets that grow with the logarithm of the distance. Thread safety: pure.
#pragma once

#include <cstdint>
#include <vector>

namespace linnet {

// The bucket of a key at each offset 1 - reach, ..., reach - 1 from its row. Half of the `buckets` are for keys at and
// before the row, half for those behind it; from `distance` on, all share the last of their half.
std::vector<int32_t> relative_buckets(int64_t buckets, int64_t distance, int64_t reach);

}  // namespace linnet
