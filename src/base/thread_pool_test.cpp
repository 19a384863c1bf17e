#include "base/thread_pool.hpp"

#include <gtest/gtest.h>
#include <numeric>

namespace linnet {
namespace {

TEST(ThreadPool, EveryIndexOnceOnAnyTeam) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
      pool.parallel_for(count, 3, [&](int64_t begin, int64_t end, int thread) {
        EXPECT_LT(thread, threads);
        for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)]++;
      });
      for (const auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
}

TEST(ThreadPool, ManyShortJobsAndNesting) {
  ThreadPool pool(3);
  std::atomic<int64_t> total{0};
  for (int round = 0; round < 5000; ++round) {
    pool.parallel_for(4, 1, [&](int64_t begin, int64_t end, int) { total += end - begin; });
  }
  EXPECT_EQ(total.load(), 20000);
}

TEST(ThreadPool, SleepsAndWakes) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> hits{0};
    pool.parallel_for(2, 1, [&](int64_t begin, int64_t end, int) { hits += static_cast<int>(end - begin); });
    EXPECT_EQ(hits.load(), 2);
  }
}

}  // namespace
}  // namespace linnet
