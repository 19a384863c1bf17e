#include "tasks/machine_peaks.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>

namespace linnet {

namespace {

constexpr int kPasses = 7;  // the best counts: the rest is other people's work

// Seconds of the fastest of several passes.
template <class Pass>
double fastest(const Pass& pass) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30;
  for (int i = 0; i < kPasses; ++i) {
    const auto start = Clock::now();
    pass();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

// Several sums, so that no addition waits for the one before it.
void read_portably(const std::byte* lines, int64_t count) {
  constexpr int kWords = 8;
  uint64_t sums[kWords] = {};
  for (int64_t i = 0; i < count; ++i) {
    uint64_t words[kWords];
    std::memcpy(words, lines + i * 64, sizeof words);
    for (int w = 0; w < kWords; ++w) sums[w] += words[w];
  }
  static std::atomic<uint64_t> seen;
  for (const uint64_t sum : sums) seen.fetch_add(sum, std::memory_order_relaxed);
}

double read_rate(ThreadPool& pool, const PeakLoops& loops) {
  constexpr int64_t kLine = 64;
  constexpr int64_t kLines = (int64_t{256} << 20) / kLine;  // beyond every cache
  constexpr int64_t kChunk = (int64_t{1} << 20) / kLine;
  const auto lines = std::make_unique<std::byte[]>(kLines * kLine);  // zeroed, so that every page is there
  const auto read = loops.read_lines ? loops.read_lines : read_portably;
  const double seconds = fastest([&] {
    pool.parallel_for(kLines, kChunk,
                      [&](int64_t begin, int64_t end, int) { read(lines.get() + begin * kLine, end - begin); });
  });
  return kLines * kLine / seconds;
}

double multiply_rate(ThreadPool& pool, int64_t (*loop)(int64_t rounds)) {
  if (!loop) return 0;
  constexpr int64_t kRounds = 20'000;  // some hundred microseconds
  const int64_t chunks = 64 * int64_t{pool.size()};
  std::atomic<int64_t> done = 0;
  const double seconds = fastest([&] {
    done = 0;
    pool.parallel_for(chunks, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) done += loop(kRounds);
    });
  });
  return static_cast<double>(done) / seconds;
}

}  // namespace

MachinePeaks measure_peaks(Runtime& runtime) {
  ThreadPool& pool = runtime.context().pool();
  const PeakLoops& loops = runtime.context().kernels().peaks;
  return {.read = read_rate(pool, loops),
          .int8 = multiply_rate(pool, loops.multiply_int8),
          .f32 = multiply_rate(pool, loops.multiply_f32),
          .bf16 = multiply_rate(pool, loops.multiply_bf16)};
}

double product_peak(Runtime& runtime, bool bfloat16) {
  const PeakLoops& loops = runtime.context().kernels().peaks;
  return multiply_rate(runtime.context().pool(), bfloat16 ? loops.multiply_bf16 : loops.multiply_f32);
}

}  // namespace linnet
