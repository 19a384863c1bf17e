// Drives every instruction set of this machine with the same matrix and activations: all that multiply integers give
// the same bits, each set the same whatever the number of rows and threads, and a gathered row is the decoded row.
//
// Input: format and bits of activations, rows, column groups, activation rows, then bytes that fill blocks and
// activations in turn.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/check.hpp"
#include "kernels/registry.hpp"

using namespace linnet;

namespace {

constexpr int kHeader = 4;

// Equal bits, or NaN both: which NaN comes out is the processor's business.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return (std::isnan(x) && std::isnan(y)) || std::memcmp(&x, &y, sizeof(x)) == 0;
  });
}

void fill(const uint8_t* data, size_t size, size_t offset, std::byte* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = size ? static_cast<std::byte>(data[(offset + i) % size]) : std::byte{};
}

void check_isa(Isa isa, const MatrixView& matrix, ActivationBits bits, const std::vector<float>& x, int64_t n,
               std::vector<float>& first) {
  static ThreadPool one(1);
  static ThreadPool two(2);
  const KernelTable& table = kernel_table(isa);
  const auto packed = table.pack(two, matrix, bits, {});
  if (!packed) return;
  std::vector<float> y(static_cast<size_t>(n * matrix.rows));
  packed->product(two, x.data(), n, y.data());
  if (isa != Isa::kAmx) {  // which multiplies bfloat16
    if (first.empty()) first = y;
    CHECK(same(first, y));
  }
  for (int64_t r = 0; r < n; ++r) {
    std::vector<float> row(static_cast<size_t>(matrix.rows));
    packed->product(one, x.data() + r * matrix.cols, 1, row.data());
    CHECK(same(row, std::vector<float>(y.begin() + r * matrix.rows, y.begin() + (r + 1) * matrix.rows)));
  }
  std::vector<float> gathered(static_cast<size_t>(matrix.cols));
  std::vector<float> decoded(static_cast<size_t>(matrix.cols));
  for (int64_t r = 0; r < matrix.rows; ++r) {
    packed->gather(r, gathered.data());
    matrix.format->decode(matrix.bytes + r * matrix.row_bytes(), decoded.data(), matrix.cols);
    CHECK(same(gathered, decoded));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeader) return 0;
  const auto formats = quant_formats();
  const QuantFormat& format = formats[(data[0] & 0x7F) % formats.size()];
  const ActivationBits bits = data[0] & 0x80 ? ActivationBits::k16 : ActivationBits::k8;
  const int64_t rows = data[1] % 40 + 1;
  const int64_t cols = std::max<int64_t>(32, format.block_elements) * (data[2] % 3 + 1);
  const int64_t n = data[3] % 15 + 1;
  data += kHeader;
  size -= kHeader;
  std::vector<std::byte> bytes(static_cast<size_t>(format.bytes_of(rows * cols)));
  std::vector<float> x(static_cast<size_t>(n * cols));
  fill(data, size, 0, bytes.data(), bytes.size());
  fill(data, size, bytes.size(), reinterpret_cast<std::byte*>(x.data()), x.size() * sizeof(float));
  std::vector<float> first;
  for (const Isa isa : all_isas()) {
    if (isa != Isa::kBaseline && machine_has(isa))
      check_isa(isa, {&format, bytes.data(), rows, cols}, bits, x, n, first);
  }
  return 0;
}
