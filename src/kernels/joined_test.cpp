// Products joined by what is made of them, on every instruction set of this machine: the bits of the same products one
// after the other, with all that lies between in memory.
#include "kernels/kernels_testing.hpp"

namespace linnet {
namespace {

constexpr int64_t kRank = 16;

struct Sizes {
  int64_t m;
  int64_t in;      // columns of x
  int64_t middle;  // of what is joined
  int64_t out;
};

// Tails of tiles, of panels and of parts of k; several parts; several blocks of rows.
const std::vector<Sizes> kSizes = {{391, 97, 203, 45}, {384, 700, 1000, 64}, {1100, 33, 650, 100}};

// What is made of two products: the first two are multiplied on.
void make(const float* g, const float* u, int64_t n, float* product, float* difference, float* twice) {
  for (int64_t i = 0; i < n; ++i) {
    const float gate = g[i];
    const float up = u[i];
    product[i] = gate * up;
    difference[i] = gate - up;
    twice[i] = 2 * gate;
  }
}

struct Results {
  std::vector<float> low, low_after, y, sum;
  std::array<std::vector<float>, 3> kept;  // (M, middle), as the operand has it

  bool operator==(const Results& other) const {
    return same_bits(low, other.low) && same_bits(low_after, other.low_after) && same_bits(y, other.y) &&
           same_bits(sum, other.sum) &&
           std::equal(kept.begin(), kept.end(), other.kept.begin(),
                      [](const auto& a, const auto& b) { return same_bits(a, b); });
  }
};

class JoinedTest : public testing::TestWithParam<Isa> {
 protected:
  // x · gate + low · spread, x · up, and of what is made of them: low_after, y = product · down + low_after · widen,
  // and sum += difference · down.
  struct Case {
    explicit Case(const Sizes& sizes)
        : s(sizes),
          x(random_floats(s.m * s.in, 1)),
          gate(random_floats(s.in * s.middle, 2)),
          up(random_floats(s.in * s.middle, 3)),
          down(random_floats(s.middle * s.out, 4)),
          narrow(random_floats(s.in * kRank, 5)),
          spread(random_floats(kRank * s.middle, 6)),
          narrow_after(random_floats(s.middle * kRank, 7)),
          widen(random_floats(kRank * s.out, 8)),
          sum(random_floats(s.m * s.out, 9)) {}
    Sizes s;
    std::vector<float> x, gate, up, down, narrow, spread, narrow_after, widen, sum;
  };

  // product, difference: what is made; null for joined products, which do not look at them.
  struct Calls {
    Calls(const Case& c, Results& r, const float* product, const float* difference)
        : spread{.k = kRank, .a = r.low.data(), .b = c.spread.data()},
          widen{.k = kRank, .a = r.low_after.data(), .b = c.widen.data()},
          before{{.m = c.s.m,
                  .n = kRank,
                  .k = c.s.in,
                  .a = c.x.data(),
                  .b = c.narrow.data(),
                  .c = r.low.data(),
                  .scale = 0.5f}},
          inner{{.m = c.s.m, .n = c.s.middle, .k = c.s.in, .a = c.x.data(), .b = c.gate.data(), .plus = &spread},
                {.m = c.s.m, .n = c.s.middle, .k = c.s.in, .a = c.x.data(), .b = c.up.data()}},
          of_product{{.m = c.s.m,
                      .n = kRank,
                      .k = c.s.middle,
                      .a = product,
                      .b = c.narrow_after.data(),
                      .c = r.low_after.data()},
                     {.m = c.s.m,
                      .n = c.s.out,
                      .k = c.s.middle,
                      .a = product,
                      .b = c.down.data(),
                      .c = r.y.data(),
                      .plus = &widen}},
          of_difference{{.m = c.s.m,
                         .n = c.s.out,
                         .k = c.s.middle,
                         .a = difference,
                         .b = c.down.data(),
                         .c = r.sum.data(),
                         .add = true}} {}
    Calls(const Calls&) = delete;
    Calls& operator=(const Calls&) = delete;

    MatmulCall spread;
    MatmulCall widen;
    std::vector<MatmulCall> before, inner, of_product, of_difference;
  };

  static Results room_for(const Case& c) {
    const auto floats = [&](int64_t cols) { return std::vector<float>(static_cast<size_t>(c.s.m * cols)); };
    return {.low = floats(kRank), .low_after = floats(kRank), .y = floats(c.s.out), .sum = c.sum, .kept = {}};
  }
  static std::vector<float> rows_of(const FloatProducts& kernels, const PackedOperand& operand) {
    std::vector<float> all(static_cast<size_t>(operand.k * operand.n));
    for (int64_t k = 0; k < operand.k; ++k) kernels.operand_row(operand, k, all.data() + k * operand.n);
    return all;
  }
  static PackedOperand operand(const FloatProducts& kernels, int64_t k, int64_t n) {
    return {
        .numbers = kernels.numbers, .k = k, .n = n, .bytes = Tensor::empty(DType::kU8, {kernels.operand_bytes(k, n)})};
  }

  static Results joined(const FloatProducts& kernels, ThreadPool& pool, const Case& c) {
    Results results = room_for(c);
    const Calls calls(c, results, nullptr, nullptr);
    std::array<PackedOperand, 3> kept;
    for (PackedOperand& one : kept) one = operand(kernels, c.s.m, c.s.middle);
    const JoinedProducts products{.before = calls.before,
                                  .inner = calls.inner,
                                  .join =
                                      [](const Strips& strips) {
                                        const auto [g, u, twice] = strips.numbers;
                                        make(g, u, strips.count(), g, u, twice);
                                      },
                                  .after = {MatmulCalls(calls.of_product), MatmulCalls(calls.of_difference)},
                                  .kept = {kept.data(), &kept[1], &kept[2]}};
    const KernelTable& table = kernel_table(GetParam());
    EXPECT_TRUE(table.can_join(pool.size(), products));
    Tensor workspace = Tensor::empty(DType::kU8, {table.joined_workspace(pool.size(), products)});
    kernels.joined(pool, products, workspace.raw());
    for (size_t i = 0; i < kept.size(); ++i) results.kept[i] = rows_of(kernels, kept[i]);
    return results;
  }

  static Results one_after_the_other(const FloatProducts& kernels, ThreadPool& pool, const Case& c) {
    Results results = room_for(c);
    std::array<std::vector<float>, 3> made;
    for (auto& one : made) one.resize(static_cast<size_t>(c.s.m * c.s.middle));
    Calls calls(c, results, made[0].data(), made[1].data());
    calls.inner[0].c = made[0].data();
    calls.inner[1].c = made[1].data();
    const auto multiply = [&](MatmulCalls some) {
      Tensor workspace = Tensor::empty(DType::kU8, {kernel_table(GetParam()).matmul_workspace(pool.size(), some)});
      kernels.matmul(pool, some, workspace.raw());
    };
    multiply(calls.before);
    multiply(calls.inner);
    make(made[0].data(), made[1].data(), c.s.m * c.s.middle, made[0].data(), made[1].data(), made[2].data());
    multiply(calls.of_product);
    multiply(calls.of_difference);
    for (size_t i = 0; i < made.size(); ++i) {
      const PackedOperand packed = operand(kernels, c.s.m, c.s.middle);
      kernels.pack_operand(pool, {.n = c.s.middle, .k = c.s.m, .b = made[i].data()},
                           const_cast<std::byte*>(packed.bytes.raw()));
      results.kept[i] = rows_of(kernels, packed);
    }
    return results;
  }
};

TEST_P(JoinedTest, HaveTheBitsOfProductsOneAfterTheOther) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const KernelTable& table = kernel_table(GetParam());
  ThreadPool one(1);
  ThreadPool three(3);
  for (const Sizes& s : kSizes) {
    const Case c(s);
    for (const FloatProducts* kernels : {&table.f32, &table.bf16}) {
      if (!*kernels) continue;
      SCOPED_TRACE(testing::Message() << s.m << " x " << s.middle << (kernels == &table.f32 ? ", f32" : ", bf16"));
      const Results want = one_after_the_other(*kernels, three, c);
      EXPECT_TRUE(joined(*kernels, three, c) == want);
      EXPECT_TRUE(joined(*kernels, one, c) == want);
    }
  }
}

TEST_P(JoinedTest, FewRowsAreNotJoined) {
  const Case c({383, 8, 32, 8});
  Results results = room_for(c);
  const Calls calls(c, results, nullptr, nullptr);
  const JoinedProducts products{.before = calls.before, .inner = calls.inner, .join = nullptr, .after = {}};
  EXPECT_FALSE(kernel_table(GetParam()).can_join(3, products));
  EXPECT_TRUE(kernel_table(GetParam()).can_join(2, products));
}

INSTANTIATE_TEST_SUITE_P(Isas, JoinedTest, testing::ValuesIn(kernel_isas()),
                         [](const auto& param) { return std::string(isa_name(param.param)); });

}  // namespace
}  // namespace linnet
