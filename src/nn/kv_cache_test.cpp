#include "nn/kv_cache.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {
namespace {

Tensor random_tensor(Shape shape, uint64_t seed) {
  Random random(seed);
  Tensor t = Tensor::empty(DType::kF32, shape);
  for (float& x : t.span<float>()) x = random.normal();
  return t;
}

// Attention over the cache, fed in pieces, has the bits of attention over the whole batch.
// Rows [row_begin, row_begin + rows) as the next positions of layer 0.
void store(Context& ctx, KvCache& cache, KvCache::SequenceId id, const Tensor& k, const Tensor& v, int64_t row_begin,
           int64_t rows) {
  for (const auto& piece : cache.next_rows(id, row_begin, rows)) cache.store(ctx.kernels(), 0, k, v, piece);
}

TEST(KvCache, PiecesGiveTheBitsOfTheWhole) {
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  const int64_t rows = 150;
  const Tensor q = random_tensor({rows, 4, 8}, 1), k = random_tensor({rows, 2, 8}, 2),
               v = random_tensor({rows, 2, 8}, 3);
  const AttentionParams params{.scale = 0.3f, .window = 90};
  const std::vector<ops::Segment> segments{{0, rows}};
  const Tensor whole = ops::attention(ctx, q, k, v, segments, params);

  KvCache cache({.layers = 1, .kv_heads = 2, .head_dim = 8, .dtype = DType::kF32}, 1 << 20);
  const auto other = cache.add_sequence();  // the first id is somebody else's
  const auto id = cache.add_sequence();
  ASSERT_TRUE(cache.reserve(other, 10).ok());
  int64_t done = 0;
  for (const int64_t piece : {1, 70, 1, 60, 18}) {
    ASSERT_TRUE(cache.reserve(id, piece).ok());
    store(ctx, cache, id, k, v, done, piece);
    const std::vector<AttentionSpan> spans{cache.span(id, 0, 0, piece)};
    const Tensor part = ops::attention_over(ctx, q.rows(done, piece), 2, spans, params);
    for (int64_t i = 0; i < part.elements(); ++i) {
      ASSERT_EQ(part.data<float>()[i], whole.data<float>()[done * 32 + i]);
    }
    cache.commit(id, piece);
    done += piece;
  }
  EXPECT_EQ(cache.length(id), rows);
}

// Eight bits are near, and a head's own scale keeps large numbers of one from drowning another's.
TEST(KvCache, IntegersAreNearWhatWasStored) {
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  const int64_t rows = 100;
  Tensor k = random_tensor({rows, 2, 8}, 2);
  Tensor v = random_tensor({rows, 2, 8}, 3);
  for (int64_t i = 0; i < v.elements(); ++i) v.data<float>()[i] *= i / 8 % 2 == 0 ? 100.0f : 0.01f;
  std::fill_n(v.data<float>(), 8, 0.0f);  // a head of zeros has no scale
  const Tensor q = random_tensor({rows, 4, 8}, 1);
  const AttentionParams params{.scale = 0.3f};
  const std::vector<ops::Segment> segments{{0, rows}};
  const Tensor whole = ops::attention(ctx, q, k, v, segments, params);
  KvCache cache({.layers = 1, .kv_heads = 2, .head_dim = 8, .dtype = DType::kI8}, 1 << 20);
  const auto id = cache.add_sequence();
  ASSERT_TRUE(cache.reserve(id, rows).ok());
  store(ctx, cache, id, k, v, 0, rows);
  const std::vector<AttentionSpan> spans{cache.span(id, 0, 0, rows)};
  const Tensor got = ops::attention_over(ctx, q, 2, spans, params);
  for (int64_t i = 0; i < got.elements(); ++i) {
    const float size = i / 16 % 2 == 0 ? 100.0f : 0.01f;  // heads 0 and 1 of q share the first of v
    ASSERT_NEAR(got.data<float>()[i], whole.data<float>()[i], 0.05f * size) << i;
  }
  EXPECT_EQ(cache.shape().block_bytes(), 2 * kBlockTokens * 2 * (8 + 4));
  // Damaged numbers are not hidden.
  constexpr int64_t kLast = int64_t{99} * 32;
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    v.data<float>()[3 * 16 + 5] = bad;
    store(ctx, cache, id, k, v, 0, rows);
    EXPECT_FALSE(std::isfinite(ops::attention_over(ctx, q, 2, spans, params).data<float>()[kLast]));
  }
}

TEST(KvCache, RefusesBeyondItsBudgetAndReusesBlocks) {
  const KvShape shape{.layers = 2, .kv_heads = 1, .head_dim = 4, .dtype = DType::kF16};
  KvCache cache(shape, 2 * shape.block_bytes());
  const auto a = cache.add_sequence();
  EXPECT_TRUE(cache.reserve(a, 2 * kBlockTokens).ok());
  EXPECT_EQ(cache.reserve(a, 2 * kBlockTokens + 1).error().code, ErrorCode::kOutOfMemory);
  cache.remove_sequence(a);
  const auto b = cache.add_sequence();
  EXPECT_EQ(a, b);
  EXPECT_TRUE(cache.reserve(b, 2 * kBlockTokens).ok());
  EXPECT_EQ(cache.bytes(), 2 * shape.block_bytes());
}

// Two continuations of one beginning, the second written after the first: neither sees the other.
TEST(KvCache, ABranchSharesItsBeginningAndNothingElse) {
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  const KvShape shape{.layers = 1, .kv_heads = 2, .head_dim = 8, .dtype = DType::kF32};
  KvCache cache(shape, 1 << 20);
  const int64_t begin = kBlockTokens + 20, more = 70;
  const Tensor q = random_tensor({begin + more, 4, 8}, 1), v = random_tensor({begin + more, 2, 8}, 2);
  const Tensor keys[2] = {random_tensor({begin + more, 2, 8}, 3), random_tensor({begin + more, 2, 8}, 4)};
  const auto write = [&](KvCache::SequenceId id, const Tensor& k, int64_t at, int64_t rows) {
    ASSERT_TRUE(cache.reserve(id, rows).ok());
    store(ctx, cache, id, k, v, at, rows);
    cache.commit(id, rows);
  };
  const auto first = cache.add_sequence();
  write(first, keys[0], 0, begin + 5);
  const int64_t shared_bytes = cache.bytes();
  const auto second = cache.branch(first, begin);
  EXPECT_EQ(cache.bytes(), shared_bytes);
  EXPECT_EQ(cache.length(second), begin);
  write(second, keys[1], begin, more);
  write(first, keys[0], begin + 5, more - 5);
  const AttentionParams params{.scale = 0.3f};
  for (const auto& [id, k] : {std::pair{first, keys[0]}, std::pair{second, keys[1]}}) {
    Tensor joined = k.clone();
    std::copy_n(keys[0].data<float>(), begin * 16, joined.data<float>());
    const std::vector<ops::Segment> segments{{0, begin + more}};
    const Tensor whole = ops::attention(ctx, q, joined, v, segments, params);
    cache.truncate(id, begin + more - 1);
    store(ctx, cache, id, k, v, begin + more - 1, 1);
    const std::vector<AttentionSpan> spans{cache.span(id, 0, 0, 1)};
    const Tensor last = ops::attention_over(ctx, q.rows(begin + more - 1, 1), 2, spans, params);
    for (int64_t i = 0; i < 32; ++i) ASSERT_EQ(last.data<float>()[i], whole.rows(begin + more - 1, 1).data<float>()[i]);
  }
  cache.remove_sequence(first);
  cache.remove_sequence(second);
  const auto third = cache.add_sequence();
  ASSERT_TRUE(cache.reserve(third, cache.bytes() / shape.block_bytes() * kBlockTokens).ok());  // every block came back
}

// Blocks of a real model's size are cut from larger memory, and are none the less counted one by one.
TEST(KvCache, LargeBlocksComeBackToo) {
  const KvShape shape{.layers = 8, .kv_heads = 4, .head_dim = 64, .dtype = DType::kF16};
  KvCache cache(shape, 4 * shape.block_bytes());
  const auto root = cache.add_sequence();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cache.reserve(root, 1).ok());
    cache.commit(root, 1);
  }
  EXPECT_EQ(cache.bytes(), shape.block_bytes());  // nothing is shared, so nothing is copied
  for (int round = 0; round < 5; ++round) {
    const auto a = cache.branch(root, 10), b = cache.branch(root, 7);
    ASSERT_TRUE(cache.reserve(a, 1).ok() && cache.reserve(b, 100).ok());
    EXPECT_EQ(cache.bytes(), 4 * shape.block_bytes());
    EXPECT_FALSE(cache.reserve(root, kBlockTokens).ok());
    cache.remove_sequence(b);
    cache.remove_sequence(a);
  }
  EXPECT_TRUE(cache.reserve(root, kBlockTokens).ok());
}

}  // namespace
}  // namespace linnet
