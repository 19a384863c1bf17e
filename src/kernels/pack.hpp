// From the rows of a file to panels (kernels/panel.hpp) and back. The same bytes for every instruction set.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/panel.hpp"
#include "quant/format.hpp"

namespace linnet::kernels {

// How panels of one format are written and read.
struct PanelCoder {
  // Writes one panel; null for one of no file. rows[i]: the blocks of row i, or null past the last row of the matrix:
  // that row is zero.
  void (*pack)(const std::byte* const (&rows)[kPanelRows], int64_t cols, std::byte* panel);
  // out (cols) = row `row` of the panel, decoded to the very bits of QuantFormat::decode.
  void (*unpack_row)(const std::byte* panel, int64_t cols, int row, float* out);
  // Of a panel, per super_columns columns; the columns of a matrix are a multiple of them.
  int64_t super_bytes;
  int64_t super_columns;
};

// Null where there is no panel for the format.
const PanelCoder* panel_coder(QuantType type);
// Of kPanelTurned6, which is read only.
const PanelCoder& turned6_coder();

}  // namespace linnet::kernels
