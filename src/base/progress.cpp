#include "base/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/core.h>
#include <utility>

#include "base/paths.hpp"
#include "base/system.hpp"
#include "base/terminal.hpp"
#include "base/utf8.hpp"

namespace linnet {
namespace {

constexpr double kHalfLifeSeconds = 3;  // how fast the shown speed forgets

std::string amount(const Progress& progress, uint64_t value) {
  return progress.unit == ProgressUnit::kBytes ? format_bytes(value) : fmt::format("{}", value);
}

std::string part_of(const Progress& progress) {
  if (progress.parts > 1) return fmt::format(" part {} of {} of", progress.part, progress.parts);
  return progress.parts == 0 && progress.part > 0 ? fmt::format(" part {} of", progress.part) : "";
}

std::string title(const Progress& progress) {
  const std::string part = part_of(progress);
  return progress.item.empty() ? progress.stage : progress.stage + part + " " + progress.item;
}

uint64_t tenths(const Progress& progress) {
  if (progress.total == 0) return 0;
  return static_cast<uint64_t>(10 * static_cast<double>(progress.done) / static_cast<double>(progress.total));
}

// The numbers behind the title: percent, amounts, rate, time left.
std::string numbers(const Progress& progress) {
  std::string text;
  if (progress.total > 0) {
    const double percent = 100 * static_cast<double>(progress.done) / static_cast<double>(progress.total);
    text += fmt::format("{:3.0f}%  {} of {}", std::floor(std::min(percent, 100.0)), amount(progress, progress.done),
                        amount(progress, progress.total));
  } else {
    text += amount(progress, progress.done);
  }
  if (progress.per_second > 0) {
    text += progress.unit == ProgressUnit::kBytes
                ? fmt::format("  {}/s", format_bytes(static_cast<uint64_t>(progress.per_second)))
                : fmt::format("  {:.4g}/s", progress.per_second);
  }
  if (progress.seconds_left >= 0 && progress.done < progress.total) {
    text += fmt::format("  {} left", format_duration(progress.seconds_left));
  }
  if (!progress.detail.empty()) text += "  " + progress.detail;
  return text;
}

// The first `columns` characters of `text`; names from outside are cut, not wrapped.
std::string cut(std::string_view text, size_t columns) {
  std::string out;
  for (size_t used = 0; !text.empty() && used < columns; ++used) {
    const int length = decode_utf8(text).length;
    out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

// `text` with an ellipsis where it has more than `columns` characters.
std::string shortened(std::string_view text, size_t columns) {
  const std::string whole = cut(text, columns);
  return whole.size() == text.size() || columns == 0 ? whole : cut(text, columns - 1) + "…";
}

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<uint64_t>(std::clamp(std::ceil(seconds), 0.0, 1e12));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 360000) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} days", whole / 86400);
}

void RateMeter::add(uint64_t done, Clock::time_point now) {
  if (!started_ || done < last_done_) {
    *this = RateMeter();
    started_ = true;
    last_done_ = done;
    last_ = now;
    return;
  }
  const double seconds = std::chrono::duration<double>(now - last_).count();
  // Shorter steps measure the clock and the buffers rather than the speed.
  if (seconds < 0.2) return;
  const double step = static_cast<double>(done - last_done_) / seconds;
  const double keep = rate_ == 0 ? 0 : std::exp2(-seconds / kHalfLifeSeconds);
  rate_ = keep * rate_ + (1 - keep) * step;
  last_done_ = done;
  last_ = now;
}

void RateMeter::fill(Progress& progress, Clock::time_point now) {
  add(progress.done, now);
  progress.per_second = rate_;
  const bool known = rate_ > 0 && progress.total >= progress.done && progress.total > 0;
  progress.seconds_left = known ? static_cast<double>(progress.total - progress.done) / rate_ : -1;
}

std::string progress_line(const Progress& progress) {
  return title(progress) + "  " + numbers(progress);
}

std::string progress_bar(const Progress& progress, int columns) {
  const std::string name = title(progress);
  const std::string figures = numbers(progress);
  const size_t room = static_cast<size_t>(std::max(columns, 20)) - 1;  // the last column would wrap on some terminals
  constexpr size_t kMostBar = 30;
  constexpr size_t kLeastBar = 8;
  if (progress.total == 0 || name.size() + figures.size() + kLeastBar + 6 > room) {
    const size_t left = room - std::min(room, figures.size() + 2);
    return cut((name.size() <= left ? name : shortened(name, left)) + "  " + figures, room);
  }
  const size_t width = std::min(kMostBar, room - name.size() - figures.size() - 6);
  const double share = std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
  const auto filled = static_cast<size_t>(share * static_cast<double>(width));
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return name + "  [" + bar + "]  " + figures;
}

ProgressPrinter ProgressPrinter::for_stderr() {
  return ProgressPrinter(stderr_is_terminal() && environment("TERM").value_or("dumb") != "dumb");
}

ProgressPrinter::ProgressPrinter(ProgressPrinter&& other) noexcept
    : bar_(other.bar_),
      interval_(other.interval_),
      began_(other.began_),
      next_(other.next_),
      shown_at_(other.shown_at_),
      shown_tenths_(other.shown_tenths_),
      last_(std::move(other.last_)),
      unshown_(std::exchange(other.unshown_, false)),
      on_line_(std::exchange(other.on_line_, false)) {}

void ProgressPrinter::show(const Progress& progress) {
  unshown_ = false;
  shown_at_ = std::chrono::steady_clock::now();
  shown_tenths_ = tenths(progress);
  if (!bar_) {
    std::fputs((progress_line(progress) + "\n").c_str(), stderr);
    return;
  }
  std::fputs(("\r" + progress_bar(progress, terminal_columns()) + "\x1b[K").c_str(), stderr);
  std::fflush(stderr);
  on_line_ = true;
}

bool ProgressPrinter::is_due(const Progress& progress, std::chrono::steady_clock::time_point now) const {
  // A log of an hour's work need not be hundreds of lines; one that stands still for long looks dead.
  constexpr auto kPatience = std::chrono::seconds(30);
  return now >= next_ && (bar_ || tenths(progress) > shown_tenths_ || now - shown_at_ >= kPatience);
}

void ProgressPrinter::update(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool other = progress.item != last_.item || progress.stage != last_.stage || progress.part != last_.part;
  if (other) {
    finish();
    began_ = shown_at_ = now;
    shown_tenths_ = 0;
  }
  last_ = progress;
  unshown_ = true;
  // In a log, work that ends within the first interval needs no line of its own at the start.
  const bool due = other ? bar_ : is_due(progress, now);
  if (other || due) next_ = now + interval_;
  if (due) show(progress);
}

void ProgressPrinter::note(std::string_view text) {
  if (last_.total > 0 && last_.done >= last_.total) finish();
  if (on_line_) std::fputs("\r\x1b[K", stderr);
  on_line_ = false;
  std::fputs((std::string(text) + "\n").c_str(), stderr);
}

void ProgressPrinter::finish() {
  const bool brief = std::chrono::steady_clock::now() - began_ < std::chrono::seconds(1);
  if (unshown_ && (bar_ || !brief)) show(last_);
  unshown_ = false;
  if (on_line_) std::fputs("\n", stderr);
  on_line_ = false;
}

}  // namespace linnet
