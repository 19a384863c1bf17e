#include "tensor/arena.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "base/system.hpp"

namespace linnet {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(Arena, WhatIsFreedServesOtherSizes) {
  Arena arena;
  const Arena::Block first = arena.take(8 * kMiB, Device::kCpu);
  std::byte* const bytes = first.bytes;
  arena.give_back(first);
  std::vector<Arena::Block> parts;
  for (const size_t size : {kMiB, 3 * kMiB, 2 * kMiB}) parts.push_back(arena.take(size, Device::kCpu));
  EXPECT_EQ(parts[0].bytes, bytes);
  EXPECT_EQ(parts[1].bytes, bytes + kMiB);
  EXPECT_EQ(parts[2].bytes, bytes + 4 * kMiB);
  // In an order in which each has to join what lies before it, behind it, or both.
  for (const size_t i : {size_t{0}, size_t{2}, size_t{1}}) arena.give_back(parts[i]);
  EXPECT_EQ(arena.take(8 * kMiB, Device::kCpu).bytes, bytes);
  EXPECT_EQ(arena.touched(), 8 * kMiB);
}

TEST(Arena, TheSmallestBlockThatHoldsItIsTaken) {
  Arena arena;
  std::vector<Arena::Block> blocks;
  for (const size_t size : {4 * kMiB, kMiB, 2 * kMiB, kMiB}) blocks.push_back(arena.take(size, Device::kCpu));
  arena.give_back(blocks[0]);
  arena.give_back(blocks[2]);
  EXPECT_EQ(arena.take(2 * kMiB - 100, Device::kCpu).bytes, blocks[2].bytes);
  EXPECT_EQ(arena.take(3 * kMiB, Device::kCpu).bytes, blocks[0].bytes);
  EXPECT_EQ(arena.touched(), 8 * kMiB);
}

TEST(Arena, MemoryGoesBackToTheSystem) {
  Arena arena;
  const uint64_t before = resident_bytes();
  const Arena::Block kept = arena.take(kMiB, Device::kCpu);
  std::vector<Arena::Block> blocks;
  for (int i = 0; i < 10; ++i) {
    blocks.push_back(arena.take(40 * kMiB, Device::kCpu));
    std::memset(blocks.back().bytes, 1, 40 * kMiB);
  }
  const uint64_t taken = resident_bytes() - before;
  EXPECT_GT(taken, 350 * kMiB);
  for (const Arena::Block& block : blocks) arena.give_back(block);
  arena.release_free();
  // All but the first region, and what a sanitizer keeps beside it.
  EXPECT_LT(resident_bytes(), before + taken / 3);
  EXPECT_EQ(arena.touched(), 41 * kMiB);
  arena.give_back(kept);
  arena.release_free();
  EXPECT_EQ(arena.touched(), 0u);
}

// Blocks of random sizes that come and go in random order never overlap, and nothing gets lost between them.
TEST(Arena, BlocksLieApartAndAllIsJoinedInTheEnd) {
  std::mt19937 random(7);
  Arena arena;
  struct Held {
    Arena::Block block;
    int mark;
  };
  std::vector<Held> held;
  const auto intact = [](const Held& one) {
    for (size_t at = 0; at < one.block.size; at += 4093) {
      if (one.block.bytes[at] != std::byte(one.mark)) return false;
    }
    return one.block.bytes[one.block.size - 1] == std::byte(one.mark);
  };
  for (int round = 0; round < 3000; ++round) {
    if (held.size() < 5 || random() % 100 < 52) {
      const size_t size = 1 + random() % (size_t{1} << (8 + random() % 14));
      const Arena::Block block = arena.take(size, Device::kCpu);
      ASSERT_GE(block.size, size);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(block.bytes) % Tensor::kAlignment, 0u);
      held.push_back({block, static_cast<int>(random() % 256)});
      std::memset(block.bytes, held.back().mark, block.size);
    } else {
      std::swap(held[random() % held.size()], held.back());
      ASSERT_TRUE(intact(held.back())) << "round " << round;
      arena.give_back(held.back().block);
      held.pop_back();
    }
  }
  for (const Held& one : held) {
    ASSERT_TRUE(intact(one));
    arena.give_back(one.block);
  }
  arena.release_free();
  EXPECT_EQ(arena.touched(), 0u);
}

TEST(Arena, CountsTheSameWithoutMemory) {
  Arena real;
  Arena meta;
  std::mt19937 random(3);
  std::vector<std::pair<Arena::Block, Arena::Block>> held;
  for (int i = 0; i < 200; ++i) {
    const size_t size = 1 + random() % (3 * kMiB);
    held.emplace_back(real.take(size, Device::kCpu), meta.take(size, Device::kMeta));
    EXPECT_EQ(held.back().second.bytes, nullptr);
    if (i % 3 == 0) continue;
    std::swap(held[random() % held.size()], held.back());
    real.give_back(held.back().first);
    meta.give_back(held.back().second);
    held.pop_back();
    ASSERT_EQ(real.touched(), meta.touched());
  }
}

}  // namespace
}  // namespace linnet
