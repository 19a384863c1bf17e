// The transpose of rows of a matrix, in panels: blocks of 32 along the rows with one scale, whatever they were before.
#pragma once

#include "base/thread_pool.hpp"
#include "kernels/panels.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// (cols, count) of `rows`. Codes lie within offset - 1 of zero and are stored plus the offset: that of kPanelQ8_0 or
// kPanelTurned6.
Panels turned_panels(ThreadPool& pool, const RowsToTurn& rows, int offset);

}  // namespace linnet::kernels
