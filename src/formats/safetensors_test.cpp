// safetensors as the world may write it: well, badly, and with intent.
#include "formats/safetensors.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>

#include "base/file.hpp"
#include "base/folder_testing.hpp"

namespace linnet {
namespace {

std::string file_of(const std::string& header, size_t data) {
  const uint64_t size = header.size();
  std::string text(reinterpret_cast<const char*>(&size), sizeof size);
  return text + header + std::string(data, '\0');
}

Result<SafetensorsFile> parse(const std::string& text) {
  return parse_safetensors(std::as_bytes(std::span(text)), "f.safetensors");
}

TEST(Safetensors, ReadsTensorsOfEveryType) {
  const struct {
    const char* name;
    DType dtype;
  } kTypes[] = {{"F64", DType::kF64},        {"F32", DType::kF32},        {"F16", DType::kF16}, {"BF16", DType::kBF16},
                {"F8_E4M3", DType::kF8E4M3}, {"F8_E5M2", DType::kF8E5M2}, {"I64", DType::kI64}, {"I32", DType::kI32},
                {"I16", DType::kI16},        {"I8", DType::kI8},          {"U8", DType::kU8},   {"BOOL", DType::kBool}};
  for (const auto& type : kTypes) {
    const auto bytes = static_cast<size_t>(6 * dtype_bytes(type.dtype));
    const std::string header = std::string(R"({"w":{"dtype":")") + type.name + R"(","shape":[2,3],"data_offsets":[0,)" +
                               std::to_string(bytes) + "]}}";
    const std::string text = file_of(header, bytes);
    const auto file = parse(text);
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    ASSERT_EQ(file->tensors.size(), 1U);
    EXPECT_EQ(file->tensors[0].dtype, type.dtype);
    EXPECT_EQ(file->tensors[0].type_name(), type.name);
    EXPECT_EQ(file->tensors[0].shape, (Shape{2, 3}));
    EXPECT_EQ(to_f32(file->tensors[0]).elements(), 6);
  }
}

TEST(Safetensors, ReadsMetadataScalarsAndEmptyTensors) {
  const std::string text =
      file_of(R"({"__metadata__":{"format":"pt","note":"é"},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
              R"("e":{"shape":[0,7],"data_offsets":[4,4],"dtype":"F32"}}   )",
              4);
  const auto file = parse(text);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->metadata.at("note"), "é");
  EXPECT_EQ(file->tensors[0].shape.rank(), 0);
  EXPECT_EQ(to_f32(file->tensors[0]).elements(), 1);
  EXPECT_EQ(to_f32(file->tensors[1]).elements(), 0);
}

TEST(Safetensors, ReadsMisalignedTensorsByValue) {
  std::string text = file_of(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
                             9);
  const float values[] = {1.5f, -3.0f};
  std::memcpy(text.data() + text.size() - 8, values, 8);
  const auto file = parse(text);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(to_f32(file->tensors[1]).span<float>()[1], -3.0f);
}

TEST(Safetensors, DecodesRows) {
  std::string text = file_of(R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})", 24);
  const float values[] = {1, 2, 3, 4, 5, 6};
  std::memcpy(text.data() + text.size() - 24, values, 24);
  const auto file = parse(text);
  ASSERT_TRUE(file.ok());
  float row[3];
  decode_rows(file->tensors[0], 1, 1, row);
  EXPECT_EQ(row[0], 4.0f);
  EXPECT_EQ(row[2], 6.0f);
}

// ---- hostile files

struct Hostile {
  const char* header;
  size_t data;
  const char* message;
};
const Hostile kHostile[] = {
    {"", 0, "the header must begin with \"{\""},
    {"[]", 0, "the header must begin with \"{\""},
    {" {}", 0, "the header must begin with \"{\""},
    {"{", 0, "the header is bad JSON"},
    {"{}x", 0, "the header is bad JSON"},
    {"{\"\xFF\":1}", 0, "the header is bad JSON"},
    {R"({"w":null})", 0, "header must not have null at \"w\""},
    {R"({"w":[]})", 0, "header must not have a list at \"w\""},
    {R"({"w":{}})", 0, "header: tensor \"w\" needs dtype, shape and two data_offsets"},
    {R"({"w":{"dtype":"F32","shape":[1]}})", 4, "needs dtype, shape and two data_offsets"},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "needs dtype, shape and two data_offsets"},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "must not have a number at \"data_offsets\""},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4, "has the unknown field \"more\""},
    {R"({"w":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}})", 4, "has \"dtype\" twice"},
    {R"({"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "must not have a negative number at \"shape\""},
    {R"({"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "must not have a fraction at \"shape\""},
    {R"({"w":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "must not have a list at \"shape\""},
    {R"({"w":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4, "must not have a number"},
    {R"({"w":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}})", 4, "more than 2^48 elements"},
    {R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4, "more than 2^48 elements"},
    {R"({"w":{"dtype":"F32","shape":[1,1,1,1,1,1],"data_offsets":[0,4]}})", 4, "has 6 dimensions; at most 5"},
    {R"({"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4, "\"w\" has too many dimensions"},
    {R"({"w":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4, "has the dtype \"Q4\", which Linnet does not read"},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "begins at 4 and ends before, at 0"},
    {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "ends at byte 8 of the data, but the data are 4"},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})", 4,
     "of the data, but the data are"},
    {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "F32 of shape (2) takes 8 bytes, but has 4"},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "before tensor \"w\" belong to no tensor"},
    {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "the tensors end at byte"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
     12, "tensors \"a\" and \"b\" share bytes of the file"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
     "tensor a: the file holds two tensors of this name"},
    {R"({"__metadata__":{"k":1}})", 0, "must not have a number at \"k\""},
    {R"({"__metadata__":{"k":{}}})", 0, "must not have an object at \"k\""},
    {R"({"__metadata__":{"k":"a","k":"b"}})", 0, "has the metadata \"k\" twice"},
    {R"({"__metadata__":"pt"})", 0, "must not have a string"},
};

TEST(Safetensors, RefusesHostileFilesWithTheReason) {
  for (const Hostile& hostile : kHostile) {
    const auto file = parse(file_of(hostile.header, hostile.data));
    ASSERT_FALSE(file.ok()) << hostile.header;
    const std::string text = file.error().to_string();
    EXPECT_NE(text.find(hostile.message), text.npos) << hostile.header << "\n" << text;
    EXPECT_EQ(text.find("f.safetensors"), 0U) << text;
  }
}

TEST(Safetensors, RefusesLyingHeaderSizes) {
  const auto with_size = [](uint64_t size, size_t rest) {
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + std::string(rest, '{');
  };
  EXPECT_FALSE(parse("").ok());
  EXPECT_FALSE(parse("1234567").ok());
  EXPECT_NE(parse(with_size(uint64_t{1} << 63, 10)).error().message.find("at most 100000000"), std::string::npos);
  EXPECT_NE(parse(with_size(UINT64_MAX, 10)).error().message.find("at most 100000000"), std::string::npos);
  EXPECT_NE(parse(with_size(11, 10)).error().message.find("but ends after 10"), std::string::npos);
  // Deep nesting is refused at its second level, not followed.
  EXPECT_FALSE(parse(file_of(R"({"w":{"shape":)" + std::string(1'000'000, '['), 0)).ok());
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string text = file_of(R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 16);
  ASSERT_TRUE(parse(text).ok());
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(parse(text.substr(0, size)).ok()) << size;
}

// ---- shards

class Shards : public FolderTest {
 protected:
  void SetUp() override {
    put("a.safetensors", file_of(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1));
    put("b.safetensors", file_of(R"({"y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  }
  void put(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file(folder_ / name, text).ok());
  }
  Result<SafetensorsFile> open(const std::string& weight_map) const {
    put("model.safetensors.index.json", R"({"metadata":{"total_size":3},"weight_map":)" + weight_map + "}");
    return open_safetensors_index(folder_ / "model.safetensors.index.json");
  }
  std::string error(const std::string& weight_map) const {
    const auto all = open(weight_map);
    return all.ok() ? "opened" : all.error().to_string();
  }
};

TEST_F(Shards, AppearAsOne) {
  const auto all = open(R"({"x":"a.safetensors","y":"b.safetensors"})");
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_EQ(all->tensors.size(), 2U);
  EXPECT_EQ(all->files.size(), 2U);
}

TEST_F(Shards, StayInTheirFolder) {
  for (const char* name : {"../a.safetensors", "/etc/passwd", "sub/a.safetensors", "..", "", "a\\\\b", "a\\u0000b"}) {
    EXPECT_NE(error(std::string(R"({"x":")") + name + "\"}").find("which is not a file of this folder"),
              std::string::npos)
        << name;
  }
}

TEST_F(Shards, MustHoldWhatTheIndexSays) {
  EXPECT_NE(error(R"({"x":"a.safetensors","y":"a.safetensors"})").find("the index says that \"y\" lies here"),
            std::string::npos);
  EXPECT_NE(error(R"({"x":"a.safetensors","y":"c.safetensors"})").find("c.safetensors"), std::string::npos);
  EXPECT_NE(error(R"({"x":1})").find("must be a file name"), std::string::npos);
  EXPECT_NE(error(R"([1])").find("weight_map"), std::string::npos);
  put("b.safetensors", file_of(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  EXPECT_NE(error(R"({"x":"a.safetensors","z":"b.safetensors"})").find("another file of the set"), std::string::npos);
}

// ---- files of the world

TEST(Safetensors, ReadsTheReferenceModels) {
  const char* shared = std::getenv("LINNET_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared ? shared : LINNET_SOURCE_DIR "/../shared") / "reference";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "../shared absent";
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto file = open_safetensors(entry.path());
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    EXPECT_FALSE(file->tensors.empty());
    ++read;
  }
  EXPECT_GE(read, 20);
}

}  // namespace
}  // namespace linnet
