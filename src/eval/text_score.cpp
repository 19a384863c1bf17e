#include "eval/text_score.hpp"

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "eval/logit_row.hpp"

namespace linnet {

namespace {

// What one window asks of a model: the rows before the targets, and the targets.
struct WindowBatch {
  Batch batch;
  std::vector<int32_t> targets;  // of each logit row
};

// Tokens [begin, end) of the text, of which [scored, end) are targets.
WindowBatch window_batch(std::span<const int32_t> tokens, int64_t begin, int64_t scored, int64_t end, int32_t bos) {
  std::vector<int32_t> rows;
  if (bos >= 0) rows.push_back(bos);
  rows.insert(rows.end(), tokens.begin() + begin, tokens.begin() + end - 1);
  const int64_t shift = (bos >= 0 ? 1 : 0) - begin;  // of the row of a token
  WindowBatch out{whole_sequence(std::move(rows)), {}};
  out.batch.logit_rows.clear();
  for (int64_t target = scored; target < end; ++target) {
    out.batch.logit_rows.push_back(static_cast<int32_t>(target - 1 + shift));
    out.targets.push_back(tokens[static_cast<size_t>(target)]);
  }
  return out;
}

double divergence(const LogitRow& from, const LogitRow& to) {
  double sum = 0;
  for (size_t i = 0; i < from.logits.size(); ++i) {
    const double log_p = from.log_of(i);
    sum += std::exp(log_p) * (log_p - to.log_of(i));
  }
  return std::max(sum, 0.0);  // below 0 by rounding only
}

struct TokenScore {
  double nats = 0;
  double second_nats = 0;
  double divergence = 0;
  bool same_top = false;
};

// Row `r` of both models' logits (R, V); `theirs` may be undefined.
TokenScore score_row(const Tensor& ours, const Tensor& theirs, int64_t r, int32_t target) {
  const LogitRow first(ours, r);
  TokenScore score{.nats = -first.log_of(static_cast<size_t>(target))};
  if (!theirs.defined()) return score;
  const LogitRow second(theirs, r);
  score.second_nats = -second.log_of(static_cast<size_t>(target));
  score.divergence = divergence(first, second);
  score.same_top = first.top() == second.top();
  return score;
}

// The logits of a window, from a cache of its own.
Result<Tensor> logits_of(const ScoredModel& scored, Context& ctx, const Batch& batch) {
  const KvShape shape = scored.model->kv_shape(scored.cache);
  KvCache cache(shape, shape.bytes_for(batch.rows()));
  Batch cached = batch;
  cached.sequences[0].cache_id = cache.add_sequence();
  TRY_ASSIGN(ForwardOutput out, scored.model->forward(ctx, cached, &cache));
  return std::move(out.logits);
}

Status add_window(const ScoredModel& first, const ScoredModel& second, Context& ctx, const WindowBatch& window,
                  TextResult& result) {
  TRY_ASSIGN(const Tensor ours, logits_of(first, ctx, window.batch));
  Tensor theirs;
  if (second.model) {
    TRY_ASSIGN(theirs, logits_of(second, ctx, window.batch));
  }
  std::vector<TokenScore> scores(window.targets.size());
  ctx.pool().parallel_for(static_cast<int64_t>(scores.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const auto i = static_cast<size_t>(r);
      scores[i] = score_row(ours, theirs, r, window.targets[i]);
    }
  });
  for (const TokenScore& score : scores) {
    if (!std::isfinite(score.nats + score.second_nats)) return invalid("the model's logits are not finite");
    result.score.nats.add(score.nats);
    if (!second.model) continue;
    result.against.score.nats.add(score.second_nats);
    result.against.divergence.add(score.divergence);
    result.against.same_top += score.same_top;
  }
  return ok_status();
}

}  // namespace

double TokenMean::standard_error() const {
  if (count < 2) return 0;
  const auto n = static_cast<double>(count);
  return std::sqrt(std::max(squares / n - mean() * mean(), 0.0) / (n - 1));
}

Result<TextResult> score_text(const ScoredModel& first, const ScoredModel& second, Context& ctx,
                              std::span<const int32_t> tokens, const TextWindow& window, const CancelToken& cancel,
                              const std::function<void(int64_t, int64_t)>& progress) {
  CHECK(tokens.size() >= 2 && window.stride >= 1 && window.stride <= window.window && window.window >= 2);
  CHECK(window.bos >= 0 || window.stride < window.window);  // else a window's first token has nothing before it
  CHECK(first.model && (!second.model || second.model->config().vocab_size == first.model->config().vocab_size));
  const auto size = static_cast<int64_t>(tokens.size());
  TextResult result;
  int64_t scored = window.bos >= 0 ? 0 : 1;
  for (int64_t begin = 0; scored < size; begin += window.stride) {
    TRY(cancel.check());
    const int64_t end = std::min(begin + window.window, size);
    TRY(add_window(first, second, ctx, window_batch(tokens, begin, scored, end, window.bos), result));
    scored = end;
    if (progress) progress(scored, size);
  }
  return result;
}

}  // namespace linnet
