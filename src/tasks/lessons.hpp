// What a run of `tune` learns from, step by step: tokens that an assistant says (TokenLessons), the same beside a
// teacher (tasks/distil_lessons.hpp), or replies that people preferred (tasks/preference_lessons.hpp). Thread safety:
// one thread at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "tasks/runtime.hpp"
#include "tasks/token_feed.hpp"

namespace linnet {

class Lessons {
 public:
  virtual ~Lessons() = default;

  virtual int64_t steps() const = 0;
  virtual int64_t steps_of_first_epoch() const = 0;
  // Every sequence that is learned from.
  virtual const TokenSet& set() const = 0;

  // Once, before the model is loaded. `folder`: of the run, for what is computed once.
  virtual Status before_loading(Runtime&, const std::filesystem::path& folder, const CancelToken* cancel,
                                const ProgressCallback& progress) {
    (void)folder, (void)cancel, (void)progress;
    return ok_status();
  }
  // Once, with the model as it was before the first step.
  virtual Status begin(Context& ctx, const Transformer& model) = 0;
  // The step's losses. Borrows everything until the next call.
  virtual Result<std::vector<PartLoss>> parts(Context& ctx, const Transformer& model, int64_t step) = 0;
  // The tokens of that step.
  virtual std::span<const TokenBatch> batches() const = 0;

  struct HeldOut {
    double loss = 0;
    std::optional<double> right;  // part of the replies that came out as people preferred
  };
  virtual bool holds_out() const = 0;
  // Requires holds_out().
  virtual Result<HeldOut> held_out(Context& ctx, const Transformer& model) = 0;
  // The same of the data that tests, which decides nothing.
  virtual bool tests() const = 0;
  // Requires tests().
  virtual Result<HeldOut> test(Context& ctx, const Transformer& model) = 0;
};

class TokenLessons : public Lessons {
 public:
  // row_length: tokens of a row; no sequence is longer.
  TokenLessons(TokenFeed feed, const TokenSet& held_out, const TokenSet& test, int64_t row_length)
      : feed_(std::move(feed)),
        held_out_(TokenFeed::all(held_out, row_length)),
        test_(TokenFeed::all(test, row_length)) {}

  int64_t steps() const override { return feed_.steps(); }
  int64_t steps_of_first_epoch() const override { return feed_.steps_of_first_epoch(); }
  const TokenSet& set() const override { return feed_.set(); }
  Status begin(Context&, const Transformer&) override { return ok_status(); }
  Result<std::vector<PartLoss>> parts(Context& ctx, const Transformer& model, int64_t step) override {
    batches_ = feed_.batches(step);
    return token_losses(ctx, model, batches_);
  }
  std::span<const TokenBatch> batches() const override { return batches_; }
  bool holds_out() const override { return !held_out_.empty(); }
  Result<HeldOut> held_out(Context& ctx, const Transformer& model) override {
    TRY_ASSIGN(const double loss, mean_token_loss(ctx, model, held_out_));
    return HeldOut{loss, std::nullopt};
  }
  bool tests() const override { return !test_.empty(); }
  Result<HeldOut> test(Context& ctx, const Transformer& model) override {
    TRY_ASSIGN(const double loss, mean_token_loss(ctx, model, test_));
    return HeldOut{loss, std::nullopt};
  }

 private:
  TokenFeed feed_;
  std::vector<TokenBatch> held_out_;
  std::vector<TokenBatch> test_;
  std::vector<TokenBatch> batches_;
};

}  // namespace linnet
