// What a forward runs on: threads, kernels, buffers.
// Ownership: owns them; must outlive the sessions that use it. Thread safety: one thread at a time.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {

class Runtime {
 public:
  // `threads` 0: every core that this process may use. Error: $LINNET_ISA names a set that is not here.
  static Result<std::unique_ptr<Runtime>> create(int threads);

  Context& context() { return context_; }
  std::string_view isa() const { return kernels_->isa; }
  int threads() const { return pool_.size(); }

 private:
  Runtime(int threads, const KernelTable& kernels) : pool_(threads), kernels_(&kernels), context_(pool_, kernels) {}

  ThreadPool pool_;
  const KernelTable* kernels_;
  Context context_;
};

}  // namespace linnet
