#include "cli/roofline.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fmt/core.h>

namespace linnet::cli {

namespace {

// A logarithmic axis over whole powers of ten around the values.
class Axis {
 public:
  Axis(double low, double high, int cells)
      : first_(static_cast<int>(std::floor(std::log10(low)))),
        last_(std::max(static_cast<int>(std::ceil(std::log10(high))), first_ + 1)),
        cells_(cells) {}

  int cell(double value) const {
    const double part = (std::log10(value) - first_) / (last_ - first_);
    return std::clamp(static_cast<int>(std::lround(part * (cells_ - 1))), 0, cells_ - 1);
  }
  double value(int cell) const {
    return std::pow(10.0, first_ + static_cast<double>(last_ - first_) * cell / (cells_ - 1));
  }
  // The power of ten that falls on this cell, or 0.
  double power(int cell) const {
    for (int p = first_; p <= last_; ++p) {
      if (this->cell(std::pow(10.0, p)) == cell) return std::pow(10.0, p);
    }
    return 0;
  }
  int first() const { return first_; }
  int last() const { return last_; }

 private:
  int first_;
  int last_;
  int cells_;
};

constexpr int kLabelColumns = 10;

}  // namespace

std::string draw_roofline(double bandwidth, double peak, const std::vector<RooflinePoint>& points, int columns,
                          int rows) {
  const double ridge = peak / bandwidth;
  double left = ridge / 10;
  double right = ridge * 10;
  double bottom = peak / 100;
  for (const RooflinePoint& p : points) {
    left = std::min(left, p.operations_per_byte);
    right = std::max(right, p.operations_per_byte);
    bottom = std::min(bottom, p.operations_per_second);
  }
  const Axis x(left, right, columns);
  const Axis y(bottom, peak, rows);
  std::vector<std::string> field(static_cast<size_t>(rows), std::string(static_cast<size_t>(columns), ' '));
  const auto put = [&](int column, int row, char mark) {
    field[static_cast<size_t>(rows - 1 - row)][static_cast<size_t>(column)] = mark;
  };
  for (int c = 0; c < columns; ++c) {
    const double roof = std::min(peak, bandwidth * x.value(c));
    if (roof >= y.value(0)) put(c, y.cell(roof), roof == peak ? '-' : '/');
  }
  for (const RooflinePoint& p : points) put(x.cell(p.operations_per_byte), y.cell(p.operations_per_second), p.mark);

  std::string out;
  for (int r = rows - 1; r >= 0; --r) {
    const std::string label = y.power(r) > 0 ? fmt::format("{:.4g}", y.power(r) / 1e9) : "";
    out += fmt::format("{:>{}} |{}\n", label, kLabelColumns - 2, field[static_cast<size_t>(rows - 1 - r)]);
  }
  out += std::string(kLabelColumns - 1, ' ') + "+" + std::string(static_cast<size_t>(columns), '-') + "\n";
  const int64_t width = 2 * int64_t{kLabelColumns} + columns;
  std::string labels(static_cast<size_t>(width), ' ');
  for (int p = x.first(); p <= x.last(); ++p) {
    const std::string label = fmt::format("{:.4g}", std::pow(10.0, p));
    const int64_t at = int64_t{kLabelColumns} + x.cell(std::pow(10.0, p));
    labels.replace(static_cast<size_t>(at), label.size(), label);
  }
  labels.resize(labels.find_last_not_of(' ') + 1);
  return out + labels + "\n";
}

}  // namespace linnet::cli
