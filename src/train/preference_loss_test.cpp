// Losses of preferences against their formulas written out naively, slopes against finite differences of those, and the
// log probabilities of whole models against their logits.
#include "train/preference_loss.hpp"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>

#include "autograd/tape.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "ops/kernel_table.hpp"
#include "ops/loss.hpp"
#include "train/parameters.hpp"

namespace linnet {
namespace {

using Numbers = std::vector<double>;

const std::vector<int64_t> kBegin{0, 3, 4, 6, 10};  // four replies of 3, 1, 2 and 4 tokens
const Numbers kTokens{-0.5, -1.25, -0.1, -2.0, -0.75, -0.3, -1.5, -0.2, -0.9, -0.4};
const Numbers kReference{-2.0, -1.5, -1.25, -2.5};

Numbers sums_of(const Numbers& tokens) {
  Numbers sums(4);
  for (size_t s = 0; s < 4; ++s) {
    for (auto t = static_cast<size_t>(kBegin[s]); t < static_cast<size_t>(kBegin[s + 1]); ++t) sums[s] += tokens[t];
  }
  return sums;
}

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

// The loss, and its slope with respect to each token.
struct Outcome {
  double loss = 0;
  Numbers slopes;
};

Outcome run(const std::function<Tensor(Context&, const ReplyLogProbs&)>& loss) {
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  Tensor tokens = ctx.empty({10});
  std::ranges::transform(kTokens, tokens.data<float>(), [](double x) { return static_cast<float>(x); });
  Tape tape;
  tape.watch(tokens);
  ctx.set_recorder(&tape);
  const Tensor out = loss(ctx, {tokens, kBegin});
  tape.backward(ctx, out);
  ctx.set_recorder(nullptr);
  const Tensor grad = tape.grad(tokens);
  const auto slopes = grad.span<float>();
  return {out.data<float>()[0], Numbers(slopes.begin(), slopes.end())};
}

void expect_like(const Outcome& got, const std::function<double(const Numbers&)>& naive) {
  EXPECT_NEAR(got.loss, naive(kTokens), 1e-6);
  for (size_t t = 0; t < kTokens.size(); ++t) {
    constexpr double kStep = 1e-5;
    Numbers up = kTokens;
    Numbers down = kTokens;
    up[t] += kStep;
    down[t] -= kStep;
    EXPECT_NEAR(got.slopes[t], (naive(up) - naive(down)) / (2 * kStep), 1e-6) << "token " << t;
  }
}

TEST(PreferenceLoss, DpoIsItsFormula) {
  constexpr double kBeta = 0.3;
  const auto naive = [](const Numbers& tokens) {
    const Numbers s = sums_of(tokens);
    double loss = 0;
    for (const size_t i : {0, 2}) {
      loss -= std::log(logistic(kBeta * (s[i] - kReference[i] - s[i + 1] + kReference[i + 1])));
    }
    return loss / 2;
  };
  expect_like(run([](Context& ctx, const ReplyLogProbs& r) { return dpo_loss(ctx, r, kReference, kBeta, 2); }), naive);
}

TEST(PreferenceLoss, OrpoIsItsFormula) {
  constexpr double kBeta = 0.25;
  const auto naive = [](const Numbers& tokens) {
    const Numbers s = sums_of(tokens);
    const Numbers counts{3, 1, 2, 4};
    const auto log_odds = [&](size_t i) {
      const double p = std::exp(s[i] / counts[i]);
      return std::log(p / (1 - p));
    };
    double loss = 0;
    for (const size_t i : {0, 2}) {
      loss += -s[i] / counts[i] - kBeta * std::log(logistic(log_odds(i) - log_odds(i + 1)));
    }
    return loss / 2;
  };
  expect_like(run([](Context& ctx, const ReplyLogProbs& r) { return orpo_loss(ctx, r, kBeta, 2); }), naive);
}

TEST(PreferenceLoss, KtoIsItsFormula) {
  constexpr double kBeta = 0.4;
  constexpr double kDrift = 0.6;
  const std::vector<bool> desired{true, false, false, true};
  const auto naive = [&](const Numbers& tokens) {
    const Numbers s = sums_of(tokens);
    double loss = 0;
    for (size_t i = 0; i < 4; ++i) {
      const double gain = s[i] - kReference[i] - kDrift;
      loss += 1 - logistic(kBeta * (desired[i] ? gain : -gain));
    }
    return loss / 4;
  };
  expect_like(run([&](Context& ctx, const ReplyLogProbs& r) {
                return kto_loss(ctx, r, kReference, desired, kDrift, kBeta, 4);
              }),
              naive);
}

// Before anything is learned, DPO's loss is log 2, and parts of a step add up to the whole.
TEST(PreferenceLoss, PartsAddUp) {
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  const auto part = [&](size_t first) {
    const auto begin = static_cast<int64_t>(first == 0 ? 0 : kBegin[2]);
    const int64_t count = first == 0 ? kBegin[2] : kBegin[4] - kBegin[2];
    Tensor tokens = ctx.empty({count});
    for (int64_t t = 0; t < count; ++t)
      tokens.data<float>()[t] = static_cast<float>(kTokens[static_cast<size_t>(begin + t)]);
    std::vector<int64_t> at(kBegin.begin() + static_cast<ptrdiff_t>(first),
                            kBegin.begin() + static_cast<ptrdiff_t>(first) + 3);
    for (int64_t& b : at) b -= begin;
    return ReplyLogProbs{tokens, at};
  };
  double sum = 0;
  for (const size_t first : {0, 2}) {
    const ReplyLogProbs replies = part(first);
    sum += dpo_loss(ctx, replies, reply_sums(replies), 0.1, 2).data<float>()[0];
  }
  EXPECT_NEAR(sum, std::log(2.0), 1e-6);
}

// Certain and hopeless replies give finite numbers.
TEST(PreferenceLoss, ExtremesAreFinite) {
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  Tensor tokens = ctx.empty({2});
  tokens.data<float>()[0] = 0;
  tokens.data<float>()[1] = -1e4f;
  const Numbers reference{-1e4, 0};
  for (const bool turned : {false, true}) {
    if (turned) std::swap(tokens.data<float>()[0], tokens.data<float>()[1]);
    Tape tape;
    tape.watch(tokens);
    ctx.set_recorder(&tape);
    const ReplyLogProbs replies{tokens, {0, 1, 2}};
    const std::vector<Tensor> losses{dpo_loss(ctx, replies, reference, 1, 1), orpo_loss(ctx, replies, 1, 1),
                                     kto_loss(ctx, replies, reference, {true, false}, 0, 1, 1)};
    for (const Tensor& loss : losses) EXPECT_TRUE(std::isfinite(loss.data<float>()[0]));
    tape.backward(ctx, losses[1]);
    ctx.set_recorder(nullptr);
    for (const float slope : tape.grad(tokens).span<float>()) EXPECT_TRUE(std::isfinite(slope));
  }
}

// Of whole models, Gemma's soft cap among them: what the logits say, and the gradients of what is made of it.
TEST(LogProbs, AreThoseOfTheLogits) {
  for (const char* name : {"llama", "llama-tied", "gemma2"}) {
    Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models" / name))));
    const std::vector<Parameter> parameters = train_all(model);
    ThreadPool pool(1);
    Context ctx(pool, reference_kernels());
    const std::vector<int32_t> targets{4, 5, 6, 7};
    Batch batch = whole_sequence({3, 4, 5, 6, 7});
    const auto teach = [&](bool whole_logits) {
      Tape tape;
      watch(tape, parameters);
      ctx.set_recorder(&tape);
      batch.logit_rows = {0, 1, 2, 3};
      const Tensor log_probs = whole_logits
                                   ? ops::log_probs(ctx, value(model.forward(ctx, batch, nullptr)).logits, targets)
                                   : value(model.log_probs(ctx, batch, targets));
      const Tensor loss = orpo_loss(ctx, {log_probs, {0, 1, 4}}, 0.5, 1);
      tape.backward(ctx, loss);
      ctx.set_recorder(nullptr);
      std::vector<Tensor> grads = gradients(tape, parameters);
      grads.push_back(log_probs);
      return grads;
    };
    const std::vector<Tensor> want = teach(true);
    const std::vector<Tensor> got = teach(false);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(got[i].defined(), want[i].defined()) << name << " " << i;
      if (!want[i].defined()) continue;
      EXPECT_LT(distance(got[i], want[i]), 1e-5) << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace linnet
