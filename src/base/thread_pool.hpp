// A fixed team of threads for data-parallel loops.
//
// parallel_for gives each thread its share of the chunks, the same for each loop of as many, so that it finds in its
// own cache what it wrote in the loop before; who is done takes of what others have left (cores of unequal speed finish
// together). Which thread runs a chunk never changes a result, since a chunk's arithmetic depends on its index alone.
// Workers spin briefly between loops (a decode step has hundreds) and then sleep.
// Thread safety: one parallel_for at a time; the pool belongs to the Context of one forward.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace linnet {

class ThreadPool {
 public:
  // `threads` counts the caller; 1 makes no thread at all.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end, thread) over [0, count) cut into chunks of `grain`; returns when all are done.
  // thread is in [0, size()). Nested calls run on the calling thread.
  template <class Body>
  void parallel_for(int64_t count, int64_t grain, const Body& body) {
    if (count <= 0) return;
    if (workers_.empty() || count <= grain || running_) {
      body(int64_t{0}, count, 0);
      return;
    }
    run(
        count, grain,
        [](const void* context, int64_t begin, int64_t end, int thread) {
          (*static_cast<const Body*>(context))(begin, end, thread);
        },
        &body);
  }

 private:
  using Invoke = void (*)(const void* context, int64_t begin, int64_t end, int thread);

  struct Job {
    Invoke invoke = nullptr;
    const void* context = nullptr;
    int64_t grain = 1;
  };

  // The chunks of one thread that nobody took yet, on a cache line of its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void run(int64_t count, int64_t grain, Invoke invoke, const void* context);
  void share_out(int64_t count);
  void work_on(const Job& job, int thread);
  void worker_loop(int thread);

  std::vector<std::thread> workers_;
  Job job_;
  bool running_ = false;                 // on the calling thread only
  std::vector<Share> shares_;            // of each thread
  std::atomic<uint64_t> generation_{0};  // counts jobs; workers wait for it to move
  std::atomic<int> busy_{0};             // workers that have not finished the current job
  std::atomic<bool> stopping_{false};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace linnet
