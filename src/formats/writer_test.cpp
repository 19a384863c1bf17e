// What we write we read; what the peers write we write too, byte for byte (tests/golden/make_formats.py).
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "formats/gguf.hpp"
#include "formats/gguf_writer.hpp"
#include "formats/safetensors.hpp"
#include "formats/safetensors_writer.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = LINNET_SOURCE_DIR "/tests/golden/formats/";

class Writers : public FolderTest {
 protected:
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
};

std::string whole(const std::string& path) {
  auto text = read_file(path);
  EXPECT_TRUE(text.ok()) << text.error().to_string();
  return text.ok() ? std::move(text).value() : std::string();
}

// Offset of the first byte that differs; -1 when the texts are equal.
int64_t first_difference(const std::string& a, const std::string& b) {
  const auto [i, j] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return i == a.end() && j == b.end() ? -1 : i - a.begin();
}

TensorToWrite random_tensor(Random& random, const std::string& name, ElementType type, Shape shape) {
  std::vector<std::byte> bytes(static_cast<size_t>(type.bytes_of(shape.elements())));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
  return {name, type, shape, [bytes]() -> Result<TensorBytes> { return TensorBytes::of(bytes); }};
}

std::string bytes_of(const TensorToWrite& tensor) {
  const auto produced = tensor.produce();
  return {reinterpret_cast<const char*>(produced->bytes.data()), produced->bytes.size()};
}
std::string bytes_of(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()};
}

// ---- byte for byte as the peers

TEST_F(Writers, GgufIsWhatGgufPyWrites) {
  const auto peer = Gguf::open(kGolden + "peer.gguf");
  ASSERT_TRUE(peer.ok()) << peer.error().to_string();
  GgufWriter writer;
  writer.add("general.architecture", "llama");
  writer.add("t.u8", uint8_t{200});
  writer.add("t.i8", int8_t{-100});
  writer.add("t.u16", uint16_t{60000});
  writer.add("t.i16", int16_t{-30000});
  writer.add("t.u32", uint32_t{4'000'000'000});
  writer.add("t.i32", int32_t{-2'000'000'000});
  writer.add("t.u64", UINT64_MAX);
  writer.add("t.i64", INT64_MIN);
  writer.add("t.f32", 0.1f);
  writer.add("t.f64", 0.1);
  writer.add("t.bool", true);
  writer.add("t.string", std::string("naïve ☕"));
  writer.add("t.strings", std::vector<std::string>{"a", "", "Ġthe"});
  writer.add("t.ints", std::vector<int32_t>{1, -2, 3});
  writer.add("t.floats", std::vector<float>{0.5f, -1.5f});
  writer.add("t.bools", std::vector<bool>{true, false});
  std::vector<TensorToWrite> tensors;
  for (const StoredTensor& tensor : (*peer)->tensors().all()) tensors.push_back(TensorToWrite::copy_of(tensor));
  const Status status = writer.write(folder_ / "ours.gguf", tensors);
  ASSERT_TRUE(status.ok()) << status.error().to_string();
  EXPECT_EQ(first_difference(whole(folder_ / "ours.gguf"), whole(kGolden + "peer.gguf")), -1);

  // One bit of one value, and the comparison must notice.
  writer.add("t.more", uint8_t{1});
  ASSERT_TRUE(writer.write(folder_ / "ours.gguf", tensors).ok());
  EXPECT_NE(first_difference(whole(folder_ / "ours.gguf"), whole(kGolden + "peer.gguf")), -1);
}

TEST_F(Writers, PeersGgufReadsByValue) {
  const auto peer = Gguf::open(kGolden + "peer.gguf");
  ASSERT_TRUE(peer.ok()) << peer.error().to_string();
  const TensorSource& tensors = (*peer)->tensors();
  EXPECT_EQ(tensors.find("a.f32")->shape, (Shape{2, 3}));
  EXPECT_EQ(to_f32(*tensors.find("a.f32")).span<float>()[5], 1.25f);
  EXPECT_EQ(to_f32(*tensors.find("b.f16")).span<float>()[5], 1.25f);
  EXPECT_NEAR(to_f32(*tensors.find("c.q8_0")).span<float>()[127], 1.0f, 1e-3);
  EXPECT_EQ(as_tensor(*tensors.find("d.i32")).span<int32_t>()[1], -6);
  EXPECT_EQ((*peer)->metadata().booleans("t.bools").value(), (std::vector<bool>{true, false}));
}

TEST_F(Writers, JsonTakesTheTypesOfLlamaCpp) {
  GgufWriter writer;
  const Json values = {{"whole", 4294967295}, {"real", 0.5}, {"flag", true}, {"text", "é"}, {"flags", {true, false}}};
  for (const auto& [key, value] : values.items()) EXPECT_TRUE(writer.add_json(key, value).ok()) << key;
  EXPECT_TRUE(writer.add_json("signed", int64_t{7}).ok());
  for (const Json& wrong : {Json(-1), Json(4294967296), Json(UINT64_MAX), Json(nullptr), Json::object(),
                            Json::array({1, 2}), Json::array({true, 1})}) {
    const Status refused = writer.add_json("wrong", wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_NE(refused.error().to_string().find("\"wrong\""), std::string::npos);
  }
  ASSERT_TRUE(writer.write(folder_ / "json.gguf", {}).ok());
  const auto file = Gguf::open(folder_ / "json.gguf");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const GgufMetadata& back = (*file)->metadata();
  ASSERT_EQ(back.entries().size(), 6u);
  EXPECT_EQ(back.find("whole")->type, GgufType::kU32);
  EXPECT_EQ(back.integer("whole", 0, UINT32_MAX).value(), 4294967295);
  EXPECT_EQ(back.find("real")->type, GgufType::kF32);
  EXPECT_EQ(back.number("real").value(), 0.5);
  EXPECT_TRUE(back.boolean("flag").value());
  EXPECT_EQ(back.string("text").value(), "é");
  EXPECT_EQ(back.booleans("flags").value(), (std::vector<bool>{true, false}));
  EXPECT_EQ(back.find("signed")->type, GgufType::kU32);
}

TEST_F(Writers, SafetensorsIsWhatThePeerWrites) {
  const auto peer = open_safetensors(kGolden + "peer.safetensors");
  ASSERT_TRUE(peer.ok()) << peer.error().to_string();
  EXPECT_EQ(peer->metadata.at("format"), "pt");
  std::vector<TensorToWrite> tensors;
  for (const StoredTensor& tensor : peer->tensors) tensors.push_back(TensorToWrite::copy_of(tensor));
  const Status status = write_safetensors(folder_ / "model.safetensors", tensors);
  ASSERT_TRUE(status.ok()) << status.error().to_string();
  EXPECT_EQ(first_difference(whole(folder_ / "model.safetensors"), whole(kGolden + "peer.safetensors")), -1);

  // One bit of one number, and the comparison must notice.
  std::vector<std::byte> bytes(peer->tensors[0].bytes.begin(), peer->tensors[0].bytes.end());
  bytes[bytes.size() / 2] ^= std::byte{1};
  tensors[0].produce = [&]() -> Result<TensorBytes> { return TensorBytes::of(bytes); };
  ASSERT_TRUE(write_safetensors(folder_ / "wrong.safetensors", tensors).ok());
  EXPECT_NE(first_difference(whole(folder_ / "wrong.safetensors"), whole(kGolden + "peer.safetensors")), -1);
}

TEST_F(Writers, PeersSafetensorsReadsByValue) {
  const auto peer = open_safetensors(kGolden + "peer.safetensors");
  ASSERT_TRUE(peer.ok()) << peer.error().to_string();
  const auto source = TensorSource::of(peer->tensors);
  EXPECT_EQ(to_f32(*source->find("a")).span<float>()[5], 1.25f);
  EXPECT_EQ(to_f32(*source->find("b.half")).span<float>()[5], 1.25f);
  EXPECT_EQ(as_tensor(*source->find("c.ids")).span<int64_t>()[1], -2);
  EXPECT_EQ(as_tensor(*source->find("d.bytes")).span<uint8_t>()[2], 9);
  EXPECT_EQ(source->find("e.scalar")->shape.rank(), 0);
  EXPECT_EQ(source->find("f.empty")->shape, (Shape{0, 4}));
  EXPECT_EQ(source->find("g.mask")->dtype, DType::kBool);
  EXPECT_NE(source->find("h \"quoted\" é"), nullptr);
}

// ---- what we write we read

TEST_F(Writers, RandomGgufFilesComeBack) {
  Random random(1);
  for (int round = 0; round < 20; ++round) {
    GgufWriter writer(round % 2 ? 32 : 64);
    std::vector<std::string> tokens;
    for (uint64_t i = 0; i < random.below(100); ++i) tokens.push_back("t" + std::to_string(random.below(1000)));
    writer.add("tokens", tokens);
    writer.add("nested", std::vector<std::vector<int16_t>>{{1, 2}, {}, {-3}});
    std::vector<TensorToWrite> tensors;
    for (const QuantFormat& format : quant_formats()) {
      if (format.ggml_type < 0) continue;
      const Shape shape{static_cast<int64_t>(random.below(3) + 1),
                        format.block_elements * static_cast<int64_t>(random.below(3) + 1)};
      tensors.push_back(random_tensor(random, "w." + std::string(format.name), ElementType::of(format), shape));
    }
    for (const DType dtype : {DType::kI8, DType::kI16, DType::kI32, DType::kI64, DType::kF64}) {
      tensors.push_back(random_tensor(random, std::string(dtype_name(dtype)), ElementType::of(dtype),
                                      Shape{static_cast<int64_t>(random.below(5)), 3}));
    }
    const std::string path = folder_ / "m.gguf";
    const Status status = writer.write(path, tensors);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
    const auto gguf = Gguf::open(path);
    ASSERT_TRUE(gguf.ok()) << gguf.error().to_string();
    const auto read = (*gguf)->metadata().strings("tokens");
    EXPECT_TRUE(std::equal(read->begin(), read->end(), tokens.begin(), tokens.end()));
    ASSERT_EQ((*gguf)->tensors().all().size(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const StoredTensor& back = (*gguf)->tensors().all()[i];
      EXPECT_EQ(back.name, tensors[i].name);
      EXPECT_EQ(back.shape, tensors[i].shape);
      EXPECT_EQ(back.type_name(), tensors[i].type.type_name());
      EXPECT_EQ(bytes_of(back), bytes_of(tensors[i]));
    }
    // A copy of a copy is the same file.
    GgufWriter again(round % 2 ? 32 : 64);
    std::vector<TensorToWrite> copies;
    for (const GgufEntry& entry : (*gguf)->metadata().entries()) {
      if (entry.key != "general.alignment") again.add(entry.key, entry.value);
    }
    for (const StoredTensor& tensor : (*gguf)->tensors().all()) copies.push_back(TensorToWrite::copy_of(tensor));
    ASSERT_TRUE(again.write(folder_ / "again.gguf", copies).ok());
    EXPECT_EQ(first_difference(whole(path), whole(folder_ / "again.gguf")), -1);
  }
}

TEST_F(Writers, RandomSafetensorsComeBackInShards) {
  Random random(2);
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(folder_);
    std::vector<TensorToWrite> tensors;
    for (const DType dtype : {DType::kU8, DType::kBF16, DType::kF32, DType::kI64, DType::kBool, DType::kF8E4M3}) {
      for (int i = 0; i < 4; ++i) {
        const std::string name = std::string(dtype_name(dtype)) + "." + std::to_string(i);
        tensors.push_back(
            random_tensor(random, name, ElementType::of(dtype), Shape{static_cast<int64_t>(random.below(9)), 5}));
      }
    }
    SafetensorsOptions options;
    options.max_shard_bytes = round == 0 ? UINT64_MAX : 1 + random.below(600);
    const std::string path = folder_ / "model.safetensors";
    const Status status = write_safetensors(path, tensors, options);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
    std::vector<StoredTensor> read;
    if (round == 0) {
      read = open_safetensors(path)->tensors;
    } else {
      auto shards = open_safetensors_index(path + ".index.json");
      ASSERT_TRUE(shards.ok()) << shards.error().to_string();
      read = std::move(shards->tensors);
      EXPECT_GT(files(), 2U);
    }
    const auto source = TensorSource::of(read);
    ASSERT_EQ(source->all().size(), tensors.size());
    for (const TensorToWrite& tensor : tensors) {
      const StoredTensor* back = source->find(tensor.name);
      ASSERT_NE(back, nullptr);
      EXPECT_EQ(back->dtype, tensor.type.dtype);
      EXPECT_EQ(back->shape, tensor.shape);
      EXPECT_EQ(bytes_of(*back), bytes_of(tensor));
      EXPECT_EQ(back->offset % static_cast<uint64_t>(dtype_bytes(*back->dtype)), 0U) << tensor.name;
    }
  }
}

// ---- what cannot be written

TEST_F(Writers, RefuseWhatTheFormatCannotHold) {
  Random random(3);
  const auto one = [&](ElementType type, Shape shape) {
    return std::vector<TensorToWrite>{random_tensor(random, "w", type, shape)};
  };
  const auto gguf_error = [&](const std::vector<TensorToWrite>& tensors) {
    const Status status = GgufWriter().write(folder_ / "m.gguf", tensors);
    return status.ok() ? "written" : status.error().message;
  };
  EXPECT_EQ(gguf_error(one(ElementType::of(DType::kF8E4M3), Shape{4})),
            "tensor \"w\" is F8_E4M3, which GGUF has no type for");
  EXPECT_EQ(gguf_error(one(ElementType::of(DType::kBool), Shape{4})),
            "tensor \"w\" is BOOL, which GGUF has no type for");
  EXPECT_EQ(gguf_error(one(ElementType::of(DType::kF32), Shape{1, 1, 1, 1, 1})),
            "tensor \"w\" has 5 dimensions; GGUF allows 4");
  EXPECT_EQ(gguf_error(one(ElementType::of(quant_format(QuantType::kQ4_K)), Shape{512, 128})),
            "tensor \"w\" has rows of 128 elements, not a multiple of Q4_K's blocks of 256");
  auto twice = one(ElementType::of(DType::kF32), Shape{1});
  twice.push_back(twice.front());
  EXPECT_EQ(gguf_error(twice), "two tensors are named \"w\"");
  const Status q4 =
      write_safetensors(folder_ / "m.safetensors", one(ElementType::of(quant_format(QuantType::kQ4_0)), Shape{32}));
  EXPECT_EQ(q4.error().message, "tensor \"w\" is Q4_0, which safetensors has no dtype for");
  GgufWriter keys;
  keys.add("k", true);
  keys.add("k", "x");
  EXPECT_EQ(keys.write(folder_ / "m.gguf", {}).error().message, "metadata key \"k\" is added twice");
  EXPECT_EQ(files(), 0U);
}

TEST_F(Writers, AFailureLeavesNothingBehind) {
  Random random(4);
  std::vector<TensorToWrite> tensors;
  tensors.push_back(random_tensor(random, "a", ElementType::of(DType::kF32), Shape{1000}));
  tensors.push_back({"b", ElementType::of(DType::kF32), Shape{2}, []() -> Result<TensorBytes> {
                       return Error{ErrorCode::kCancelled, "stopped", {}, {}};
                     }});
  EXPECT_EQ(GgufWriter().write(folder_ / "m.gguf", tensors).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(write_safetensors(folder_ / "m.safetensors", tensors, {.max_shard_bytes = 100}).error().code,
            ErrorCode::kCancelled);
  EXPECT_EQ(files(), 0U);
}

}  // namespace
}  // namespace linnet
