#include "eval/text_score.hpp"

#include <gtest/gtest.h>

#include "models/model.hpp"

namespace linnet {
namespace {

Transformer golden(const char* name) {
  auto description = describe_model(std::string(LINNET_SOURCE_DIR "/tests/golden/models/") + name);
  EXPECT_TRUE(description.ok()) << description.error().to_string();
  return std::move(load_transformer(*description)).value();
}

class TextScoreTest : public testing::Test {
 protected:
  TextScoreTest() {
    for (int32_t i = 0; i < 40; ++i) {
      tokens_.push_back((11 * i * i + 5 * i + 1) % static_cast<int32_t>(model_.config().vocab_size));
    }
  }

  TextResult score(const TextWindow& window, const Transformer* second = nullptr) {
    auto result = score_text({&model_}, {second}, ctx_, tokens_, window, cancel_, {});
    EXPECT_TRUE(result.ok()) << result.error().to_string();
    return std::move(result).value();
  }

  // -log p of token `target` after tokens [begin, target), from logits of its own.
  double nats(int64_t begin, int64_t target, int32_t bos) {
    std::vector<int32_t> before;
    if (bos >= 0) before.push_back(bos);
    before.insert(before.end(), tokens_.begin() + begin, tokens_.begin() + target);
    const Tensor logits = model_.forward(ctx_, whole_sequence(before), nullptr)->logits;
    const auto row = logits.span<float>().last(static_cast<size_t>(logits.dim(1)));
    double sum = 0;
    for (const float logit : row) sum += std::exp(double{logit});
    return std::log(sum) - row[static_cast<size_t>(tokens_[static_cast<size_t>(target)])];
  }

  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  Transformer model_ = golden("llama");
  std::vector<int32_t> tokens_;
  CancelToken cancel_;
};

// Against one forward for each token, with the window written out by hand.
TEST_F(TextScoreTest, EachTokenIsScoredOnceFromItsWindow) {
  for (const int32_t bos : {-1, 1}) {
    double sum = 0;
    for (int64_t t = bos < 0 ? 1 : 0; t < 40; ++t) {
      // Windows of 16 that move on by 6: [0, 16), [6, 22), [12, 28), [18, 34), [24, 40).
      const int64_t begin = t < 16 ? 0 : (t - 16) / 6 * 6 + 6;
      sum += nats(begin, t, bos);
    }
    const TextScore score = this->score({.window = 16, .stride = 6, .bos = bos}).score;
    EXPECT_EQ(score.nats.count, bos < 0 ? 39 : 40);
    EXPECT_NEAR(score.nats.sum, sum, 1e-3);
    EXPECT_NEAR(score.perplexity(), std::exp(sum / static_cast<double>(score.nats.count)), 1e-3);
  }
}

TEST_F(TextScoreTest, AModelIsLikeItselfAndUnlikeAnother) {
  const TextWindow window{.window = 32, .stride = 16, .bos = -1};
  const TextResult same = score(window, &model_);
  EXPECT_EQ(same.against.divergence.sum, 0);
  EXPECT_EQ(same.against.same_top, same.score.nats.count);
  EXPECT_EQ(same.against.score.nats.sum, same.score.nats.sum);
  const Transformer other = golden("llama-tied");
  ASSERT_EQ(other.config().vocab_size, model_.config().vocab_size);
  const TextResult unlike = score(window, &other);
  EXPECT_GT(unlike.against.divergence.mean(), 1e-3);
  EXPECT_LT(unlike.against.same_top, unlike.score.nats.count);
  EXPECT_EQ(unlike.score.nats.sum, same.score.nats.sum);
}

TEST_F(TextScoreTest, AShorterCacheCostsLittleAndSomething) {
  const auto result =
      score_text({&model_}, {&model_, DType::kF16}, ctx_, tokens_, {.window = 32, .stride = 16}, cancel_, {});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_GT(result->against.divergence.mean(), 0);
  EXPECT_LT(result->against.divergence.mean(), 1e-4);
}

TEST_F(TextScoreTest, StopsWhenTold) {
  cancel_.cancel();
  const auto stopped = score_text({&model_}, {}, ctx_, tokens_, {}, cancel_, {});
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

TEST(TokenMeanTest, StandardErrorIsOfTheMean) {
  TokenMean mean;
  for (const double x : {1, 2, 3, 4}) mean.add(x);
  EXPECT_DOUBLE_EQ(mean.mean(), 2.5);
  EXPECT_NEAR(mean.standard_error(), std::sqrt(5.0 / 3 / 4), 1e-12);  // sample deviation over sqrt(n)
}

}  // namespace
}  // namespace linnet
