// What this machine has: memory, disk, cores, as the process may use them (cgroup limits included).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace linnet {

struct MemoryInfo {
  uint64_t total = 0;      // bytes this process may ever use: the machine's, or its cgroup's limit if lower
  uint64_t available = 0;  // bytes it may still take without swapping
};

// `root`: where proc/ and what it names are looked for.
MemoryInfo memory_info(const std::filesystem::path& root = "/");
uint64_t resident_bytes();                                    // of this process, now
uint64_t peak_resident_bytes();                               // of this process, highest so far
uint64_t free_disk_bytes(const std::filesystem::path& path);  // for this user; of the nearest existing parent
int usable_cores();      // scheduling affinity, lowered to a cgroup CPU quota (rounded up); at least 1
std::string cpu_name();  // "Intel(R) Xeon(R) ..."; "unknown processor" where the system does not say
// The processor's extensions as the system tells them to each program (AT_HWCAP, AT_HWCAP2), in the architecture's own
// numbering. Where cores differ, what they share.
std::array<uint64_t, 2> cpu_capabilities();
// Asks the system to keep the tile registers of x86-64 (AMX) for all threads of this process, which it does not do
// unasked (Linux 5.16, Documentation/arch/x86/xstate.rst). False where it does not know them.
bool allow_tile_registers();

// "98.3 MB", "1.2 GB": powers of ten, as disks and downloads are sold.
std::string format_bytes(uint64_t bytes);

}  // namespace linnet
