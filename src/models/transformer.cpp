#include "models/transformer.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <numeric>

#include "base/check.hpp"
#include "nn/head_loss.hpp"
#include "nn/mlp.hpp"
#include "nn/relative_buckets.hpp"
#include "ops/elementwise.hpp"
#include "ops/norm.hpp"
#include "ops/op_clock.hpp"
#include "ops/rope.hpp"
#include "ops/select.hpp"

namespace linnet {

Batch whole_sequence(std::vector<int32_t> tokens) {
  Batch batch;
  batch.sequences.push_back({.row_begin = 0, .rows = static_cast<int64_t>(tokens.size())});
  batch.logit_rows.resize(tokens.size());
  std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
  batch.tokens = std::move(tokens);
  return batch;
}

struct Transformer::Run {
  Context& ctx;
  const Batch& batch;
  std::shared_ptr<const Batch> owned;  // that one, where layers run once more after the forward; else null
  KvCache* cache;
  std::vector<int32_t> positions;  // of each row
  std::vector<RopeTables> ropes;   // one per config_.ropes
  std::vector<ops::Segment> segments;
  std::vector<KvCache::BlockRows> stored;  // where a cache keeps the rows, the same in every layer

  // What GPT-2 drops numbers of: the embedding, attention's weights, and what each sublayer adds.
  enum class Place : uint32_t { kEmbedding, kWeights, kAttention, kMlp };
  DropoutMask mask(int64_t layer, Place place) const {
    DropoutMask one = batch.dropout;
    one.place = static_cast<uint32_t>(layer + 2) * 4 + static_cast<uint32_t>(place);
    return one;
  }
  Tensor drop(const Tensor& x, int64_t layer, Place place) { return ops::dropout(ctx, x, mask(layer, place)); }
};

const Slot& Transformer::at(int64_t layer, Role role) const {
  const Layer& slots = layer < 0 ? ends_ : layers_[static_cast<size_t>(layer)];
  return slots[static_cast<size_t>(role)];
}

Slot& Transformer::slot(const TensorSpec& spec) {
  return const_cast<Slot&>(at(spec.layer, spec.role));
}

const Linear& Transformer::head() const {
  return at(-1, config_.tied_head ? Role::kEmbedding : Role::kHead).only();
}

void Transformer::for_each(const std::function<void(const TensorSpec&, Slot&)>& visit) {
  for (const TensorSpec& spec : table_) visit(spec, slot(spec));
}

Status Transformer::check(const Batch& batch, const KvCache* cache) const {
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    if (batch.tokens[i] < 0 || batch.tokens[i] >= config_.vocab_size) {
      return invalid(
          fmt::format("token {} at row {} is outside the vocabulary of {}", batch.tokens[i], i, config_.vocab_size));
    }
  }
  for (const BatchSequence& s : batch.sequences) {
    if (cache) CHECK(cache->length(s.cache_id) == s.position);
    CHECK(cache || s.position == 0);
    if (s.position + s.rows > config_.max_positions) {
      return invalid(
          fmt::format("{} tokens do not fit the model's context of {}", s.position + s.rows, config_.max_positions), {},
          "shorten the text");
    }
  }
  return ok_status();
}

Tensor Transformer::norm(Run& run, int64_t layer, Role role, const Tensor& x) const {
  const Slot& slot = at(layer, role);
  if (config_.norm == NormKind::kRms) {
    return ops::rms_norm(run.ctx, x, slot.vector, config_.norm_eps, config_.norm_offset);
  }
  return ops::layer_norm(run.ctx, x, slot.vector, slot.parts.empty() ? Tensor() : slot.parts[0].bias, config_.norm_eps);
}

Tensor Transformer::logits(Context& ctx, const Tensor& x) const {
  const Tensor y = head().forward(ctx, x);
  return config_.final_softcap > 0 ? ops::softcap(ctx, y, config_.final_softcap) : y;
}

Tensor Transformer::embed(Run& run) const {
  Tensor x = at(-1, Role::kEmbedding).only().weight.gather(run.ctx, run.batch.tokens);
  if (config_.embedding_scale != 1) x = ops::scale(run.ctx, x, config_.embedding_scale);
  if (const Slot& positions = at(-1, Role::kPositionEmbedding); positions.defined()) {
    std::vector<int32_t> rows = run.positions;
    for (int32_t& row : rows) row += static_cast<int32_t>(config_.first_position);
    x = ops::add(run.ctx, x, positions.only().weight.gather(run.ctx, rows));
  }
  if (config_.token_types > 0) {
    const std::vector<int32_t> first(run.positions.size(), 0);  // one text: every token is of type 0
    x = ops::add(run.ctx, x, at(-1, Role::kTypeEmbedding).only().weight.gather(run.ctx, first));
  }
  if (config_.embedding_norm) x = norm(run, -1, Role::kEmbeddingNorm, x);
  return run.drop(x, -1, Run::Place::kEmbedding);
}

// Made anew in each layer: so a layer that is computed again on the way back finds the table's gradient.
Tensor Transformer::attention_bias(Run& run) const {
  const Slot& table = at(-1, Role::kRelativeBias);
  if (!table.defined()) return {};
  const int64_t reach = 1 + *std::ranges::max_element(run.positions);
  const std::vector<int32_t> buckets = relative_buckets(config_.relative_buckets, config_.relative_distance, reach);
  return ops::bias_by_head(run.ctx, table.only().weight.gather(run.ctx, buckets));
}

Tensor Transformer::attend(Run& run, int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v) const {
  const AttentionParams params{.scale = config_.attention_scale,
                               .softcap = config_.attention_softcap,
                               .window = config_.layers[static_cast<size_t>(layer)].window,
                               .causal = config_.causal,
                               .sinks = at(layer, Role::kSinks).vector,
                               .bias = attention_bias(run),
                               .dropout = run.mask(layer, Run::Place::kWeights)};
  if (!run.cache) return ops::attention(run.ctx, q, k, v, run.segments, params);
  std::vector<AttentionSpan> spans;
  {
    const OpTimer timer(run.ctx, "store");
    const int64_t numbers = 2 * k.dim(1) * k.dim(2);
    const auto count = static_cast<int64_t>(run.stored.size());
    constexpr int64_t kStepsPerNumber = 16;  // the cache's lines are far away
    run.ctx.for_rows(count, numbers * kStepsPerNumber * k.dim(0) / count, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        run.cache->store(run.ctx.kernels(), layer, k, v, run.stored[static_cast<size_t>(i)]);
      }
    });
    for (const BatchSequence& s : run.batch.sequences) {
      spans.push_back(run.cache->span(s.cache_id, layer, s.row_begin, s.rows));
    }
  }
  return ops::attention_over(run.ctx, q, config_.num_kv_heads, spans, params);
}

namespace {

struct Qkv {
  Tensor q, k, v;  // (N, H*D), (N, K*D), (N, K*D)
};

// GPT-NeoX: columns are (H, 3, D).
Qkv split_per_head(Context& ctx, const Tensor& fused, int64_t heads, int64_t dim) {
  const int64_t rows = fused.dim(0);
  const std::vector<Tensor> parts = ops::split(ctx, fused.reshape({rows * heads, 3 * dim}), std::array{dim, dim, dim});
  const auto whole = [&](size_t i) { return parts[i].reshape({rows, heads * dim}); };
  return {whole(0), whole(1), whole(2)};
}

}  // namespace

Tensor Transformer::attention(Run& run, int64_t layer, const Tensor& x) const {
  const TransformerConfig& c = config_;
  Context& ctx = run.ctx;
  const int64_t rows = x.dim(0);
  const int64_t q_size = c.num_heads * c.head_dim;
  const int64_t kv_size = c.num_kv_heads * c.head_dim;
  Qkv qkv;
  if (const Slot& fused = at(layer, Role::kQkv); fused.defined()) {
    const Tensor all = fused.only().forward(ctx, x);
    if (c.qkv_layout == QkvLayout::kPerHead) {
      qkv = split_per_head(ctx, all, c.num_heads, c.head_dim);
    } else {
      const std::vector<Tensor> parts = ops::split(ctx, all, std::array{q_size, kv_size, kv_size});
      qkv = {parts[0], parts[1], parts[2]};
    }
  } else {
    const std::array parts{LinearInput{&at(layer, Role::kQuery).only(), x},
                           LinearInput{&at(layer, Role::kKey).only(), x},
                           LinearInput{&at(layer, Role::kValue).only(), x}};
    const std::vector<Tensor> all = forward_together(ctx, parts);
    qkv = {all[0], all[1], all[2]};
  }
  if (c.qk_norm == QkNorm::kWhole) {
    qkv.q = norm(run, layer, Role::kQueryNorm, qkv.q);
    qkv.k = norm(run, layer, Role::kKeyNorm, qkv.k);
  }
  Tensor q = qkv.q.reshape({rows, c.num_heads, c.head_dim});
  Tensor k = qkv.k.reshape({rows, c.num_kv_heads, c.head_dim});
  const Tensor v = qkv.v.reshape({rows, c.num_kv_heads, c.head_dim});
  if (c.qk_norm == QkNorm::kPerHead) {
    q = norm(run, layer, Role::kQueryNorm, q);
    k = norm(run, layer, Role::kKeyNorm, k);
  }
  const LayerConfig& lc = c.layers[static_cast<size_t>(layer)];
  if (!c.ropes.empty() && lc.rope) {
    const RopeTables& tables = run.ropes[static_cast<size_t>(lc.rope_index)];
    q = ops::rope(ctx, q, tables.cos, tables.sin);
    k = ops::rope(ctx, k, tables.cos, tables.sin);
  }
  const Tensor out = attend(run, layer, q, k, v);
  const Tensor mixed = at(layer, Role::kAttentionOutput).only().forward(ctx, out.reshape({rows, q_size}));
  return run.drop(mixed, layer, Run::Place::kAttention);
}

Tensor Transformer::mlp(Run& run, int64_t layer, const Tensor& x) const {
  const TransformerConfig& c = config_;
  if (c.layers[static_cast<size_t>(layer)].experts) {
    return run.drop(experts(run, layer, x), layer, Run::Place::kMlp);
  }
  Context& ctx = run.ctx;
  const Linear& down = at(layer, Role::kDown).only();
  if (const Slot& fused = at(layer, Role::kGateUp); fused.defined()) {
    const Tensor both = fused.only().forward(ctx, x);
    const std::vector<Tensor> parts = ops::split(ctx, both, std::array{c.intermediate_size, c.intermediate_size});
    return run.drop(down.forward(ctx, ops::gated(ctx, c.activation, parts[0], parts[1])), layer, Run::Place::kMlp);
  }
  const Linear* gate = c.gated ? &at(layer, Role::kGate).only() : nullptr;
  const MlpInput one[] = {{gate, &at(layer, Role::kUp).only(), &down, x}};
  return run.drop(forward_mlps(ctx, c.activation, one)[0], layer, Run::Place::kMlp);
}

// Rows are grouped by expert, so that each expert's matrices are read once. Experts of few rows are computed together:
// one alone would not keep the threads busy.
Tensor Transformer::experts(Run& run, int64_t layer, const Tensor& x) const {
  constexpr size_t kRowsTogether = 128;
  const MoeConfig& moe = config_.moe;
  const ops::Routing routing =
      ops::route(run.ctx, at(layer, Role::kRouter).only().forward(run.ctx, x), moe.top_k, moe.weights);
  std::vector<ExpertRows> all(static_cast<size_t>(moe.experts));
  for (size_t e = 0; e < all.size(); ++e) all[e].expert = e;
  for (size_t i = 0; i < routing.experts.size(); ++i) {
    all[static_cast<size_t>(routing.experts[i])].picks.push_back(static_cast<int32_t>(i));
  }
  std::erase_if(all, [](const ExpertRows& rows) { return rows.picks.empty(); });
  Tensor sum = run.ctx.zeros(x.shape());
  for (size_t begin = 0; begin < all.size();) {
    size_t end = begin;
    size_t rows = 0;
    do {
      rows += all[end++].picks.size();
    } while (end < all.size() && rows + all[end].picks.size() <= kRowsTogether);
    const auto some = std::span(all).subspan(begin, end - begin);
    const std::vector<Tensor> made = forward_experts(run, layer, x, some);
    for (size_t i = 0; i < some.size(); ++i) {
      sum = ops::add_expert(run.ctx, sum, made[i], some[i].picks, routing.weights);
    }
    begin = end;
  }
  return sum;
}

std::vector<Tensor> Transformer::forward_experts(Run& run, int64_t layer, const Tensor& x,
                                                 std::span<const ExpertRows> some) const {
  const MoeConfig& moe = config_.moe;
  Context& ctx = run.ctx;
  std::vector<Tensor> xs;
  for (const ExpertRows& one : some) {
    std::vector<int32_t> rows;
    rows.reserve(one.picks.size());
    for (const int32_t pick : one.picks) rows.push_back(static_cast<int32_t>(pick / moe.top_k));
    xs.push_back(ops::gather_rows(ctx, x, rows));
  }
  const auto expert = [&](Role role, size_t i) { return &at(layer, role).parts[some[i].expert]; };
  if (at(layer, Role::kExpertGateUp).defined()) {
    std::vector<LinearInput> outer;
    for (size_t i = 0; i < some.size(); ++i) outer.push_back({expert(Role::kExpertGateUp, i), xs[i]});
    const std::vector<Tensor> made = forward_together(ctx, outer);
    std::vector<LinearInput> inner;
    for (size_t i = 0; i < some.size(); ++i) {
      inner.push_back({expert(Role::kExpertDown, i), gate_fused_experts(ctx, made[i])});
    }
    return forward_together(ctx, inner);
  }
  std::vector<MlpInput> inputs;
  for (size_t i = 0; i < some.size(); ++i) {
    inputs.push_back({expert(Role::kExpertGate, i), expert(Role::kExpertUp, i), expert(Role::kExpertDown, i), xs[i]});
  }
  return forward_mlps(ctx, config_.activation, inputs);
}

// both: (N, 2 I), where gate and up alternate.
Tensor Transformer::gate_fused_experts(Context& ctx, const Tensor& both) const {
  const Tensor gate = ops::columns(ctx, both, 0, config_.moe.intermediate_size, 2);
  const Tensor up = ops::columns(ctx, both, 1, config_.moe.intermediate_size, 2);
  constexpr float kAlpha = 1.702f;  // gpt-oss's modeling code
  constexpr float kLimit = 7.0f;
  return config_.moe.clamped ? ops::gated_clamped(ctx, gate, up, kAlpha, kLimit)
                             : ops::gated(ctx, config_.activation, gate, up);
}

Tensor Transformer::layer(Run& run, int64_t l, const Tensor& x) const {
  Context& ctx = run.ctx;
  switch (config_.placement) {
    case NormPlacement::kPre: {
      const Tensor mid = ops::add_to(ctx, x, attention(run, l, norm(run, l, Role::kAttentionNorm, x)));
      return ops::add_to(ctx, mid, mlp(run, l, norm(run, l, Role::kMlpNorm, mid)));
    }
    case NormPlacement::kPreAndPost: {
      const Tensor attended = attention(run, l, norm(run, l, Role::kAttentionNorm, x));
      const Tensor mid = ops::add_to(ctx, x, norm(run, l, Role::kPostAttentionNorm, attended));
      const Tensor fed = mlp(run, l, norm(run, l, Role::kMlpNorm, mid));
      return ops::add_to(ctx, mid, norm(run, l, Role::kPostMlpNorm, fed));
    }
    case NormPlacement::kOnOutput: {
      const Tensor mid = ops::add_to(ctx, x, norm(run, l, Role::kPostAttentionNorm, attention(run, l, x)));
      return ops::add_to(ctx, mid, norm(run, l, Role::kPostMlpNorm, mlp(run, l, mid)));
    }
    case NormPlacement::kAfterSum: {
      const Tensor mid = norm(run, l, Role::kPostAttentionNorm, ops::add_to(ctx, x, attention(run, l, x)));
      return norm(run, l, Role::kPostMlpNorm, ops::add_to(ctx, mid, mlp(run, l, mid)));
    }
    case NormPlacement::kParallel: {
      const Tensor first = norm(run, l, Role::kAttentionNorm, x);
      const Tensor second = config_.one_norm ? first : norm(run, l, Role::kMlpNorm, x);
      const Tensor attended = attention(run, l, first);
      return ops::add_to(ctx, x, ops::add_to(ctx, attended, mlp(run, l, second)));
    }
  }
  return x;
}

Result<ForwardOutput> Transformer::forward(Context& ctx, const Batch& batch, KvCache* cache, bool want_hidden) const {
  TRY(check(batch, cache));
  CHECK(!cache || !batch.dropout.drops());
  const bool again = ctx.recompute() && ctx.recorder() && !cache;
  const auto owned = again ? std::make_shared<const Batch>(batch) : nullptr;
  const auto shared = std::make_shared<Run>(Run{ctx, owned ? *owned : batch, owned, cache, {}, {}, {}, {}});
  Run& run = *shared;
  for (const BatchSequence& s : batch.sequences) {
    if (cache) {
      TRY(cache->reserve(s.cache_id, s.rows));
      for (const auto& rows : cache->next_rows(s.cache_id, s.row_begin, s.rows)) run.stored.push_back(rows);
    }
    run.segments.push_back({s.row_begin, s.rows});
    for (int64_t r = 0; r < s.rows; ++r) run.positions.push_back(static_cast<int32_t>(s.position + r));
  }
  CHECK(static_cast<int64_t>(run.positions.size()) == batch.rows());
  for (const RopeSpec& rope : config_.ropes) {
    std::vector<int> regimes;
    for (const BatchSequence& s : batch.sequences) {
      const int64_t length = std::max(s.total_length, s.position + s.rows);
      regimes.insert(regimes.end(), static_cast<size_t>(s.rows), rope_regime(rope, length));
    }
    run.ropes.push_back(rope_tables(ctx, rope, run.positions, regimes));
  }
  ForwardOutput output;
  Tensor x = embed(run);
  for (int64_t l = 0; l < config_.num_layers(); ++l) {
    if (want_hidden) output.hidden.push_back(x);
    if (again) {
      x = ctx.recomputed([this, shared, l, x](Context&) { return layer(*shared, l, x); });
    } else {
      x = layer(run, l, x);
    }
  }
  if (config_.final_norm) x = norm(run, -1, Role::kFinalNorm, x);
  output.last_hidden = x;
  if (config_.has_head && !batch.logit_rows.empty()) {
    const bool all = static_cast<int64_t>(batch.logit_rows.size()) == batch.rows();
    const Tensor wanted = all ? x : ops::gather_rows(ctx, x, batch.logit_rows);
    output.logits = logits(ctx, wanted);
  }
  if (cache) {
    for (const BatchSequence& s : batch.sequences) cache->commit(s.cache_id, s.rows);
  }
  return output;
}

Result<Tensor> Transformer::rows_for_head(Context& ctx, const Batch& batch, KvCache* cache) const {
  CHECK(config_.has_head);
  Batch body = batch;
  body.logit_rows.clear();
  TRY_ASSIGN(const ForwardOutput output, forward(ctx, body, cache));
  return ops::gather_rows(ctx, output.last_hidden, batch.logit_rows);
}

bool Transformer::head_learns_beside_its_weight() const {
  return !head().adapters.empty() || wants_grad(head().bias);
}

Result<Tensor> Transformer::loss(Context& ctx, const Batch& batch, std::span<const int32_t> targets, int64_t divisor,
                                 const ops::TeacherTargets& teacher) const {
  TRY_ASSIGN(const Tensor x, rows_for_head(ctx, batch));
  if (head_learns_beside_its_weight()) return ops::cross_entropy(ctx, logits(ctx, x), targets, divisor, teacher);
  return head_loss(ctx, head(), x, config_.final_softcap, targets, divisor, teacher);
}

Status Transformer::visit_logits(Context& ctx, const Batch& batch,
                                 const std::function<void(int64_t first, const Tensor& logits)>& visit) const {
  TRY_ASSIGN(const Tensor x, rows_for_head(ctx, batch));
  const int64_t step = head_rows_at_once(config_.vocab_size);
  for (int64_t first = 0; first < x.dim(0); first += step) {
    visit(first, logits(ctx, x.rows(first, std::min(step, x.dim(0) - first))));
  }
  return ok_status();
}

Result<Tensor> Transformer::log_probs(Context& ctx, const Batch& batch, std::span<const int32_t> targets,
                                      KvCache* cache) const {
  TRY_ASSIGN(const Tensor x, rows_for_head(ctx, batch, cache));
  if (head_learns_beside_its_weight()) return ops::log_probs(ctx, logits(ctx, x), targets);
  return head_log_probs(ctx, head(), x, config_.final_softcap, targets);
}

}  // namespace linnet
