// Curves in characters. Thread safety: pure functions.
#pragma once

#include <span>
#include <string>

namespace linnet::cli {

// "█▆▄▃▂▁": the values in `columns` characters, the highest as the tallest; the mean of each stretch where there are
// more values.
std::string sparkline(std::span<const double> values, size_t columns);

// A curve of braille dots in `columns` x `rows` characters, its highest and lowest value beside it: lines that end in a
// new line. Empty for fewer than two values.
std::string loss_chart(std::span<const double> values, size_t columns, size_t rows);

}  // namespace linnet::cli
