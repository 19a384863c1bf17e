#include "base/result.hpp"

#include <cerrno>
#include <cstring>

namespace linnet {

std::string Error::to_string() const {
  std::string text = place.empty() ? message : place + ": " + message;
  if (!hint.empty()) text += "\n  " + hint;
  return text;
}

Error Error::at(std::string_view outer) const& {
  return Error(*this).at(outer);
}

Error Error::at(std::string_view outer) && {
  place = place.empty() ? std::string(outer) : std::string(outer) + ": " + place;
  return std::move(*this);
}

Error invalid(std::string message, std::string place, std::string hint) {
  return {ErrorCode::kInvalid, std::move(message), std::move(place), std::move(hint)};
}
Error unsupported(std::string message, std::string place, std::string hint) {
  return {ErrorCode::kUnsupported, std::move(message), std::move(place), std::move(hint)};
}
Error not_found(std::string message, std::string place, std::string hint) {
  return {ErrorCode::kNotFound, std::move(message), std::move(place), std::move(hint)};
}
Error out_of_memory(std::string message, std::string hint) {
  return {ErrorCode::kOutOfMemory, std::move(message), {}, std::move(hint)};
}
Error usage_error(std::string message, std::string hint) {
  return {ErrorCode::kUsage, std::move(message), {}, std::move(hint)};
}

Error io_error(std::string what, std::string place) {
  const int saved = errno;
  return {ErrorCode::kIo, what + ": " + std::strerror(saved), std::move(place), {}};
}

}  // namespace linnet
