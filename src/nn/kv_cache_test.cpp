#include "nn/kv_cache.hpp"

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
    cache.store(ctx.kernels(), id, 0, k, v, done, piece);
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

}  // namespace
}  // namespace linnet
