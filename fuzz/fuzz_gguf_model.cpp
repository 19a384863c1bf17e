// Any bytes as a GGUF model: refused, or its config is read and its weights are loaded.
#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.hpp"
#include "models/model.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linnet;
  // A file in memory, because models are opened by path.
  const int fd = memfd_create("fuzz.gguf", MFD_CLOEXEC);
  CHECK(fd >= 0 && write(fd, data, size) == static_cast<ssize_t>(size));
  const auto model = describe_model("/proc/self/fd/" + std::to_string(fd));
  if (model.ok()) (void)load_transformer(*model);
  close(fd);
  return 0;
}
