#include "hub/digest.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

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
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return io_error("cannot open", path.string());
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (uint64_t done = 0; done < bytes;) {
    if (cancel != nullptr) TRY(cancel->check());
    const ssize_t got = ::read(fd.get(), buffer.data(), std::min<uint64_t>(buffer.size(), bytes - done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot read", path.string());
    if (got == 0) return invalid(fmt::format("ends after {} of {} bytes", done, bytes), path.string());
    digest.update(std::span(buffer).first(static_cast<size_t>(got)));
    done += static_cast<uint64_t>(got);
    if (progress) progress(done);
  }
  return ok_status();
}

Result<std::string> sha256_file(const std::filesystem::path& path, const CancelToken* cancel,
                                const std::function<void(uint64_t)>& progress) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return io_error("cannot stat", path.string());
  Digest digest;
  TRY(digest_file(path, static_cast<uint64_t>(info.st_size), digest, cancel, progress));
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

}  // namespace linnet
