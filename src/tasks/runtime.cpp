#include "tasks/runtime.hpp"

#include "base/system.hpp"
#include "kernels/registry.hpp"

namespace linnet {

Result<std::unique_ptr<Runtime>> Runtime::create(int threads) {
  constexpr int kMostThreads = 1024;
  if (threads < 0 || threads > kMostThreads) return usage_error("threads must be from 0 to 1024");
  TRY_ASSIGN(const KernelTable* kernels, kernel_table_for_this_machine());
  return std::unique_ptr<Runtime>(new Runtime(threads > 0 ? threads : usable_cores(), *kernels));
}

}  // namespace linnet
