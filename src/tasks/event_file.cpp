#include "tasks/event_file.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace linnet {

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}

// So that a CRC of bytes that hold a CRC is no special number (TensorFlow, lib/hash/crc32c.h).
uint32_t masked(uint32_t crc) {
  return std::rotr(crc, 15) + 0xa282ead8;
}

static_assert(std::endian::native == std::endian::little);

template <class T>
std::string bytes_of(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// Fields of a protocol buffer message.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
std::string key(uint32_t field, Wire wire) {
  return varint(field << 3 | static_cast<uint32_t>(wire));
}
std::string number_field(uint32_t field, uint64_t value) {
  return key(field, Wire::kVarint) + varint(value);
}
std::string double_field(uint32_t field, double value) {
  return key(field, Wire::kFixed64) + bytes_of(value);
}
std::string float_field(uint32_t field, float value) {
  return key(field, Wire::kFixed32) + bytes_of(value);
}
std::string bytes_field(uint32_t field, std::string_view value) {
  return key(field, Wire::kBytes) + varint(value.size()) + std::string(value);
}

// Event: wall_time, step.
std::string event_at(int64_t step, double wall) {
  return double_field(1, wall) + number_field(2, static_cast<uint64_t>(step));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_table();
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xff];
  return ~crc;
}

Result<EventFile> EventFile::create(const std::filesystem::path& path, double wall) {
  TRY(write_file(path, ""));
  TRY_ASSIGN(PartFile part, PartFile::open(path));
  EventFile file(std::move(part));
  TRY(file.write(double_field(1, wall) + bytes_field(3, "brain.Event:2")));  // file_version
  return file;
}

Status EventFile::scalars(int64_t step, double wall, const std::vector<Scalar>& scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    summary += bytes_field(1, bytes_field(1, scalar.tag) + float_field(2, static_cast<float>(scalar.value)));
  }
  return write(event_at(step, wall) + bytes_field(5, summary));
}

Status EventFile::text(int64_t step, double wall, std::string_view tag, std::string_view text) {
  constexpr uint64_t kString = 7;  // DT_STRING
  const std::string shape = bytes_field(2, number_field(1, 1));
  const std::string tensor = number_field(1, kString) + bytes_field(2, shape) + bytes_field(8, text);
  const std::string metadata = bytes_field(1, bytes_field(1, "text"));  // plugin_data, plugin_name
  const std::string value = bytes_field(1, tag) + bytes_field(8, tensor) + bytes_field(9, metadata);
  return write(event_at(step, wall) + bytes_field(5, bytes_field(1, value)));
}

Status EventFile::write(std::string_view event) {
  const std::string length = bytes_of(static_cast<uint64_t>(event.size()));
  const std::string record =
      length + bytes_of(masked(crc32c(length))) + std::string(event) + bytes_of(masked(crc32c(event)));
  return file_.append(std::as_bytes(std::span(record)));
}

}  // namespace linnet
