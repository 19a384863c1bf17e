#include "tasks/bench.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>

#include "base/random.hpp"
#include "engine/session.hpp"

namespace linnet {

namespace {

using Clock = std::chrono::steady_clock;

bool is_expert(Role role) {
  return role == Role::kExpertGateUp || role == Role::kExpertGate || role == Role::kExpertUp ||
         role == Role::kExpertDown;
}

// The matrix products of one step: what every row multiplies, and what only the rows do whose logits are wanted.
struct StepWork {
  double row = 0;         // operations
  double logits_row = 0;  // operations
  double bytes = 0;       // of the matrices that `rows` rows read
};

StepWork products_of(const Transformer& model, int64_t rows) {
  const TransformerConfig& c = model.config();
  StepWork work;
  for (const TensorSpec& spec : model.table()) {
    const bool head = spec.role == (c.tied_head ? Role::kEmbedding : Role::kHead);
    if (spec.bias || (spec.layer < 0 && !head)) continue;
    for (const Linear& part : model.slot_of(spec).parts) {
      if (!part.defined()) continue;
      auto operations = 2.0 * static_cast<double>(part.weight.rows() * part.weight.cols());
      auto bytes = static_cast<double>(part.weight.bytes());
      for (const Lora& lora : part.adapters) {
        operations += 2.0 * static_cast<double>(lora.a.rows() * (lora.a.cols() + lora.b.rows()));
        bytes += static_cast<double>(lora.a.bytes() + lora.b.bytes());
      }
      // Of a mixture each row takes top_k experts; all together read no more than there are.
      const double picked =
          is_expert(spec.role) ? static_cast<double>(c.moe.top_k) / static_cast<double>(c.moe.experts) : 1;
      (head ? work.logits_row : work.row) += operations * picked;
      work.bytes += bytes * std::min(1.0, picked * static_cast<double>(rows));
    }
  }
  return work;
}

// Keys that a row at `position` sees, summed over the layers.
double keys_seen(const TransformerConfig& config, int64_t position) {
  double keys = 0;
  for (const LayerConfig& layer : config.layers) {
    keys += static_cast<double>(layer.window > 0 ? std::min(layer.window, position + 1) : position + 1);
  }
  return keys;
}

// The sequences of one case, in a cache of their own.
class Bench {
 public:
  Bench(const Transformer& model, Context& ctx, DType kv_dtype, const BenchCase& what, const CancelToken& cancel)
      : model_(model),
        ctx_(ctx),
        what_(what),
        cancel_(cancel),
        cache_(model.kv_shape(kv_dtype),
               what.sequences * model.kv_shape(kv_dtype).bytes_for(what.depth + what.tokens)) {}

  // The sequences read as many tokens as they hold before.
  Status prepare() {
    for (int64_t s = 0; s < what_.sequences; ++s) {
      ids_.push_back(cache_.add_sequence());
      TRY(read(ids_.back(), what_.depth));
    }
    return ok_status();
  }

  // One repetition, in seconds; afterwards the sequences stand where they stood.
  Result<double> run() {
    const auto start = Clock::now();
    if (what_.kind == BenchCase::Kind::kPrefill) {
      for (const KvCache::SequenceId id : ids_) TRY(read(id, what_.tokens));
    } else {
      for (int64_t i = 0; i < what_.tokens; ++i) TRY(write_one());
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    for (const KvCache::SequenceId id : ids_) cache_.truncate(id, what_.depth);
    return seconds;
  }

 private:
  int32_t any_token() { return static_cast<int32_t>(random_.below(static_cast<uint64_t>(model_.config().vocab_size))); }

  Status read(KvCache::SequenceId id, int64_t tokens) {
    for (int64_t done = 0; done < tokens;) {
      TRY(cancel_.check());
      const int64_t rows = std::min(kPrefillRows, tokens - done);
      Batch batch;
      for (int64_t r = 0; r < rows; ++r) batch.tokens.push_back(any_token());
      batch.sequences = {{.rows = rows, .position = cache_.length(id), .cache_id = id}};
      done += rows;
      if (done == tokens) batch.logit_rows = {static_cast<int32_t>(rows - 1)};
      TRY(model_.forward(ctx_, batch, &cache_));
    }
    return ok_status();
  }

  // A token for every sequence, in one step.
  Status write_one() {
    TRY(cancel_.check());
    Batch batch;
    for (const KvCache::SequenceId id : ids_) {
      const int64_t row = batch.rows();
      batch.sequences.push_back({.row_begin = row, .rows = 1, .position = cache_.length(id), .cache_id = id});
      batch.tokens.push_back(any_token());
      batch.logit_rows.push_back(static_cast<int32_t>(row));
    }
    TRY(model_.forward(ctx_, batch, &cache_));
    return ok_status();
  }

  const Transformer& model_;
  Context& ctx_;
  const BenchCase& what_;
  const CancelToken& cancel_;
  Random random_{1};
  KvCache cache_;
  std::vector<KvCache::SequenceId> ids_;
};

}  // namespace

BenchWork work_of(const Transformer& model, DType kv_dtype, const BenchCase& what) {
  const TransformerConfig& c = model.config();
  const double attention = 4.0 * static_cast<double>(c.num_heads * c.head_dim);  // operations a key
  const double key_bytes = 2.0 * static_cast<double>(model.kv_shape(kv_dtype).row_bytes());
  const bool prefill = what.kind == BenchCase::Kind::kPrefill;
  const int64_t step_rows = prefill ? std::min(kPrefillRows, what.tokens) : what.sequences;
  const int64_t steps = prefill ? (what.tokens + kPrefillRows - 1) / kPrefillRows : what.tokens;
  const StepWork step = products_of(model, step_rows);
  const auto sequences = static_cast<double>(what.sequences);

  BenchWork work;
  work.bytes = step.bytes * static_cast<double>(steps);
  work.operations = step.row * static_cast<double>(what.all_tokens()) +
                    step.logits_row * (prefill ? 1.0 : static_cast<double>(what.all_tokens()));
  for (int64_t i = 0; i < what.tokens; ++i) {
    const double keys = keys_seen(c, what.depth + i);
    work.operations += attention * keys * sequences;
    // In a prefill the rows of a step share what they read.
    const bool last_of_step = !prefill || (i + 1) % kPrefillRows == 0 || i + 1 == what.tokens;
    if (last_of_step) work.bytes += key_bytes * keys * sequences;
  }
  return work;
}

Result<std::vector<BenchResult>> run_bench(const Transformer& model, Context& ctx, DType kv_dtype,
                                           std::span<const BenchCase> cases, int repeats, const CancelToken& cancel,
                                           const std::function<void(int64_t, int64_t)>& progress) {
  std::vector<BenchResult> results;
  for (const BenchCase& what : cases) {
    const int64_t most = model.config().max_positions;
    if (what.depth + what.tokens > most) {
      return usage_error(fmt::format("{} tokens after {} are more than the model's {}", what.tokens, what.depth, most));
    }
    results.push_back({what, work_of(model, kv_dtype, what), {}, {}});
  }
  std::vector<Bench> benches;
  for (const BenchCase& what : cases) benches.emplace_back(model, ctx, kv_dtype, what, cancel);

  const int64_t runs = static_cast<int64_t>(cases.size()) * (repeats + 2);
  int64_t done = 0;
  for (int pass = -1; pass <= repeats; ++pass) {
    for (size_t i = 0; i < cases.size(); ++i) {
      if (pass < 0) TRY(benches[i].prepare());
      OpClock clock;
      if (pass == repeats) ctx.set_clock(&clock);
      const Result<double> seconds = benches[i].run();
      ctx.set_clock(nullptr);
      TRY(seconds);
      if (pass == repeats) results[i].ops = clock.times();
      if (pass >= 0 && pass < repeats) results[i].seconds.push_back(*seconds);
      progress(++done, runs);
    }
  }
  return results;
}

}  // namespace linnet
