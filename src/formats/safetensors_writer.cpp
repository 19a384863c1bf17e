#include "formats/safetensors_writer.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/json.hpp"
#include "formats/safetensors.hpp"

namespace linnet {

namespace {

namespace fs = std::filesystem;
using Shard = std::span<const TensorToWrite>;

std::string make_header(Shard shard, const std::map<std::string, std::string>& metadata) {
  // Text is put together here: an ordered Json object takes quadratic time in the number of its keys.
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + dump_json(Json(metadata)) + ",";
  uint64_t offset = 0;
  for (const TensorToWrite& tensor : shard) {
    const uint64_t end = offset + tensor.bytes();
    header += fmt::format(R"({}:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}},)", dump_json(tensor.name),
                          dtype_name(tensor.type.plain()),
                          dump_json(Json(std::vector<int64_t>(tensor.shape.dims().begin(), tensor.shape.dims().end()))),
                          offset, end);
    offset = end;
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of eight
  return header;
}

Result<AtomicFile> write_shard(const fs::path& path, Shard shard, const SafetensorsOptions& options) {
  const std::string header = make_header(shard, options.metadata);
  const uint64_t size = header.size();
  if (size > kMaxSafetensorsHeader) {
    return invalid(
        fmt::format("the header would be {} bytes long; at most {} are allowed", size, kMaxSafetensorsHeader),
        path.string());
  }
  TRY_ASSIGN(AtomicFile file, AtomicFile::create(path));
  TRY(file.write(std::as_bytes(std::span(&size, 1))));
  TRY(file.write(header));
  for (const TensorToWrite& tensor : shard) TRY(write_tensor(file, tensor));
  return file;
}

std::vector<Shard> cut(const std::vector<TensorToWrite>& tensors, uint64_t max_bytes) {
  std::vector<Shard> shards;
  size_t begin = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (i > begin && bytes + tensors[i].bytes() > max_bytes) {
      shards.push_back(Shard(tensors).subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += tensors[i].bytes();
  }
  shards.push_back(Shard(tensors).subspan(begin));
  return shards;
}

Status write_index(const fs::path& path, const std::vector<Shard>& shards, const std::vector<fs::path>& names) {
  uint64_t total = 0;
  std::string map;
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const TensorToWrite& tensor : shards[i]) {
      total += tensor.bytes();
      map += fmt::format("{}\n    {}: {}", map.empty() ? "" : ",", dump_json(tensor.name),
                         dump_json(names[i].filename().string()));
    }
  }
  return write_file(
      path, fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{{}\n  }}\n}}\n",
                        total, map));
}

}  // namespace

Status write_safetensors(const fs::path& path, std::vector<TensorToWrite> tensors, const SafetensorsOptions& options) {
  TRY(check_tensors(tensors, path.string()));
  for (const TensorToWrite& tensor : tensors) {
    if (tensor.type.dtype) continue;
    return unsupported(
        fmt::format("tensor \"{}\" is {}, which safetensors has no dtype for", tensor.name, tensor.type.type_name()),
        path.string());
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    return dtype_bytes(a.type.plain()) > dtype_bytes(b.type.plain());
  });
  const std::vector<Shard> shards = cut(tensors, options.max_shard_bytes);
  std::vector<fs::path> names;
  std::vector<AtomicFile> files;
  for (size_t i = 0; i < shards.size(); ++i) {
    names.push_back(shards.size() == 1 ? path
                                       : path.parent_path() / fmt::format("{}-{:05}-of-{:05}.safetensors",
                                                                          path.stem().string(), i + 1, shards.size()));
    TRY_ASSIGN(AtomicFile file, write_shard(names.back(), shards[i], options));
    files.push_back(std::move(file));
  }
  for (AtomicFile& file : files) TRY(file.commit());
  if (shards.size() == 1) return ok_status();
  return write_index(fs::path(path.string() + ".index.json"), shards, names);
}

}  // namespace linnet
