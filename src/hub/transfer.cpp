#include "hub/transfer.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <thread>

#include "hub/source.hpp"

namespace linnet {

namespace {

using std::chrono::milliseconds;

constexpr int kMostFailures = 5;       // in a row, without a byte between them
constexpr int kMostAttempts = 1000;    // in all: a server that gives a byte a time does not hold us for ever
constexpr int64_t kLongestWait = 300;  // seconds; a server that asks for more is answered with an error
constexpr milliseconds kLongestBackoff = std::chrono::seconds(30);

}  // namespace

bool may_pass(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

Status Patience::wait(Error error, const HttpResponse* response) {
  ++attempts_;
  if (++failures_ > kMostFailures || attempts_ > kMostAttempts) {
    error.message += fmt::format(" ({} attempts)", attempts_);
    if (error.hint.empty())
      error.hint = "check the connection and run the same command again: it goes on from where it was cut";
    return error;
  }
  milliseconds pause = std::min(kLongestBackoff, options_.retry * (1 << std::min(failures_ - 1, 10)));
  const int64_t asked = response == nullptr ? -1 : retry_after_seconds(*response);
  if (asked > kLongestWait) {
    error.hint = fmt::format("the server asks to come back in {} seconds", asked);
    return error;
  }
  if (asked >= 0) pause = std::chrono::seconds(asked);
  if (options_.notice) {
    options_.notice(
        fmt::format("{}; trying again in {:.3g} s", error.message, std::chrono::duration<double>(pause).count()));
  }
  return sleep(pause);
}

Status Patience::wait_for_host(Error error) {
  if (failures_ == 0) return wait(std::move(error), nullptr);
  error.hint = "is this machine connected, and the name spelt right?";
  return error;
}

Status Patience::sleep(milliseconds pause) const {
  const auto end = std::chrono::steady_clock::now() + pause;
  while (std::chrono::steady_clock::now() < end) {
    if (options_.cancel != nullptr) TRY(options_.cancel->check());
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    std::this_thread::sleep_for(std::clamp(left, milliseconds(1), milliseconds(50)));
  }
  return ok_status();
}

Error status_error(const HttpResponse& response, const std::string& place) {
  std::string said = response.header("x-error-message");
  if (said.empty() && !response.error_text.starts_with("<")) said = response.error_text;
  Error error{ErrorCode::kNetwork, fmt::format("the server answered {}", response.status), place, {}};
  if (response.status == 404) error.code = ErrorCode::kNotFound;
  if (!said.empty()) error.message += ": " + printable(said, 300);
  return error;
}

Result<HttpResponse> send_patiently(const HttpRequest& request, const TransferOptions& options, const Refused& refused,
                                    const HttpSink& sink) {
  Patience patience(options);
  for (;;) {
    HttpOutcome outcome = http_send(request, sink);
    if (outcome.kind == HttpOutcome::Kind::kFatal) return outcome.error;
    if (outcome.kind == HttpOutcome::Kind::kNoHost) {
      TRY(patience.wait_for_host(outcome.error));
      continue;
    }
    if (outcome.kind == HttpOutcome::Kind::kTransient) {
      TRY(patience.wait(outcome.error, nullptr));
      continue;
    }
    const int status = outcome.response.status;
    if (status >= 200 && status < 300) return std::move(outcome.response);
    if (!may_pass(status)) return refused ? refused(outcome.response) : status_error(outcome.response, request.url);
    TRY(patience.wait(status_error(outcome.response, request.url), &outcome.response));
  }
}

Result<std::string> fetch_text(const HttpRequest& request, uint64_t limit, const TransferOptions& options,
                               const Refused& refused) {
  std::string text;
  HttpSink sink;
  sink.begin = [&](const HttpResponse&) {
    text.clear();
    return ok_status();
  };
  sink.body = [&](std::span<const std::byte> bytes) -> Status {
    if (bytes.size() > limit - text.size())
      return invalid(fmt::format("the answer is longer than {} bytes", limit), request.url);
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return ok_status();
  };
  TRY(send_patiently(request, options, refused, sink));
  return text;
}

}  // namespace linnet
