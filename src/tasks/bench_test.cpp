#include "tasks/bench.hpp"

#include <gtest/gtest.h>

#include "models/model.hpp"
#include "tasks/runtime.hpp"

namespace linnet {
namespace {

// The golden Llama, and what runs it.
struct Golden {
  std::unique_ptr<Runtime> runtime = *Runtime::create(2);
  Transformer model = *load_transformer(*describe_model(LINNET_SOURCE_DIR "/tests/golden/models/llama"));
};

double matrix_bytes(const Transformer& model) {
  double bytes = 0;
  for (const TensorSpec& spec : model.table()) {
    if (spec.bias || spec.role == Role::kEmbedding) continue;
    for (const Linear& part : model.slot_of(spec).parts) bytes += static_cast<double>(part.weight.bytes());
  }
  return bytes;
}

TEST(Bench, CountsWhatADecodeStepMustDo) {
  const Golden golden;
  const TransformerConfig& c = golden.model.config();
  ASSERT_FALSE(c.tied_head);
  const double weights = matrix_bytes(golden.model);
  const BenchWork one = work_of(golden.model, DType::kF32, {BenchCase::Kind::kDecode, 1, 0, 1});
  const auto key_bytes = static_cast<double>(c.num_layers() * 2 * c.num_kv_heads * c.head_dim * 4);
  EXPECT_DOUBLE_EQ(one.bytes, weights + key_bytes);
  const auto attention = static_cast<double>(c.num_layers() * 4 * c.num_heads * c.head_dim);
  EXPECT_DOUBLE_EQ(one.operations, weights / 4 * 2 + attention);  // float32: two operations for four bytes

  // Three texts read the weights once, and their own keys: five each, with those of the four tokens before.
  const BenchWork three = work_of(golden.model, DType::kF32, {BenchCase::Kind::kDecode, 1, 4, 3});
  EXPECT_DOUBLE_EQ(three.bytes, weights + 3 * 5 * key_bytes);
  EXPECT_DOUBLE_EQ(three.operations, 3 * (weights / 4 * 2 + 5 * attention));
}

TEST(Bench, CountsTheHeadOnceInAPrefill) {
  const Golden golden;
  const TransformerConfig& c = golden.model.config();
  const BenchWork two = work_of(golden.model, DType::kF32, {BenchCase::Kind::kPrefill, 2, 0, 1});
  const BenchWork one = work_of(golden.model, DType::kF32, {BenchCase::Kind::kPrefill, 1, 0, 1});
  const auto attention = static_cast<double>(c.num_layers() * 4 * c.num_heads * c.head_dim);
  const auto head = 2.0 * static_cast<double>(c.vocab_size * c.hidden_size);
  EXPECT_DOUBLE_EQ(two.operations - one.operations, one.operations - attention - head + 2 * attention);
}

TEST(Bench, MeasuresEachCaseAsOftenAsAsked) {
  const Golden golden;
  const std::vector<BenchCase> cases{{BenchCase::Kind::kPrefill, 9, 3, 1}, {BenchCase::Kind::kDecode, 2, 0, 4}};
  int64_t runs = 0;
  const auto results = run_bench(golden.model, golden.runtime->context(), DType::kF32, cases, 3, CancelToken(),
                                 [&](int64_t done, int64_t all) {
                                   EXPECT_EQ(all, 10);  // a warm-up, three, and one with the clock, of two cases
                                   runs = done;
                                 });
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(runs, 10);
  for (const BenchResult& r : *results) {
    EXPECT_EQ(r.seconds.size(), 3U);
    EXPECT_FALSE(r.ops.empty());
  }
  EXPECT_EQ(golden.runtime->context().clock(), nullptr);
}

TEST(Bench, RefusesWhatDoesNotFit) {
  const Golden golden;
  const std::vector<BenchCase> cases{{BenchCase::Kind::kDecode, 1, golden.model.config().max_positions, 1}};
  const auto results = run_bench(golden.model, golden.runtime->context(), DType::kF32, cases, 1, CancelToken(), {});
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().code, ErrorCode::kUsage);
}

TEST(Bench, StopsWhenCancelled) {
  const Golden golden;
  CancelToken cancel;
  cancel.cancel();
  const std::vector<BenchCase> cases{{BenchCase::Kind::kDecode, 1, 0, 1}};
  const auto results = run_bench(golden.model, golden.runtime->context(), DType::kF32, cases, 1, cancel, {});
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace linnet
