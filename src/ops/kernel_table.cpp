#include "ops/kernel_table.hpp"

namespace linnet {

const KernelTable& reference_kernels() {
  static const KernelTable table;
  return table;
}

}  // namespace linnet
