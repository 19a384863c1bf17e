#include "base/thread_pool.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace linnet {

namespace {

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 50 µs on current processors: longer than the gap between two ops of a decode step, far shorter than a
// scheduler's time slice.
constexpr int kSpins = 2000;

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(static_cast<size_t>(threads)) {
  CHECK(threads >= 1);
  workers_.reserve(static_cast<size_t>(threads) - 1);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { worker_loop(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work_on(const Job& job, int thread) {
  for (int i = 0; i < size(); ++i) {
    Share& share = shares_[static_cast<size_t>((thread + i) % size())];
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const int64_t begin = share.next.fetch_add(job.grain, std::memory_order_relaxed);
      if (begin >= share.end) break;
      job.invoke(job.context, begin, std::min(begin + job.grain, share.end), thread);
    }
  }
}

void ThreadPool::share_out(int64_t count) {
  const int64_t chunks = (count + job_.grain - 1) / job_.grain;
  int64_t begin = 0;
  for (int t = 0; t < size(); ++t) {
    Share& share = shares_[static_cast<size_t>(t)];
    share.next.store(begin, std::memory_order_relaxed);
    begin = std::min(count, chunks * (t + 1) / size() * job_.grain);
    share.end = begin;
  }
}

void ThreadPool::run(int64_t count, int64_t grain, Invoke invoke, const void* context) {
  running_ = true;
  job_ = {invoke, context, std::max<int64_t>(grain, 1)};
  share_out(count);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);  // publishes job_; sequentially consistent against sleepers_ below
  if (sleepers_.load() > 0) {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  work_on(job_, 0);
  for (int spin = 0; busy_.load(std::memory_order_acquire) > 0; ++spin) {
    if (spin < kSpins) {
      pause_cpu();
    } else {
      std::this_thread::yield();
    }
  }
  running_ = false;
}

void ThreadPool::worker_loop(int thread) {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) pause_cpu();
    if (generation_.load() == seen) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    work_on(job_, thread);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace linnet
