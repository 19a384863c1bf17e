// Measures the matrix products on the shapes of SmolLM2-135M: bytes per second with one row (decoding), operations per
// second with many (prefill), and how long packing takes.
//
//   bench_kernels [THREADS [FORMAT [ROWS]]]     LINNET_ISA chooses the instruction set
//
// Each shape has enough copies to spill the caches, as the layers of a model do. The best of several passes is shown:
// on a shared machine the rest is other people's work.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fmt/core.h>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/system.hpp"
#include "tasks/machine_peaks.hpp"
#include "tensor/dtype.hpp"

namespace linnet {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct MatrixShape {
  int64_t rows;
  int64_t cols;
};

std::vector<std::byte> random_blocks(const QuantFormat& format, int64_t elements) {
  // Small halves everywhere: any two bytes of them are a finite number.
  std::vector<std::byte> bytes(static_cast<size_t>(format.bytes_of(elements)));
  Random random(1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random.next_u32() & 0x2F);
  return bytes;
}

void measure(const KernelTable& table, ThreadPool& pool, const QuantFormat& format, MatrixShape shape, int64_t n) {
  constexpr int64_t kWorkingSet = 200'000'000;
  const int64_t elements = shape.rows * shape.cols;
  const int64_t copies = std::max<int64_t>(1, n > 1 ? 2 : kWorkingSet / format.bytes_of(elements));
  const std::vector<std::byte> bytes = random_blocks(format, elements);
  std::vector<std::unique_ptr<PackedMatrix>> matrices;
  const auto pack_start = Clock::now();
  for (int64_t i = 0; i < copies; ++i) {
    matrices.push_back(table.pack(pool, {&format, bytes.data(), shape.rows, shape.cols}, ActivationBits::k8, {}));
    if (!matrices.back()) {
      fmt::print("{:8} has no panels\n", format.name);
      return;
    }
  }
  const double pack_seconds = seconds_since(pack_start);
  const int64_t packed_bytes = matrices[0]->bytes() * copies;

  std::vector<float> x(static_cast<size_t>(n * shape.cols));
  Random random(2);
  for (float& v : x) v = random.normal();
  std::vector<float> y(static_cast<size_t>(n * shape.rows));
  double best = 1e30;
  for (int pass = 0; pass < 7; ++pass) {
    const auto start = Clock::now();
    for (const auto& matrix : matrices) matrix->product(pool, x.data(), n, y.data());
    best = std::min(best, seconds_since(start));
  }
  const double operations = 2.0 * static_cast<double>(elements * n * copies);
  fmt::print("{:8} {:6} x {:5} x {:4} rows: {:8.1f} us  {:6.1f} GB/s {:7.1f} GOPS   packed at {:4.2f} GB/s\n",
             format.name, shape.rows, shape.cols, n, best / static_cast<double>(copies) * 1e6,
             static_cast<double>(packed_bytes) / best / 1e9, operations / best / 1e9,
             static_cast<double>(packed_bytes) / pack_seconds / 1e9);
}

int run(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : usable_cores();
  const std::string wanted = argc > 2 ? argv[2] : "Q4_1";
  const int64_t many = argc > 3 ? std::atoll(argv[3]) : 512;
  const auto runtime = Runtime::create(threads);
  const QuantFormat* format = find_quant_by_name(wanted);
  if (!runtime.ok() || !format || threads < 1 || many < 1) {
    fmt::print(stderr, "{}\n",
               runtime.ok() ? "usage: bench_kernels [THREADS [FORMAT [ROWS]]]" : runtime.error().to_string());
    return 2;
  }
  Context& ctx = (*runtime)->context();
  fmt::print("{}, {}, {} threads, memory reads {:.1f} GB/s\n", cpu_name(), (*runtime)->isa(), threads,
             measure_peaks(**runtime).read / 1e9);
  for (const int64_t n : {int64_t{1}, many}) {
    for (const MatrixShape shape :
         {MatrixShape{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {49152, 576}, {2048, 2048}}) {
      if (shape.cols % format->block_elements == 0) measure(ctx.kernels(), ctx.pool(), *format, shape, n);
    }
  }
  return 0;
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  return linnet::run(argc, argv);
}
