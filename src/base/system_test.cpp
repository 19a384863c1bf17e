#include "base/system.hpp"

#include <fmt/core.h>
#include <fstream>
#include <gtest/gtest.h>

#include "base/cgroup.hpp"
#include "base/folder_testing.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1 << 20;

// A made-up root directory: 1000 MiB in the machine, 800 of them available.
class FakedRoot : public FolderTest {
 protected:
  void SetUp() override {
    file("proc/meminfo", fmt::format("MemTotal: {} kB\nMemAvailable: {} kB\n", 1000 * 1024, 800 * 1024));
  }

  void file(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  void version_1(const std::string& folder, const std::string& limit, uint64_t used, const std::string& stat = "") {
    file(folder + "/memory.limit_in_bytes", limit + "\n");
    file(folder + "/memory.usage_in_bytes", fmt::format("{}\n", used));
    file(folder + "/memory.stat", stat);
  }
  void version_2(const std::string& folder, const std::string& limit, uint64_t used, const std::string& stat = "") {
    file(folder + "/memory.max", limit + "\n");
    file(folder + "/memory.current", fmt::format("{}\n", used));
    file(folder + "/memory.stat", stat);
  }
};

const char* const kOneHierarchy = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const char* const kHierarchies =
    "31 23 0:28 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw shared:12 master:1 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

std::string bytes(uint64_t mebibytes) {
  return std::to_string(mebibytes * kMiB);
}

TEST_F(FakedRoot, WithoutGroupsTheMachineIsTheLimit) {
  EXPECT_EQ(memory_info(folder_).total, 1000 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 800 * kMiB);
  EXPECT_FALSE(cgroup_cores(folder_));
}

TEST_F(FakedRoot, Version2TakesTheSmallestOfAllParents) {
  file("proc/self/mountinfo", kOneHierarchy);
  file("proc/self/cgroup", "0::/user/me\n");
  version_2("sys/fs/cgroup/user/me", bytes(600), 50 * kMiB);
  version_2("sys/fs/cgroup/user", bytes(300), 100 * kMiB, "anon 7\ninactive_file 10485760\nactive_file 10485760\n");
  EXPECT_EQ(memory_info(folder_).total, 300 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 220 * kMiB);  // 300 - (100 - 20 of page cache)
}

TEST_F(FakedRoot, WhatAParentHoldsLeavesLessForUs) {
  file("proc/self/mountinfo", kOneHierarchy);
  file("proc/self/cgroup", "0::/user/me\n");
  version_2("sys/fs/cgroup/user/me", bytes(200), 10 * kMiB);
  version_2("sys/fs/cgroup/user", bytes(500), 490 * kMiB);
  EXPECT_EQ(memory_info(folder_).total, 200 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 10 * kMiB);
}

TEST_F(FakedRoot, Version2WithoutALimitSetsNone) {
  file("proc/self/mountinfo", kOneHierarchy);
  file("proc/self/cgroup", "0::/\n");
  version_2("sys/fs/cgroup", "max", 100 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 800 * kMiB);
}

TEST_F(FakedRoot, Version1BesideVersion2) {
  file("proc/self/mountinfo", kHierarchies);
  file("proc/self/cgroup", "4:memory:/box/inner\n1:cpu,cpuacct:/\n0::/\n");
  version_1("sys/fs/cgroup/memory/box/inner", "9223372036854771712", 40 * kMiB);
  version_1("sys/fs/cgroup/memory/box", bytes(400), 100 * kMiB,
            "inactive_file 1\ntotal_inactive_file 41943040\ntotal_active_file 10485760\n");
  version_1("sys/fs/cgroup/memory", "9223372036854771712", 700 * kMiB);
  EXPECT_EQ(memory_info(folder_).total, 400 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 350 * kMiB);
}

TEST_F(FakedRoot, ALimitInEitherVersionBinds) {
  file("proc/self/mountinfo", kHierarchies);
  file("proc/self/cgroup", "4:memory:/\n0::/unit\n");
  version_1("sys/fs/cgroup/memory", bytes(700), 0);
  version_2("sys/fs/cgroup/unified/unit", bytes(500), 0);
  EXPECT_EQ(memory_info(folder_).total, 500 * kMiB);
}

// Docker on version 1: the group has its name outside, and its mount shows nothing above it.
TEST_F(FakedRoot, AContainerSeesItsGroupAtTheMountPoint) {
  file("proc/self/mountinfo", "35 31 0:32 /docker/abc /mnt/my\\040groups ro - cgroup cgroup rw,memory\n");
  file("proc/self/cgroup", "4:memory:/docker/abc\n");
  version_1("mnt/my groups", "9223372036854771712", 50 * kMiB, "hierarchical_memory_limit 209715200\n");
  EXPECT_EQ(memory_info(folder_).total, 200 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 150 * kMiB);
  file("proc/self/cgroup", "4:memory:/../../elsewhere\n");
  EXPECT_EQ(memory_info(folder_).total, 200 * kMiB);
}

TEST_F(FakedRoot, MoreInUseThanAllowedLeavesNothing) {
  file("proc/self/mountinfo", kOneHierarchy);
  file("proc/self/cgroup", "0::/\n");
  version_2("sys/fs/cgroup", bytes(100), 150 * kMiB);
  EXPECT_EQ(memory_info(folder_).available, 0u);
}

TEST_F(FakedRoot, WhatMakesNoSenseSetsNoLimit) {
  file("proc/self/mountinfo", "1 2\n\n- - -\n" + std::string(kOneHierarchy));
  file("proc/self/cgroup", "nonsense\n0::/\n");
  version_2("sys/fs/cgroup", "12x", 0);
  EXPECT_EQ(memory_info(folder_).total, 1000 * kMiB);
  version_2("sys/fs/cgroup", "99999999999999999999999", 0);
  EXPECT_EQ(memory_info(folder_).total, 1000 * kMiB);
}

TEST_F(FakedRoot, CoresAreTheTightestQuotaRoundedUp) {
  file("proc/self/mountinfo", kHierarchies);
  file("proc/self/cgroup", "4:cpu,cpuacct:/box\n0::/unit\n");
  file("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  file("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(cgroup_cores(folder_));
  file("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(cgroup_cores(folder_), 3u);
  file("sys/fs/cgroup/unified/unit/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cores(folder_), 3u);
  file("sys/fs/cgroup/unified/unit/cpu.max", "50000 100000\n");
  EXPECT_EQ(cgroup_cores(folder_), 1u);
}

TEST(System, ThisMachineHasMemoryAndCores) {
  EXPECT_GT(memory_info().total, 0u);
  EXPECT_LE(memory_info().available, memory_info().total);
  EXPECT_GE(usable_cores(), 1);
}

}  // namespace
}  // namespace linnet
