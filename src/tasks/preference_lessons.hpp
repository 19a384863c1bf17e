// Lessons from replies that people preferred (train/preference_loss.hpp). Thread safety: one thread at a time.
#pragma once

#include <string_view>
#include <vector>

#include "data/render.hpp"
#include "tasks/lessons.hpp"
#include "tasks/preference_feed.hpp"
#include "train/preference_loss.hpp"

namespace linnet {

enum class PreferenceMethod {
  kDpo,   // pairs, measured from the model as it was
  kOrpo,  // pairs, without that model; the chosen reply is learned as well
  kKto,   // single replies, each good or bad
};
std::string_view preference_method_name(PreferenceMethod method);

// Replies as tokens, two by two: the chosen and the rejected one; for KTO a reply, and its prompt with a reply to
// another, which tells how far the model has gone in general.
struct Preferences {
  TokenSet replies;
  std::vector<bool> desired;  // kKto: of each two, whether the reply is a good one

  size_t pairs() const { return replies.sequences.size() / 2; }
};

// Each of `samples` has replies (find_unusable). Errors: what the renderer says; a conversation that cannot be written
// as one sequence.
Result<Preferences> render_preferences(const std::vector<Sample>& samples, PreferenceMethod method,
                                       const Renderer& renderer, ThreadPool& pool);

class PreferenceLessons : public Lessons {
 public:
  struct Settings {
    PreferenceMethod method = PreferenceMethod::kDpo;
    double beta = 0.1;
    int64_t row_length = 0;
    int64_t pairs_per_step = 0;
    int64_t epochs = 0;
    uint64_t seed = 0;
  };
  // `train` is not empty.
  PreferenceLessons(Preferences train, Preferences held_out, Preferences test, const Settings& settings);

  int64_t steps() const override { return feed_.steps(); }
  int64_t steps_of_first_epoch() const override { return feed_.steps_of_epoch(); }
  const TokenSet& set() const override { return train_.preferences.replies; }
  // Remembers what the model says of every reply before it has learned.
  Status begin(Context& ctx, const Transformer& model) override;
  Result<std::vector<PartLoss>> parts(Context& ctx, const Transformer& model, int64_t step) override;
  std::span<const TokenBatch> batches() const override { return batches_; }
  bool holds_out() const override { return held_out_.preferences.pairs() > 0; }
  // right: of pairs, those whose chosen reply gained on the rejected one (ORPO: is likelier, by the token); of KTO's
  // replies, those that became likelier where they are good and less likely where they are not.
  Result<HeldOut> held_out(Context& ctx, const Transformer& model) override { return measure(ctx, model, held_out_); }
  bool tests() const override { return test_.preferences.pairs() > 0; }
  Result<HeldOut> test(Context& ctx, const Transformer& model) override { return measure(ctx, model, test_); }

 private:
  struct Replies {
    Preferences preferences;
    std::vector<double> reference;  // log probability of each by the model before; empty for ORPO
  };

  Result<HeldOut> measure(Context& ctx, const Transformer& model, const Replies& all) const;
  Result<std::vector<double>> reference_of(Context& ctx, const Transformer& model,
                                           const Preferences& preferences) const;
  // Divided by `pairs`, how many the step has.
  Tensor loss_of(Context& ctx, const Replies& all, const PackedRow& row, const ReplyLogProbs& replies, double drift,
                 int64_t pairs) const;
  // How far the model has gone from the reference on the unrelated replies of `rows`, in nats: 0 but for KTO.
  Result<double> drift_of(Context& ctx, const Transformer& model, const Replies& all,
                          std::span<const PackedRow> rows) const;
  // The replies of a row that are learned.
  PackedRow learned_of(const PackedRow& row) const;
  size_t right_ones(const Replies& all, const PackedRow& row, const ReplyLogProbs& replies) const;

  Settings settings_;
  Replies train_;
  Replies held_out_;
  Replies test_;
  PreferenceFeed feed_;
  std::vector<TokenBatch> batches_;  // of the step that runs
};

}  // namespace linnet
