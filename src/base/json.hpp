// JSON from the outside world: parsed with a depth limit (parser: nlohmann::json), and written.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/json_object.hpp"
#include "base/result.hpp"

namespace linnet {

inline constexpr int kMaxJsonDepth = 128;

// Parses `text`. Errors: syntax (with the byte offset), nesting deeper than kMaxJsonDepth, invalid UTF-8.
// `place` is the file's name for the error.
Result<Json> parse_json(std::string_view text, std::string_view place);

// Reads and parses a file (at most `limit` bytes).
Result<Json> read_json_file(const std::string& path, uint64_t limit = 256ull << 20);

// Compact text of `json`; invalid UTF-8 inside strings is replaced, never thrown on.
std::string dump_json(const Json& json, int indent = -1);

}  // namespace linnet
