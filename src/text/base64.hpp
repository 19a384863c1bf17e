// Base64 (RFC 4648, section 4), as tokenizer.json holds a precompiled character map.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace linnet {

// Nothing where `text` has another character. Missing padding is accepted.
std::optional<std::string> decode_base64(std::string_view text);

std::string encode_base64(std::string_view bytes);

}  // namespace linnet
