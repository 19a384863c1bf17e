#include "formats/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <optional>
#include <set>

#include "base/json.hpp"

namespace linnet {

namespace {

// The header of a file, read event by event: no document is built, so that a hostile 100 MB header costs no more than
// its entries, and a name that is there twice is seen.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  struct Entry {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<uint64_t> offsets;
    bool has_dtype = false;
    bool has_shape = false;
    bool has_offsets = false;
  };

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string error;

  bool null() override { return wrong("null"); }
  bool boolean(bool /*value*/) override { return wrong("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { return wrong("a negative number"); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return wrong("a fraction"); }
  bool binary(binary_t& /*value*/) override { return wrong("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape && value <= static_cast<uint64_t>(INT64_MAX)) {
      if (entries.back().shape.size() > Shape::kMaxRank) return fail("has too many dimensions");
      entries.back().shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (state_ == State::kOffsets && entries.back().offsets.size() < 2) {
      entries.back().offsets.push_back(value);
      return true;
    }
    return wrong("a number");
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      if (!metadata.emplace(key_, value).second) return fail(fmt::format("has the metadata \"{}\" twice", key_));
      return true;
    }
    if (state_ != State::kEntry || key_ != "dtype") return wrong("a string");
    entries.back().dtype = value;
    entries.back().has_dtype = true;
    return true;
  }

  bool start_object(size_t /*count*/) override {
    if (state_ == State::kStart) return enter(State::kTop);
    if (state_ != State::kTop) return wrong("an object");
    if (key_ == "__metadata__") return enter(State::kMetadata);
    entries.emplace_back().name = key_;
    return enter(State::kEntry);
  }

  bool key(string_t& value) override {
    key_ = value;
    if (state_ != State::kEntry) return true;
    const Entry& entry = entries.back();
    const bool twice = (key_ == "dtype" && entry.has_dtype) || (key_ == "shape" && entry.has_shape) ||
                       (key_ == "data_offsets" && entry.has_offsets);
    if (twice) return fail(fmt::format("has \"{}\" twice", key_));
    if (key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      return fail(fmt::format("has the unknown field \"{}\"", key_));
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kEntry) {
      const Entry& entry = entries.back();
      if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2) {
        return fail("needs dtype, shape and two data_offsets");
      }
    }
    return enter(state_ == State::kTop ? State::kEnd : State::kTop);
  }

  bool start_array(size_t /*count*/) override {
    if (state_ == State::kEntry && key_ == "shape") {
      entries.back().has_shape = true;
      return enter(State::kShape);
    }
    if (state_ == State::kEntry && key_ == "data_offsets") {
      entries.back().has_offsets = true;
      return enter(State::kOffsets);
    }
    return wrong("a list");
  }
  bool end_array() override { return enter(State::kEntry); }

  bool parse_error(size_t position, const std::string& /*token*/, const nlohmann::detail::exception& what) override {
    const std::string_view text = what.what();
    const size_t start = text.find("] ");
    error = fmt::format("the header is bad JSON at byte {}: {}", position + 8,
                        start == text.npos ? text : text.substr(start + 2));
    return false;
  }

 private:
  enum class State { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kEnd };

  bool enter(State state) {
    state_ = state;
    return true;
  }
  bool fail(const std::string& message) {
    const bool in_entry = state_ == State::kEntry || state_ == State::kShape || state_ == State::kOffsets;
    error = in_entry ? fmt::format("header: tensor \"{}\" {}", entries.back().name, message) : "header " + message;
    return false;
  }
  bool wrong(std::string_view got) {
    if (state_ == State::kStart) return fail(fmt::format("must be an object, is {}", got));
    return fail(fmt::format("must not have {} at \"{}\"", got, key_));
  }

  State state_ = State::kStart;
  std::string key_;
};

// Places where `entry` says, or says why not. `data` is what follows the header.
Result<StoredTensor> make_tensor(HeaderReader::Entry& entry, std::span<const std::byte> data, uint64_t data_begin,
                                 const std::string& file) {
  StoredTensor tensor;
  tensor.name = std::move(entry.name);
  tensor.file = file;
  const std::string place = tensor.place();
  const auto dtype = parse_dtype(entry.dtype);
  if (!dtype) {
    return unsupported(fmt::format("has the dtype \"{}\", which Linnet does not read", entry.dtype), place);
  }
  static_cast<ElementType&>(tensor) = ElementType::of(*dtype);
  TRY_ASSIGN(tensor.shape, Shape::checked(entry.shape, place));
  const uint64_t begin = entry.offsets[0];
  const uint64_t end = entry.offsets[1];
  if (begin > end) return invalid(fmt::format("begins at {} and ends before, at {}", begin, end), place);
  if (end > data.size()) {
    return invalid(fmt::format("ends at byte {} of the data, but the data are {} bytes", end, data.size()), place,
                   std::string(kPullAgain));
  }
  const auto expected = static_cast<uint64_t>(tensor.bytes_of(tensor.shape.elements()));
  if (end - begin != expected) {
    return invalid(fmt::format("{} of shape {} takes {} bytes, but has {}", entry.dtype, tensor.shape.to_string(),
                               expected, end - begin),
                   place);
  }
  tensor.bytes = data.subspan(begin, end - begin);
  tensor.offset = data_begin + begin;
  return tensor;
}

Status check_layout(const std::vector<StoredTensor>& tensors, uint64_t data_begin, uint64_t file_size,
                    const std::string& place) {
  std::vector<ByteRange> ranges;
  ranges.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) {
    ranges.push_back({tensor.offset, tensor.offset + tensor.bytes.size(), tensor.name});
  }
  TRY(check_no_overlap(ranges, place));
  uint64_t end = data_begin;
  for (const ByteRange& range : ranges) {
    if (range.begin != end) {
      return invalid(
          fmt::format("bytes {} to {} before tensor \"{}\" belong to no tensor", end, range.begin, range.name), place);
    }
    end = range.end;
  }
  if (end == file_size) return ok_status();
  return invalid(fmt::format("the tensors end at byte {}, the file at {}", end, file_size), place);
}

}  // namespace

Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, const std::string& place,
                                          const std::shared_ptr<const void>& owner) {
  uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) {
    return invalid("is too short for a safetensors file", place, std::string(kPullAgain));
  }
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kMaxSafetensorsHeader) {
    return invalid(
        fmt::format("says that its header is {} bytes long; at most {} are allowed: is it a safetensors file?",
                    header_size, kMaxSafetensorsHeader),
        place);
  }
  const auto after = bytes.subspan(sizeof header_size);
  if (header_size > after.size()) {
    return invalid(fmt::format("says that its header is {} bytes long, but ends after {}", header_size, after.size()),
                   place, std::string(kPullAgain));
  }
  const std::string_view header(reinterpret_cast<const char*>(after.data()), header_size);
  if (header.empty() || header.front() != '{') return invalid("the header must begin with \"{\"", place);
  HeaderReader reader;
  if (!Json::sax_parse(header.begin(), header.end(), &reader)) return invalid(reader.error, place);

  SafetensorsFile file;
  file.metadata = std::move(reader.metadata);
  file.tensors.reserve(reader.entries.size());
  const uint64_t data_begin = sizeof header_size + header_size;
  for (HeaderReader::Entry& entry : reader.entries) {
    TRY_ASSIGN(StoredTensor tensor, make_tensor(entry, bytes.subspan(data_begin), data_begin, place));
    tensor.owner = owner;
    file.tensors.push_back(std::move(tensor));
  }
  TRY(check_layout(file.tensors, data_begin, bytes.size(), place));
  std::stable_sort(file.tensors.begin(), file.tensors.end(),
                   [](const StoredTensor& a, const StoredTensor& b) { return a.offset < b.offset; });
  TRY(TensorSource::of(file.tensors));  // names are distinct
  return file;
}

Result<SafetensorsFile> open_safetensors(const std::filesystem::path& path) {
  TRY_ASSIGN(const auto mapped, MappedFile::open(path));
  TRY_ASSIGN(SafetensorsFile file, parse_safetensors(mapped->bytes(), path.string(), mapped));
  file.files.push_back(mapped);
  return file;
}

// ---- shards

namespace {

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == name.npos &&
         name.find('\0') == name.npos;
}

}  // namespace

Result<SafetensorsFile> open_safetensors_index(const std::filesystem::path& index) {
  const std::string place = index.string();
  TRY_ASSIGN(const Json json, read_json_file(place));
  TRY_ASSIGN(const JsonObject top, JsonObject::of(json, place));
  TRY_ASSIGN(const JsonObject map, top.object("weight_map"));
  std::set<std::string> shards;
  for (const auto& [name, shard] : map.json().items()) {
    if (!shard.is_string()) return invalid(fmt::format("weight_map: \"{}\" must be a file name", name), place);
    const auto& file = shard.get_ref<const std::string&>();
    if (!is_plain_file_name(file)) {
      return invalid(fmt::format("weight_map: \"{}\" lies in \"{}\", which is not a file of this folder", name, file),
                     place);
    }
    shards.insert(file);
  }
  SafetensorsFile all;
  for (const std::string& shard : shards) {
    TRY_ASSIGN(SafetensorsFile file, open_safetensors(index.parent_path() / shard));
    std::move(file.tensors.begin(), file.tensors.end(), std::back_inserter(all.tensors));
    all.files.push_back(std::move(file.files[0]));
  }
  TRY_ASSIGN(const TensorSource source, TensorSource::of(all.tensors));
  for (const auto& [name, shard] : map.json().items()) {
    const StoredTensor* tensor = source.find(name);
    const std::string path = (index.parent_path() / shard.get_ref<const std::string&>()).string();
    if (!tensor || tensor->file != path) {
      return invalid(fmt::format("the index says that \"{}\" lies here, but it does not", name), path,
                     std::string(kPullAgain));
    }
  }
  return all;
}

}  // namespace linnet
