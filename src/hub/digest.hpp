// SHA-256 and SHA-1 of what is downloaded and sent, and base64 (OpenSSL's EVP). SHA-1 only because git names its blobs
// by it. Thread safety: an object belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace linnet {

class Digest {
 public:
  enum class Kind { kSha256, kSha1 };

  explicit Digest(Kind kind = Kind::kSha256);
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  // Lower-case hexadecimal; ends the object.
  std::string hex();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;  // EVP_MD_CTX
};

// The first `bytes` of a file run through `digest`; `cancel` may be null, `progress` (bytes so far) may be empty.
// Errors: unreadable, shorter than `bytes`, cancelled.
Status digest_file(const std::filesystem::path& path, uint64_t bytes, Digest& digest, const CancelToken* cancel,
                   const std::function<void(uint64_t)>& progress);

// SHA-256 of a whole file.
Result<std::string> sha256_file(const std::filesystem::path& path, const CancelToken* cancel = nullptr,
                                const std::function<void(uint64_t)>& progress = {});

// The SHA-256 in a wheel's RECORD is base64 for URLs without padding (PEP 427); empty when it is not 32 bytes.
std::string sha256_hex_from_base64url(std::string_view text);

// base64 with padding (RFC 4648 §4).
std::string base64(std::span<const std::byte> bytes);

}  // namespace linnet
