#include "formats/gguf_writer.hpp"

#include <algorithm>
#include <bit>
#include <fmt/core.h>
#include <limits>

#include "base/check.hpp"
#include "base/json.hpp"
#include "formats/gguf.hpp"

namespace linnet {

namespace {

template <class T>
void put(std::string& out, const T& value) {
  GgufEncoding<T>::append(out, value);
}

Status append_tensor_info(std::string& out, const TensorToWrite& tensor, uint64_t offset, const std::string& place) {
  const auto ggml_type = ggml_type_of(tensor.type);
  if (!ggml_type) {
    return unsupported(
        fmt::format("tensor \"{}\" is {}, which GGUF has no type for", tensor.name, tensor.type.type_name()), place);
  }
  if (tensor.shape.rank() > kGgufMostDims) {
    return unsupported(
        fmt::format("tensor \"{}\" has {} dimensions; GGUF allows {}", tensor.name, tensor.shape.rank(), kGgufMostDims),
        place);
  }
  put(out, std::string_view(tensor.name));
  put(out, static_cast<uint32_t>(tensor.shape.rank()));
  for (int i = tensor.shape.rank(); i-- > 0;) put(out, static_cast<uint64_t>(tensor.shape[i]));
  put(out, *ggml_type);
  put(out, offset);
  return ok_status();
}

}  // namespace

GgufWriter::GgufWriter(uint32_t alignment) : alignment_(alignment) {
  CHECK(std::has_single_bit(alignment));
  if (alignment != kGgufDefaultAlignment) add("general.alignment", alignment);
}

void GgufWriter::begin(std::string_view key, GgufType type) {
  keys_.emplace_back(key);
  put(metadata_, key);
  put(metadata_, static_cast<uint32_t>(type));
}

void GgufWriter::add(std::string_view key, const GgufValue& value) {
  begin(key, value.type);
  metadata_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

Status GgufWriter::add_json(std::string_view key, const Json& value) {
  const bool flags =
      value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_boolean(); });
  if (flags) {
    add(key, value.get<std::vector<bool>>());
  } else if (value.is_boolean()) {
    add(key, value.get<bool>());
  } else if (value.is_number_integer() && value >= 0 && value <= std::numeric_limits<uint32_t>::max()) {
    add(key, value.get<uint32_t>());
  } else if (value.is_number_float()) {
    add(key, value.get<float>());
  } else if (value.is_string()) {
    add(key, value.get<std::string>());
  } else {
    return unsupported(fmt::format("GGUF has no form for the value {} of \"{}\"", dump_json(value), key));
  }
  return ok_status();
}

Status GgufWriter::write(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors) const {
  const std::string place = path.string();
  std::vector<std::string> keys = keys_;
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) return invalid(fmt::format("metadata key \"{}\" is added twice", *twice), place);
  TRY(check_tensors(tensors, place));

  const auto aligned = [&](uint64_t size) { return (size + alignment_ - 1) / alignment_ * alignment_; };
  std::string header = "GGUF";
  put(header, uint32_t{3});
  put(header, static_cast<uint64_t>(tensors.size()));
  put(header, static_cast<uint64_t>(keys_.size()));
  header += metadata_;
  uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    TRY(append_tensor_info(header, tensor, offset, place));
    offset += aligned(tensor.bytes());
  }
  header.resize(aligned(header.size()));

  TRY_ASSIGN(AtomicFile file, AtomicFile::create(path));
  TRY(file.write(header));
  for (const TensorToWrite& tensor : tensors) {
    TRY(write_tensor(file, tensor));
    TRY(write_zeros(file, aligned(file.written()) - file.written()));
  }
  return file.commit();
}

}  // namespace linnet
