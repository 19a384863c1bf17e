#include "hub/digest.hpp"

#include <array>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <system_error>

#include "base/file.hpp"

namespace linnet {

void Digest::Free::operator()(void* context) const {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Digest::Digest(Kind kind) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* algorithm = kind == Kind::kSha256 ? EVP_sha256() : EVP_sha1();
  CHECK(context_ && EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), algorithm, nullptr) == 1);
}

void Digest::update(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size()) == 1);
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), value.data(), &size) == 1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

Status digest_file(const std::filesystem::path& path, uint64_t bytes, Digest& digest, const CancelToken* cancel,
                   const std::function<void(uint64_t)>& progress) {
  uint64_t done = 0;
  return stream_file(path, bytes, [&](std::span<const std::byte> chunk) -> Status {
    if (cancel != nullptr) TRY(cancel->check());
    digest.update(chunk);
    done += chunk.size();
    if (progress) progress(done);
    return ok_status();
  });
}

Result<std::string> sha256_file(const std::filesystem::path& path, const CancelToken* cancel,
                                const std::function<void(uint64_t)>& progress) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return invalid("cannot tell its size: " + error.message(), path.string());
  Digest digest;
  TRY(digest_file(path, size, digest, cancel, progress));
  return digest.hex();
}

std::string sha256_hex_from_base64url(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr size_t kLength = 43;  // ceil(32 * 4 / 3)
  if (text.size() != kLength) return {};
  std::string hex;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == kAlphabet.npos) return {};
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    hex += fmt::format("{:02x}", bits >> held & 0xff);
  }
  return hex;
}

std::string base64(std::span<const std::byte> bytes) {
  // Whole groups of three at a time, since EVP counts in int.
  constexpr size_t kChunk = 3 << 20;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += kChunk) {
    const auto chunk = bytes.subspan(at, std::min(kChunk, bytes.size() - at));
    std::string text((chunk.size() + 2) / 3 * 4 + 1, '\0');  // EVP ends it with a zero
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(chunk.data()), static_cast<int>(chunk.size()));
    out.append(text, 0, static_cast<size_t>(size));
  }
  return out;
}

}  // namespace linnet
