// What every transfer shares: how it is watched and ended, how long it goes on trying, and answers that are small
// texts. Thread safety: a Patience belongs to one thread; functions stand alone.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "hub/http.hpp"

namespace linnet {

struct TransferOptions {
  const CancelToken* cancel = nullptr;  // borrowed
  ProgressCallback progress = {};
  std::function<void(std::string_view)> notice = {};           // a line for the person: waiting, retrying, already here
  std::chrono::milliseconds stall = std::chrono::seconds(30);  // no byte for so long is a broken connection
  std::chrono::milliseconds retry = std::chrono::seconds(1);   // before the first retry; doubles with each
};

// Statuses that another attempt may turn: 408, 429, and what a busy server answers.
bool may_pass(int status);

// Counts failures and waits between them. Borrows the options.
class Patience {
 public:
  explicit Patience(const TransferOptions& options) : options_(options) {}

  void progress_was_made() { failures_ = 0; }

  // Waits before the next attempt; the error itself when there will be none. `response`: the server's; may be null.
  Status wait(Error error, const HttpResponse* response);
  // The same where no host is known by the name: one more attempt, unless there was one before.
  Status wait_for_host(Error error);

 private:
  Status sleep(std::chrono::milliseconds pause) const;

  const TransferOptions& options_;
  int failures_ = 0;
  int attempts_ = 0;
};

// The error for a status that no other attempt will turn, such as 404; empty: status_error().
using Refused = std::function<Error(const HttpResponse&)>;

// Tries as often as Patience allows, until an answer of 2xx has come whole.
Result<HttpResponse> send_patiently(const HttpRequest& request, const TransferOptions& options, const Refused& refused,
                                    const HttpSink& sink = {});

// The same for an answer that is a text of at most `limit` bytes.
Result<std::string> fetch_text(const HttpRequest& request, uint64_t limit, const TransferOptions& options,
                               const Refused& refused = {});

// "the server answered 404", with what it said.
Error status_error(const HttpResponse& response, const std::string& place);

}  // namespace linnet
