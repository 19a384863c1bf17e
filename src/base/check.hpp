// Checks of our own logic. They can never be reached by input: input gets a Result (result.hpp).
#pragma once

#include <stdexcept>
#include <string>

namespace linnet {

// Prints where and what, then aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

// Misuse of a tensor by our own model code: "[rms_norm] weight must be (C=2048), got (2304)".
// Caught only at a verb, a route, or the public API.
class ShapeError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace linnet

// Always on.
#define CHECK(condition) ((condition) ? static_cast<void>(0) : ::linnet::check_failed(#condition, __FILE__, __LINE__))

// On in debug builds: for the inner loops of kernels.
#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(0)
#else
#define DCHECK(condition) CHECK(condition)
#endif
