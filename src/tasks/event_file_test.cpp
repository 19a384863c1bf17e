// What TensorBoard reads is checked with TensorBoard itself in tests/peers/event_files.py; here: the check value of the
// CRC, and the frame of each record.
#include "tasks/event_file.hpp"

#include <bit>
#include <cstring>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

class EventFileTest : public FolderTest {};

template <class T>
T number_at(const std::string& bytes, size_t at) {
  T number;
  std::memcpy(&number, bytes.data() + at, sizeof(T));
  return number;
}

// The events of a file; a test fails where a frame is wrong.
std::vector<std::string> records_of(const std::string& bytes) {
  std::vector<std::string> records;
  const auto masked = [](std::string_view of) { return std::rotr(crc32c(of), 15) + 0xa282ead8; };
  for (size_t at = 0; at < bytes.size();) {
    const auto length = number_at<uint64_t>(bytes, at);
    EXPECT_EQ(number_at<uint32_t>(bytes, at + 8), masked(std::string_view(bytes).substr(at, 8)));
    const std::string record = bytes.substr(at + 12, length);
    EXPECT_EQ(number_at<uint32_t>(bytes, at + 12 + length), masked(record));
    records.push_back(record);
    at += 16 + length;
  }
  return records;
}

TEST(Crc32c, OfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(""), 0u);
}

TEST_F(EventFileTest, RecordsAreFramedAndSpelledAsTheFormatSays) {
  const auto path = folder_ / "events.out.tfevents.0.linnet";
  {
    EventFile file = value(EventFile::create(path, 2.0));
    ASSERT_TRUE(file.scalars(300, 2.5, {{"loss", 1.5}}).ok());
    ASSERT_TRUE(file.text(300, 2.5, "sample", std::string(200, 'x')).ok());
  }
  const std::vector<std::string> records = records_of(value(read_file(path)));
  ASSERT_EQ(records.size(), 3u);
  const std::string wall("\x09\0\0\0\0\0\0\x04\x40", 9);                // field 1, double 2.5
  const std::string expected = wall + std::string("\x10\xac\x02", 3) +  // field 2, varint 300
                               std::string("\x2a\x0d\x0a\x0b", 4) +     // Summary, its Value of 11 bytes
                               std::string("\x0a\x04loss", 6) +         // tag
                               std::string("\x15\x00\x00\xc0\x3f", 5);  // simple_value 1.5
  EXPECT_EQ(records[1], expected);
  EXPECT_NE(records[0].find("brain.Event:2"), std::string::npos);
  EXPECT_NE(records[2].find(std::string("\x42\xc8\x01", 3) + "xxx"), std::string::npos);  // string_val of 200 bytes
  // Created anew, it begins anew.
  (void)value(EventFile::create(path, 3.0));
  EXPECT_EQ(records_of(value(read_file(path))).size(), 1u);
}

}  // namespace
}  // namespace linnet
