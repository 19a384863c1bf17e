// Ctrl-C as a question that long work asks: a token that a signal handler, or another thread, may set.
// Thread safety: all methods may be called from any thread; cancel() also from a signal handler.
#pragma once

#include <atomic>

#include "base/result.hpp"

namespace linnet {

class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  void reset() { cancelled_.store(false, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // kCancelled once cancelled, else ok.
  Status check() const;

 private:
  std::atomic<bool> cancelled_{false};
};

// The token that SIGINT and SIGTERM set from the first call on. A second Ctrl-C before reset() ends the process at once
// with exit code 130, so that a hang can always be left.
CancelToken& interrupt_token();

}  // namespace linnet
