#include "text/byte_alphabet.hpp"

#include <array>

#include "base/utf8.hpp"

namespace linnet {

namespace {

struct Alphabet {
  std::array<char32_t, 256> letters{};
  std::array<int16_t, 0x144> bytes{};
};

constexpr bool prints(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Alphabet make_alphabet() {
  Alphabet made;
  for (int16_t& byte : made.bytes) byte = -1;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t letter = prints(byte) ? static_cast<char32_t>(byte) : next++;
    made.letters[static_cast<size_t>(byte)] = letter;
    made.bytes[letter] = static_cast<int16_t>(byte);
  }
  return made;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

char32_t byte_to_letter(uint8_t byte) {
  return kAlphabet.letters[byte];
}

int letter_to_byte(char32_t letter) {
  return letter < kAlphabet.bytes.size() ? kAlphabet.bytes[letter] : -1;
}

std::string bytes_to_letters(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, byte_to_letter(static_cast<uint8_t>(byte)));
  return out;
}

std::optional<std::string> letters_to_bytes(std::string_view letters) {
  std::string out;
  out.reserve(letters.size());
  while (!letters.empty()) {
    const Utf8Step step = decode_utf8(letters);
    const int byte = step.valid ? letter_to_byte(step.code_point) : -1;
    if (byte < 0) return std::nullopt;
    out.push_back(static_cast<char>(byte));
    letters.remove_prefix(static_cast<size_t>(step.length));
  }
  return out;
}

}  // namespace linnet
