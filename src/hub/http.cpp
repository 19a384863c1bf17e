#include "hub/http.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <curl/curl.h>
#include <fmt/core.h>
#include <memory>

#include "base/paths.hpp"
#include "base/strings.hpp"
#include "hub/source.hpp"

namespace linnet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostRedirects = 10;
constexpr size_t kMostHeaderBytes = 128 << 10;
constexpr size_t kMostErrorText = 64 << 10;
constexpr int kPollMilliseconds = 100;

// curl's handles are void pointers, so their types cannot tell them apart.
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

void initialise_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(code == CURLE_OK);
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool is_redirect(int status, HttpRequest::Method method) {
  if (status == 307 || status == 308) return true;
  return method == HttpRequest::Method::kGet && (status == 301 || status == 302 || status == 303);
}

// What trying again cannot mend.
bool is_fatal(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return true;
    default:
      return false;
  }
}

// One request and its answer, without following redirects.
class Hop {
 public:
  Hop(const HttpRequest& request, const HttpSink& sink, std::string url, bool with_token, const HttpHeaders& first)
      : request_(request), sink_(sink), url_(std::move(url)), with_token_(with_token), first_(first) {}

  HttpOutcome run() {
    initialise_once();
    easy_.reset(curl_easy_init());
    multi_.reset(curl_multi_init());
    CHECK(easy_ && multi_);
    configure();
    curl_multi_add_handle(multi_.get(), easy_.get());
    const Status finished = drive();
    curl_multi_remove_handle(multi_.get(), easy_.get());
    return conclude(finished);
  }

  // Where the answer sends us; absolute.
  std::string redirect() const {
    const char* target = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &target);
    return target == nullptr ? "" : target;
  }

 private:
  void configure() {
    CURL* easy = easy_.get();
    curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, is_loopback_url(url_) ? "http,https" : "https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "linnet/0.1");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.stall.count()));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_.data());
    for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
      if (const auto file = environment(variable)) curl_easy_setopt(easy, CURLOPT_CAINFO, file->c_str());
    }
    if (with_token_ && !request_.token.empty()) add_header("Authorization: Bearer " + request_.token);
    if (!request_.accept.empty()) add_header("Accept: " + request_.accept);
    if (request_.method != HttpRequest::Method::kGet) configure_body();
    if (request_.offset > 0) {
      add_header(fmt::format("Range: bytes={}-", request_.offset));
      if (!request_.if_range.empty()) add_header("If-Range: " + request_.if_range);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Hop::on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Hop::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  }

  void configure_body() {
    CURL* easy = easy_.get();
    const bool post = request_.method == HttpRequest::Method::kPost;
    curl_easy_setopt(easy, post ? CURLOPT_POST : CURLOPT_UPLOAD, 1L);
    const auto size = static_cast<curl_off_t>(request_.body.size());
    curl_easy_setopt(easy, post ? CURLOPT_POSTFIELDSIZE_LARGE : CURLOPT_INFILESIZE_LARGE, size);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Hop::on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &Hop::on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
    // Without a name curl would call a body a form.
    add_header("Content-Type:" + (request_.content_type.empty() ? "" : " " + request_.content_type));
  }

  void add_header(const std::string& line) {
    curl_slist* list = headers_.release();
    headers_.reset(curl_slist_append(list, line.c_str()));
  }

  // Runs the transfer to its end; an error when we end it.
  Status drive() {
    last_byte_ = Clock::now();
    for (int running = 1; running > 0;) {
      if (request_.cancel != nullptr) TRY(request_.cancel->check());
      if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) {
        return Error{ErrorCode::kNetwork, "the transfer broke down", url_, {}};
      }
      if (running > 0) curl_multi_poll(multi_.get(), nullptr, 0, kPollMilliseconds, nullptr);
      if (running > 0 && Clock::now() - last_byte_ > request_.stall) {
        return Error{ErrorCode::kNetwork,
                     fmt::format("no byte came for {:.3g} s", std::chrono::duration<double>(request_.stall).count()),
                     url_,
                     {}};
      }
    }
    for (int left = 1; left > 0;) {
      const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
      if (message != nullptr && message->msg == CURLMSG_DONE) result_ = message->data.result;
    }
    return ok_status();
  }

  HttpOutcome conclude(const Status& finished) {
    using Kind = HttpOutcome::Kind;
    if (!sink_status_.ok()) return {Kind::kFatal, std::move(response_), sink_status_.error()};
    if (!finished.ok()) {
      const bool cancelled = finished.error().code == ErrorCode::kCancelled;
      return {cancelled ? Kind::kFatal : Kind::kTransient, std::move(response_), finished.error()};
    }
    if (result_ != CURLE_OK && !enough_) {
      const std::string_view said = trimmed(error_text_.data());
      Error error{ErrorCode::kNetwork, printable(said.empty() ? curl_easy_strerror(result_) : said), url_, {}};
      if (too_many_headers_) error.message = "the answer's headers never end";
      return {kind_of_failure(), std::move(response_), std::move(error)};
    }
    begin_body();
    if (!sink_status_.ok()) return {Kind::kFatal, std::move(response_), sink_status_.error()};
    return {Kind::kAnswered, std::move(response_), {}};
  }

  HttpOutcome::Kind kind_of_failure() const {
    if (is_fatal(result_) || too_many_headers_) return HttpOutcome::Kind::kFatal;
    return result_ == CURLE_COULDNT_RESOLVE_HOST ? HttpOutcome::Kind::kNoHost : HttpOutcome::Kind::kTransient;
  }

  bool wanted() const { return response_.status >= 200 && response_.status < 300; }

  void begin_body() {
    if (begun_ || !wanted()) return;
    begun_ = true;
    response_.first_headers = first_.empty() ? response_.headers : first_;
    if (sink_.begin) sink_status_ = sink_.begin(response_);
  }

  static size_t on_header(char* data, size_t, size_t size, void* self) {
    return static_cast<Hop*>(self)->header({data, size});
  }
  static size_t on_body(char* data, size_t, size_t size, void* self) {
    return static_cast<Hop*>(self)->body({data, size});
  }

  static size_t on_read(char* to, size_t, size_t room, void* self) {
    return static_cast<Hop*>(self)->read({reinterpret_cast<std::byte*>(to), room});
  }
  // curl begins the body anew where a connection that was kept turned out to be gone.
  static int on_seek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Hop*>(self)->sent_ = static_cast<size_t>(offset);
    return CURL_SEEKFUNC_OK;
  }

  size_t read(std::span<std::byte> to) {
    last_byte_ = Clock::now();
    const std::span<const std::byte> rest = request_.body.subspan(sent_);
    const size_t count = std::min(to.size(), rest.size());
    std::copy_n(rest.begin(), count, to.begin());
    sent_ += count;
    if (request_.on_sent) request_.on_sent(sent_);
    return count;
  }

  size_t header(std::string_view line) {
    last_byte_ = Clock::now();
    header_bytes_ += line.size();
    too_many_headers_ = header_bytes_ > kMostHeaderBytes;
    if (too_many_headers_) return 0;
    if (line.starts_with("HTTP/")) {  // also after "100 Continue": only the last answer counts
      response_ = {};
      const size_t space = std::min(line.find(' '), line.size() - 1);
      std::from_chars(line.data() + space + 1, line.data() + line.size(), response_.status);
    } else if (const size_t colon = line.find(':'); colon != line.npos) {
      response_.headers[ascii_lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
    }
    return line.size();
  }

  size_t body(std::string_view bytes) {
    last_byte_ = Clock::now();
    if (!wanted()) {
      response_.error_text += bytes.substr(0, kMostErrorText - std::min(kMostErrorText, response_.error_text.size()));
      enough_ = response_.error_text.size() >= kMostErrorText;
      return enough_ ? 0 : bytes.size();
    }
    begin_body();
    if (sink_status_.ok() && sink_.body) sink_status_ = sink_.body(std::as_bytes(std::span(bytes)));
    return sink_status_.ok() ? bytes.size() : 0;
  }

  const HttpRequest& request_;
  const HttpSink& sink_;
  std::string url_;
  bool with_token_;
  const HttpHeaders& first_;  // of the answer that began the chain of redirects; empty on the first hop
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  CURLcode result_ = CURLE_OK;
  HttpResponse response_;
  Status sink_status_ = ok_status();
  size_t sent_ = 0;  // of the body
  size_t header_bytes_ = 0;
  bool too_many_headers_ = false;
  bool enough_ = false;  // of an error page
  bool begun_ = false;
  Clock::time_point last_byte_;
};

// Whether an answer from `from` may send us to `to`.
Status check_redirect(const std::string& from, const std::string& to) {
  const std::string origin = url_origin(to);
  const bool local = is_loopback_url(from) && is_loopback_url(to);
  if (origin.starts_with("https://") || local) return ok_status();
  return invalid(fmt::format("the server redirects to {}, which is not a safe place", printable(to)), from,
                 "only https:// is followed");
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  if (const auto it = headers.find(name); it != headers.end()) return it->second;
  const auto it = first_headers.find(name);
  return it == first_headers.end() ? "" : it->second;
}

HttpOutcome http_send(const HttpRequest& request, const HttpSink& sink) {
  HttpOutcome outcome;
  std::string url = request.url;
  const std::string origin = url_origin(url);
  if (origin.empty() || (!origin.starts_with("https://") && !is_loopback_url(url))) {
    outcome.error = invalid("is not an https:// address", printable(url));
    return outcome;
  }
  HttpHeaders first;
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    Hop transfer(request, sink, url, url_origin(url) == origin, first);
    outcome = transfer.run();
    if (hop == 0) first = outcome.response.headers;
    outcome.response.first_headers = first;
    if (outcome.kind != HttpOutcome::Kind::kAnswered || !is_redirect(outcome.response.status, request.method))
      return outcome;
    const std::string next = transfer.redirect();
    if (const Status safe = check_redirect(url, next); !safe.ok()) {
      return {HttpOutcome::Kind::kFatal, std::move(outcome.response), safe.error()};
    }
    url = next;
  }
  outcome.kind = HttpOutcome::Kind::kFatal;
  outcome.error = Error{
      ErrorCode::kNetwork, fmt::format("the server redirects more than {} times", kMostRedirects), request.url, {}};
  return outcome;
}

std::string url_path(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

int64_t retry_after_seconds(const HttpResponse& response) {
  std::string value = response.header("retry-after");
  if (value.empty()) {
    const std::string limits = response.header("ratelimit");
    const size_t t = limits.find(";t=");
    if (t == limits.npos) return -1;
    value = limits.substr(t + 3, limits.find(';', t + 3) - t - 3);
  }
  int64_t seconds = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (code == std::errc() && end == value.data() + value.size() && seconds >= 0) return seconds;
  const time_t date = curl_getdate(value.c_str(), nullptr);
  return date < 0 ? -1 : std::max<int64_t>(0, date - std::time(nullptr));
}

}  // namespace linnet
