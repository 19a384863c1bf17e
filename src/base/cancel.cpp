#include "base/cancel.hpp"

#include <signal.h>
#include <unistd.h>

namespace linnet {

Status CancelToken::check() const {
  if (cancelled()) return Error{ErrorCode::kCancelled, "stopped", {}, {}};
  return ok_status();
}

namespace {

CancelToken g_interrupt;  // a signal handler can reach nothing else

void on_signal(int) {
  if (g_interrupt.cancelled()) ::_exit(130);
  g_interrupt.cancel();
}

}  // namespace

CancelToken& interrupt_token() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_handler = on_signal;  // without SA_RESTART: a blocked read returns, so that a prompt can end
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    return true;
  }();
  static_cast<void>(installed);
  return g_interrupt;
}

}  // namespace linnet
