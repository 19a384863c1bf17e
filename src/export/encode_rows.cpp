#include "export/encode_rows.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace linnet {

namespace {

// Sums over numbers, and the same with columns counted by importance.
struct Squares {
  double numbers = 0;
  double differences = 0;
  double weighted_numbers = 0;
  double weighted_differences = 0;

  void add(const Squares& other) {
    numbers += other.numbers;
    differences += other.differences;
    weighted_numbers += other.weighted_numbers;
    weighted_differences += other.weighted_differences;
  }
};

// `again`: scratch of `width` numbers.
Squares encode_row(const RowEncoding& e, const float* row, const float* importance, std::byte* out,
                   std::vector<float>& again) {
  (e.search ? e.format->search : e.format->encode)(row, importance, out, e.width);
  e.format->decode(out, again.data(), e.width);
  Squares sums;
  for (int64_t i = 0; i < e.width; ++i) {
    const double difference = double{again[static_cast<size_t>(i)]} - row[i];
    const double weight = importance ? importance[i] : 1;
    const double square = double{row[i]} * row[i];
    sums.add({square, difference * difference, weight * square, weight * difference * difference});
  }
  return sums;
}

double relative(double lost, double all) {
  return all > 0 ? std::sqrt(lost / all) : 0;
}

// Encodes `count` rows, of which row_of(i) says the number and out_of(i, scratch) the place. Sums are added in the
// order of the rows, whatever the threads.
template <class RowOf, class OutOf>
EncodingError encode(const RowEncoding& e, const float* values, int64_t count, RowOf row_of, OutOf out_of,
                     ThreadPool& pool) {
  std::vector<Squares> sums(static_cast<size_t>(count));
  constexpr int64_t kGrain = 8;
  pool.parallel_for(count, kGrain, [&](int64_t begin, int64_t end, int) {
    std::vector<float> again(static_cast<size_t>(e.width));
    std::vector<std::byte> scratch(static_cast<size_t>(e.format->bytes_of(e.width)));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = row_of(i);
      const float* importance = e.importance.empty() ? nullptr : e.importance.data() + row / e.rows_of_expert * e.width;
      sums[static_cast<size_t>(i)] = encode_row(e, values + row * e.width, importance, out_of(i, scratch), again);
    }
  });
  Squares all;
  for (const Squares& s : sums) all.add(s);
  return {relative(all.differences, all.numbers), relative(all.weighted_differences, all.weighted_numbers)};
}

}  // namespace

EncodingError encode_rows(const RowEncoding& encoding, const float* values, int64_t rows, std::byte* out,
                          ThreadPool& pool) {
  return encode(
      encoding, values, rows, [](int64_t i) { return i; },
      [&](int64_t i, std::vector<std::byte>&) { return out + encoding.format->bytes_of(i * encoding.width); }, pool);
}

EncodingError sample_error(const RowEncoding& encoding, const float* values, int64_t rows, int64_t sample,
                           ThreadPool& pool) {
  const int64_t count = std::min(rows, sample);
  return encode(
      encoding, values, count, [&](int64_t i) { return i * rows / count; },
      [](int64_t, std::vector<std::byte>& scratch) { return scratch.data(); }, pool);
}

}  // namespace linnet
