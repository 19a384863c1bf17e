#include "kernels/turned_panels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/check.hpp"
#include "quant/encode_numbers.hpp"

namespace linnet::kernels {

namespace {

using Lanes = std::array<float, kPanelRows>;  // one number for each row of a panel

// out: the scales and codes of one group of a panel; each lane is a block. Loops over lanes are vectors.
void put_group(const std::array<Lanes, kGroup>& w, int offset, std::byte* out) {
  Lanes inverse{};
  for (const Lanes& row : w) {
    for (size_t i = 0; i < row.size(); ++i) inverse[i] = std::max(inverse[i], std::fabs(row[i]));
  }
  std::array<Half, kPanelRows> scales;
  for (size_t i = 0; i < inverse.size(); ++i) {
    const float scale = inverse[i] / static_cast<float>(offset - 1);
    scales[i] = to_half(scale);
    inverse[i] = inverse_or_zero(scale);
  }
  static_assert(sizeof(scales) == kHalfRow);
  std::memcpy(out, scales.data(), sizeof(scales));
  for (size_t quad = 0; quad < kQuads; ++quad) {
    std::array<uint32_t, kPanelRows> line{};
    for (size_t byte = 0; byte < 4; ++byte) {
      const Lanes& row = w[4 * quad + byte];
      for (size_t i = 0; i < row.size(); ++i) {
        const int code = nearest_int(row[i] * inverse[i]) + offset;
        line[i] |= (static_cast<uint32_t>(code) & 255) << (8 * byte);
      }
    }
    static_assert(sizeof(line) == kLine);
    std::memcpy(out + kHalfRow + kLine * quad, line.data(), sizeof(line));
  }
}

}  // namespace

Panels turned_panels(ThreadPool& pool, const RowsToTurn& rows, int offset) {
  CHECK(rows.count % kGroup == 0 && (offset == kPanelQ8_0.offset || offset == kPanelTurned6.offset));
  const PanelCoder& coder = offset == kPanelTurned6.offset ? turned6_coder() : *panel_coder(QuantType::kQ8_0);
  Panels panels(coder, rows.cols, rows.count);
  constexpr int64_t kGroupsWorthAThread = 1;
  pool.parallel_for(rows.count / kGroup, kGroupsWorthAThread, [&](int64_t begin, int64_t end, int) {
    std::vector<float> group(static_cast<size_t>(kGroup * rows.cols));
    for (int64_t g = begin; g < end; ++g) {
      for (int64_t i = 0; i < kGroup; ++i) rows.decode(rows.first + g * kGroup + i, group.data() + i * rows.cols);
      for (int64_t p = 0; p < panels.count(); ++p) {
        std::array<Lanes, kGroup> w{};
        for (size_t i = 0; i < w.size(); ++i) {
          std::copy_n(group.data() + static_cast<int64_t>(i) * rows.cols + p * kPanelRows, panels.rows_in(p),
                      w[i].begin());
        }
        put_group(w, offset, panels.panel(p) + g * coder.super_bytes);
      }
    }
  });
  return panels;
}

}  // namespace linnet::kernels
