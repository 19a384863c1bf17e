#include "base/large_memory.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "base/system.hpp"

namespace linnet {
namespace {

TEST(LargeMemory, PiecesLieOnLinesAndApart) {
  std::vector<std::shared_ptr<std::byte>> pieces;
  const std::vector<int64_t> sizes{0, 1, 63, 65, 1000, 1 << 16, 100'001, 3 << 20, 40 << 20};
  for (size_t i = 0; i < sizes.size(); ++i) {
    pieces.push_back(allocate_large(sizes[i]));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces[i].get()) % 64, 0u);
    if (sizes[i] > 0) std::memset(pieces[i].get(), static_cast<int>(i), static_cast<size_t>(sizes[i]));
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (int64_t at = 0; at < sizes[i]; at += 509) {
      ASSERT_EQ(pieces[i].get()[at], std::byte(i)) << "piece of " << sizes[i] << " bytes";
    }
  }
}

TEST(LargeMemory, GoesBackToTheSystem) {
  constexpr int64_t kBytes = 200 << 20;
  const uint64_t before = resident_bytes();
  {
    const auto piece = allocate_large(kBytes);
    EXPECT_LT(resident_bytes(), before + (32 << 20)) << "what was never written takes no memory";
    std::memset(piece.get(), 1, kBytes);
    EXPECT_GT(resident_bytes(), before + kBytes / 2);
  }
  EXPECT_LT(resident_bytes(), before + (32 << 20));
}

TEST(LargeMemory, ManyThreadsTakeAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::vector<std::shared_ptr<std::byte>> pieces;
      for (int i = 0; i < 50; ++i) {
        pieces.push_back(allocate_large(100'000));
        std::memset(pieces.back().get(), t, 100'000);
      }
      for (const auto& piece : pieces) EXPECT_EQ(piece.get()[99'999], std::byte(t));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace linnet
