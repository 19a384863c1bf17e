// GGUF as the world may write it: well, badly, and with intent. Bytes are built by hand, not by our writer, so that
// both cannot be wrong together.
#include "formats/gguf.hpp"

#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <string>

#include "base/file.hpp"
#include "base/folder_testing.hpp"

namespace linnet {
namespace {

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& str(std::string_view value) {
    put<uint64_t>(value.size());
    text += value;
    return *this;
  }
  Bytes& key(std::string_view name, GgufType type) { return str(name).put(static_cast<uint32_t>(type)); }
  Bytes& tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    str(name).put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) put(dim);
    return put(type).put(offset);
  }
  Bytes& align(size_t alignment = 32) {
    text.resize((text.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  Bytes& data(size_t count) {
    text.append(count, '\0');
    return *this;
  }
  std::string text;
};

Bytes header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
  Bytes bytes;
  bytes.text = "GGUF";
  return bytes.put(version).put(tensors).put(keys);
}

Result<GgufPart> parse(const std::string& text) {
  return parse_gguf(std::as_bytes(std::span(text)), "f.gguf");
}

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ8_0 = 8;

TEST(Gguf, ReadsEveryValueType) {
  Bytes b = header(0, 16, 2);
  b.key("u8", GgufType::kU8).put<uint8_t>(200);
  b.key("i8", GgufType::kI8).put<int8_t>(-100);
  b.key("u16", GgufType::kU16).put<uint16_t>(60000);
  b.key("i16", GgufType::kI16).put<int16_t>(-30000);
  b.key("u32", GgufType::kU32).put<uint32_t>(4'000'000'000U);
  b.key("i32", GgufType::kI32).put<int32_t>(-2'000'000'000);
  b.key("f32", GgufType::kF32).put(0.1f);
  b.key("bool", GgufType::kBool).put<uint8_t>(1);
  b.key("string", GgufType::kString).str("naïve");
  b.key("u64", GgufType::kU64).put<uint64_t>(UINT64_MAX);
  b.key("i64", GgufType::kI64).put<int64_t>(INT64_MIN);
  b.key("f64", GgufType::kF64).put(0.1);
  b.key("list", GgufType::kArray).put(static_cast<uint32_t>(GgufType::kI16)).put<uint64_t>(2);
  b.put<int16_t>(-1).put<int16_t>(7);
  b.key("strings", GgufType::kArray).put(static_cast<uint32_t>(GgufType::kString)).put<uint64_t>(2).str("a").str("");
  b.key("nested", GgufType::kArray).put(static_cast<uint32_t>(GgufType::kArray)).put<uint64_t>(2);
  b.put(static_cast<uint32_t>(GgufType::kU8)).put<uint64_t>(1).put<uint8_t>(9);
  b.put(static_cast<uint32_t>(GgufType::kString)).put<uint64_t>(1).str("x");
  b.key("empty", GgufType::kArray).put(static_cast<uint32_t>(GgufType::kF32)).put<uint64_t>(0);
  const auto part = parse(b.text);
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  const GgufMetadata& m = part->metadata;
  EXPECT_EQ(part->version, 2U);
  EXPECT_EQ(m.entries().size(), 16U);
  EXPECT_EQ(*m.integer("u8", 0, 255), 200);
  EXPECT_EQ(*m.integer("i8", -128, 127), -100);
  EXPECT_EQ(*m.integer("u16", 0, 65535), 60000);
  EXPECT_EQ(*m.integer("i16", -40000, 0), -30000);
  EXPECT_EQ(*m.integer("u32", 0, INT64_MAX), 4'000'000'000);
  EXPECT_EQ(*m.integer("i32", INT32_MIN, 0), -2'000'000'000);
  EXPECT_EQ(*m.integer("i64", INT64_MIN, 0), INT64_MIN);
  EXPECT_EQ(*m.number("f32"), static_cast<double>(0.1f));
  EXPECT_EQ(*m.number("f64"), 0.1);
  EXPECT_EQ(*m.number("u64"), 0x1p64);
  EXPECT_EQ(*m.number("i8"), -100.0);
  EXPECT_TRUE(*m.boolean("bool"));
  EXPECT_EQ(*m.string("string"), "naïve");
  EXPECT_EQ(*m.integers("list", -10, 10), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(*m.integers("u8", 0, 255), std::vector<int64_t>{200});
  EXPECT_EQ(*m.floats("list"), (std::vector<float>{-1, 7}));
  EXPECT_EQ(m.strings("strings")->size(), 2U);
  EXPECT_TRUE(m.floats("empty")->empty());
  EXPECT_EQ(m.find("nested")->count(), 2U);
  EXPECT_EQ(*m.integer_or("absent", 5, 0, 9), 5);
  EXPECT_EQ(describe_gguf_value(*m.find("list")), "[-1, 7]");
  EXPECT_EQ(describe_gguf_value(*m.find("strings"), 1), "[\"a\", ... 2 in all]");
  EXPECT_EQ(describe_gguf_value(*m.find("nested")), "[2 lists]");
  EXPECT_EQ(describe_gguf_value(*m.find("f32")), "0.1");
}

TEST(Gguf, MetadataErrorsNameTheKey) {
  Bytes b = header(0, 5);
  b.key("a.text", GgufType::kString).str("hi");
  b.key("a.big", GgufType::kU64).put<uint64_t>(UINT64_MAX);
  b.key("a.nan", GgufType::kF32).put(std::bit_cast<float>(0x7FC00000));
  b.key("a.bool", GgufType::kBool).put<uint8_t>(2);
  b.key("a.bytes", GgufType::kString).str("ok\xFF");
  const auto part = parse(b.text);
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  const GgufMetadata& m = part->metadata;
  EXPECT_EQ(m.integer("none", 0, 9).error().to_string(), "f.gguf: metadata key \"none\" is missing");
  EXPECT_EQ(m.integer("a.text", 0, 9).error().to_string(),
            "f.gguf: metadata key \"a.text\" must be an integer from 0 to 9, is string \"hi\"");
  EXPECT_EQ(m.integer("a.big", 0, 9).error().to_string(),
            "f.gguf: metadata key \"a.big\" must be an integer from 0 to 9, is u64 18446744073709551615");
  EXPECT_EQ(m.number("a.nan").error().to_string(),
            "f.gguf: metadata key \"a.nan\" must be a finite number, is f32 nan");
  EXPECT_FALSE(m.boolean("a.bool").ok());
  EXPECT_EQ(m.string("a.bytes").error().to_string(),
            "f.gguf: metadata key \"a.bytes\" is not valid UTF-8 at its byte 2");
  EXPECT_FALSE(m.strings("a.text").value().empty());
  EXPECT_FALSE(m.strings("a.bytes").ok());
  EXPECT_FALSE(m.floats("a.text").ok());
  EXPECT_FALSE(m.integers("a.nan", 0, 1).ok());
}

TEST(Gguf, ReadsTensors) {
  Bytes b = header(3, 1);
  b.key("general.alignment", GgufType::kU32).put<uint32_t>(64);
  b.tensor("w", {64, 2}, kQ8_0, 0).tensor("v", {3}, kF32, 192).tensor("ids", {2}, 27, 256);
  b.align(64).data(4 * 34).align(64);
  b.put(1.5f).put(-2.0f).put(3.0f).align(64).put<int64_t>(5).put<int64_t>(-6);
  const auto part = parse(b.text);
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  ASSERT_EQ(part->tensors.size(), 3U);
  EXPECT_EQ(part->tensors[0].shape, (Shape{2, 64}));  // the order of Hugging Face
  EXPECT_EQ(part->tensors[0].format, &quant_format(QuantType::kQ8_0));
  EXPECT_EQ(part->tensors[0].bytes.size(), 136U);
  EXPECT_EQ(to_f32(part->tensors[1]).span<float>()[1], -2.0f);
  EXPECT_EQ(part->tensors[2].format, nullptr);
  EXPECT_EQ(as_tensor(part->tensors[2]).span<int64_t>()[1], -6);
  EXPECT_EQ(to_f32(part->tensors[2]).span<float>()[1], -6.0f);
  EXPECT_EQ(part->tensors[1].offset % 64, 0U);
}

// ---- hostile files: what is wrong, and the whole message that a person gets

struct Hostile {
  const char* name;
  std::function<std::string()> make;
  const char* message;
};

std::string with_key(const std::function<void(Bytes&)>& value) {
  Bytes b = header(0, 1);
  value(b);
  return b.text;
}
std::string with_tensor(std::vector<uint64_t> dims, uint32_t type, uint64_t offset, size_t data) {
  return header(1, 0).tensor("w", std::move(dims), type, offset).align().data(data).text;
}
std::string nested_lists(int depth) {
  Bytes b = header(0, 1);
  b.key("k", GgufType::kArray);
  for (int i = 1; i < depth; ++i) b.put(static_cast<uint32_t>(GgufType::kArray)).put<uint64_t>(1);
  b.put(static_cast<uint32_t>(GgufType::kU8)).put<uint64_t>(0);
  return b.text;
}
constexpr auto kArrayNumber = static_cast<uint32_t>(GgufType::kArray);
constexpr auto kU32Number = static_cast<uint32_t>(GgufType::kU32);
constexpr auto kStringNumber = static_cast<uint32_t>(GgufType::kString);
constexpr uint64_t kHuge = uint64_t{1} << 63;

const Hostile kHostile[] = {
    {"empty", [] { return std::string(); }, "does not begin with \"GGUF\""},
    {"magic", [] { return std::string("GGML") + std::string(60, '\0'); }, "does not begin with \"GGUF\""},
    {"only magic", [] { return std::string("GGUF"); }, "byte 4: the file ends inside the header"},
    {"version 1", [] { return header(0, 0, 1).text; }, "GGUF version 1"},
    {"version 4", [] { return header(0, 0, 4).text; }, "is GGUF version 4; Linnet reads versions 2 and 3"},
    {"big-endian", [] { return header(0, 0, 0x03000000).text; }, "is a big-endian GGUF file"},
    {"cut header", [] { return header(0, 0).text.substr(0, 20); }, "the file ends inside the header"},
    {"2^63 keys", [] { return header(0, kHuge).data(100).text; },
     "says that it has 9223372036854775808 metadata keys; the file is too short for that"},
    {"2^64-1 tensors", [] { return header(UINT64_MAX, 0).data(100).text; }, "tensors; the file is too short for that"},
    {"many tensors", [] { return header(5, 0).data(100).text; }, "says that it has 5 tensors"},
    {"2^63 key", [] { return header(0, 1).put(kHuge).data(100).text; }, "the file ends inside a metadata key"},
    {"long key", [] { return header(0, 1).str(std::string(70000, 'k')).data(100).text; },
     "a metadata key is 70000 bytes long; at most 65535"},
    {"key not UTF-8", [] { return header(0, 1).str("k\xC0\x80").data(100).text; }, "a metadata key is not valid UTF-8"},
    {"unknown type", [] { return with_key([](Bytes& b) { b.str("k").put<uint32_t>(13).data(8); }); },
     "metadata key \"k\" is of the unknown type 13"},
    {"2^63 string", [] { return with_key([](Bytes& b) { b.key("k", GgufType::kString).put(kHuge).data(8); }); },
     "the file ends inside metadata key \"k\""},
    {"cut value", [] { return with_key([](Bytes& b) { b.key("k", GgufType::kU64).data(7); }); },
     "the file ends inside metadata key \"k\""},
    {"2^63 list",
     [] { return with_key([](Bytes& b) { b.key("k", GgufType::kArray).put(kU32Number).put(kHuge).data(8); }); },
     "metadata key \"k\" says that it has 9223372036854775808 elements; the file has room for 2"},
    {"2^62 list overflows",
     [] { return with_key([](Bytes& b) { b.key("k", GgufType::kArray).put(kU32Number).put(kHuge / 2).data(8); }); },
     "elements; the file has room for 2"},
    {"2^61 strings",
     [] { return with_key([](Bytes& b) { b.key("k", GgufType::kArray).put(kStringNumber).put(kHuge / 4).data(8); }); },
     "elements; the file has room for 1"},
    {"2^61 lists",
     [] { return with_key([](Bytes& b) { b.key("k", GgufType::kArray).put(kArrayNumber).put(kHuge / 4).data(8); }); },
     "elements; the file has room for 0"},
    {"list of unknown",
     [] { return with_key([](Bytes& b) { b.key("k", GgufType::kArray).put<uint32_t>(99).put<uint64_t>(1).data(8); }); },
     "has elements of the unknown type 99"},
    {"deep lists", [] { return nested_lists(9); }, "metadata key \"k\" nests lists deeper than 8"},
    {"very deep lists", [] { return nested_lists(100000); }, "nests lists deeper than 8"},
    {"key twice",
     [] {
       Bytes b = header(0, 2);
       for (int i = 0; i < 2; ++i) b.key("k", GgufType::kU8).put<uint8_t>(1);
       return b.text;
     },
     "metadata key \"k\" is there twice"},
    {"alignment 0", [] { return with_key([](Bytes& b) { b.key("general.alignment", GgufType::kU32).put(0); }); },
     "\"general.alignment\" must be an integer from 1 to 1048576, is u32 0"},
    {"alignment 24", [] { return with_key([](Bytes& b) { b.key("general.alignment", GgufType::kU32).put(24); }); },
     "must be a power of two, is 24"},
    {"alignment text",
     [] { return with_key([](Bytes& b) { b.key("general.alignment", GgufType::kString).str("32"); }); },
     "\"general.alignment\" must be an integer"},
    {"2^63 name", [] { return header(1, 0).put(kHuge).data(100).text; }, "the file ends inside a tensor's name"},
    {"long name", [] { return header(1, 0).str(std::string(2000, 'n')).data(100).text; },
     "a tensor's name is 2000 bytes long; at most 1024"},
    {"name not UTF-8", [] { return header(1, 0).tensor("\xFF", {1}, kF32, 0).align().data(4).text; },
     "a tensor's name is not valid UTF-8"},
    {"five dimensions",
     [] {
       return with_tensor({1, 1, 1, 1, 1}, kF32, 0, 64);
     },
     "has 5 dimensions; GGUF allows 4"},
    {"2^32-1 dimensions", [] { return header(1, 0).str("w").put<uint32_t>(UINT32_MAX).data(100).text; },
     "has 4294967295 dimensions; GGUF allows 4"},
    {"2^63 dimension", [] { return with_tensor({kHuge}, kF32, 0, 64); }, "has a dimension of 9223372036854775808"},
    {"product overflows",
     [] {
       return with_tensor({1U << 31, 1U << 31, 1U << 31, 1U << 31}, kF32, 0, 64);
     },
     "tensor w: has more than 2^48 elements"},
    {"unknown tensor type", [] { return with_tensor({4}, 1000, 0, 64); },
     "tensor w: has the type 1000, which GGUF does not define"},
    {"TQ1_0", [] { return with_tensor({256}, 34, 0, 66); }, "is stored as TQ1_0, which Linnet does not decode"},
    {"Q8_K", [] { return with_tensor({256}, 15, 0, 292); }, "is stored as Q8_K, which Linnet does not decode"},
    {"half a block",
     [] {
       return with_tensor({48, 2}, kQ8_0, 0, 200);
     },
     "tensor w: has rows of 48 elements, not a multiple of Q8_0's blocks of 32"},
    {"misaligned", [] { return with_tensor({4}, kF32, 16, 64); },
     "its offset 16 is not a multiple of the alignment 32"},
    {"ends too late", [] { return with_tensor({4}, kF32, 32, 47); },
     "tensor w: it lies 32 bytes into the data and is 16 bytes long, but the data are 47 bytes"},
    {"2^64-32 offset", [] { return with_tensor({4}, kF32, UINT64_MAX - 31, 64); }, "but the data are 64 bytes"},
    {"no data", [] { return header(1, 0).tensor("w", {4}, kF32, 0).text; }, "but the data are 0 bytes"},
    {"overlap", [] { return header(2, 0).tensor("a", {16}, kF32, 0).tensor("b", {4}, kF32, 32).align().data(64).text; },
     "tensors \"a\" and \"b\" share bytes of the file"},
};

TEST(Gguf, RefusesHostileFilesWithTheReason) {
  for (const Hostile& hostile : kHostile) {
    const auto part = parse(hostile.make());
    ASSERT_FALSE(part.ok()) << hostile.name;
    const std::string text = part.error().to_string();
    EXPECT_NE(text.find(hostile.message), text.npos) << hostile.name << ": " << text;
    EXPECT_EQ(text.find("f.gguf"), 0U) << hostile.name << ": " << text;
  }
  EXPECT_TRUE(parse(nested_lists(8)).ok());
}

TEST(Gguf, RefusesIq1ToIq3ByName) {
  const std::pair<uint32_t, const char*> kTypes[] = {{19, "IQ1_S"}, {29, "IQ1_M"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"},
                                                     {22, "IQ2_S"}, {18, "IQ3_XXS"}, {21, "IQ3_S"}};
  for (const auto& [type, name] : kTypes) {
    const auto part = parse(with_tensor({256}, type, 0, 4096));
    ASSERT_FALSE(part.ok()) << name;
    EXPECT_NE(part.error().to_string().find(std::string("tensor w: is stored as ") + name + ", which Linnet does not"),
              std::string::npos)
        << part.error().to_string();
  }
}

TEST(Gguf, EveryTruncationIsAnError) {
  Bytes b = header(2, 2);
  b.key("k", GgufType::kArray).put(kStringNumber).put<uint64_t>(2).str("one").str("two");
  b.key("general.alignment", GgufType::kU32).put<uint32_t>(32);
  b.tensor("a", {32}, kQ8_0, 0).tensor("b", {4}, kF32, 64).align().data(64).data(16);
  ASSERT_TRUE(parse(b.text).ok());
  for (size_t size = 0; size < b.text.size(); ++size) EXPECT_FALSE(parse(b.text.substr(0, size)).ok()) << size;
}

TEST(Gguf, TwoTensorsOfOneNameAreRefused) {
  const std::string path = testing::TempDir() + "/twice.gguf";
  const Bytes b = header(2, 0).tensor("w", {4}, kF32, 0).tensor("w", {4}, kF32, 32).align().data(48);
  ASSERT_TRUE(write_file(path, b.text).ok());
  const auto gguf = Gguf::open(path);
  ASSERT_FALSE(gguf.ok());
  EXPECT_EQ(gguf.error().to_string(), path + ": tensor w: the file holds two tensors of this name");
}

// ---- split files

class SplitGguf : public FolderTest {
 protected:
  std::string path(int part, int count = 3) const {
    return folder_ / fmt::format("m-0000{}-of-0000{}.gguf", part, count);
  }
  // Part `number` (from 1), holding one tensor of that name.
  void write_part(int number, const std::string& path, const std::string& tensor) const {
    Bytes b = header(1, 3);
    b.key("split.no", GgufType::kU16).put<uint16_t>(static_cast<uint16_t>(number - 1));
    b.key("split.count", GgufType::kU16).put<uint16_t>(3);
    b.key("split.tensors.count", GgufType::kI32).put<int32_t>(3);
    b.tensor(tensor, {1}, kF32, 0).align().put(static_cast<float>(number));
    ASSERT_TRUE(write_file(path, b.text).ok());
  }
  void write_all() const {
    for (int i = 1; i <= 3; ++i) write_part(i, path(i), "t" + std::to_string(i));
  }
  std::string error(const std::string& path) const {
    const auto gguf = Gguf::open(path);
    return gguf.ok() ? "opened" : gguf.error().to_string();
  }
};

TEST_F(SplitGguf, OpensFromAnyPart) {
  write_all();
  for (int i = 1; i <= 3; ++i) {
    const auto gguf = Gguf::open(path(i));
    ASSERT_TRUE(gguf.ok()) << gguf.error().to_string();
    ASSERT_EQ((*gguf)->tensors().all().size(), 3U);
    EXPECT_EQ((*gguf)->files().size(), 3U);
    EXPECT_EQ(to_f32(*(*gguf)->tensors().find("t3")).span<float>()[0], 3.0f);
    EXPECT_EQ(*(*gguf)->metadata().integer("split.no", 0, 9), 0);
  }
}

TEST_F(SplitGguf, RefusesAMissingPartByName) {
  write_all();
  std::filesystem::remove(path(2));
  EXPECT_NE(error(path(1)).find("m-00002-of-00003.gguf"), std::string::npos);
}

TEST_F(SplitGguf, RefusesPartsInDisguise) {
  write_all();
  write_part(1, path(2), "t2");
  EXPECT_NE(error(path(1)).find("by its metadata it is part 1 of 3, by its name part 2 of 3"), std::string::npos);
  write_part(1, folder_ / "renamed.gguf", "t1");
  EXPECT_NE(error(folder_ / "renamed.gguf").find("is one of 3 parts of a split model, but is not named"),
            std::string::npos);
}

TEST_F(SplitGguf, RefusesATensorInTwoParts) {
  write_all();
  write_part(3, path(3), "t1");
  EXPECT_NE(error(path(1)).find("another file of the set holds a tensor of this name"), std::string::npos);
}

TEST(GgufSplitName, ReadsNames) {
  const GgufSplitName name = parse_gguf_split_name("a/b-00002-of-00010.gguf");
  EXPECT_EQ(name.prefix, "b");
  EXPECT_EQ(name.index, 2);
  EXPECT_EQ(name.count, 10);
  EXPECT_EQ(name.part(10), "a/b-00010-of-00010.gguf");
  for (const char* other : {"b.gguf", "-00001-of-00002.gguf", "b-00003-of-00002.gguf", "b-00000-of-00002.gguf",
                            "b-0001-of-0002.gguf", "b-0000a-of-00002.gguf"}) {
    EXPECT_EQ(parse_gguf_split_name(other).count, 0) << other;
  }
}

// ---- files of the world

TEST(Gguf, ReadsLlamaCppVocabularies) {
  const char* shared = std::getenv("LINNET_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared ? shared : LINNET_SOURCE_DIR "/../shared") / "data/llamacpp_vocab";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "../shared absent";
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto gguf = Gguf::open(entry.path());
    ASSERT_TRUE(gguf.ok()) << gguf.error().to_string();
    const auto tokens = (*gguf)->metadata().strings("tokenizer.ggml.tokens");
    ASSERT_TRUE(tokens.ok()) << tokens.error().to_string();
    EXPECT_EQ(tokens->size(), (*gguf)->metadata().find("tokenizer.ggml.token_type")->count());
    ++read;
  }
  EXPECT_GE(read, 3);
}

}  // namespace
}  // namespace linnet
