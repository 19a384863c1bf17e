// Errors that the outside world causes: files, network, configs, memory, people.
//
// A function that can fail so returns Result<T> (or Status, which is Result of nothing). The caller must look:
// both are [[nodiscard]]. Mistakes in our own code are not Results: see check.hpp.
// Thread safety: values, no shared state.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.hpp"

namespace linnet {

enum class ErrorCode {
  kUsage,        // the person asked for something that has no meaning; exit code 2
  kInvalid,      // a file, request or setting does not say what it must
  kUnsupported,  // well formed, but not something Linnet does
  kNotFound,     // no such file, model, tensor, field
  kIo,           // the operating system said no
  kNetwork,      // a server said no, or nothing
  kOutOfMemory,  // refused before it was taken
  kConflict,     // somebody else holds it
  kCancelled,    // the person stopped it; exit code 130
};

// What went wrong, where, and what to do next. clang's analyser loses sight of what a std::variant holds, and takes a
// moved Error for one that was never set.
struct Error {  // NOLINT(clang-analyzer-core.uninitialized.Assign)
  ErrorCode code = ErrorCode::kInvalid;
  std::string message;  // one sentence, no full stop: "tensor ends after the file does"
  std::string place;    // path, byte offset, tensor name, line: "model.gguf: tensor blk.0.attn_q.weight"
  std::string hint;     // what to do: "pull the model again: linnet pull smollm2"; may be empty

  // "place: message\n  hint", without the parts that are empty.
  std::string to_string() const;
  // The same error seen from further out: "outer: inner place".
  Error at(std::string_view outer) const&;
  Error at(std::string_view outer) &&;
};

Error invalid(std::string message, std::string place = {}, std::string hint = {});
Error unsupported(std::string message, std::string place = {}, std::string hint = {});
Error not_found(std::string message, std::string place = {}, std::string hint = {});
Error out_of_memory(std::string message, std::string hint);
Error usage_error(std::string message, std::string hint = {});
// Reads errno at once: call it before anything else that might change it.
Error io_error(std::string what, std::string place = {});

template <class T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose, so that `return value;` and `return invalid(...);` both read well.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires ok().
  T& value() & { return CHECK(ok()), std::get<0>(state_); }
  const T& value() const& { return CHECK(ok()), std::get<0>(state_); }
  T&& value() && { return CHECK(ok()), std::move(std::get<0>(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Requires !ok().
  const Error& error() const& { return CHECK(!ok()), std::get<1>(state_); }
  Error&& error() && { return CHECK(!ok()), std::move(std::get<1>(state_)); }

 private:
  std::variant<T, Error> state_;
};

struct Nothing {};
using Status = Result<Nothing>;
inline Status ok_status() {
  return Nothing{};
}

}  // namespace linnet

#define LINNET_CONCAT_INNER(a, b) a##b
#define LINNET_CONCAT(a, b) LINNET_CONCAT_INNER(a, b)
// `lhs` may declare a variable, which cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define LINNET_TRY_INNER(result, lhs, expr) \
  auto result = (expr);                     \
  if (!result.ok()) {                       \
    return std::move(result).error();       \
  }                                         \
  lhs = std::move(result).value()
// NOLINTEND(bugprone-macro-parentheses)

// TRY_ASSIGN(auto x, f()): x = the value of f(), or return its error from this function.
#define TRY_ASSIGN(lhs, expr) LINNET_TRY_INNER(LINNET_CONCAT(try_result_, __LINE__), lhs, expr)
// TRY(f()): return the error of f(), if it has one.
#define TRY(expr)                                     \
  do {                                                \
    if (auto try_status = (expr); !try_status.ok()) { \
      return std::move(try_status).error();           \
    }                                                 \
  } while (false)
