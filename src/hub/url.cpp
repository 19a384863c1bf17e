#include "hub/url.hpp"

#include <fmt/core.h>

#include "hub/digest.hpp"
#include "hub/download.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

std::string file_name(std::string_view url) {
  url = url.substr(0, url.find('?'));
  return std::string(url.substr(url.rfind('/') + 1));
}

// The eight bytes that begin a safetensors file are the length of a JSON header, which follows with '{'.
bool begins_as_safetensors(std::string_view head) {
  constexpr uint64_t kLongestHeader = 100'000'000;  // the format's own limit
  if (head.size() < 9 || head[8] != '{') return false;
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(head[i]);
  return length <= kLongestHeader;
}

Status check_head(std::string_view head, const std::string& place) {
  if (head.starts_with("GGUF") || begins_as_safetensors(head)) return ok_status();
  if (head.starts_with("\x80\x02") || head.starts_with("PK")) {
    return unsupported("is a pickle or an archive, which can run any code when it is loaded", place,
                       "look for a GGUF or safetensors file of the same model");
  }
  std::string shown = printable(head.substr(0, 12));
  return invalid(fmt::format("is neither GGUF nor safetensors; it begins with \"{}\"", shown), place,
                 head.starts_with("<") ? "this is a web page: copy the address of the file itself" : "");
}

}  // namespace

Result<StoredModel> pull_url(const Store& store, const Source& source, const PullOptions& options) {
  auto have = store.resolve(source);
  if (have.ok() && !options.again) return have;
  std::string name = file_name(source.url);
  if (!is_safe_component(name)) return usage_error(source.url + ": does not end in the name of a file");
  Digest digest;
  digest.update(source.url + source.sha256);
  DownloadRequest request;
  request.url = source.url;
  request.name = name;
  request.part = store.partial_of(source) / (digest.hex().substr(0, 32) + ".part");
  request.sha256 = source.sha256;
  bool gguf = false;
  request.on_head = [&](std::string_view head) {
    gguf = head.starts_with("GGUF");
    return check_head(head, source.url);
  };
  Progress progress{.stage = "downloading", .item = name};
  RateMeter meter;
  request.progress = [&](uint64_t done, uint64_t total) {
    progress.done = done;
    progress.total = total;
    meter.fill(progress, RateMeter::Clock::now());
    if (options.progress) options.progress(progress);
  };
  TRY_ASSIGN(const fs::path folder, store.folder_of(source, ""));
  const fs::path staged = store.partial_of(source) / "whole";
  TRY_ASSIGN(ModelFile file, download(request, staged, options));
  // Loaders go by the ending; an address need not have one.
  const std::string ending = gguf ? ".gguf" : ".safetensors";
  if (!name.ends_with(ending)) name += ending;
  TRY_ASSIGN(const fs::path target, store.beneath(folder.lexically_relative(store.root()) / name));
  std::error_code code;
  fs::create_directories(target.parent_path(), code);
  if (!code) fs::rename(staged, target, code);
  if (code) return Error{ErrorCode::kIo, "cannot move into place: " + code.message(), target.string(), {}};
  file.name = name;
  const Manifest manifest{.source = source.url, .pulled = utc_now(), .model = name, .files = {file}};
  TRY_ASSIGN(StoredModel model, store.add(manifest));
  fs::remove_all(store.partial_of(source), code);
  return model;
}

}  // namespace linnet
