// How the template interpreter fails inside, and what it may use up.
//
// A template is a small program from a stranger. Deep inside an expression there is nothing to do about an error but
// give up, so within jinja/ errors are thrown as Fault; Template::parse and Template::render catch every one and turn
// it into a Result. No Fault crosses those two doors.
// Thread safety: values; a Budget belongs to one render.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace linnet::jinja {

enum class FaultKind {
  kSyntax,       // the template cannot be parsed
  kUndefined,    // something was done to an undefined value
  kType,         // Python's TypeError
  kValue,        // ValueError, LookupError, ZeroDivisionError, OverflowError
  kRuntime,      // jinja2's TemplateRuntimeError and FilterArgumentError
  kSecurity,     // what the sandbox forbids
  kRefused,      // the template itself called raise_exception
  kLimit,        // steps, depth, memory or output
  kUnsupported,  // valid Jinja that Linnet does not run
};

struct Fault {
  FaultKind kind;
  std::string message;
  int line = 0;  // 0: the line that is being evaluated
};

[[noreturn]] inline void fail(FaultKind kind, std::string message, int line = 0) {
  throw Fault{kind, std::move(message), line};
}
[[noreturn]] inline void type_error(std::string message) {
  fail(FaultKind::kType, std::move(message));
}
[[noreturn]] inline void value_error(std::string message) {
  fail(FaultKind::kValue, std::move(message));
}

// What one render may use. The defaults are some hundred times what the longest known chat template needs for a
// conversation of a million characters, and bound a hostile one to about a second and a quarter of a gigabyte.
struct Limits {
  uint64_t steps = 20'000'000;    // nodes evaluated, items visited, and one for every 16 bytes copied
  uint64_t bytes = 256ull << 20;  // of every string, list and scope made, living or dead
  uint64_t output = 64ull << 20;  // bytes of the rendered text
  int depth = 600;                // nesting of evaluations: expressions, statements, macro calls
};

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void step(uint64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps) fail(FaultKind::kLimit, "template takes more than its limit of steps");
  }
  // Call before the memory is taken. Copying costs time too.
  void take(uint64_t bytes) {
    if (bytes > limits_.bytes || bytes_ + bytes > limits_.bytes) {
      fail(FaultKind::kLimit, "template takes more than its limit of memory");
    }
    bytes_ += bytes;
    step(bytes / 16);
  }
  // A buffer of the rendered text is about to hold `bytes`.
  void output(uint64_t bytes) {
    if (bytes > limits_.output) fail(FaultKind::kLimit, "template writes more than its limit of output");
  }
  void enter() {
    if (++depth_ > limits_.depth) fail(FaultKind::kLimit, "template nests deeper than its limit");
  }
  void leave() { --depth_; }

 private:
  Limits limits_;
  uint64_t steps_ = 0;
  uint64_t bytes_ = 0;
  int depth_ = 0;
};

// Counts one level of recursion for as long as it lives.
class DepthGuard {
 public:
  explicit DepthGuard(Budget& budget) : budget_(budget) { budget_.enter(); }
  ~DepthGuard() { budget_.leave(); }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  Budget& budget_;
};

}  // namespace linnet::jinja
