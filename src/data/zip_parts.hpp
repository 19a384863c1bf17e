// The files inside a zip file that lies in memory. Reader: libzip.
// Thread safety: an object belongs to one thread. Ownership: borrows the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

class ZipParts {
 public:
  // Errors: not a whole zip file, more than 10,000 parts.
  static Result<ZipParts> open(std::string_view bytes, const std::string& place);

  bool has(const std::string& name) const;
  // A part, unpacked. Errors: not there, damaged, longer than `limit` bytes (whatever it claims).
  Result<std::string> read(const std::string& name, uint64_t limit) const;

 private:
  struct Close {
    void operator()(void* archive) const;
  };
  std::string place_;
  std::unique_ptr<void, Close> archive_;  // zip_t
};

}  // namespace linnet
