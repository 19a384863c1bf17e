#include "eval/likelihood.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "eval/logit_row.hpp"
#include "models/model.hpp"

namespace linnet {
namespace {

Transformer golden(const std::string& name) {
  auto description = describe_model(LINNET_SOURCE_DIR "/tests/golden/" + name);
  EXPECT_TRUE(description.ok()) << description.error().to_string();
  return std::move(load_transformer(*description)).value();
}

class LikelihoodTest : public testing::Test {
 protected:
  int32_t token() { return static_cast<int32_t>(random_.below(static_cast<uint64_t>(model_.config().vocab_size))); }
  std::vector<int32_t> tokens(size_t count) {
    std::vector<int32_t> out(count);
    for (int32_t& t : out) t = token();
    return out;
  }

  // By one forward without a cache for each text.
  Likelihood slow(const Continuation& text) {
    std::vector<int32_t> read(text.tokens.begin(), text.tokens.end() - 1);
    const Tensor logits = model_.forward(ctx_, whole_sequence(std::move(read)), nullptr)->logits;
    Likelihood out;
    for (int64_t t = text.begin; std::cmp_less(t, text.tokens.size()); ++t) {
      const LogitRow row(logits, t - 1);
      const auto target = static_cast<size_t>(text.tokens[static_cast<size_t>(t)]);
      out.log_probability += row.log_of(target);
      out.greedy = out.greedy && row.top() == target;
    }
    return out;
  }

  void expect_as_slow(const std::vector<ContinuationSet>& sets, LikelihoodScorer& scorer) {
    const auto fast = scorer.score(sets, cancel_);
    ASSERT_TRUE(fast.ok()) << fast.error().to_string();
    for (size_t s = 0; s < sets.size(); ++s) {
      for (size_t c = 0; c < sets[s].size(); ++c) {
        const Likelihood want = slow(sets[s][c]);
        const Likelihood& have = (*fast)[s][c];
        EXPECT_NEAR(have.log_probability, want.log_probability, 1e-3) << s << " " << c;
        EXPECT_EQ(have.greedy, want.greedy) << s << " " << c;
      }
    }
  }

  Random random_{7};
  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  Transformer model_ = golden("models/llama");
  CancelToken cancel_;
};

// Sets of every kind: many and few, long and short, one token, contexts that continuations do not share to the end (as
// when a tokenizer joins across the border), equal continuations, the same beginning for several sets in a row. Models
// with a window, with embeddings that change in the middle, and with room for texts of several steps and blocks.
TEST_F(LikelihoodTest, AsOneForwardForEachText) {
  for (const auto& [name, room] :
       {std::pair{"models/llama", 72}, {"models/qwen2-window", 72}, {"models/phi3-longrope", 72}, {"tiny_chat", 700}}) {
    SCOPED_TRACE(name);
    model_ = golden(name);
    LikelihoodScorer scorer(model_, ctx_, room, DType::kF32);
    const auto part = [&, room = room](double share) { return static_cast<size_t>(room * share); };
    std::vector<ContinuationSet> sets;
    const std::vector<int32_t> shots = tokens(part(0.3));
    for (int i = 0; i < 24; ++i) {
      std::vector<int32_t> context = i % 3 == 0 ? std::vector<int32_t>{} : shots;
      const std::vector<int32_t> own = tokens(1 + random_.below(part(i % 5 == 0 ? 0.5 : 0.1)));
      context.insert(context.end(), own.begin(), own.end());
      ContinuationSet set;
      const uint64_t count = 1 + random_.below(i % 7 == 0 ? 40 : 4);
      for (uint64_t c = 0; c < count; ++c) {
        Continuation text{context, static_cast<int64_t>(context.size())};
        if (c % 3 == 2) text.tokens.back() = token();
        if (c % 4 == 3 && text.begin > 1) --text.begin;
        const std::vector<int32_t> more = tokens(1 + random_.below(12));
        text.tokens.insert(text.tokens.end(), more.begin(), more.end());
        set.push_back(std::move(text));
      }
      if (i % 4 == 0) set.push_back(set.front());
      sets.push_back(std::move(set));
    }
    expect_as_slow(sets, scorer);
    expect_as_slow(sets, scorer);  // the cache still holds the end of the first time
  }
}

TEST_F(LikelihoodTest, TheLikeliestContinuationIsGreedy) {
  LikelihoodScorer scorer(model_, ctx_, 64, DType::kF32);
  Continuation text{tokens(5), 5};
  for (int i = 0; i < 3; ++i) {
    const Tensor logits = model_.forward(ctx_, whole_sequence(text.tokens), nullptr)->logits;
    text.tokens.push_back(static_cast<int32_t>(LogitRow(logits, logits.dim(0) - 1).top()));
  }
  Continuation other = text;
  other.tokens[6] = (other.tokens[6] + 1) % static_cast<int32_t>(model_.config().vocab_size);
  const auto told = scorer.score(std::vector<ContinuationSet>{{text, other}}, cancel_);
  ASSERT_TRUE(told.ok());
  EXPECT_TRUE((*told)[0][0].greedy);
  EXPECT_FALSE((*told)[0][1].greedy);
}

// What stands beside a set in a call changes no bit of its numbers.
TEST_F(LikelihoodTest, CompanyChangesNothing) {
  std::vector<ContinuationSet> sets;
  for (int i = 0; i < 10; ++i) {
    const std::vector<int32_t> context = tokens(10 + random_.below(40));
    ContinuationSet set;
    for (int c = 0; c < 3; ++c) {
      Continuation text{context, static_cast<int64_t>(context.size())};
      const std::vector<int32_t> more = tokens(1 + random_.below(5));
      text.tokens.insert(text.tokens.end(), more.begin(), more.end());
      set.push_back(text);
    }
    sets.push_back(set);
  }
  LikelihoodScorer together(model_, ctx_, 100, DType::kF32);
  const auto all = together.score(sets, cancel_);
  ASSERT_TRUE(all.ok());
  for (size_t i = sets.size(); i-- > 0;) {
    LikelihoodScorer alone(model_, ctx_, 100, DType::kF32);
    const auto one = alone.score(std::span(sets).subspan(i, 1), cancel_);
    ASSERT_TRUE(one.ok());
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ((*one)[0][c].log_probability, (*all)[i][c].log_probability);
  }
}

// The cache is bounded, so that a block that is lost at each call would end it.
TEST_F(LikelihoodTest, GoesOnForever) {
  model_ = golden("tiny_chat");
  LikelihoodScorer scorer(model_, ctx_, 300, DType::kF32);
  for (int call = 0; call < 8; ++call) {
    std::vector<ContinuationSet> sets;
    for (int i = 0; i < 16; ++i) {
      std::vector<int32_t> context = tokens(5 + random_.below(200));
      std::fill_n(context.begin(), 3, 7);  // a beginning for all, which ends inside of a block
      ContinuationSet set;
      for (int c = 0; c < 4; ++c) {
        set.push_back({context, static_cast<int64_t>(context.size())});
        const std::vector<int32_t> more = tokens(1 + random_.below(30));
        set.back().tokens.insert(set.back().tokens.end(), more.begin(), more.end());
      }
      sets.push_back(std::move(set));
    }
    const auto told = scorer.score(sets, cancel_);
    ASSERT_TRUE(told.ok()) << call << told.error().to_string();
  }
}

TEST_F(LikelihoodTest, RefusesWhatDoesNotFitAndStopsWhenTold) {
  LikelihoodScorer scorer(model_, ctx_, 20, DType::kF32);
  const std::vector<ContinuationSet> sets{{{tokens(21), 5}}};
  const auto refused = scorer.score(sets, cancel_);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("21"), std::string::npos);
  cancel_.cancel();
  const auto stopped = scorer.score(std::vector<ContinuationSet>{{{tokens(9), 5}}}, cancel_);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace linnet
