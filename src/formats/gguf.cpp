#include "formats/gguf.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/core.h>
#include <optional>

#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kMaxKeyBytes = 65535;  // by the specification
constexpr uint64_t kMaxTensorNameBytes = 1024;
constexpr uint64_t kSmallestEntry = 8 + 4 + 1;           // key length, type, one byte of value
constexpr uint64_t kSmallestTensorInfo = 8 + 4 + 4 + 8;  // name length, dimensions, type, offset
constexpr std::string_view kKeepNames = "give the parts of a split model the names that they were published with";

// Reads forward through the bytes; every step is checked against their end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& place) : bytes_(bytes), place_(place) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return bytes_.size() - offset_; }
  std::span<const std::byte> since(uint64_t begin) const { return bytes_.subspan(begin, offset_ - begin); }

  template <class T>
  Result<T> read(std::string_view what) {
    if (left() < sizeof(T)) return ends_in(what);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof value);
    offset_ += sizeof value;
    return value;
  }

  Status skip(uint64_t count, std::string_view what) {
    if (count > left()) return ends_in(what);
    offset_ += count;
    return ok_status();
  }

  Result<std::string_view> text(uint64_t limit, std::string_view what) {
    TRY_ASSIGN(const uint64_t length, read<uint64_t>(what));
    if (length > left()) return ends_in(what);
    if (length > limit) {
      return bad(fmt::format("{} is {} bytes long; at most {} are allowed", what, length, limit));
    }
    const auto* begin = reinterpret_cast<const char*>(bytes_.data() + offset_);
    offset_ += length;
    return std::string_view(begin, length);
  }

  Error bad(std::string message) const {
    return invalid(std::move(message), fmt::format("{}: byte {}", place_, offset_));
  }
  Error ends_in(std::string_view what) const {
    return invalid(fmt::format("the file ends inside {}", what), fmt::format("{}: byte {}", place_, offset_),
                   std::string(kPullAgain));
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& place_;
  uint64_t offset_ = 0;
};

// ---- metadata

Status skip_value(Cursor& in, uint32_t type, int depth, const std::string& what);

Status skip_array(Cursor& in, int depth, const std::string& what) {
  if (depth >= kMaxGgufArrayDepth)
    return in.bad(fmt::format("{} nests lists deeper than {}", what, kMaxGgufArrayDepth));
  TRY_ASSIGN(const uint32_t type, in.read<uint32_t>(what));
  TRY_ASSIGN(const uint64_t count, in.read<uint64_t>(what));
  if (type >= kGgufTypeCount) return in.bad(fmt::format("{} has elements of the unknown type {}", what, type));
  const auto element = static_cast<GgufType>(type);
  // The least that an element takes: a string is at least its length, a list its type and count.
  const uint64_t scalar = gguf_scalar_bytes(element);
  const uint64_t least = scalar ? scalar : element == GgufType::kString ? 8 : 12;
  if (count > in.left() / least) {
    return in.bad(
        fmt::format("{} says that it has {} elements; the file has room for {}", what, count, in.left() / least));
  }
  if (scalar) return in.skip(count * scalar, what);
  for (uint64_t i = 0; i < count; ++i) TRY(skip_value(in, type, depth + 1, what));
  return ok_status();
}

Status skip_value(Cursor& in, uint32_t type, int depth, const std::string& what) {
  if (type >= kGgufTypeCount) return in.bad(fmt::format("{} is of the unknown type {}", what, type));
  switch (static_cast<GgufType>(type)) {
    case GgufType::kArray:
      return skip_array(in, depth, what);
    case GgufType::kString: {
      TRY_ASSIGN(const uint64_t length, in.read<uint64_t>(what));
      return in.skip(length, what);
    }
    default:
      return in.skip(gguf_scalar_bytes(static_cast<GgufType>(type)), what);
  }
}

Result<GgufMetadata> read_metadata(Cursor& in, uint64_t count, const std::string& place) {
  std::vector<GgufEntry> entries;
  entries.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const std::string_view key, in.text(kMaxKeyBytes, "a metadata key"));
    if (!is_valid_utf8(key)) return in.bad("a metadata key is not valid UTF-8");
    const std::string what = fmt::format("metadata key \"{}\"", key);
    TRY_ASSIGN(const uint32_t type, in.read<uint32_t>(what));
    const uint64_t begin = in.offset();
    TRY(skip_value(in, type, 0, what));
    entries.push_back({key, {static_cast<GgufType>(type), in.since(begin)}});
  }
  return GgufMetadata::of(std::move(entries), place);
}

Result<uint64_t> read_alignment(const GgufMetadata& metadata) {
  constexpr int64_t kLargest = 1 << 20;
  TRY_ASSIGN(const int64_t alignment, metadata.integer_or("general.alignment", kGgufDefaultAlignment, 1, kLargest));
  if (!std::has_single_bit(static_cast<uint64_t>(alignment))) {
    return invalid(fmt::format("metadata key \"general.alignment\" must be a power of two, is {}", alignment),
                   metadata.place());
  }
  return static_cast<uint64_t>(alignment);
}

// ---- tensors

Result<ElementType> element_type(uint32_t ggml_type, const std::string& place) {
  if (const auto type = element_type_of_ggml(ggml_type)) return *type;
  const std::string_view name = ggml_type_name(ggml_type);
  if (name.empty()) return invalid(fmt::format("has the type {}, which GGUF does not define", ggml_type), place);
  return unsupported(fmt::format("is stored as {}, which Linnet does not decode", name), place,
                     "take a file of this model in another quantisation, such as Q4_K_M, Q5_K_M, Q6_K or Q8_0");
}

Result<Shape> read_shape(Cursor& in, const std::string& place) {
  TRY_ASSIGN(const uint32_t rank, in.read<uint32_t>("a tensor's dimensions"));
  if (rank > uint32_t{kGgufMostDims})
    return in.bad(fmt::format("{} has {} dimensions; GGUF allows {}", place, rank, kGgufMostDims));
  int64_t dims[kGgufMostDims] = {};
  for (uint32_t i = 0; i < rank; ++i) {
    TRY_ASSIGN(const uint64_t dim, in.read<uint64_t>("a tensor's dimensions"));
    if (dim > static_cast<uint64_t>(INT64_MAX)) return in.bad(fmt::format("{} has a dimension of {}", place, dim));
    dims[rank - 1 - i] = static_cast<int64_t>(dim);  // GGUF lists the fastest dimension first
  }
  return Shape::checked({dims, rank}, place);
}

// Reads one tensor's description; `offset` is left relative to the data section.
Result<StoredTensor> read_tensor_info(Cursor& in, const std::string& file) {
  StoredTensor tensor;
  TRY_ASSIGN(const std::string_view name, in.text(kMaxTensorNameBytes, "a tensor's name"));
  if (!is_valid_utf8(name)) return in.bad("a tensor's name is not valid UTF-8");
  tensor.name = name;
  tensor.file = file;
  const std::string place = tensor.place();
  TRY_ASSIGN(tensor.shape, read_shape(in, place));
  TRY_ASSIGN(const uint32_t type, in.read<uint32_t>("a tensor's type"));
  TRY_ASSIGN(static_cast<ElementType&>(tensor), element_type(type, place));
  TRY_ASSIGN(tensor.offset, in.read<uint64_t>("a tensor's offset"));
  const int64_t row = tensor.shape.rank() ? tensor.shape[-1] : 1;
  if (row % tensor.block_elements() != 0) {
    return invalid(fmt::format("has rows of {} elements, not a multiple of {}'s blocks of {}", row, tensor.type_name(),
                               tensor.block_elements()),
                   place);
  }
  return tensor;
}

// Turns relative offsets into checked spans.
Status place_tensors(std::vector<StoredTensor>& tensors, std::span<const std::byte> bytes, uint64_t data_begin,
                     uint64_t alignment, const std::string& file) {
  std::vector<ByteRange> ranges;
  ranges.reserve(tensors.size());
  for (StoredTensor& tensor : tensors) {
    // At most 2^48 elements of 8 bytes: no overflow.
    const auto size = static_cast<uint64_t>(tensor.bytes_of(tensor.shape.elements()));
    if (tensor.offset % alignment != 0) {
      return invalid(fmt::format("its offset {} is not a multiple of the alignment {}", tensor.offset, alignment),
                     tensor.place());
    }
    const uint64_t room = bytes.size() > data_begin ? bytes.size() - data_begin : 0;
    if (tensor.offset > room || size > room - tensor.offset) {
      return invalid(fmt::format("it lies {} bytes into the data and is {} bytes long, but the data are {} bytes",
                                 tensor.offset, size, room),
                     tensor.place(), std::string(kPullAgain));
    }
    ranges.push_back({tensor.offset, tensor.offset + size, tensor.name});
    tensor.offset += data_begin;
    tensor.bytes = bytes.subspan(tensor.offset, size);
  }
  return check_no_overlap(ranges, file);
}

Result<uint32_t> read_version(Cursor& in, const std::string& place) {
  TRY_ASSIGN(const uint32_t version, in.read<uint32_t>("the header"));
  if (version != 0 && (version & 0xFFFF) == 0) {
    return unsupported("is a big-endian GGUF file; Linnet reads little-endian ones", place,
                       "convert it with gguf_convert_endian.py of llama.cpp, or take the little-endian file");
  }
  if (version == 1) {
    return unsupported("is GGUF version 1, of August 2023; Linnet reads versions 2 and 3", place,
                       "take a newer file of this model");
  }
  if (version != 2 && version != 3) {
    return unsupported(fmt::format("is GGUF version {}; Linnet reads versions 2 and 3", version), place);
  }
  return version;
}

}  // namespace

bool is_gguf(std::span<const std::byte> head) {
  return head.size() >= kMagic.size() && std::memcmp(head.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<GgufPart> parse_gguf(std::span<const std::byte> bytes, const std::string& place,
                            const std::shared_ptr<const void>& owner) {
  Cursor in(bytes, place);
  if (!is_gguf(bytes)) return invalid("is not a GGUF file: it does not begin with \"GGUF\"", place);
  TRY(in.skip(kMagic.size(), "the header"));
  GgufPart part;
  TRY_ASSIGN(part.version, read_version(in, place));
  TRY_ASSIGN(const uint64_t tensor_count, in.read<uint64_t>("the header"));
  TRY_ASSIGN(const uint64_t entry_count, in.read<uint64_t>("the header"));
  if (entry_count > in.left() / kSmallestEntry) {
    return in.bad(fmt::format("says that it has {} metadata keys; the file is too short for that", entry_count));
  }
  if (tensor_count > in.left() / kSmallestTensorInfo) {
    return in.bad(fmt::format("says that it has {} tensors; the file is too short for that", tensor_count));
  }
  TRY_ASSIGN(part.metadata, read_metadata(in, entry_count, place));
  TRY_ASSIGN(part.alignment, read_alignment(part.metadata));
  if (tensor_count > in.left() / kSmallestTensorInfo) {
    return in.bad(fmt::format("says that it has {} tensors; the file is too short for that", tensor_count));
  }
  part.tensors.reserve(tensor_count);
  for (uint64_t i = 0; i < tensor_count; ++i) {
    TRY_ASSIGN(StoredTensor tensor, read_tensor_info(in, place));
    tensor.owner = owner;
    part.tensors.push_back(std::move(tensor));
  }
  const uint64_t data_begin = (in.offset() + part.alignment - 1) / part.alignment * part.alignment;
  TRY(place_tensors(part.tensors, bytes, data_begin, part.alignment, place));
  return part;
}

// ---- split files

GgufSplitName parse_gguf_split_name(const std::filesystem::path& path) {
  // NAME-00001-of-00003.gguf, as llama-gguf-split writes it.
  const std::string name = path.filename().string();
  constexpr std::string_view kShape = "-ddddd-of-ddddd.gguf";
  if (name.size() <= kShape.size()) return {};
  const std::string_view tail = std::string_view(name).substr(name.size() - kShape.size());
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = tail[i] >= '0' && tail[i] <= '9';
    if (kShape[i] == 'd' ? !digit : tail[i] != kShape[i]) return {};
  }
  const auto number = [&](size_t at) {
    int value = 0;
    for (size_t i = at; i < at + 5; ++i) value = value * 10 + (tail[i] - '0');
    return value;
  };
  GgufSplitName split{path.parent_path(), name.substr(0, name.size() - kShape.size()), number(1), number(10)};
  if (split.index < 1 || split.index > split.count) return {};
  return split;
}

std::filesystem::path GgufSplitName::part(int i) const {
  return folder / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, i, count);
}

namespace {

Result<GgufPart> open_part(const std::filesystem::path& path, std::vector<std::shared_ptr<const MappedFile>>& files) {
  TRY_ASSIGN(const auto file, MappedFile::open(path));
  files.push_back(file);
  return parse_gguf(file->bytes(), path.string(), file);
}

// A part's own word on its place in the set must agree with its name.
Status check_part(const GgufPart& part, const GgufSplitName& name, int index) {
  TRY_ASSIGN(const int64_t number, part.metadata.integer("split.no", 0, 65535));
  TRY_ASSIGN(const int64_t count, part.metadata.integer("split.count", 1, 65535));
  if (number == index - 1 && count == name.count) return ok_status();
  return invalid(fmt::format("by its metadata it is part {} of {}, by its name part {} of {}", number + 1, count, index,
                             name.count),
                 part.metadata.place(), std::string(kKeepNames));
}

using Files = std::vector<std::shared_ptr<const MappedFile>>;

// Opens all parts of the set that `path`, whose own part is `opened`, belongs to; returns the first with all tensors.
Result<GgufPart> open_split(const std::filesystem::path& path, const GgufPart& opened, int64_t count, Files& files) {
  const GgufSplitName name = parse_gguf_split_name(path);
  if (name.count == 0) {
    return invalid(
        fmt::format("is one of {} parts of a split model, but is not named NAME-00001-of-{:05}.gguf", count, count),
        path.string(), std::string(kKeepNames));
  }
  TRY(check_part(opened, name, name.index));
  GgufPart first;
  std::vector<StoredTensor> tensors;
  for (int i = 1; i <= name.count; ++i) {
    TRY_ASSIGN(GgufPart part, open_part(name.part(i), files));
    TRY(check_part(part, name, i));
    std::move(part.tensors.begin(), part.tensors.end(), std::back_inserter(tensors));
    if (i == 1) first = std::move(part);
  }
  first.tensors = std::move(tensors);
  const auto held = static_cast<int64_t>(first.tensors.size());
  TRY_ASSIGN(const int64_t stated, first.metadata.integer_or("split.tensors.count", held, 0, INT32_MAX));
  if (stated == held) return first;
  return invalid(fmt::format("the parts hold {} tensors; the first says {}", held, stated), first.metadata.place(),
                 std::string(kPullAgain));
}

}  // namespace

Result<std::shared_ptr<const Gguf>> Gguf::open(const std::filesystem::path& path) {
  const std::shared_ptr<Gguf> gguf(new Gguf);
  TRY_ASSIGN(GgufPart part, open_part(path, gguf->files_));
  TRY_ASSIGN(const int64_t count, part.metadata.integer_or("split.count", 1, 0, 65535));
  if (count > 1) {
    Files files;
    TRY_ASSIGN(part, open_split(path, part, count, files));
    gguf->files_ = std::move(files);
  }
  gguf->version_ = part.version;
  gguf->metadata_ = std::move(part.metadata);
  TRY_ASSIGN(gguf->tensors_, TensorSource::of(std::move(part.tensors)));
  return std::shared_ptr<const Gguf>(gguf);
}

}  // namespace linnet
