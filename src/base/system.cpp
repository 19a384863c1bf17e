#include "base/system.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <fstream>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "base/cgroup.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

// The number after "Key:" in a /proc file, in kB, as bytes.
uint64_t proc_kilobytes(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) == 0) return std::stoull("0" + line.substr(line.find_first_of("0123456789"))) * 1024;
  }
  return 0;
}

}  // namespace

MemoryInfo memory_info(const fs::path& root) {
  MemoryInfo info{proc_kilobytes(root / "proc/meminfo", "MemTotal:"),
                  proc_kilobytes(root / "proc/meminfo", "MemAvailable:")};
  for (const CgroupMemory& group : cgroup_memory(root)) {
    info.total = std::min(info.total, group.limit);
    info.available = std::min(info.available, group.limit > group.held ? group.limit - group.held : 0);
  }
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
  const int cores = ::sched_getaffinity(0, sizeof set, &set) == 0
                        ? CPU_COUNT(&set)
                        : static_cast<int>(std::thread::hardware_concurrency());
  const auto allowed = static_cast<uint64_t>(std::max(cores, 1));
  return static_cast<int>(std::min(cgroup_cores().value_or(allowed), allowed));
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

std::array<uint64_t, 2> cpu_capabilities() {
  return {::getauxval(AT_HWCAP), ::getauxval(AT_HWCAP2)};
}

bool allow_tile_registers() {
#if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // its bit in XCR0
  static const bool kAllowed = ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return kAllowed;
#else
  return false;
#endif
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
