// Norms, rotations and gates on every instruction set of this machine, against double precision.
#include "kernels/kernels_testing.hpp"

namespace linnet {
namespace {

class RowOpsTest : public testing::TestWithParam<Isa> {};

TEST_P(RowOpsTest, RmsNorm) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  for (const int64_t dim : {1, 5, 16, 31, 48, 64, 576, 1000}) {
    const std::vector<float> x = random_floats(3 * dim, 1);
    const std::vector<float> w = random_floats(dim, 2);
    std::vector<float> out(x.size());
    table.rms_norm(x.data(), w.data(), 1.0f, 1e-5f, 3, dim, out.data());
    for (int64_t r = 0; r < 3; ++r) {
      double sum = 0;
      for (int64_t i = 0; i < dim; ++i) sum += double{x[r * dim + i]} * x[r * dim + i];
      const double scale = 1 / std::sqrt(sum / static_cast<double>(dim) + 1e-5);
      for (int64_t i = 0; i < dim; ++i) {
        const double expected = x[r * dim + i] * scale * (w[i] + 1.0);
        ASSERT_NEAR(out[r * dim + i], expected, 1e-6 * (1 + std::abs(expected))) << dim;
      }
    }
  }
}

TEST_P(RowOpsTest, LayerNorm) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  for (const int64_t dim : {1, 5, 16, 31, 48, 64, 576, 1000}) {
    std::vector<float> x = random_floats(3 * dim, 1);
    for (float& number : x) number += 5;  // off the centre
    const std::vector<float> w = random_floats(dim, 2);
    const std::vector<float> b = random_floats(dim, 3);
    std::vector<float> out(x.size());
    for (const float* bias : {static_cast<const float*>(nullptr), b.data()}) {
      table.layer_norm(x.data(), w.data(), bias, 1e-5f, 3, dim, out.data());
      for (int64_t r = 0; r < 3; ++r) {
        double mean = 0;
        for (int64_t i = 0; i < dim; ++i) mean += x[r * dim + i] / static_cast<double>(dim);
        double squares = 0;
        for (int64_t i = 0; i < dim; ++i) squares += (x[r * dim + i] - mean) * (x[r * dim + i] - mean);
        const double scale = 1 / std::sqrt(squares / static_cast<double>(dim) + 1e-5);
        for (int64_t i = 0; i < dim; ++i) {
          const double expected = (x[r * dim + i] - mean) * scale * w[i] + (bias ? bias[i] : 0);
          ASSERT_NEAR(out[r * dim + i], expected, 2e-5 * (1 + std::abs(expected))) << dim;
        }
      }
    }
  }
}

// `error` is relative: an exponent near 100 is itself rounded to 2^-24 of that. of_input: what else may lack, in parts
// of the input.
void check_gate(GateKernel gate, double error, double of_input, const std::function<double(double)>& activation) {
  std::vector<float> x;
  for (int step = 0; step <= 6486; ++step) x.push_back(-120 + 0.037f * static_cast<float>(step));
  for (const float v : {0.0f, -0.0f, 1e-40f, -1e-20f, 1e30f, -1e30f, 88.7f, -88.7f, -104.5f}) x.push_back(v);
  const std::vector<float> up = random_floats(static_cast<int64_t>(x.size()), 4);
  std::vector<float> out(x.size());
  gate(x.data(), up.data(), static_cast<int64_t>(x.size()), out.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = activation(x[i]) * up[i];
    const double input = std::abs(double{x[i]} * up[i]);
    ASSERT_NEAR(out[i], expected, error * std::abs(expected) + of_input * input + 1e-30) << x[i];
  }
  // Where the run of numbers is cut changes nothing.
  std::vector<float> parts(x.size());
  for (size_t i = 0; i < x.size(); i += 7) {
    gate(x.data() + i, up.data() + i, static_cast<int64_t>(std::min<size_t>(7, x.size() - i)), parts.data() + i);
  }
  EXPECT_EQ(std::memcmp(parts.data(), out.data(), out.size() * sizeof(float)), 0);
  const float nan = std::nanf("");
  float result = 0;
  const float one = 1;
  gate(&nan, &one, 1, &result);
  EXPECT_TRUE(std::isnan(result));
}

TEST_P(RowOpsTest, SiluMul) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  check_gate(kernel_table(GetParam()).silu_mul, 1e-6, 0, [](double x) { return x / (1 + std::exp(-x)); });
}

// One half and the half of an erf near -1 cancel.
TEST_P(RowOpsTest, GeluMul) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  check_gate(kernel_table(GetParam()).gelu_mul, 1e-6, 1.2e-7,
             [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2)); });
}

TEST_P(RowOpsTest, GeluTanhMul) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  check_gate(kernel_table(GetParam()).gelu_tanh_mul, 1e-5, 0, [](double x) {
    const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    return x / (1 + std::exp(-2 * u));
  });
}

TEST_P(RowOpsTest, Add) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const int64_t n : {1, 15, 16, 100}) {
    const std::vector<float> x = random_floats(n, 1);
    std::vector<float> y = random_floats(n, 2);
    std::vector<float> expected;
    for (size_t i = 0; i < x.size(); ++i) expected.push_back(x[i] + y[i]);
    kernel_table(GetParam()).add(x.data(), y.data(), n, y.data());
    EXPECT_EQ(y, expected);
  }
}

TEST_P(RowOpsTest, Rotate) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const auto& [dim, half] : {std::pair{64, 32}, {80, 16}, {10, 5}, {40, 0}}) {
    constexpr int64_t kHeads = 3;
    const std::vector<float> x = random_floats(kHeads * dim, 1);
    const std::vector<float> cos = random_floats(half, 2);
    const std::vector<float> sin = random_floats(half, 3);
    for (const float direction : {1.0f, -1.0f}) {
      std::vector<float> expected = x;
      for (int64_t h = 0; h < kHeads; ++h) {
        for (int64_t i = 0; i < half; ++i) {
          const float a = x[h * dim + i];
          const float b = x[h * dim + half + i];
          const float turn = direction * sin[i];
          expected[h * dim + i] = a * cos[i] - b * turn;
          expected[h * dim + half + i] = b * cos[i] + a * turn;
        }
      }
      std::vector<float> out(x.size());
      kernel_table(GetParam()).rotate({kHeads, dim, half, direction}, x.data(), cos.data(), sin.data(), out.data());
      EXPECT_EQ(out, expected) << dim;
    }
  }
}

TEST_P(RowOpsTest, SoftmaxAndBack) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  constexpr float kScale = 0.7f;
  for (const int64_t n : {1, 15, 16, 17, 100}) {
    for (const float sink : {-INFINITY, -3.0f, 9.0f}) {
      std::vector<float> p = random_floats(n, 1);
      for (float& x : p) x -= 5;  // zeros behind the row would be the highest
      std::vector<float> dp = random_floats(n, 2);
      std::vector<double> want;
      double sum = std::exp(double{sink});
      for (const float x : p) sum += want.emplace_back(std::exp(double{kScale} * x));
      double mean = 0;
      for (size_t i = 0; i < want.size(); ++i) mean += (want[i] /= sum) * dp[i];
      const KernelTable& table = kernel_table(GetParam());
      EXPECT_NEAR(table.softmax(p.data(), n, kScale, sink), std::exp(double{sink}) / sum, 1e-6);
      const std::vector<float> before = dp;
      EXPECT_NEAR(table.softmax_vjp(p.data(), n, 3.0f, dp.data()), mean, 1e-6);
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_NEAR(p[i], want[i], 1e-6) << n << " " << sink;
        EXPECT_NEAR(dp[i], 3 * want[i] * (before[i] - mean), 1e-6) << n << " " << sink;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, RowOpsTest, testing::ValuesIn(kernel_isas()),
                         [](const auto& one) { return std::string(isa_name(one.param)); });

}  // namespace
}  // namespace linnet
