// A matrix's rows into blocks, on all threads, and what that loses.
// Thread safety: one thread at a time; the pool does the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.hpp"
#include "quant/format.hpp"

namespace linnet {

// Rows of `width` numbers, a multiple of the format's block.
struct RowEncoding {
  const QuantFormat* format;
  bool search;  // QuantFormat::search, not encode
  int64_t width;
  std::span<const float> importance;  // of the columns, (E, width); empty: all alike
  int64_t rows_of_expert;             // with importance: rows that share a line of it
};

// Root mean squares of the differences over those of the numbers; 0 of zeros.
struct EncodingError {
  double of_numbers = 0;
  double of_outputs = 0;  // columns counted by importance; without it the same
};

// All rows of `values` into `out`. The error is the same on any number of threads.
EncodingError encode_rows(const RowEncoding& encoding, const float* values, int64_t rows, std::byte* out,
                          ThreadPool& pool);

// What encode_rows would lose, by `sample` rows that lie evenly among them; all where there are fewer.
EncodingError sample_error(const RowEncoding& encoding, const float* values, int64_t rows, int64_t sample,
                           ThreadPool& pool);

}  // namespace linnet
