#include "tasks/window_feed.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include "base/folder_testing.hpp"
#include "models/reference_testing.hpp"
#include "text/tokenizer_json.hpp"
#include "text/training/tokenizer_trainer.hpp"

namespace linnet {
namespace {

// A stream of 1000 tokens.
class WindowFeedTest : public FolderTest {
 protected:
  WindowFeedTest() {
    std::string text;
    for (int i = 0; i < 999; ++i) text += static_cast<char>('a' + (i * 7 + i / 13) % 26);
    const TextCorpus corpus = TextCorpus::of_text("text", text);
    TokenizerTraining training;
    training.kind = TokenizerKind::kCharacters;
    const TrainedTokenizer trained = value(train_tokenizer(corpus, training, {pool_, cancel_}));
    const Tokenizer tokenizer = value(load_tokenizer_json(trained.json, trained.config, "test"));
    const auto path = folder_ / "tokens";
    EXPECT_TRUE(TokenStream::write(path, corpus, tokenizer, pool_, cancel_, [](const Progress&) {}).ok());
    stream_.emplace(value(TokenStream::open(path, tokenizer.vocab_size())));
    all_.resize(static_cast<size_t>(stream_->size()));
    stream_->read(0, all_);
  }

  ThreadPool pool_{1};
  CancelToken cancel_;
  std::optional<TokenStream> stream_;
  std::vector<int32_t> all_;
};

constexpr WindowSettings kSettings{
    .range = {100, 900}, .length = 30, .windows_per_step = 8, .windows_per_part = 3, .dropout = 0.1f, .seed = 5};

TEST_F(WindowFeedTest, AnEpochSeesTheRangeOnceAndPredictsTheNextToken) {
  WindowFeed feed(*stream_, kSettings);
  std::set<std::vector<int32_t>> windows;
  std::set<uint32_t> draws;
  int64_t count = 0;
  for (int64_t step = 0; step < feed.steps_per_epoch(); ++step) {
    for (const TokenBatch& batch : feed.batches(step)) {
      EXPECT_LE(batch.batch.sequences.size(), 3u);
      draws.insert(batch.batch.dropout.draw);
      for (const BatchSequence& s : batch.batch.sequences) {
        const auto begin = batch.batch.tokens.begin() + s.row_begin;
        std::vector<int32_t> window(begin, begin + s.rows);
        window.push_back(batch.targets[static_cast<size_t>(s.row_begin + s.rows - 1)]);
        EXPECT_TRUE(std::equal(begin + 1, begin + s.rows, batch.targets.begin() + s.row_begin));
        // It stands in the range as it is.
        EXPECT_NE(std::search(all_.begin() + 100, all_.begin() + 900, window.begin(), window.end()),
                  all_.begin() + 900);
        windows.insert(window);
        ++count;
      }
    }
  }
  EXPECT_EQ(count, (800 - 30) / 30);
  EXPECT_EQ(windows.size(), static_cast<size_t>(count));
  EXPECT_GE(draws.size(), static_cast<size_t>(count / 3));
}

TEST_F(WindowFeedTest, AStepIsTheSameWhereverOneBegins) {
  WindowFeed straight(*stream_, kSettings);
  WindowFeed jumping(*stream_, kSettings);
  std::vector<std::vector<TokenBatch>> steps;
  for (int64_t step = 0; step < 3 * straight.steps_per_epoch(); ++step) steps.push_back(straight.batches(step));
  for (const size_t step : {9u, 2u, 11u, 0u}) {
    const std::vector<TokenBatch> batches = jumping.batches(static_cast<int64_t>(step));
    ASSERT_EQ(batches.size(), steps[step].size());
    for (size_t i = 0; i < batches.size(); ++i) {
      EXPECT_EQ(batches[i].batch.tokens, steps[step][i].batch.tokens);
      EXPECT_EQ(batches[i].batch.dropout.draw, steps[step][i].batch.dropout.draw);
    }
  }
  EXPECT_NE(steps[0][0].batch.tokens, steps[static_cast<size_t>(straight.steps_per_epoch())][0].batch.tokens);
}

TEST_F(WindowFeedTest, TheSmallestRangeHasOneWindow) {
  WindowFeed feed(*stream_, {.range = {10, 41}, .length = 30, .windows_per_step = 4, .windows_per_part = 4});
  EXPECT_EQ(feed.steps_per_epoch(), 1);
  const std::vector<TokenBatch> batches = feed.batches(0);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_TRUE(std::equal(batches[0].batch.tokens.begin(), batches[0].batch.tokens.end(), all_.begin() + 10));
}

TEST_F(WindowFeedTest, AllLiesSideBySide) {
  const std::vector<TokenBatch> batches = WindowFeed::all(*stream_, {900, 1000}, 30, 2);
  ASSERT_EQ(batches.size(), 2u);  // three windows; a tenth of the range is left
  EXPECT_EQ(batches[0].batch.rows(), 60);
  EXPECT_EQ(batches[1].batch.rows(), 30);
  EXPECT_EQ(batches[1].targets.back(), all_[990]);
  EXPECT_FALSE(batches[0].batch.dropout.drops());
}

}  // namespace
}  // namespace linnet
