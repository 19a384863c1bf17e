// The bits of what kernels compute forward in float32 and integers, the same on every instruction set of every
// architecture, and of AMX's products, the same on every processor that has it: a recording, since no machine has them
// all. Whoever changes the arithmetic records it anew.
#include <array>

#include "kernels/kernels_testing.hpp"
#include "ops/attention.hpp"

namespace linnet {
namespace {

// Numbers that no library's logarithm had a hand in: multiples of 2^-12 between -2 and 2.
std::vector<float> plain_floats(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = static_cast<float>(static_cast<int32_t>(random.next_u32() >> 18) - 8192) / 4096;
  return numbers;
}

// FNV-1a.
class Hash {
 public:
  void add(std::span<const float> numbers) {
    for (const float x : numbers) {
      for (const std::byte b : std::bit_cast<std::array<std::byte, sizeof(float)>>(x)) {
        value_ = (value_ ^ static_cast<uint64_t>(b)) * 1099511628211u;
      }
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 14695981039346656037u;
};

class SameBitsTest : public testing::TestWithParam<Isa> {
 protected:
  ThreadPool pool_{1};
  Hash hash_;
};

TEST_P(SameBitsTest, Products) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  constexpr int64_t kRows = 19;
  constexpr int64_t kCols = 512;
  const std::vector<float> weights = plain_floats(kRows * kCols, 1);
  for (const QuantFormat& format : quant_formats()) {
    if (!format.encode) continue;
    std::vector<std::byte> bytes(static_cast<size_t>(format.bytes_of(kRows * kCols)));
    format.encode(weights.data(), nullptr, bytes.data(), kRows * kCols);
    for (const ActivationBits bits : {ActivationBits::k8, ActivationBits::k16}) {
      const auto packed = table.pack(pool_, {&format, bytes.data(), kRows, kCols}, bits, {});
      if (!packed) continue;
      for (const int64_t n : {1, 7}) {
        const std::vector<float> x = plain_floats(n * kCols, 2);
        std::vector<float> y(static_cast<size_t>(n * kRows));
        packed->product(pool_, x.data(), n, y.data());
        hash_.add(y);
      }
    }
  }
  EXPECT_EQ(hash_.value(), multiplies_integers(GetParam()) ? 0xe846bb48aa8d64a6u : 0x34ae8fa89e558d5du);
}

TEST_P(SameBitsTest, RowsOfNumbers) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  constexpr int64_t kDim = 301;
  const std::vector<float> x = plain_floats(kDim, 1);
  const std::vector<float> w = plain_floats(kDim, 2);
  std::vector<float> out(kDim);
  table.rms_norm(x.data(), w.data(), 1.0f, 1e-5f, 1, kDim, out.data());
  hash_.add(out);
  table.layer_norm(x.data(), w.data(), nullptr, 1e-5f, 1, kDim, out.data());
  hash_.add(out);
  table.silu_mul(x.data(), w.data(), kDim, out.data());
  hash_.add(out);
  table.gelu_mul(x.data(), w.data(), kDim, out.data());
  hash_.add(out);
  table.gelu_tanh_mul(x.data(), w.data(), kDim, out.data());
  hash_.add(out);
  EXPECT_EQ(hash_.value(), 0xc7791d8067b81be1u);
}

TEST_P(SameBitsTest, ProductsOfFloats) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  const std::vector<float> a = plain_floats(int64_t{13} * 530, 1);
  const std::vector<float> b = plain_floats(int64_t{530} * 35, 2);
  std::vector<float> c(static_cast<size_t>(13 * 35));
  MatmulCall call{.m = 13, .n = 35, .k = 530, .a = a.data(), .b = b.data(), .c = c.data()};
  const MatmulCalls calls(&call, 1);
  Tensor workspace = Tensor::empty(DType::kU8, {table.matmul_workspace(pool_.size(), calls)});
  table.f32.matmul(pool_, calls, workspace.raw());
  hash_.add(c);
  EXPECT_EQ(hash_.value(), 0xda63c3d8313acd50u);
}

TEST_P(SameBitsTest, Attention) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  Context ctx(pool_, kernel_table(GetParam()));
  constexpr int64_t kRows = 40;
  constexpr int64_t kHeads = 4;
  constexpr int64_t kDim = 48;
  constexpr int64_t kPosition = 50;  // of the first row: the rows reach into the second block
  const std::vector<float> q = plain_floats(kRows * kHeads * kDim, 1);
  const std::vector<float> keys = plain_floats(2 * kBlockTokens * kDim, 2);
  const std::vector<float> values = plain_floats(2 * kBlockTokens * kDim, 3);
  const auto blocks_of = [](const std::vector<float>& numbers) {
    const auto* bytes = reinterpret_cast<const std::byte*>(numbers.data());
    return std::array{bytes, bytes + sizeof(float) * kBlockTokens * kDim};
  };
  const auto key_blocks = blocks_of(keys);
  const auto value_blocks = blocks_of(values);
  const AttentionSpan span{0, kRows, kPosition, kPosition + kRows, DType::kF32, true, key_blocks, value_blocks};
  const Tensor out = ops::attention_over(ctx, Tensor::from(q, Shape{kRows, kHeads, kDim}), 1, std::span(&span, 1),
                                         {.scale = 0.125f, .softcap = 20.0f});
  hash_.add(out.span<float>());
  EXPECT_EQ(hash_.value(), 0x52d2df3adb4fad26u);
}

INSTANTIATE_TEST_SUITE_P(Isas, SameBitsTest, testing::ValuesIn(kernel_isas()),
                         [](const auto& one) { return std::string(isa_name(one.param)); });

}  // namespace
}  // namespace linnet
