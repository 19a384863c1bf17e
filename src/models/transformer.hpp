// The transformer: one forward for every family, for training and for generation.
//
// Ownership: owns its weights; mapped files stay mapped while a weight needs them.
// Thread safety: forward() is const and may run in several threads with a Context each.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/mapped_file.hpp"
#include "formats/stored_tensor.hpp"
#include "models/batch.hpp"
#include "models/config.hpp"
#include "models/tensor_table.hpp"
#include "nn/linear.hpp"
#include "ops/loss.hpp"

namespace linnet {

// The weights of one role in one layer: one Linear, or one per expert. A norm's or an embedding's vectors and matrices
// live here too (norm: weight vector in `vector`, its bias in parts[0].bias).
struct Slot {
  std::vector<Linear> parts;
  Tensor vector;  // (C): a norm's weight, the sinks

  bool defined() const { return vector.defined() || (!parts.empty() && parts[0].defined()); }
  const Linear& only() const { return parts.at(0); }
};

class Transformer {
 public:
  // All tensors of `table` from `source`, by their safetensors or GGUF names. Errors: a missing tensor, a shape that
  // disagrees with the config, NaN or infinite numbers, a tensor that the table has no line for and that is not
  // harmless (unused_tensors.hpp); each names the tensor.
  static Result<Transformer> load(TransformerConfig config, std::vector<TensorSpec> table, const TensorSource& source,
                                  bool gguf_names);

  // The same without numbers, for Device::kMeta: what it would take. Optional tensors are absent.
  static Transformer hollow(TransformerConfig config, std::vector<TensorSpec> table, const TensorSource& source,
                            bool gguf_names);

  // No cache: every sequence starts at position 0 and sees only itself (training, scoring). With a cache: rows follow
  // what it holds, their keys and values are added and committed.
  // Errors: a token outside the vocabulary, positions beyond the context, no room in the cache.
  Result<ForwardOutput> forward(Context& ctx, const Batch& batch, KvCache* cache, bool want_hidden = false) const;

  // The cross-entropy of the rows batch.logit_rows against a target each (ops/loss.hpp), without a cache and without
  // all logits in memory; beside a teacher, where there is one. divisor > 0 replaces the count of rows that count.
  // Requires a model with a head. Errors: as forward's without a cache.
  Result<Tensor> loss(Context& ctx, const Batch& batch, std::span<const int32_t> targets, int64_t divisor = 0,
                      const ops::TeacherTargets& teacher = {}) const;

  // Calls visit(first, logits) for pieces of batch.logit_rows: logits (n, V) of its rows first to first + n. Otherwise
  // as loss().
  Status visit_logits(Context& ctx, const Batch& batch,
                      const std::function<void(int64_t first, const Tensor& logits)>& visit) const;

  // What the model gives to those targets: (N), log probabilities; with a cache as forward has it. Otherwise as loss().
  Result<Tensor> log_probs(Context& ctx, const Batch& batch, std::span<const int32_t> targets,
                           KvCache* cache = nullptr) const;

  // Repacks every matrix for the kernels of `ctx`, but for those of lines that `stays` names (such as are trained), and
  // gives back all pages of `files` that no weight reads any more.
  void pack(Context& ctx, std::span<const std::shared_ptr<const MappedFile>> files,
            const std::function<bool(const TensorSpec&)>& stays = {});

  // Readies every matrix that is not taught for many steps of teaching (Weight::prepack).
  void prepack(Context& ctx, bool alone = false);
  // What that takes, and what it drops alone.
  int64_t prepacked_bytes(const Context& ctx) const;
  int64_t replaced_bytes(const Context& ctx) const;

  // Calls visit(spec, slot) for every line of the table.
  void for_each(const std::function<void(const TensorSpec&, Slot&)>& visit);

  // The slot of one line of the table.
  const Slot& slot_of(const TensorSpec& spec) const { return at(spec.layer, spec.role); }

  const TransformerConfig& config() const { return config_; }
  const std::vector<TensorSpec>& table() const { return table_; }
  KvShape kv_shape(DType dtype) const { return {config_.num_layers(), config_.num_kv_heads, config_.head_dim, dtype}; }

 private:
  struct Run;  // one forward's state
  using Layer = std::array<Slot, kRoleCount>;

  Transformer() = default;
  Slot& slot(const TensorSpec& spec);
  int64_t sum_multiplied(const std::function<int64_t(const Weight&)>& bytes_of) const;
  const Slot& at(int64_t layer, Role role) const;
  const Linear& head() const;

  Status check(const Batch& batch, const KvCache* cache) const;
  Tensor logits(Context& ctx, const Tensor& x) const;  // (N, C) -> (N, V)
  // What the head reads at batch.logit_rows: (N, C).
  Result<Tensor> rows_for_head(Context& ctx, const Batch& batch, KvCache* cache = nullptr) const;
  // Then its logits are an op of their own: head_loss() differentiates in the weight alone.
  bool head_learns_beside_its_weight() const;
  Tensor embed(Run& run) const;
  Tensor norm(Run& run, int64_t layer, Role role, const Tensor& x) const;
  Tensor attention(Run& run, int64_t layer, const Tensor& x) const;
  Tensor attention_bias(Run& run) const;  // as AttentionParams has it
  Tensor attend(Run& run, int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v) const;
  Tensor mlp(Run& run, int64_t layer, const Tensor& x) const;
  Tensor experts(Run& run, int64_t layer, const Tensor& x) const;
  // What an expert is given: the numbers of the weights of its rows, among (N, top_k).
  struct ExpertRows {
    size_t expert = 0;
    std::vector<int32_t> picks;
  };
  // What each of `some` makes of its rows of x: (picks, C).
  std::vector<Tensor> forward_experts(Run& run, int64_t layer, const Tensor& x, std::span<const ExpertRows> some) const;
  Tensor gate_fused_experts(Context& ctx, const Tensor& both) const;
  Tensor layer(Run& run, int64_t layer, const Tensor& x) const;

  TransformerConfig config_;
  std::vector<TensorSpec> table_;
  Layer ends_;
  std::vector<Layer> layers_;
};

}  // namespace linnet
