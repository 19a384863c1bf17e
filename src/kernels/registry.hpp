// Which kernels run on which instruction set: explicit lines, and nothing else decides.
// Thread safety: the tables are constant.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "kernels/isa.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {

// The kernels for the fastest instruction set of this machine, or for the one that $LINNET_ISA names. Fails where that
// is unknown or missing here. Lives for the whole program.
Result<const KernelTable*> kernel_table_for_this_machine();

// What the `pack` of any set takes for a matrix (rows, cols) of this format; 0 where there is no layout for it.
int64_t packed_bytes(QuantType type, int64_t rows, int64_t cols);

// The kernels of one set; requires machine_has(isa) of whoever calls them.
const KernelTable& kernel_table(Isa isa);

}  // namespace linnet
