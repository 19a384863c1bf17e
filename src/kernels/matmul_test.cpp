// Products of float matrices on every instruction set of this machine, against sums in double.
#include "kernels/kernels_testing.hpp"

namespace linnet {
namespace {

struct Sizes {
  int64_t m;
  int64_t n;
  int64_t k;
};

// Below, at and above tiles, panels and blocks of k and of rows.
const std::vector<Sizes> kSizes = {{1, 1, 1},  {5, 3, 7},   {12, 32, 256},  {13, 33, 257},
                                   {6, 16, 2}, {64, 9, 65}, {25, 100, 600}, {3100, 8, 33},
                                   {0, 4, 4},  {4, 5, 0},   {2, 700, 4000}};

std::vector<float> transposed(const std::vector<float>& x, int64_t rows, int64_t cols) {
  std::vector<float> out(x.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[static_cast<size_t>(c * rows + r)] = x[static_cast<size_t>(r * cols + c)];
  }
  return out;
}

class MatmulTest : public testing::TestWithParam<Isa> {
 protected:
  struct Product {
    std::string name;
    const FloatProducts& kernels;
    double tolerance;  // of the sum of magnitudes
  };
  static std::vector<Product> products() {
    const KernelTable& table = kernel_table(GetParam());
    std::vector<Product> all{{"f32", table.f32, 1e-6}};
    if (table.bf16) all.push_back({"bf16", table.bf16, 1.0 / 128});
    return all;
  }
  static void run(const Product& product, ThreadPool& pool, MatmulCalls calls) {
    Tensor workspace = Tensor::empty(DType::kU8, {kernel_table(GetParam()).matmul_workspace(pool.size(), calls)});
    product.kernels.matmul(pool, calls, workspace.raw());
  }
  static void run(const Product& product, ThreadPool& pool, const MatmulCall& call) {
    run(product, pool, MatmulCalls(&call, 1));
  }
};

struct Case {
  Sizes s;
  std::vector<float> a, b, c;
  std::vector<double> sums, magnitudes;  // of a · b, and of its terms; c is in neither
  explicit Case(const Sizes& sizes)
      : s(sizes), a(random_floats(s.m * s.k, 1)), b(random_floats(s.k * s.n, 2)), c(random_floats(s.m * s.n, 3)) {
    sums.resize(c.size());
    magnitudes.resize(c.size());
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t k = 0; k < s.k; ++k) {
        for (int64_t j = 0; j < s.n; ++j) {
          const double term = double{a[static_cast<size_t>(i * s.k + k)]} * b[static_cast<size_t>(k * s.n + j)];
          sums[static_cast<size_t>(i * s.n + j)] += term;
          magnitudes[static_cast<size_t>(i * s.n + j)] += std::abs(term);
        }
      }
    }
  }

  void expect_near(const std::vector<float>& got, bool add, double tolerance) const {
    for (size_t i = 0; i < sums.size(); ++i) {
      const double before = add ? c[i] : 0;
      ASSERT_NEAR(got[i], before + sums[i], tolerance * (std::abs(before) + magnitudes[i]))
          << i / static_cast<size_t>(s.n) << ", " << i % static_cast<size_t>(s.n);
    }
  }
};

TEST_P(MatmulTest, IsTheSumOfProducts) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(2);
  const int stride = briefly() ? 5 : 1;  // 0, 5, 10 and 15 have each bit both ways
  for (const Sizes& s : kSizes) {
    const Case data(s);
    const std::vector<float> at = transposed(data.a, s.m, s.k);
    const std::vector<float> bt = transposed(data.b, s.k, s.n);
    for (const Product& product : products()) {
      for (int way = 0; way < 16; way += stride) {
        SCOPED_TRACE(testing::Message() << product.name << " " << s.m << " x " << s.n << " x " << s.k << ", " << way);
        std::vector<float> c = data.c;
        MatmulCall call{.m = s.m, .n = s.n, .k = s.k, .c = c.data()};
        call.a_transposed = (way & 1) != 0;
        call.a = call.a_transposed ? at.data() : data.a.data();
        call.b_transposed = (way & 2) != 0;
        call.b = call.b_transposed ? bt.data() : data.b.data();
        call.add = (way & 4) != 0;
        if ((way & 8) != 0) {
          call.b = nullptr;
          call.b_row = [&](int64_t row, float* out) {
            const int64_t length = call.b_transposed ? s.k : s.n;
            EXPECT_EQ(reinterpret_cast<uintptr_t>(out) % alignof(float), 0u);
            std::copy_n((call.b_transposed ? bt : data.b).data() + row * length, length, out);
          };
        }
        run(product, pool, call);
        data.expect_near(c, call.add, product.tolerance);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(MatmulTest, APackedOperandGivesTheSameBits) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(2);
  for (const Sizes& s : kSizes) {
    const Case data(s);
    const std::vector<float> bt = transposed(data.b, s.k, s.n);
    for (const Product& product : products()) {
      for (const bool turned : {false, true}) {
        SCOPED_TRACE(testing::Message() << product.name << " " << s.m << " x " << s.n << " x " << s.k
                                        << (turned ? ", turned" : ""));
        std::vector<float> want = data.c;
        MatmulCall call{.m = s.m, .n = s.n, .k = s.k, .a = data.a.data(), .b_transposed = turned, .c = want.data()};
        call.b_row = [&](int64_t row, float* out) {
          const int64_t length = turned ? s.k : s.n;
          std::copy_n((turned ? bt : data.b).data() + row * length, length, out);
        };
        run(product, pool, call);
        const PackedOperand packed{.numbers = product.kernels.numbers,
                                   .k = s.k,
                                   .n = s.n,
                                   .bytes = Tensor::empty(DType::kU8, {product.kernels.operand_bytes(s.k, s.n)})};
        product.kernels.pack_operand(pool, call, const_cast<std::byte*>(packed.bytes.raw()));
        std::vector<float> got = data.c;
        call.packed = &packed;
        call.b_row = nullptr;
        call.c = got.data();
        run(product, pool, call);
        EXPECT_TRUE(same_bits(got, want));
        std::vector<float> row(static_cast<size_t>(s.n));
        for (int64_t k = 0; k < s.k; ++k) {
          product.kernels.operand_row(packed, k, row.data());
          for (int64_t n = 0; n < s.n; ++n) {
            const float number = data.b[static_cast<size_t>(k * s.n + n)];
            const bool exact = product.kernels.numbers == DType::kF32;
            ASSERT_EQ(row[static_cast<size_t>(n)], exact ? number : to_float(to_bfloat16(number)));
          }
        }
      }
    }
  }
}

// As the gradients of weights are whose own gradients are kept packed: by rows, by columns and narrow.
TEST_P(MatmulTest, CMayLieTransposed) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  ThreadPool pool(2);
  for (const Sizes& s : {Sizes{300, 70, 700}, Sizes{50, 70, 700}, Sizes{16, 203, 391}, Sizes{40, 33, 5}}) {
    const Case data(s);
    const std::vector<float> at = transposed(data.a, s.m, s.k);
    for (const Product& product : products()) {
      for (const bool add : {false, true}) {
        SCOPED_TRACE(testing::Message() << product.name << " " << s.m << " x " << s.n << (add ? ", added" : ""));
        const PackedOperand packed{.numbers = product.kernels.numbers,
                                   .k = s.k,
                                   .n = s.n,
                                   .bytes = Tensor::empty(DType::kU8, {product.kernels.operand_bytes(s.k, s.n)})};
        product.kernels.pack_operand(pool, {.n = s.n, .k = s.k, .b = data.b.data()},
                                     const_cast<std::byte*>(packed.bytes.raw()));
        std::vector<float> c = transposed(data.c, s.m, s.n);
        run(product, pool,
            {.m = s.m,
             .n = s.n,
             .k = s.k,
             .a = at.data(),
             .a_transposed = true,
             .packed = &packed,
             .c = c.data(),
             .c_transposed = true,
             .add = add});
        data.expect_near(transposed(c, s.n, s.m), add, product.tolerance);
      }
    }
  }
}

TEST_P(MatmulTest, ARowHasTheSameBitsBesideAnyOthersOnAnyThreads) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const Sizes s{50, 70, 530};
  const Case data(s);
  for (const Product& product : products()) {
    std::vector<float> all(data.c.size());
    ThreadPool one(1);
    run(product, one, {.m = s.m, .n = s.n, .k = s.k, .a = data.a.data(), .b = data.b.data(), .c = all.data()});
    ThreadPool three(3);
    std::vector<float> again(data.c.size());
    run(product, three, {.m = s.m, .n = s.n, .k = s.k, .a = data.a.data(), .b = data.b.data(), .c = again.data()});
    EXPECT_TRUE(same_bits(all, again)) << product.name;
    std::vector<float> row(static_cast<size_t>(s.n));
    for (const int64_t r : {0, 11, 49}) {
      run(product, three,
          {.m = 1, .n = s.n, .k = s.k, .a = data.a.data() + r * s.k, .b = data.b.data(), .c = row.data()});
      EXPECT_TRUE(same_bits(row, std::span(all).subspan(static_cast<size_t>(r * s.n), row.size()))) << product.name;
    }
  }
}

// Of few rows each product is made on its own, of many each thread makes all of its rows: the same bits.
TEST_P(MatmulTest, ManyRowsHaveTheBitsOfFew) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  constexpr int64_t kRows = 600;
  constexpr int64_t kFew = 25;
  for (const Sizes& s : {Sizes{kRows, 100, 1700}, Sizes{kRows, 35, 97}}) {
    const Case data(s);
    const Case low({kRows, s.n, 16});  // added
    const std::vector<float> down = random_floats(16 * s.k, 4);
    for (const Product& product : products()) {
      SCOPED_TRACE(testing::Message() << product.name << " " << s.k);
      // `from` rows on: low = x · downᵀ / 2; c = x · b + low · up; d = that of c alone, from c's rows.
      const auto all = [&](ThreadPool& pool, int64_t from, int64_t rows) {
        std::vector<float> lows(static_cast<size_t>(rows * 16));
        std::vector<float> c(static_cast<size_t>(rows * s.n));
        std::vector<float> d(static_cast<size_t>(rows * 16), 1.0f);
        const float* x = data.a.data() + from * s.k;
        const MatmulCall more{.k = 16, .a = lows.data(), .b = low.b.data()};
        const MatmulCall calls[] = {
            {.m = rows,
             .n = 16,
             .k = s.k,
             .a = x,
             .b = down.data(),
             .b_transposed = true,
             .c = lows.data(),
             .scale = 0.5f},
            {.m = rows, .n = s.n, .k = s.k, .a = x, .b = data.b.data(), .c = c.data(), .plus = &more},
            {.m = rows, .n = 16, .k = s.n, .a = c.data(), .b = data.b.data(), .c = d.data(), .add = true}};
        run(product, pool, calls);
        d.insert(d.end(), c.begin(), c.end());
        return d;
      };
      ThreadPool one(1);
      ThreadPool two(2);
      const std::vector<float> many = all(two, 0, kRows);
      EXPECT_TRUE(same_bits(many, all(one, 0, kRows)));
      for (int64_t from = 0; from < kRows; from += kFew) {
        const std::vector<float> few = all(two, from, kFew);
        const auto part = [&](int64_t row, int64_t width) {
          return std::span(many).subspan(static_cast<size_t>(row), static_cast<size_t>(kFew * width));
        };
        const size_t cut = static_cast<size_t>(kFew) * 16;
        ASSERT_TRUE(same_bits(std::span(few).first(cut), part(from * 16, 16))) << from;
        ASSERT_TRUE(same_bits(std::span(few).subspan(cut), part(kRows * 16 + from * s.n, s.n))) << from;
      }
    }
  }
}

// As the gradients of adapters are: of a wide factor with several narrow ones, on either side.
TEST_P(MatmulTest, NarrowProductsTogetherHaveTheBitsOfEachAlone) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  constexpr int64_t kDepth = 700;
  constexpr int64_t kWide = 203;
  const std::vector<float> wide = random_floats(kDepth * kWide, 1);
  const std::vector<float> narrow = random_floats(kDepth * 40, 2);
  for (const Product& product : products()) {
    std::vector<MatmulCall> calls;
    std::vector<std::vector<float>> together;
    for (const int64_t width : {16, 40, 1}) {
      MatmulCall call{.m = width, .n = kWide, .k = kDepth, .a = narrow.data(), .a_transposed = true, .b = wide.data()};
      call.add = width == 16;
      for (const bool turned : {false, true}) {
        if (turned) {
          std::swap(call.m, call.n);
          std::swap(call.a, call.b);
        }
        calls.push_back(call);
        together.push_back(random_floats(width * kWide, 3));
      }
    }
    std::vector<std::vector<float>> alone = together;
    for (size_t i = 0; i < calls.size(); ++i) calls[i].c = together[i].data();
    ThreadPool three(3);
    run(product, three, calls);
    ThreadPool one(1);
    for (size_t i = 0; i < calls.size(); ++i) {
      calls[i].c = alone[i].data();
      run(product, one, calls[i]);
      EXPECT_TRUE(same_bits(together[i], alone[i])) << product.name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, MatmulTest, testing::ValuesIn(kernel_isas()),
                         [](const auto& param) { return std::string(isa_name(param.param)); });

}  // namespace
}  // namespace linnet
