// What control groups allow this process: version 1, version 2, and both mounted side by side.
//
// Format: proc(5) for mountinfo, cgroups(7), the kernel's admin-guide/cgroup-v1/memory.rst and
// admin-guide/cgroup-v2.rst. Thread safety: pure functions of the files below `root`, which is "/" outside of tests.
// What cannot be read sets no limit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace linnet {

struct CgroupMemory {
  uint64_t limit = 0;  // bytes
  uint64_t held = 0;   // bytes in use that the kernel cannot simply drop: page cache is not counted
};

// One for each group with a limit, from the process's own up through its parents: every one of them binds.
std::vector<CgroupMemory> cgroup_memory(const std::filesystem::path& root = "/");

// Processors' worth of time that the tightest quota gives, rounded up; at least 1. Nothing when there is no quota.
std::optional<uint64_t> cgroup_cores(const std::filesystem::path& root = "/");

}  // namespace linnet
