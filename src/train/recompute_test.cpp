// Layers that are computed again on the way back: the same bits, less memory.
#include <gtest/gtest.h>

#include "models/adapter.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "ops/kernel_table.hpp"
#include "train/token_loss.hpp"

namespace linnet {
namespace {

struct Pass {
  std::vector<std::vector<float>> grads;
  double loss = 0;
  uint64_t bytes = 0;
};

enum class Learning { kAdapter, kLast, kWhole };

TokenBatch two_texts() {
  TokenBatch batch;
  for (const int64_t length : {30, 21}) {
    batch.batch.sequences.push_back({.row_begin = batch.batch.rows(), .rows = length});
    for (int64_t i = 0; i < length; ++i) {
      if (i > 0) batch.batch.logit_rows.push_back(static_cast<int32_t>(batch.batch.rows() - 1));
      if (i > 0) batch.targets.push_back(static_cast<int32_t>(i * 11 % 50));
      batch.batch.tokens.push_back(static_cast<int32_t>(i * 11 % 50));
    }
  }
  batch.batch.dropout = {.rate = 0.2f, .seed = 5};
  return batch;
}

Pass teach(const std::string& name, Learning learning, bool recompute) {
  ThreadPool pool(2);
  Context ctx(pool, reference_kernels());
  const ModelDescription description = value(describe_model(golden_dir() / "models" / name));
  Transformer model = value(load_transformer(description));
  Adapter adapter;
  std::vector<Parameter> parameters;
  if (learning == Learning::kAdapter) {
    model.pack(ctx, description.files.mapped);
    adapter = value(new_adapter(model, {.rank = 3, .alpha = 6, .dora = name == "llama"}));
    for (Adapter::Part& part : adapter.parts) {
      for (int64_t i = 0; i < part.b.elements(); ++i) part.b.data<float>()[i] = 0.01f * static_cast<float>(i % 7 - 3);
    }
    EXPECT_TRUE(attach_adapter(model, adapter).ok());
    parameters = train_adapters(model);
  } else {
    parameters = learning == Learning::kLast ? train_from(model, 1) : train_all(model);
  }
  ctx.set_recompute(recompute);
  const std::vector<TokenBatch> batches{two_texts(), two_texts()};
  const Gradients all = value(sum_gradients(ctx, parameters, token_losses(ctx, model, batches)));
  Pass pass{.grads = {}, .loss = all.loss, .bytes = ctx.buffers().bytes_peak()};
  for (const Tensor& grad : all.sums) {
    pass.grads.emplace_back();
    if (grad.defined()) pass.grads.back().assign(grad.span<float>().begin(), grad.span<float>().end());
  }
  return pass;
}

TEST(Recompute, GivesTheSameBitsForLessMemory) {
  for (const char* name : {"llama", "gemma3", "gpt2", "gpt-neox", "olmo2", "mixtral"}) {
    for (const Learning learning : {Learning::kAdapter, Learning::kLast, Learning::kWhole}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(static_cast<int>(learning)));
      const Pass kept = teach(name, learning, false);
      const Pass again = teach(name, learning, true);
      EXPECT_EQ(again.loss, kept.loss);
      EXPECT_EQ(again.grads, kept.grads);
      if (learning == Learning::kAdapter) {
        EXPECT_LT(again.bytes, kept.bytes);
      }
    }
  }
}

}  // namespace
}  // namespace linnet
