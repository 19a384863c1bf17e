// One file from a server to the disk, checked to the byte. Retries what may pass (cuts, stalls, 429,
// 5xx, no connection), continues where it was cut, and says what it is waiting for.
//
// What has arrived lies in `part` until all of it has, with the file's ETag beside it in `part`.json. A next call goes
// on from there if the server still has the same file, and hashes what is there again. It is deleted when the hash or
// the length is wrong, or the disk full. Thread safety: each call stands alone; the caller holds the lock of what is
// being pulled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "hub/http.hpp"
#include "hub/manifest.hpp"
#include "hub/pull.hpp"
#include "hub/transfer.hpp"

namespace linnet {

struct DownloadRequest {
  std::string url = {};
  std::string token = {};
  std::string name = {};  // for errors
  std::filesystem::path part = {};
  std::optional<uint64_t> size = {};  // published; else the server's word is taken
  std::string sha256 = {};            // published; may be empty
  std::string git_sha1 = {};          // published name of the git blob; may be empty
  // Without any published hash, also none in the answer's headers: refuse.
  bool need_hash = false;
  std::function<void(uint64_t done, uint64_t total)> progress = {};  // total 0: unknown
  // Looks at the answer's headers, and at the first bytes (at least 16 unless the file is shorter).
  std::function<Status(const HttpResponse&)> on_response = {};
  std::function<Status(std::string_view)> on_head = {};
  // The error for a status that is final, such as 404.
  std::function<Error(const HttpResponse&)> refused = {};
};

// The file's real size and SHA-256, as they were checked. On success the bytes are in `target` and `part` is gone.
Result<ModelFile> download(const DownloadRequest& request, const std::filesystem::path& target,
                           const PullOptions& options);

}  // namespace linnet
