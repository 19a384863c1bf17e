#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace linnet {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "linnet: internal error: %s (%s:%d). Please report this.\n", condition, file, line);
  std::abort();
}

}  // namespace linnet
