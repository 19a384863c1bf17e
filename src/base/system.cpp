#include "base/system.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

namespace linnet {

namespace fs = std::filesystem;

namespace {

// The number after "Key:" in a /proc file, in kB, as bytes.
uint64_t proc_kilobytes(const char* path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) == 0) return std::stoull("0" + line.substr(line.find_first_of("0123456789"))) * 1024;
  }
  return 0;
}

// The first word of a file, empty if there is none.
std::string first_word(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// This process's cgroup v2 folder, or the root of the hierarchy.
fs::path cgroup_dir() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("0::", 0) == 0) return "/sys/fs/cgroup" + line.substr(3);
  }
  return "/sys/fs/cgroup";
}

// Calls visit(folder) for this process's cgroup and each of its parents: every level's limit binds.
template <class Visit>
void for_each_cgroup(const Visit& visit) {
  for (fs::path dir = cgroup_dir(); dir.string().size() >= std::string("/sys/fs/cgroup").size();
       dir = dir.parent_path()) {
    visit(dir);
  }
}

bool is_number(const std::string& word) {
  return !word.empty() && word.size() < 19 &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

MemoryInfo memory_info() {
  MemoryInfo info{proc_kilobytes("/proc/meminfo", "MemTotal:"), proc_kilobytes("/proc/meminfo", "MemAvailable:")};
  for_each_cgroup([&](const fs::path& dir) {
    const std::string limit = first_word(dir / "memory.max");
    const std::string used = first_word(dir / "memory.current");
    if (!is_number(limit) || !is_number(used)) return;
    const uint64_t max = std::stoull(limit);
    info.total = std::min(info.total, max);
    // Page cache counts as used, but the kernel gives it back.
    uint64_t file_cache = 0;
    std::ifstream stat(dir / "memory.stat");
    std::string key;
    for (uint64_t value = 0; stat >> key >> value;) {
      if (key == "inactive_file" || key == "active_file") file_cache += value;
    }
    const uint64_t held = std::stoull(used) - std::min<uint64_t>(file_cache, std::stoull(used));
    info.available = std::min(info.available, max > held ? max - held : 0);
  });
  return info;
}

uint64_t resident_bytes() {
  return proc_kilobytes("/proc/self/status", "VmRSS:");
}

uint64_t peak_resident_bytes() {
  return proc_kilobytes("/proc/self/status", "VmHWM:");
}

uint64_t free_disk_bytes(const fs::path& path) {
  struct statvfs info {};
  fs::path probe = fs::absolute(path);
  while (::statvfs(probe.c_str(), &info) != 0) {
    if (!probe.has_relative_path()) return 0;
    probe = probe.parent_path();
  }
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                            : static_cast<int>(std::thread::hardware_concurrency());
  for_each_cgroup([&](const fs::path& dir) {
    std::ifstream file(dir / "cpu.max");
    std::string quota;
    std::string period;
    if (!(file >> quota >> period) || !is_number(quota) || !is_number(period) || std::stoull(period) == 0) return;
    const uint64_t whole = (std::stoull(quota) + std::stoull(period) - 1) / std::stoull(period);
    cores = static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(cores), std::max<uint64_t>(whole, 1)));
  });
  return std::max(cores, 1);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  // Linux on arm64 names no model there; a board's device tree does, ended by a NUL.
  std::ifstream board("/proc/device-tree/model");
  if (std::getline(board, line, '\0') && !line.empty()) return line;
  return "unknown processor";
}

std::string format_bytes(uint64_t bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.{}f} {}", value, value < 99.95 ? 1 : 0, units[unit]);
}

}  // namespace linnet
