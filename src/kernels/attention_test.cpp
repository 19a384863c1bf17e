// Attention on every instruction set of this machine against the reference, and against itself: however rows are cut
// and keys are laid out, a row has the same bits.
#include "ops/attention.hpp"

#include "kernels/kernels_testing.hpp"

namespace linnet {
namespace {

struct Case {
  int64_t heads;
  int64_t kv_heads;
  int64_t dim;
  int64_t keys;
  AttentionParams params;
};

// A sequence's keys and values in blocks, as a cache would hold them.
struct Cache {
  std::vector<std::vector<std::byte>> keys;
  std::vector<std::vector<std::byte>> values;
};

// Of position j of head h, as integers hold normal numbers; no two neighbours have the same.
float scale_of(DType dtype, int64_t j, int64_t h) {
  if (dtype == DType::kI16) return 0.0003f + 0.0001f * static_cast<float>((j * 3 + h) % 4);
  return dtype == DType::kI8 ? 0.04f + 0.01f * static_cast<float>((j * 3 + h) % 4) : 1.0f;
}

void put(std::vector<std::byte>& block, int64_t at, DType dtype, float number) {
  const Half half = to_half(number);
  const BFloat16 brief = to_bfloat16(number);
  const auto word = static_cast<int16_t>(std::lround(number));
  if (dtype == DType::kI16) {
    std::memcpy(block.data() + at * 2, &word, 2);
  } else if (dtype == DType::kI8) {
    block[static_cast<size_t>(at)] = static_cast<std::byte>(static_cast<int8_t>(std::lround(number)));
  } else if (dtype == DType::kBF16) {
    std::memcpy(block.data() + at * 2, &brief, 2);
  } else if (dtype == DType::kF16) {
    std::memcpy(block.data() + at * 2, &half, 2);
  } else {
    std::memcpy(block.data() + at * 4, &number, 4);
  }
}

// Where key `j` of a block lies, and its value, for dimension d of head h.
struct Place {
  int64_t key;
  int64_t value;
};
Place place_of(const Case& c, DType dtype, bool by_head, int64_t j, int64_t h, int64_t d) {
  if (dtype == DType::kBF16 || dtype == DType::kI16) {
    return {((h * c.dim / 2 + d / 2) * kBlockTokens + j) * 2 + d % 2,
            ((h * kBlockTokens / 2 + j / 2) * c.dim + d) * 2 + j % 2};
  }
  if (by_head) return {(h * c.dim + d) * kBlockTokens + j, (h * kBlockTokens + j) * c.dim + d};
  return {(j * c.kv_heads + h) * c.dim + d, (j * c.kv_heads + h) * c.dim + d};
}

Cache fill_cache(const Case& c, DType dtype, bool by_head) {
  const std::vector<float> numbers = random_floats(2 * c.keys * c.kv_heads * c.dim, 5);
  // What was never written is NaN: no row may be touched by it.
  const bool scaled = dtype == DType::kI8 || dtype == DType::kI16;
  const int64_t numbers_bytes = kBlockTokens * c.kv_heads * c.dim * dtype_bytes(dtype);
  const auto block_bytes = static_cast<size_t>(numbers_bytes + (scaled ? 4 * kBlockTokens * c.kv_heads : 0));
  Cache cache;
  size_t next = 0;
  for (int64_t j = 0; j < c.keys; ++j) {
    if (j % kBlockTokens == 0) {
      cache.keys.emplace_back(block_bytes, std::byte{0xFF});
      cache.values.emplace_back(block_bytes, std::byte{0xFF});
    }
    const int64_t at = j % kBlockTokens;
    for (int64_t h = 0; h < c.kv_heads; ++h) {
      const float scale = scale_of(dtype, at, h);
      for (auto* block : {&cache.keys.back(), &cache.values.back()}) {
        if (scaled) std::memcpy(block->data() + numbers_bytes + 4 * (h * kBlockTokens + at), &scale, 4);
      }
      for (int64_t d = 0; d < c.dim; ++d) {
        const Place place = place_of(c, dtype, by_head, at, h, d);
        put(cache.keys.back(), place.key, dtype, numbers[next++] / scale);
        put(cache.values.back(), place.value, dtype, numbers[next++] / scale);
      }
    }
  }
  return cache;
}

// All rows of the sequence, or its last ones, in spans of `step` rows.
std::vector<float> attend(const KernelTable& table, const Case& c, DType dtype, bool by_head, int64_t step) {
  constexpr int64_t kFewRows = 40;  // which reach from one block into the next, in each case
  const int64_t first = briefly() ? std::max<int64_t>(0, c.keys - kFewRows) : 0;
  const Cache cache = fill_cache(c, dtype, by_head);
  const std::vector<float> q = random_floats(c.keys * c.heads * c.dim, 6);
  ThreadPool pool(step == c.keys ? 2 : 1);
  Context ctx(pool, table);
  std::vector<float> out;
  for (int64_t row = first; row < c.keys; row += step) {
    const int64_t rows = std::min(step, c.keys - row);
    const std::span<const float> part(q.data() + row * c.heads * c.dim, static_cast<size_t>(rows * c.heads * c.dim));
    // A row of a causal span may see no key after itself, though the cache holds some.
    std::vector<const std::byte*> keys;
    std::vector<const std::byte*> values;
    keys.reserve(cache.keys.size());
    values.reserve(cache.values.size());
    for (const auto& block : cache.keys) keys.push_back(block.data());
    for (const auto& block : cache.values) values.push_back(block.data());
    const AttentionSpan span{0, rows, row, c.keys, dtype, by_head, keys, values};
    const Tensor result = ops::attention_over(ctx, Tensor::from(part, Shape{rows, c.heads, c.dim}), c.kv_heads,
                                              std::span(&span, 1), c.params);
    out.insert(out.end(), result.span<float>().begin(), result.span<float>().end());
  }
  return out;
}

std::vector<Case> cases() {
  AttentionParams plain{.scale = 0.125f};
  AttentionParams window{.scale = 0.2f, .window = 70};
  AttentionParams wide{.scale = 0.2f, .softcap = 20.0f, .window = 600};
  AttentionParams narrow{.scale = 0.2f, .window = 3};
  AttentionParams capped{.scale = 1.0f, .softcap = 5.0f};
  AttentionParams both_ways{.scale = 0.125f, .causal = false};
  AttentionParams sinks{.scale = 0.5f};
  static const std::vector<float> kSinks{0.5f, -1.0f, 3.0f, 0.0f};
  sinks.sinks = Tensor::from(kSinks, Shape{4});
  // For at most 600 keys.
  static const std::vector<float> kBias = random_floats(4 * (1198 + kBlockTokens), 9);
  AttentionParams biased{.scale = 0.125f, .causal = false};
  biased.bias = Tensor::from(kBias, Shape{4, 1198 + kBlockTokens});
  AttentionParams biased_window{.scale = 0.2f, .softcap = 5.0f, .window = 70};
  biased_window.bias = biased.bias;
  return {{4, 2, 24, 600, biased},    {4, 1, 64, 131, biased}, {4, 4, 16, 200, biased_window},
          {9, 3, 64, 200, plain},     {4, 1, 16, 131, window}, {2, 2, 20, 90, narrow},
          {4, 2, 8, 65, capped},      {3, 3, 80, 64, plain},   {4, 2, 32, 130, sinks},
          {2, 1, 128, 70, both_ways}, {1, 1, 4, 1, plain},     {8, 1, 256, 129, window},
          {6, 2, 16, 1100, plain},    {4, 4, 8, 1030, sinks},  {2, 1, 16, 1090, wide}};
}

class AttentionTest : public testing::TestWithParam<Isa> {};

TEST_P(AttentionTest, IsTheReference) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const Case& c : cases()) {
    for (const DType dtype : {DType::kF32, DType::kF16}) {
      const std::vector<float> expected = attend(reference_kernels(), c, dtype, false, c.keys);
      for (const bool by_head : {false, true}) {
        const std::vector<float> got = attend(kernel_table(GetParam()), c, dtype, by_head, c.keys);
        ASSERT_EQ(got.size(), expected.size());
        for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-5) << "D=" << c.dim << " at " << i;
      }
    }
  }
}

TEST_P(AttentionTest, ARowHasTheSameBitsHoweverItIsComputed) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const Case& c : cases()) {
    for (const DType dtype : {DType::kF32, DType::kF16}) {
      const std::vector<float> all = attend(kernel_table(GetParam()), c, dtype, true, c.keys);
      EXPECT_TRUE(same_bits(all, attend(kernel_table(GetParam()), c, dtype, true, 1))) << c.dim;
      EXPECT_TRUE(same_bits(all, attend(kernel_table(GetParam()), c, dtype, true, 7))) << c.dim;
      EXPECT_TRUE(same_bits(all, attend(kernel_table(GetParam()), c, dtype, false, 33))) << c.dim;
      EXPECT_TRUE(same_bits(all, attend(kernel_table(lowest_kernel_isa()), c, dtype, true, c.keys))) << c.dim;
    }
  }
}

TEST_P(AttentionTest, IntegersAreTheReferenceAndHaveTheSameBitsHoweverTheyAreComputed) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const Case& c : cases()) {
    const std::vector<float> expected = attend(reference_kernels(), c, DType::kI8, true, c.keys);
    const std::vector<float> floats = attend(reference_kernels(), c, DType::kF32, true, c.keys);
    const std::vector<float> got = attend(kernel_table(GetParam()), c, DType::kI8, true, c.keys);
    double error = 0;
    double size = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], expected[i], 1e-5) << "D=" << c.dim << " at " << i;
      error += (double{got[i]} - floats[i]) * (double{got[i]} - floats[i]);
      size += double{floats[i]} * floats[i];
    }
    EXPECT_LT(std::sqrt(error / size), 0.1) << "D=" << c.dim;
    for (const int64_t step : {1, 7, 33}) {
      EXPECT_TRUE(same_bits(got, attend(kernel_table(GetParam()), c, DType::kI8, true, step))) << c.dim;
    }
    EXPECT_TRUE(same_bits(got, attend(kernel_table(lowest_kernel_isa()), c, DType::kI8, true, c.keys))) << c.dim;
  }
}

// Kinds of pairs that the kernels have, and how far results may be from those of float32, in the mean and at most.
struct Pairs {
  DType dtype;
  double error;
  double most;
};
std::vector<Pairs> pairs_of(Isa isa) {
  std::vector<Pairs> pairs;
  if (kernel_table(isa).attention.to_pairs) pairs.push_back({DType::kBF16, 0.006, 0.05});
  if (kernel_table(isa).attention.to_words) pairs.push_back({DType::kI16, 0.001, 0.003});
  return pairs;
}

TEST_P(AttentionTest, PairsAreNearTheReference) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const auto& [dtype, most_error, most] : pairs_of(GetParam())) {
    for (const Case& c : cases()) {
      if (c.dim % 16 != 0) continue;
      const std::vector<float> expected = attend(reference_kernels(), c, DType::kF32, true, c.keys);
      const std::vector<float> got = attend(kernel_table(GetParam()), c, dtype, true, c.keys);
      ASSERT_EQ(got.size(), expected.size());
      double error = 0;
      double size = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], expected[i], most) << "D=" << c.dim << " at " << i;
        error += (double{got[i]} - expected[i]) * (double{got[i]} - expected[i]);
        size += double{expected[i]} * expected[i];
      }
      EXPECT_LT(std::sqrt(error / size), most_error) << "D=" << c.dim;
    }
  }
}

TEST_P(AttentionTest, PairsHaveTheSameBitsHoweverTheyAreComputed) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  for (const Pairs& pairs : pairs_of(GetParam())) {
    for (const Case& c : cases()) {
      if (c.dim % 16 != 0) continue;
      const std::vector<float> all = attend(kernel_table(GetParam()), c, pairs.dtype, true, c.keys);
      for (const int64_t step : {1, 2, 7, 33}) {
        EXPECT_TRUE(same_bits(all, attend(kernel_table(GetParam()), c, pairs.dtype, true, step)))
            << "D=" << c.dim << " by " << step;
      }
    }
  }
}

// The integers of a vector, and what they stand for.
TEST_P(AttentionTest, WordsHoldAnyVector) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const auto to_words = kernel_table(GetParam()).attention.to_words;
  if (!to_words) return;
  constexpr int64_t kDim = 80;
  std::vector<int16_t> words(kDim);
  for (const bool by_norm : {false, true}) {
    for (const float size : {0.0f, 1e-35f, 1e-20f, 1.0f, 1e15f}) {
      std::vector<float> x = random_floats(kDim, 3);
      for (float& number : x) number *= size;
      const float scale = to_words(x.data(), kDim, by_norm, words.data());
      EXPECT_GT(scale, 0);
      double norm = 0;
      for (int64_t i = 0; i < kDim; ++i) {
        const auto at = static_cast<size_t>(i);
        norm += double{static_cast<double>(words[at])} * words[at];
        EXPECT_NEAR(words[at] * scale, x[at], std::max(0.51f * scale, 1e-30f)) << size;
      }
      EXPECT_LT(std::sqrt(norm), by_norm ? 32100.0 : 32768.0 * std::sqrt(kDim));
      if (by_norm && size >= 1e-20f) {
        EXPECT_NEAR(std::sqrt(norm), 32000, 10);
      }
    }
    for (const float odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> x = random_floats(kDim, 3);
      x[37] = odd;
      EXPECT_TRUE(std::isnan(to_words(x.data(), kDim, by_norm, words.data())));
    }
  }
}

// All weight on one key, all keys alike, the largest values: no sum overflows.
TEST_P(AttentionTest, WordsDoNotOverflow) {
  SKIP_UNLESS_MACHINE_HAS(GetParam());
  const auto to_words = kernel_table(GetParam()).attention.to_words;
  if (!to_words) return;
  constexpr int64_t kDim = 256;
  constexpr auto kBlockBytes = static_cast<size_t>(kBlockTokens * (2 * kDim + 4));
  for (const float sharpness : {0.0f, 1.0f, 100.0f}) {
    std::vector<std::byte> keys(kBlockBytes);
    std::vector<std::byte> values(kBlockBytes);
    const std::vector<float> ones(kDim, 3.0f);
    std::vector<int16_t> words(kDim);
    const Case c{1, 1, kDim, kBlockTokens, {}};
    for (int64_t j = 0; j < kBlockTokens; ++j) {
      const float key_scale = to_words(ones.data(), kDim, true, words.data());
      std::memcpy(keys.data() + kBlockTokens * 2 * kDim + 4 * j, &key_scale, 4);
      for (int64_t d = 0; d < kDim; ++d) {
        std::memcpy(keys.data() + 2 * place_of(c, DType::kI16, true, j, 0, d).key, &words[static_cast<size_t>(d)], 2);
      }
      const float value_scale = to_words(ones.data(), kDim, false, words.data());
      std::memcpy(values.data() + kBlockTokens * 2 * kDim + 4 * j, &value_scale, 4);
      for (int64_t d = 0; d < kDim; ++d) {
        std::memcpy(values.data() + 2 * place_of(c, DType::kI16, true, j, 0, d).value, &words[static_cast<size_t>(d)],
                    2);
      }
    }
    const std::byte* key_block = keys.data();
    const std::byte* value_block = values.data();
    const AttentionSpan span{0,           1,    kBlockTokens - 1, kBlockTokens,
                             DType::kI16, true, {&key_block, 1},  {&value_block, 1}};
    ThreadPool pool(1);
    Context ctx(pool, kernel_table(GetParam()));
    const std::vector<float> q(kDim, sharpness);
    const Tensor out = ops::attention_over(ctx, Tensor::from(q, Shape{1, 1, kDim}), 1, {&span, 1}, {.scale = 0.0625f});
    for (const float number : out.span<float>()) EXPECT_NEAR(number, 3.0f, 0.01f) << sharpness;
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionTest, testing::ValuesIn(kernel_isas()),
                         [](const auto& one) { return std::string(isa_name(one.param)); });

}  // namespace
}  // namespace linnet
