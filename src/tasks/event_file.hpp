// TensorBoard's event files: records of TFRecord, each an Event of TensorFlow's event.proto and summary.proto, encoded
// here by hand, as these few fields are all of it.
//
// A record: uint64 length, uint32 masked CRC-32C of the length, the bytes, uint32 masked CRC-32C of the bytes;
// little-endian. Thread safety: one thread at a time.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/part_file.hpp"

namespace linnet {

// Castagnoli's CRC (RFC 3720, appendix B.4).
uint32_t crc32c(std::string_view bytes);

struct Scalar {
  std::string tag;  // "loss/train"
  double value = 0;
};

class EventFile {
 public:
  // A new file at `path`, over what is there. TensorBoard looks for "tfevents" in its name. wall: seconds since 1970.
  static Result<EventFile> create(const std::filesystem::path& path, double wall);

  Status scalars(int64_t step, double wall, const std::vector<Scalar>& scalars);
  // Shown under "Text", as Markdown.
  Status text(int64_t step, double wall, std::string_view tag, std::string_view text);

 private:
  explicit EventFile(PartFile file) : file_(std::move(file)) {}
  Status write(std::string_view event);

  PartFile file_;
};

}  // namespace linnet
