#include "train/preference_loss.hpp"

#include <cmath>

#include "base/check.hpp"

namespace linnet {

namespace {

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

// -log sigmoid(x), where neither end overflows.
double softplus_of_minus(double x) {
  return x >= 0 ? std::log1p(std::exp(-x)) : -x + std::log1p(std::exp(x));
}

// A loss whose slope with respect to each token of reply s is slopes[s].
Tensor loss_of(Context& ctx, const ReplyLogProbs& replies, double loss, std::vector<double> slopes) {
  Tensor out = ctx.zeros({1});
  out.data<float>()[0] = static_cast<float>(loss);
  ctx.record({replies.log_probs}, {&out},
             [begin = replies.begin, slopes = std::move(slopes)](Context& back, std::span<const Tensor> dy) {
               Tensor grad = back.empty({begin.back()});
               const float g = dy[0].data<float>()[0];
               for (size_t s = 0; s + 1 < begin.size(); ++s) {
                 for (int64_t t = begin[s]; t < begin[s + 1]; ++t) {
                   grad.data<float>()[t] = g * static_cast<float>(slopes[s]);
                 }
               }
               return std::vector<Tensor>{grad};
             });
  return out;
}

void check_replies(const ReplyLogProbs& replies, bool in_pairs) {
  CHECK(!replies.begin.empty() && replies.begin.back() == replies.log_probs.elements());
  CHECK(!in_pairs || replies.replies() % 2 == 0);
  for (size_t s = 0; s < replies.replies(); ++s) CHECK(replies.begin[s] < replies.begin[s + 1]);
}

// How likely a reply's token is, as ORPO sees it: log of p / (1 - p), p being the geometric mean over its tokens.
struct LogOdds {
  double value = 0;
  double slope = 0;  // with respect to each token's log probability

  LogOdds(double sum, int64_t tokens) {
    const auto count = static_cast<double>(tokens);
    // A reply that is certain has no odds: it counts as certain up to what float32 tells from it.
    constexpr double kMostCertain = -1e-7;
    const double mean = std::min(sum / count, kMostCertain);
    const double rest = -std::expm1(mean);  // 1 - p
    value = mean - std::log(rest);
    slope = 1 / rest / count;
  }
};

}  // namespace

std::vector<double> reply_sums(const ReplyLogProbs& replies) {
  std::vector<double> sums(replies.replies());
  const float* log_probs = replies.log_probs.data<float>();
  for (size_t s = 0; s < sums.size(); ++s) {
    for (int64_t t = replies.begin[s]; t < replies.begin[s + 1]; ++t) sums[s] += log_probs[t];
  }
  return sums;
}

Tensor dpo_loss(Context& ctx, const ReplyLogProbs& replies, std::span<const double> reference, double beta,
                int64_t divisor) {
  check_replies(replies, true);
  CHECK(reference.size() == replies.replies());
  const std::vector<double> sums = reply_sums(replies);
  std::vector<double> slopes(sums.size());
  double loss = 0;
  for (size_t s = 0; s < sums.size(); s += 2) {
    const double margin = beta * ((sums[s] - reference[s]) - (sums[s + 1] - reference[s + 1]));
    loss += softplus_of_minus(margin);
    slopes[s] = -beta * sigmoid(-margin) / static_cast<double>(divisor);
    slopes[s + 1] = -slopes[s];
  }
  return loss_of(ctx, replies, loss / static_cast<double>(divisor), std::move(slopes));
}

Tensor orpo_loss(Context& ctx, const ReplyLogProbs& replies, double beta, int64_t divisor) {
  check_replies(replies, true);
  const auto count = static_cast<double>(divisor);
  const std::vector<double> sums = reply_sums(replies);
  std::vector<double> slopes(sums.size());
  double loss = 0;
  for (size_t s = 0; s < sums.size(); s += 2) {
    const int64_t chosen_tokens = replies.begin[s + 1] - replies.begin[s];
    const LogOdds chosen(sums[s], chosen_tokens);
    const LogOdds rejected(sums[s + 1], replies.begin[s + 2] - replies.begin[s + 1]);
    const double margin = chosen.value - rejected.value;
    loss += beta * softplus_of_minus(margin) - sums[s] / static_cast<double>(chosen_tokens);
    const double pull = beta * sigmoid(-margin);
    slopes[s] = (-pull * chosen.slope - 1 / static_cast<double>(chosen_tokens)) / count;
    slopes[s + 1] = pull * rejected.slope / count;
  }
  return loss_of(ctx, replies, loss / count, std::move(slopes));
}

Tensor kto_loss(Context& ctx, const ReplyLogProbs& replies, std::span<const double> reference,
                const std::vector<bool>& desired, double drift, double beta, int64_t divisor) {
  check_replies(replies, false);
  CHECK(reference.size() == replies.replies() && desired.size() == replies.replies() && drift >= 0);
  const std::vector<double> sums = reply_sums(replies);
  std::vector<double> slopes(sums.size());
  double loss = 0;
  for (size_t s = 0; s < sums.size(); ++s) {
    const double sign = desired[s] ? 1 : -1;
    const double value = sigmoid(sign * beta * (sums[s] - reference[s] - drift));
    loss += 1 - value;
    slopes[s] = -sign * beta * value * (1 - value) / static_cast<double>(divisor);
  }
  return loss_of(ctx, replies, loss / static_cast<double>(divisor), std::move(slopes));
}

}  // namespace linnet
