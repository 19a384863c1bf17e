#include "base/cgroup.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

namespace linnet {

namespace fs = std::filesystem;

namespace {

std::optional<uint64_t> to_number(const std::string& word) {
  uint64_t value = 0;
  const char* end = word.data() + word.size();
  const auto [ptr, code] = std::from_chars(word.data(), end, value);
  return code == std::errc() && ptr == end ? std::optional(value) : std::nullopt;
}

// The first word of a file as a number; nothing for "max", for -1, and where there is no such file.
std::optional<uint64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return to_number(word);
}

bool in_list(std::string_view list, std::string_view wanted) {
  for (;;) {
    const size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == wanted) return true;
    if (end == list.size()) return false;
    list.remove_prefix(end + 1);
  }
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '\\' && i + 3 < text.size() && std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Where the hierarchy of one controller is mounted, and which of its groups stands there. Version 2 is the controller
// "".
struct Mount {
  std::string point;
  std::string group;
};

std::optional<Mount> find_mount(const fs::path& root, std::string_view controller) {
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    // id parent major:minor group point options [tags...] - type source superoptions
    std::istringstream words(line);
    std::string skipped;
    std::string group;
    std::string point;
    words >> skipped >> skipped >> skipped >> group >> point;
    while (words >> skipped && skipped != "-") {
    }
    std::string type;
    std::string options;
    if (!(words >> type >> skipped >> options)) continue;
    const bool wanted = controller.empty() ? type == "cgroup2" : type == "cgroup" && in_list(options, controller);
    if (wanted) return Mount{unescape(point), unescape(group)};
  }
  return std::nullopt;
}

// This process's group in the hierarchy of `controller`.
std::optional<std::string> find_group(const fs::path& root, std::string_view controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // number:controllers:group
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (controller.empty() ? line.starts_with("0::") : in_list(controllers, controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

// The folders of this process's group and of its parents as far as they are visible, the innermost first.
std::vector<fs::path> group_folders(const fs::path& root, std::string_view controller) {
  const std::optional<Mount> mount = find_mount(root, controller);
  const std::optional<std::string> group = find_group(root, controller);
  if (!mount || !group) return {};
  // In a container the mount shows only a part of the hierarchy; a group outside of it ("/../..") is as good as its
  // root.
  fs::path below = fs::path(*group).lexically_relative(mount->group);
  if (below.empty() || *below.begin() == "..") below = ".";
  std::vector<fs::path> folders;
  fs::path folder = root / fs::path(mount->point).relative_path();
  folders.push_back(folder);
  for (const fs::path& name : below) {
    if (name != ".") folders.push_back(folder /= name);
  }
  std::reverse(folders.begin(), folders.end());
  return folders;
}

// How the two versions name what they say about memory.
struct MemoryNames {
  const char* controller;
  const char* limit;
  const char* used;
  const char* caches[2];  // in memory.stat, of the group and all below it, as `used` counts
};
constexpr MemoryNames kMemoryNames[] = {
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}},
    {"", "memory.max", "memory.current", {"inactive_file", "active_file"}},
};

std::optional<CgroupMemory> read_memory(const fs::path& folder, const MemoryNames& names) {
  std::optional<uint64_t> limit = read_number(folder / names.limit);
  const std::optional<uint64_t> used = read_number(folder / names.used);
  uint64_t cache = 0;
  std::ifstream stat(folder / "memory.stat");
  std::string key;
  for (uint64_t value = 0; stat >> key >> value;) {
    if (key == names.caches[0] || key == names.caches[1]) cache += value;
    // Version 1 tells here of parents that a container does not see.
    if (key == "hierarchical_memory_limit") limit = std::min(limit.value_or(value), value);
  }
  if (!limit || !used) return std::nullopt;
  return CgroupMemory{*limit, *used - std::min(cache, *used)};
}

// Time over period, in microseconds both.
std::optional<uint64_t> cores_of(std::optional<uint64_t> quota, std::optional<uint64_t> period) {
  if (!quota || !period || *period == 0) return std::nullopt;
  return std::max<uint64_t>(*quota / *period + (*quota % *period != 0 ? 1 : 0), 1);
}

std::optional<uint64_t> read_cores(const fs::path& folder, bool version_1) {
  if (version_1) return cores_of(read_number(folder / "cpu.cfs_quota_us"), read_number(folder / "cpu.cfs_period_us"));
  std::ifstream file(folder / "cpu.max");
  std::string quota;
  std::string period;
  file >> quota >> period;
  return cores_of(to_number(quota), to_number(period));
}

}  // namespace

std::vector<CgroupMemory> cgroup_memory(const fs::path& root) {
  std::vector<CgroupMemory> found;
  for (const MemoryNames& names : kMemoryNames) {
    for (const fs::path& folder : group_folders(root, names.controller)) {
      if (const auto memory = read_memory(folder, names)) found.push_back(*memory);
    }
  }
  return found;
}

std::optional<uint64_t> cgroup_cores(const fs::path& root) {
  std::optional<uint64_t> least;
  for (const char* controller : {"cpu", ""}) {
    for (const fs::path& folder : group_folders(root, controller)) {
      const auto cores = read_cores(folder, *controller != '\0');
      if (cores) least = std::min(least.value_or(*cores), *cores);
    }
  }
  return least;
}

}  // namespace linnet
