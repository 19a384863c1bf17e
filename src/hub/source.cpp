#include "hub/source.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/core.h>

#include "base/strings.hpp"
#include "base/utf8.hpp"

namespace linnet {
namespace {

constexpr size_t kLongestText = 4096;
constexpr size_t kLongestName = 200;
constexpr int kMostComponents = 16;
constexpr std::string_view kGrammarHint =
    "a model is hf:org/repo[@revision][:quant or file], pypi:package[==version], https://…, a path, or a short name "
    "(linnet list --all)";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_alnum(char c) {
  return is_digit(c) || is_lower(c) || is_upper(c);
}

bool all_of(std::string_view text, std::string_view extra) {
  return std::ranges::all_of(text, [&](char c) { return is_alnum(c) || extra.find(c) != extra.npos; });
}

Error bad(std::string_view text, std::string message) {
  return usage_error(fmt::format("\"{}\": {}", printable(text), message), std::string(kGrammarHint));
}

// As the hub itself has it: letters, digits, '-', '_', '.'; no "--" and "..", and neither at an end.
bool is_hub_name(std::string_view name) {
  if (name.empty() || name.size() > 96 || !all_of(name, "-_.")) return false;
  if (name.find("--") != name.npos || name.find("..") != name.npos) return false;
  return name.front() != '-' && name.front() != '.' && name.back() != '-' && name.back() != '.';
}

// Branch, tag, commit, or "refs/pr/1".
bool is_revision(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && all_of(name, "-_./+") && is_safe_relative_path(name);
}

Result<Source> parse_hugging_face(std::string_view text, std::string_view rest) {
  Source source{.kind = Source::Kind::kHuggingFace};
  if (const size_t colon = rest.find(':'); colon != rest.npos) {
    source.selector = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_safe_relative_path(source.selector)) {
      return bad(text, "what follows ':' must be a quant name (Q4_K_M) or a file of the repository");
    }
  }
  if (const size_t at = rest.find('@'); at != rest.npos) {
    source.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_revision(source.revision)) return bad(text, "what follows '@' must be a branch, tag or commit");
  }
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return bad(text, "a Hugging Face repository is written org/repo");
  source.owner = rest.substr(0, slash);
  source.repo = rest.substr(slash + 1);
  if (!is_hub_name(source.owner) || !is_hub_name(source.repo)) {
    return bad(text, "org and repo consist of letters, digits, '-', '_' and '.'");
  }
  return source;
}

Result<Source> parse_pypi(std::string_view text, std::string_view rest) {
  Source source{.kind = Source::Kind::kPypi};
  if (const size_t equals = rest.find("=="); equals != rest.npos) {
    source.version = rest.substr(equals + 2);
    rest = rest.substr(0, equals);
    const std::string_view version = source.version;
    if (version.empty() || version.size() > 64 || !is_digit(version.front()) || !all_of(version, ".-_+!") ||
        !is_safe_component(version)) {
      return bad(text, "what follows \"==\" must be a version, such as 1.0.2");
    }
  }
  if (rest.empty() || rest.size() > 100 || !is_alnum(rest.front()) || !is_alnum(rest.back()) || !all_of(rest, "-_.")) {
    return bad(text, "a package name consists of letters, digits, '-', '_' and '.', and only \"==\" may follow it");
  }
  source.package = normalise_package(rest);
  return source;
}

// host[:port] of what follows "://"; empty when it is not one. User names and passwords are not accepted.
std::string_view authority_of(std::string_view url) {
  const size_t start = url.find("://");
  if (start == url.npos) return {};
  url.remove_prefix(start + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  std::string_view host = url;
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    if (close == host.npos) return {};
    const std::string_view inner = host.substr(1, close - 1);
    if (inner.empty() || !std::ranges::all_of(inner, [](char c) { return is_alnum(c) || c == ':' || c == '.'; }))
      return {};
    host.remove_prefix(close + 1);
  } else {
    const size_t colon = std::min(host.find(':'), host.size());
    if (colon == 0 || colon > 253 || !all_of(host.substr(0, colon), "-.") ||
        host.substr(0, colon).find("..") != host.npos) {
      return {};
    }
    if (!is_alnum(host.front())) return {};
    host.remove_prefix(colon);
  }
  if (host.empty()) return url;
  uint16_t port = 0;
  const auto [end, code] = std::from_chars(host.data() + 1, host.data() + host.size(), port);
  return host[0] == ':' && code == std::errc() && end == host.data() + host.size() && port != 0 ? url
                                                                                                : std::string_view();
}

Result<Source> parse_url(std::string_view text) {
  Source source{.kind = Source::Kind::kUrl};
  std::string_view url = text;
  if (const size_t hash = url.find('#'); hash != url.npos) {
    const std::string_view fragment = url.substr(hash + 1);
    url = url.substr(0, hash);
    source.sha256 = fragment.starts_with("sha256=") ? ascii_lower(fragment.substr(7)) : "";
    if (!is_sha256(source.sha256)) return bad(text, "what follows '#' must be sha256= and 64 hexadecimal digits");
  }
  const auto allowed = [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  };
  if (!std::ranges::all_of(url, allowed)) return bad(text, "a URL holds no spaces, quotes or control characters");
  if (url_origin(url).empty())
    return bad(text, "is not a URL of the form https://host/path (without user and password)");
  if (!ascii_lower(url.substr(0, 8)).starts_with("https://") && !is_loopback_url(url)) {
    return bad(text, "http:// is refused because anybody on the way could change the model; write https://");
  }
  source.url = url;
  return source;
}

// https://huggingface.co/org/repo[/resolve|blob|tree/revision[/file]] is the repository, with its hashes and its
// resume.
Result<Source> parse_hub_page(std::string_view text, std::string_view rest) {
  rest = rest.substr(0, rest.find_first_of("?#"));
  while (rest.ends_with('/')) rest.remove_suffix(1);
  std::array<std::string_view, 4> part{};
  size_t count = 0;
  for (; count < 4 && !rest.empty(); ++count) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    part[count] = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  if (count < 2) return bad(text, "is not the page of a model");
  std::string spelled = fmt::format("{}/{}", part[0], part[1]);
  if (count > 2) {
    if (count < 4 || (part[2] != "resolve" && part[2] != "blob" && part[2] != "tree")) {
      return bad(text, "is not the page of a model or of one of its files");
    }
    spelled += fmt::format("@{}", part[3]);
    if (!rest.empty()) spelled += fmt::format(":{}", rest);
  }
  return parse_hugging_face(text, spelled);
}

bool looks_like_path(std::string_view text) {
  return text.starts_with('/') || text.starts_with('.') || text.starts_with('~') || text.find('/') != text.npos ||
         text.ends_with(".gguf") || text.ends_with(".safetensors");
}

bool is_short_name(std::string_view text) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view family = text.substr(0, colon);
  const std::string_view tag = text.substr(std::min(colon + 1, text.size()));
  return is_safe_component(family) && (colon == text.size() || is_safe_component(tag));
}

}  // namespace

std::string normalise_package(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (separator && !out.empty() && out.back() == '-') continue;
    out += separator ? '-' : ascii_lower(c);
  }
  return out;
}

std::string printable(std::string_view text, size_t most) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    // C0, DEL, C1: what a terminal would obey; and the marks that turn the direction of text.
    const char32_t c = step.code_point;
    const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
                         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    append_utf8(out, control ? U'?' : c);
    text.remove_prefix(step.length);
    if (out.size() >= most && !text.empty()) return out + "…";
  }
  return out;
}

bool is_safe_component(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || name.front() == '.' || name.front() == '-') return false;
  if (name.back() == '.' || name.back() == ' ') return false;
  if (name.find_first_of("/\\:") != name.npos || !is_valid_utf8(name)) return false;
  return printable(name, kLongestName + 1) == name;
}

bool is_safe_relative_path(std::string_view path) {
  int count = 0;
  for (;;) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (!is_safe_component(path.substr(0, slash)) || ++count > kMostComponents) return false;
    if (slash == path.size()) return true;
    path.remove_prefix(slash + 1);
  }
}

namespace {
bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}
}  // namespace

bool is_sha256(std::string_view text) {
  return is_hex(text, 64);
}
bool is_sha1(std::string_view text) {
  return is_hex(text, 40);
}

std::string url_origin(std::string_view url) {
  const std::string scheme = ascii_lower(url.substr(0, url.find("://")));
  const std::string_view authority = authority_of(url);
  if ((scheme != "https" && scheme != "http") || authority.empty()) return {};
  std::string origin = scheme + "://" + ascii_lower(authority);
  const std::string_view usual = scheme == "https" ? ":443" : ":80";
  if (origin.ends_with(usual)) origin.resize(origin.size() - usual.size());
  return origin;
}

bool is_loopback_url(std::string_view url) {
  std::string host = url_origin(url);
  if (host.empty()) return false;
  host = host.substr(host.find("://") + 3);
  if (host.starts_with("[")) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  // 127.a.b.c in digits: a name such as 127.evil.example must not pass.
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; });
}

std::string Source::to_string() const {
  switch (kind) {
    case Kind::kHuggingFace:
      return fmt::format("hf:{}/{}{}{}", owner, repo, revision.empty() ? "" : "@" + revision,
                         selector.empty() ? "" : ":" + selector);
    case Kind::kPypi:
      return fmt::format("pypi:{}{}", package, version.empty() ? "" : "==" + version);
    case Kind::kUrl:
      return url + (sha256.empty() ? "" : "#sha256=" + sha256);
    case Kind::kName:
    case Kind::kPath:
      break;
  }
  return path;
}

Result<Source> parse_source(std::string_view text) {
  if (text.empty()) return bad(text, "a model has a name");
  if (text.size() > kLongestText) return bad(text, "is longer than any name can be");
  if (!is_valid_utf8(text) || text.find('\0') != text.npos) return bad(text, "is not valid UTF-8 text");
  const std::string head = ascii_lower(text.substr(0, 24));
  if (head.starts_with("hf:")) return parse_hugging_face(text, text.substr(3));
  if (head.starts_with("pypi:")) return parse_pypi(text, text.substr(5));
  constexpr std::string_view kHub = "https://huggingface.co/";
  if (head.starts_with(kHub)) return parse_hub_page(text, text.substr(kHub.size()));
  if (head.starts_with("https://") || head.starts_with("http://")) return parse_url(text);
  if (const size_t scheme = text.find("://"); scheme != text.npos && all_of(text.substr(0, scheme), "+-.")) {
    return bad(text, fmt::format("{}:// is not a place that models are taken from", text.substr(0, scheme)));
  }
  if (looks_like_path(text)) return Source{.kind = Source::Kind::kPath, .path = std::string(text)};
  if (!is_short_name(text)) return bad(text, "is neither a source nor a name");
  return Source{.kind = Source::Kind::kName, .path = std::string(text)};
}

}  // namespace linnet
