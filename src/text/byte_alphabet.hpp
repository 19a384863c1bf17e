// GPT-2's alphabet: each byte as one printable character, so that vocabularies can be text (openai/gpt-2, encoder.py,
// bytes_to_unicode). The bytes that print stand for themselves; the other 68 are U+0100 and up, in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace linnet {

// The character of a byte.
char32_t byte_to_letter(uint8_t byte);

// The byte of a character, or -1.
int letter_to_byte(char32_t letter);

// Bytes in the alphabet: " a" is "Ġa".
std::string bytes_to_letters(std::string_view bytes);

// The bytes that `letters` stand for; nothing when a character is not in the alphabet.
std::optional<std::string> letters_to_bytes(std::string_view letters);

}  // namespace linnet
