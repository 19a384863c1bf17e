// How far long work has come, and how a person sees it: a bar on a terminal; elsewhere a line for each further tenth,
// at most one in five seconds and at least one in thirty. Thread safety: a ProgressPrinter and a RateMeter belong to
// one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace linnet {

enum class ProgressUnit { kBytes, kCount };

struct Progress {
  std::string stage = {};  // what is being done: "downloading", "checking", "training"
  std::string item = {};   // to what: a file's name; may be empty
  uint32_t part = 0;       // which part of it this is about, from 1; 0 where it has none
  uint32_t parts = 0;      // 0 when nobody knows how many there are
  uint64_t done = 0;
  uint64_t total = 0;        // 0 when nobody knows
  double per_second = 0;     // 0 when nothing has been measured yet
  double seconds_left = -1;  // below 0 when nobody knows
  ProgressUnit unit = ProgressUnit::kBytes;
  std::string detail = {};  // what else there is to say; unlike `item` it may be another every time
};

using ProgressCallback = std::function<void(const Progress&)>;

// Speed over the last few seconds.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  // `done` counts from any origin and may jump back (a restart), which forgets the past.
  void add(uint64_t done, Clock::time_point now);
  double per_second() const { return rate_; }
  // Fills in per_second and seconds_left of `progress` from its done and total.
  void fill(Progress& progress, Clock::time_point now);

 private:
  bool started_ = false;
  uint64_t last_done_ = 0;
  Clock::time_point last_;
  double rate_ = 0;
};

// "downloading model.gguf  [=====>    ]  52%  51.2 MB of 98.4 MB  8.3 MB/s  6 s left", in `columns`: where there is
// less room the bar goes first, then the end of the name.
std::string progress_bar(const Progress& progress, int columns);
// The same without the bar, for logs.
std::string progress_line(const Progress& progress);
// "6 s", "3 min 20 s", "2 h 5 min".
std::string format_duration(double seconds);

// Shows progress on standard error. Destroying it leaves the last state on the screen as a line of its own.
class ProgressPrinter {
 public:
  // `bar`: redraw one line in place (a terminal); else print plain lines, at most one in each `interval`.
  explicit ProgressPrinter(bool bar, std::chrono::milliseconds interval = std::chrono::seconds(5))
      : bar_(bar), interval_(bar ? std::chrono::milliseconds(100) : interval) {}
  // A bar where standard error is a terminal that can draw one.
  static ProgressPrinter for_stderr();
  ~ProgressPrinter() { finish(); }
  ProgressPrinter(ProgressPrinter&& other) noexcept;
  ProgressPrinter& operator=(ProgressPrinter&&) = delete;

  void update(const Progress& progress);
  // Prints a line of text without tearing the bar. A bar that is full stays above it.
  void note(std::string_view text);
  // Ends the bar's line; what follows starts a new one. Without a bar, work of less than a second leaves no line.
  void finish();

 private:
  void show(const Progress& progress);
  bool is_due(const Progress& progress, std::chrono::steady_clock::time_point now) const;

  bool bar_;
  std::chrono::milliseconds interval_;
  std::chrono::steady_clock::time_point began_;  // what last_ is about
  std::chrono::steady_clock::time_point next_;
  std::chrono::steady_clock::time_point shown_at_;
  uint64_t shown_tenths_ = 0;
  Progress last_;
  bool unshown_ = false;  // last_ is newer than the screen
  bool on_line_ = false;  // the cursor stands behind a bar
};

}  // namespace linnet
