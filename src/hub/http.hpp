// HTTP for what is fetched and sent, over libcurl; the only file that knows curl.
//
// TLS is always checked; plain http only to this machine itself. Redirects are followed one by one (10 at most), never
// from https to http, and the token goes to no other origin than the one it was meant for. What carries a body follows
// only those that keep it (307, 308). Proxies come from the
// environment (https_proxy, no_proxy), extra certificates from SSL_CERT_FILE or CURL_CA_BUNDLE.
// Thread safety: each call stands alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace linnet {

struct HttpRequest {
  enum class Method { kGet, kPost, kPut };

  std::string url = {};
  Method method = Method::kGet;
  std::span<const std::byte> body = {};              // of kPost and kPut; borrowed
  std::string content_type = {};                     // of the body; may be empty
  std::string accept = {};                           // may be empty
  std::function<void(uint64_t bytes)> on_sent = {};  // how much of the body is on its way
  std::string token = {};     // "Authorization: Bearer", to the origin of `url` only; may be empty
  uint64_t offset = 0;        // ask for the bytes from here on
  std::string if_range = {};  // with `offset`: only if this is still the file's ETag, else all of it
  const CancelToken* cancel = nullptr;
  std::chrono::milliseconds stall = std::chrono::seconds(30);  // no byte for so long is an error
};

using HttpHeaders = std::map<std::string, std::string>;  // names in lower case

struct HttpResponse {
  int status = 0;
  HttpHeaders headers = {};        // of the last answer
  HttpHeaders first_headers = {};  // of the first answer: the hub says there what its storage does not know
  std::string error_text = {};     // the body when the status is not 2xx, at most 64 KiB

  // A header of the last answer, else of the first; "" when neither has it.
  std::string header(const std::string& name) const;
};

struct HttpOutcome {
  enum class Kind {
    kAnswered,   // an answer came, whatever its status, and its body is complete
    kTransient,  // it may work when tried again: cut, stalled, refused
    kNoHost,     // the host's name is not known: misspelt, or there is no connection
    kFatal,      // it will not: bad certificate, bad redirect, cancelled, the sink said no
  };
  Kind kind = Kind::kFatal;
  HttpResponse response = {};
  Error error = {};
};

struct HttpSink {
  // Called once before the body of a 2xx answer; an error ends the transfer as kFatal with it.
  std::function<Status(const HttpResponse&)> begin = {};
  std::function<Status(std::span<const std::byte>)> body = {};
};

HttpOutcome http_send(const HttpRequest& request, const HttpSink& sink);

// Percent-encodes everything but unreserved characters and '/'.
std::string url_path(std::string_view path);

// How long the server asks to wait: "Retry-After" as seconds or as a date, or the "t" of Hugging Face's
// `RateLimit: "api";r=0;t=55`. -1 when it does not say.
int64_t retry_after_seconds(const HttpResponse& response);

}  // namespace linnet
