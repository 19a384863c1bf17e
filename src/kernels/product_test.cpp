// Products with packed matrices: every format on every instruction set of this machine, against the definition.
#include "base/check.hpp"
#include "kernels/kernels_testing.hpp"
#include "kernels/panel.hpp"

namespace linnet {
namespace {

bool is_float(QuantType type) {
  return type == QuantType::kF32 || type == QuantType::kF16 || type == QuantType::kBF16;
}

std::vector<QuantType> packed_types() {
  return {QuantType::kF32,  QuantType::kF16,    QuantType::kBF16,   QuantType::kQ4_0,
          QuantType::kQ4_1, QuantType::kQ5_0,   QuantType::kQ5_1,   QuantType::kQ8_0,
          QuantType::kQ2_K, QuantType::kQ3_K,   QuantType::kQ4_K,   QuantType::kQ5_K,
          QuantType::kQ6_K, QuantType::kIQ4_NL, QuantType::kIQ4_XS, QuantType::kMXFP4};
}

// A format, and how its products see activations: all that differ.
struct Kind {
  QuantType type;
  ActivationBits bits;

  std::string name() const {
    return std::string(quant_format(type).name) + (bits == ActivationBits::k16 ? " by 16 bits" : "");
  }
};
std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const QuantType type : packed_types()) {
    all.push_back({type, ActivationBits::k8});
    if (!is_float(type)) all.push_back({type, ActivationBits::k16});
  }
  return all;
}

std::vector<float> product(const KernelTable& table, ThreadPool& pool, const TestMatrix& matrix, ActivationBits bits,
                           const std::vector<float>& x) {
  const auto packed = table.pack(pool, matrix.view(), bits, {});
  CHECK(packed != nullptr);
  const int64_t n = static_cast<int64_t>(x.size()) / matrix.cols;
  std::vector<float> y(static_cast<size_t>(n * matrix.rows), 12345.0f);
  packed->product(pool, x.data(), n, y.data());
  return y;
}

// Activations as the kernels see them: the nearest of the steps that the group's largest magnitude is divided into, 127
// or 127 * 256.
struct Quantised {
  std::vector<double> values;
  std::vector<double> steps;  // the scale of each value's group
};
Quantised quantise(const std::vector<float>& x, ActivationBits bits) {
  const float most = bits == ActivationBits::k16 ? 32512.0f : 127.0f;
  Quantised out;
  for (size_t g = 0; g < x.size(); g += kernels::kGroup) {
    float amax = 0;
    for (size_t i = g; i < g + kernels::kGroup; ++i) amax = std::max(amax, std::abs(x[i]));
    for (size_t i = g; i < g + kernels::kGroup; ++i) {
      const float inverse = amax > 0 ? most / amax : 0.0f;
      out.values.push_back(std::nearbyint(x[i] * inverse) * double{amax / most});
      out.steps.push_back(double{amax / most});
    }
  }
  return out;
}

class ProductTest : public testing::TestWithParam<Isa> {};

// Of what integers promise to the bit, and of what tiles of bfloat16 come near to.
class IntegerProductTest : public ProductTest {};
class TileProductTest : public ProductTest {};

struct Sizes {
  int64_t rows;
  int64_t groups;  // of the format's columns (32, or 256)
  int64_t n;
};

TEST_P(IntegerProductTest, IsTheExactDotProductOfQuantisedGroups) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool pool(2);
  for (const Kind& kind : kinds()) {
    const QuantType type = kind.type;
    SCOPED_TRACE(kind.name());
    for (const Sizes& sizes : {Sizes{1, 1, 1}, Sizes{16, 3, 2}, Sizes{17, 2, 29}, Sizes{40, 5, 7}, Sizes{5, 1, 13}}) {
      const int64_t cols = sizes.groups * std::max<int64_t>(32, quant_format(type).block_elements);
      const TestMatrix matrix = random_matrix(type, sizes.rows, cols, 7 + cols);
      const std::vector<float> w = matrix.decoded();
      const std::vector<float> x = random_floats(sizes.n * cols, 11);
      const std::vector<float> y = product(table, pool, matrix, kind.bits, x);
      const Quantised q = quantise(x, kind.bits);
      for (int64_t r = 0; r < sizes.n; ++r) {
        for (int64_t o = 0; o < sizes.rows; ++o) {
          double expected = 0;
          double exact = 0;
          double largest_weight = 0;
          double activations = 0;
          double step_error = 0;
          for (int64_t c = 0; c < cols; ++c) {
            const double weight = w[static_cast<size_t>(o * cols + c)];
            const auto at = static_cast<size_t>(r * cols + c);
            const double seen = is_float(type) ? double{x[at]} : q.values[at];
            expected += weight * seen;
            exact += weight * x[at];
            largest_weight = std::max(largest_weight, std::abs(weight));
            activations += std::abs(seen);
            step_error += std::abs(weight) * q.steps[at] * 0.5001;
          }
          const double rounding = 1e-6 * largest_weight * activations;
          const float got = y[static_cast<size_t>(r * sizes.rows + o)];
          ASSERT_NEAR(got, expected, rounding) << "row " << r << " output " << o;
          ASSERT_NEAR(got, exact, step_error + rounding) << "row " << r << " output " << o;
        }
      }
    }
  }
}

// Weights and activations are rounded to the eight bits of bfloat16, each to half of 2^-7 at most, and weights to half
// precision before. Matrices of floats are multiplied as elsewhere.
TEST_P(TileProductTest, IsWithinTheRoundingOfEachProduct) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(2);
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name());
    for (const float size : {1e-6f, 1.0f, 1e7f}) {
      for (const Sizes& sizes :
           {Sizes{1, 1, 1}, Sizes{16, 3, 2}, Sizes{17, 2, 29}, Sizes{40, 5, 71}, Sizes{5, 1, 33}}) {
        const int64_t cols = sizes.groups * std::max<int64_t>(32, quant_format(kind.type).block_elements);
        const TestMatrix matrix = random_matrix(kind.type, sizes.rows, cols, 7 + cols);
        const std::vector<float> w = matrix.decoded();
        std::vector<float> x = random_floats(sizes.n * cols, 11);
        for (float& one : x) one *= size;
        const std::vector<float> y = product(kernel_table(GetParam()), pool, matrix, kind.bits, x);
        for (int64_t r = 0; r < sizes.n; ++r) {
          for (int64_t o = 0; o < sizes.rows; ++o) {
            double expected = 0;
            double squares = 0;
            double largest_weight = 0;
            double activations = 0;
            for (int64_t c = 0; c < cols; ++c) {
              const double weight = w[static_cast<size_t>(o * cols + c)];
              const double activation = x[static_cast<size_t>(r * cols + c)];
              expected += weight * activation;
              squares += weight * weight * activation * activation;
              largest_weight = std::max(largest_weight, std::abs(weight));
              activations += std::abs(activation);
            }
            // Errors of single products are independent: six standard deviations. Those of half precision are of the
            // largest numbers that a weight is made of, and meet all activations of a group.
            const double bound = 6 * 0.004 * std::sqrt(squares) + 0.001 * largest_weight * activations / 16;
            ASSERT_NEAR(y[static_cast<size_t>(r * sizes.rows + o)], expected, bound) << "row " << r << " output " << o;
          }
        }
      }
    }
  }
}

// Matrices far from one in size are held as well as others.
TEST_P(ProductTest, HoldsSmallAndLargeScales) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(1);
  for (const float scale : {6.1e-5f, 1.0f, 4096.0f}) {
    TestMatrix matrix = random_matrix(QuantType::kQ8_0, 16, 64, 9);
    for (size_t at = 0; at < matrix.bytes.size(); at += static_cast<size_t>(matrix.format->block_bytes)) {
      const Half half = to_half(scale);
      std::memcpy(matrix.bytes.data() + at, &half, sizeof(half));
    }
    const std::vector<float> w = matrix.decoded();
    const std::vector<float> x = random_floats(64, 5);
    const std::vector<float> y = product(kernel_table(GetParam()), pool, matrix, ActivationBits::k16, x);
    for (size_t o = 0; o < 16; ++o) {
      double expected = 0;
      for (size_t c = 0; c < 64; ++c) expected += double{w[o * 64 + c]} * x[c];
      ASSERT_NEAR(y[o], expected, 0.02 * 127 * double{scale}) << scale;
    }
  }
}

TEST_P(ProductTest, HasTheSameBitsForAnyNumberOfRowsAndThreads) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool one(1);
  ThreadPool three(3);
  for (const Kind& kind : kinds()) {
    const QuantType type = kind.type;
    SCOPED_TRACE(kind.name());
    const int64_t cols = 768;
    const TestMatrix matrix = random_matrix(type, 83, cols, 3);
    const std::vector<float> x = random_floats(117 * cols, 5);
    const std::vector<float> all = product(table, three, matrix, kind.bits, x);
    ASSERT_TRUE(same_bits(all, product(table, one, matrix, kind.bits, x)));
    for (const int64_t rows : {1, 2, 3, 4, 6, 8, 11, 12, 15, 16, 17, 25, 32, 33, 61, 64, 67, 90}) {
      const std::vector<float> part(x.begin(), x.begin() + rows * cols);
      const std::vector<float> expected(all.begin(), all.begin() + rows * matrix.rows);
      ASSERT_TRUE(same_bits(expected, product(table, three, matrix, kind.bits, part))) << rows << " rows";
    }
  }
}

// Blocks of rows are cut by the cache: enough rows and columns for several.
TEST_P(ProductTest, HasTheSameBitsAcrossBlocksOfRows) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool pool(2);
  for (const Kind& kind : {Kind{QuantType::kQ4_1, ActivationBits::k8}, Kind{QuantType::kQ4_1, ActivationBits::k16},
                           Kind{QuantType::kQ6_K, ActivationBits::k8}, Kind{QuantType::kF16, ActivationBits::k8}}) {
    const int64_t cols = 4096;
    const TestMatrix matrix = random_matrix(kind.type, 40, cols, 3);
    const std::vector<float> x = random_floats(150 * cols, 5);
    const std::vector<float> all = product(table, pool, matrix, kind.bits, x);
    for (const int64_t row : {0, 63, 64, 95, 96, 120, 149}) {
      const std::vector<float> one(x.begin() + row * cols, x.begin() + (row + 1) * cols);
      const std::vector<float> expected(all.begin() + row * matrix.rows, all.begin() + (row + 1) * matrix.rows);
      ASSERT_TRUE(same_bits(expected, product(table, pool, matrix, kind.bits, one))) << "row " << row;
    }
  }
}

TEST_P(IntegerProductTest, HasTheBitsOfEveryOtherInstructionSet) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  SKIP_UNLESS_MACHINE_HAS(lowest_kernel_isa());
  ThreadPool pool(1);
  for (const Kind& kind : kinds()) {
    const TestMatrix matrix = random_matrix(kind.type, 33, 512, 3);
    const std::vector<float> x = random_floats(int64_t{5} * 512, 5);
    EXPECT_TRUE(same_bits(product(kernel_table(lowest_kernel_isa()), pool, matrix, kind.bits, x),
                          product(kernel_table(GetParam()), pool, matrix, kind.bits, x)))
        << kind.name();
  }
}

// Of one x, as a layer's gate and up, and of an x each, as the experts of a mixture.
TEST_P(ProductTest, TogetherHasTheBitsOfEachAlone) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool pool(2);
  std::vector<TestMatrix> matrices;
  std::vector<std::unique_ptr<PackedMatrix>> packed;
  int64_t rows = 1;
  for (const Kind& kind : kinds()) {
    matrices.push_back(random_matrix(kind.type, rows += 9, matrices.size() % 3 == 0 ? 256 : 512, 3));
    packed.push_back(table.pack(pool, matrices.back().view(), kind.bits, {}));
  }
  for (const bool shared : {true, false}) {
    for (const int64_t n : {0, 1, 2, 7, 40}) {
      std::vector<std::vector<float>> xs;
      std::vector<std::vector<float>> ys;
      for (size_t i = 0; i < matrices.size(); ++i) {
        const int64_t own = shared ? n : (n + static_cast<int64_t>(i)) % 41;  // rows
        xs.push_back(random_floats(own * matrices[i].cols, shared ? 5 : 5 + static_cast<uint32_t>(i)));
        ys.emplace_back(static_cast<size_t>(own * matrices[i].rows));
      }
      std::vector<PackedProduct> products;
      for (size_t i = 0; i < matrices.size(); ++i) {
        const size_t from = shared ? i % 3 == 0 ? 0 : 1 : i;
        products.push_back(
            {packed[i].get(), xs[from].data(), static_cast<int64_t>(xs[from].size()) / matrices[i].cols, ys[i].data()});
      }
      table.products_together(pool, products);
      for (size_t i = 0; i < matrices.size(); ++i) {
        EXPECT_TRUE(same_bits(ys[i], product(table, pool, matrices[i], kinds()[i].bits, xs[i])))
            << kinds()[i].name() << " " << n;
      }
    }
  }
}

// Of the rows of a wider x, and added to what y holds: from one panel to many strips of them, of few rows and many.
TEST_P(IntegerProductTest, AddsToWhatIsThereTheBitsOfTheProduct) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ASSERT_TRUE(table.pack_turned != nullptr);
  ThreadPool pool(3);
  constexpr int64_t kStride = 160;
  constexpr int64_t kFirst = 32;
  for (const int64_t rows : {5, 16, 77, 1300}) {
    const TestMatrix matrix = random_matrix(QuantType::kQ8_0, rows, 96, 3);
    const auto packed = table.pack(pool, matrix.view(), ActivationBits::k8, {});
    for (const int64_t n : {1, 7, 70, 300}) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << n);
      const std::vector<float> wide = random_floats(n * kStride, 5);
      std::vector<float> x;
      for (int64_t r = 0; r < n; ++r) {
        const auto row = wide.begin() + r * kStride + kFirst;
        x.insert(x.end(), row, row + matrix.cols);
      }
      std::vector<float> y = random_floats(n * rows, 6);
      std::vector<float> expected = product(table, pool, matrix, ActivationBits::k8, x);
      for (size_t i = 0; i < y.size(); ++i) expected[i] = y[i] + expected[i];
      const PackedProduct added{
          .matrix = packed.get(), .x = wide.data() + kFirst, .n = n, .y = y.data(), .x_stride = kStride, .add = true};
      table.products_together(pool, {&added, 1});
      EXPECT_TRUE(same_bits(y, expected));
    }
  }
}

// What is added besides: of floats and, where the processor multiplies them, of pairs of bfloat16; a k of several
// parts.
TEST_P(ProductTest, AddsAProductOfFloatsWithTheBitsOfTwoSteps) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool pool(2);
  constexpr int64_t kCols = 96;
  for (const QuantType type : {QuantType::kQ4_1, QuantType::kF16}) {
    for (const FloatProducts* products : {&table.f32, &table.bf16}) {
      if (!*products) continue;
      for (const auto& [rows, n, k] : {std::array<int64_t, 3>{5, 1, 16}, {80, 7, 4}, {77, 2, 700}, {1300, 300, 16}}) {
        SCOPED_TRACE(testing::Message() << quant_format(type).name << ", " << rows << ", " << n << ", " << k);
        const TestMatrix matrix = random_matrix(type, rows, kCols, 3);
        const auto packed = table.pack(pool, matrix.view(), ActivationBits::k8, {});
        const std::vector<float> x = random_floats(n * kCols, 5);
        const std::vector<float> low = random_floats(n * k, 6);
        const std::vector<float> b = random_floats(rows * k, 7);
        MatmulCall call{.m = n, .n = rows, .k = k, .a = low.data(), .b = b.data(), .b_transposed = true};
        PackedOperand operand{.numbers = products->numbers,
                              .k = k,
                              .n = rows,
                              .bytes = Tensor::empty(DType::kU8, {products->operand_bytes(k, rows)})};
        products->pack_operand(pool, call, operand.bytes.raw());
        call.packed = &operand;
        std::vector<float> y(static_cast<size_t>(n * rows));
        const PackedProduct joined{.matrix = packed.get(), .x = x.data(), .n = n, .y = y.data(), .plus = &call};
        table.products_together(pool, {&joined, 1});
        std::vector<float> expected = product(table, pool, matrix, ActivationBits::k8, x);
        call.c = expected.data();
        call.add = true;
        Tensor workspace = Tensor::empty(DType::kU8, {table.matmul_workspace(pool.size(), {&call, 1})});
        products->matmul(pool, {&call, 1}, workspace.raw());
        EXPECT_TRUE(same_bits(y, expected));
      }
    }
  }
}

// Rows of a wider matrix, of which the last panel of the transpose is not whole.
TEST_P(IntegerProductTest, TurnedIsTheExactDotProductOfBlocksAlongItsRows) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  constexpr int64_t kFirst = 3;
  constexpr int64_t kCount = 96;
  constexpr int64_t kCols = 45;
  const std::vector<float> w = random_floats((kFirst + kCount) * kCols, 3);
  const std::function<void(int64_t, float*)> decode = [&](int64_t row, float* out) {
    std::copy_n(w.begin() + row * kCols, kCols, out);
  };
  ThreadPool pool(2);
  const auto turned = kernel_table(GetParam()).pack_turned(pool, {kFirst, kCount, kCols, decode});
  std::vector<float> blocks(static_cast<size_t>(kCols * kCount));
  for (int64_t c = 0; c < kCols; ++c) {
    float* row = blocks.data() + c * kCount;
    turned->gather(c, row);
    for (int64_t g = 0; g < kCount; g += kernels::kGroup) {
      const auto weight = [&](int64_t i) { return w[static_cast<size_t>((kFirst + g + i) * kCols + c)]; };
      float most = 0;
      for (int64_t i = 0; i < kernels::kGroup; ++i) most = std::max(most, std::abs(weight(i)));
      for (int64_t i = 0; i < kernels::kGroup; ++i) ASSERT_NEAR(row[g + i], weight(i), most / 31 * 0.51f);
    }
  }
  constexpr int64_t kRows = 40;
  const std::vector<float> x = random_floats(kRows * kCount, 5);
  const Quantised q = quantise(x, ActivationBits::k8);
  std::vector<float> y(static_cast<size_t>(kRows * kCols));
  turned->product(pool, x.data(), kRows, y.data());
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kCols; ++c) {
      double expected = 0;
      double size = 0;
      for (int64_t i = 0; i < kCount; ++i) {
        const double term = q.values[static_cast<size_t>(r * kCount + i)] * blocks[static_cast<size_t>(c * kCount + i)];
        expected += term;
        size += std::abs(term);
      }
      ASSERT_NEAR(y[static_cast<size_t>(r * kCols + c)], expected, 1e-6 * size) << r << ", " << c;
    }
  }
}

// Blocks of rows, few and many of them, and matrices that see their activations in different ways.
TEST_P(ProductTest, GatedHasTheBitsOfItsSteps) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool pool(3);
  constexpr int64_t kCols = 256;
  constexpr int64_t kInner = 1280;
  constexpr int64_t kRows = 21;
  struct Formats {
    QuantType gate, up, down;
  };
  for (const Formats& formats : {Formats{QuantType::kQ4_1, QuantType::kQ4_1, QuantType::kQ4_1},
                                 Formats{QuantType::kQ4_K, QuantType::kQ8_0, QuantType::kQ6_K},
                                 Formats{QuantType::kBF16, QuantType::kIQ4_NL, QuantType::kF16}}) {
    const TestMatrix matrices[] = {random_matrix(formats.gate, kInner, kCols, 1),
                                   random_matrix(formats.up, kInner, kCols, 2),
                                   random_matrix(formats.down, kRows, kInner, 3)};
    std::vector<std::unique_ptr<PackedMatrix>> packed;
    for (const TestMatrix& one : matrices) packed.push_back(table.pack(pool, one.view(), ActivationBits::k8, {}));
    std::vector<std::vector<float>> xs, ys, expected;
    std::vector<GatedProduct> together;
    for (const int64_t n : {1, 2, 31, 70, 300}) {
      const std::vector<float>& x = xs.emplace_back(random_floats(n * kCols, 5));
      std::vector<float> gate(static_cast<size_t>(n * kInner)), up(gate.size());
      packed[0]->product(pool, x.data(), n, gate.data());
      packed[1]->product(pool, x.data(), n, up.data());
      table.silu_mul(gate.data(), up.data(), n * kInner, gate.data());
      packed[2]->product(pool, gate.data(), n, expected.emplace_back(static_cast<size_t>(n * kRows)).data());
      std::vector<float>& y = ys.emplace_back(static_cast<size_t>(n * kRows), 12345.0f);
      together.push_back({packed[0].get(), packed[1].get(), packed[2].get(), x.data(), n, y.data()});
    }
    table.gated_products(pool, together, table.silu_mul);
    for (size_t i = 0; i < ys.size(); ++i)
      EXPECT_EQ(ys[i], expected[i]) << quant_format(formats.gate).name << ", " << together[i].n << " rows";
  }
}

TEST_P(ProductTest, GathersTheRowsOfTheFile) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(2);
  for (const QuantType type : packed_types()) {
    const TestMatrix matrix = random_matrix(type, 37, 512, 9);
    const std::vector<float> w = matrix.decoded();
    const auto packed = kernel_table(GetParam()).pack(pool, matrix.view(), ActivationBits::k8, {});
    std::vector<float> row(512);
    for (int64_t r = 0; r < matrix.rows; ++r) {
      packed->gather(r, row.data());
      for (size_t c = 0; c < row.size(); ++c) {
        ASSERT_EQ(row[c], w[static_cast<size_t>(r) * row.size() + c]) << quant_format(type).name << " row " << r;
      }
    }
  }
}

// Codes and activations at their limits, where sixteen-bit sums would saturate.
TEST_P(IntegerProductTest, IsExactAtTheLimits) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(1);
  for (const Kind& kind : kinds()) {
    const QuantType type = kind.type;
    if (is_float(type)) continue;
    for (const std::byte fill : {std::byte{0xFF}, std::byte{0x00}, std::byte{0x80}}) {
      const int64_t cols = 256;
      TestMatrix matrix = random_matrix(type, 16, cols, 9);
      std::fill(matrix.bytes.begin(), matrix.bytes.end(), fill);
      const int64_t blocks = 16 * cols / matrix.format->block_elements;
      const Half scale = to_half(0.5f);
      for (int64_t b = 0; b < blocks; ++b) {
        std::byte* block = matrix.bytes.data() + b * matrix.format->block_bytes;
        if (type == QuantType::kMXFP4) block[0] = std::byte{127};
        for (const size_t at : half_offsets(type)) std::memcpy(block + at, &scale, sizeof(scale));
      }
      const std::vector<float> w = matrix.decoded();
      // In 16 bits, ±64.5 is ±16512 steps and makes the second term -128; 63.498 is 16255 and makes it 127.
      for (const float extreme : {127.0f, -127.0f, 64.5f, -64.5f, 63.498f, -63.498f}) {
        std::vector<float> x(static_cast<size_t>(cols), extreme);
        for (size_t c = 0; c < x.size(); c += kernels::kGroup) x[c] = std::copysign(127.0f, extreme);
        const std::vector<float> y = product(kernel_table(GetParam()), pool, matrix, kind.bits, x);
        const Quantised q = quantise(x, kind.bits);
        double expected = 0;
        double largest = 0;
        for (size_t c = 0; c < x.size(); ++c) {
          expected += double{w[c]} * q.values[c];
          largest = std::max(largest, std::abs(double{w[c]}));
        }
        ASSERT_NEAR(y[0], expected, 1e-6 * largest * 127 * cols) << kind.name() << " " << int(fill) << " " << extreme;
      }
    }
  }
}

// What sixteen bits are for: the error of eight, from the same activations, all but vanishes.
TEST_P(IntegerProductTest, SixteenBitsAreFarCloserToTheFloats) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(1);
  const int64_t cols = 512;
  const std::vector<float> x = random_floats(4 * cols, 5);
  for (const Kind& kind : kinds()) {
    if (kind.bits != ActivationBits::k16) continue;
    const TestMatrix matrix = random_matrix(kind.type, 16, cols, 9);
    const std::vector<float> w = matrix.decoded();
    const auto squared_error = [&](ActivationBits bits) {
      const std::vector<float> y = product(kernel_table(GetParam()), pool, matrix, bits, x);
      double error = 0;
      for (size_t i = 0; i < y.size(); ++i) {
        const size_t row = i / 16 * static_cast<size_t>(cols);
        const size_t output = i % 16 * static_cast<size_t>(cols);
        double exact = 0;
        for (size_t c = 0; c < static_cast<size_t>(cols); ++c) exact += double{w[output + c]} * x[row + c];
        error += (y[i] - exact) * (y[i] - exact);
      }
      return error;
    };
    EXPECT_LT(squared_error(ActivationBits::k16), 1e-3 * squared_error(ActivationBits::k8)) << kind.name();
  }
}

TEST_P(ProductTest, TakesAnyNumber) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool pool(1);
  const int64_t cols = 64;
  for (const Kind& kind : kinds()) {
    if (kind.type != QuantType::kQ4_0 && kind.type != QuantType::kQ4_1 && kind.type != QuantType::kQ8_0) continue;
    SCOPED_TRACE(kind.name());
    const TestMatrix matrix = random_matrix(kind.type, 16, cols, 9);
    const std::vector<float> w = matrix.decoded();
    const auto run = [&](float fill) {
      return product(table, pool, matrix, kind.bits, std::vector<float>(static_cast<size_t>(cols), fill));
    };
    for (const float y : run(0.0f)) EXPECT_EQ(y, 0.0f);
    for (const float y : run(1e-42f)) EXPECT_NEAR(y, 0.0f, 1e-38f);
    // Times 2^98, bfloat16 must hold it.
    for (const float y : run(multiplies_integers(GetParam()) ? 3e36f : 5e8f)) EXPECT_TRUE(std::isfinite(y));
    for (const float y : run(std::nanf(""))) EXPECT_TRUE(std::isnan(y));
    for (const float y : run(INFINITY)) EXPECT_FALSE(std::isfinite(y));
    // A row of NaN leaves its neighbours alone.
    std::vector<float> x = random_floats(3 * cols, 3);
    const std::vector<float> good = product(table, pool, matrix, kind.bits, x);
    x[static_cast<size_t>(cols) + 40] = std::nanf("");
    const std::vector<float> mixed = product(table, pool, matrix, kind.bits, x);
    for (size_t o = 0; o < 16; ++o) {
      EXPECT_EQ(mixed[o], good[o]);
      EXPECT_TRUE(std::isnan(mixed[16 + o]));
      EXPECT_EQ(mixed[32 + o], good[32 + o]);
    }
  }
}

TEST_P(ProductTest, LeavesWhatItCannotPackToTheReference) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(1);
  const std::vector<std::byte> bytes(size_t{64} * 33);
  for (const ActivationBits bits : {ActivationBits::k8, ActivationBits::k16}) {
    const auto pack = [&](QuantType type, int64_t rows) {
      return kernel_table(GetParam()).pack(pool, {&quant_format(type), bytes.data(), rows, 32}, bits, {});
    };
    EXPECT_EQ(pack(QuantType::kF8E4M3, 16), nullptr);
    EXPECT_EQ(pack(QuantType::kQ8_0, 0), nullptr);
  }
}

std::vector<Isa> isas_that_multiply_integers(bool integers) {
  std::vector<Isa> isas = kernel_isas();
  std::erase_if(isas, [=](Isa isa) { return multiplies_integers(isa) != integers; });
  return isas;
}
constexpr auto kIsaName = [](const auto& one) { return std::string(isa_name(one.param)); };
INSTANTIATE_TEST_SUITE_P(Isas, ProductTest, testing::ValuesIn(kernel_isas()), kIsaName);
INSTANTIATE_TEST_SUITE_P(Isas, IntegerProductTest, testing::ValuesIn(isas_that_multiply_integers(true)), kIsaName);
INSTANTIATE_TEST_SUITE_P(Isas, TileProductTest, testing::ValuesIn(isas_that_multiply_integers(false)), kIsaName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TileProductTest);  // there are no tiles on arm64

}  // namespace
}  // namespace linnet
