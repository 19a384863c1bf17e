#include "eval/batch_writer.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/random.hpp"
#include "engine/generate.hpp"
#include "models/model.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {
namespace {

class BatchWriterTest : public testing::Test {
 protected:
  static Tokenizer tokenizer() {
    const std::string path = LINNET_SOURCE_DIR "/tests/golden/tiny_chat/tokenizer.json";
    auto read = load_tokenizer_json(*read_file(path), "", path);
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    return std::move(read).value();
  }
  static Transformer model() {
    auto description = describe_model(LINNET_SOURCE_DIR "/tests/golden/tiny_chat");
    EXPECT_TRUE(description.ok()) << description.error().to_string();
    return std::move(load_transformer(*description)).value();
  }

  // Prompts of many lengths; most begin alike.
  std::vector<std::vector<int32_t>> prompts(size_t count) {
    const auto token = [&] { return static_cast<int32_t>(random_.below(400)); };
    std::vector<int32_t> begin(70);
    for (int32_t& t : begin) t = token();
    std::vector<std::vector<int32_t>> out;
    for (size_t i = 0; i < count; ++i) {
      std::vector<int32_t> prompt = begin;
      for (uint64_t more = 1 + random_.below(i % 9 == 0 ? 300 : 30); more > 0; --more) prompt.push_back(token());
      out.push_back(std::move(prompt));
    }
    return out;
  }

  std::string alone(const std::vector<int32_t>& prompt, const WriteParams& params) {
    Session session(model_, ctx_, 600, DType::kF32);
    GenerateParams one;
    one.sampling = params.sampling;
    one.max_tokens = params.max_tokens;
    one.end_tokens = params.end_tokens;
    one.stop_strings = params.stop_strings;
    return generate(session, tokenizer_, prompt, one, {})->text;
  }

  Random random_{9};
  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  Tokenizer tokenizer_ = tokenizer();
  Transformer model_ = model();
  CancelToken cancel_;
};

TEST_F(BatchWriterTest, EachReplyIsWhatItWouldBeAlone) {
  BatchWriter writer(model_, ctx_, tokenizer_, 600, DType::kF32);
  const auto all = prompts(40);
  // The end token is one that the model writes now and then, so that replies are of many lengths.
  const std::string sample = alone(all[0], {.sampling = {}, .max_tokens = 30, .end_tokens = {}, .stop_strings = {}});
  const auto some = tokenizer_.encode(sample);
  ASSERT_TRUE(some.ok() && !some->empty());
  const WriteParams params{
      .sampling = {}, .max_tokens = 30, .end_tokens = {some->at(some->size() / 2)}, .stop_strings = {"\n", "e "}};
  std::vector<std::string> replies(all.size(), "?");
  size_t whole = 0;
  const auto keep = [&](size_t place, Written one) -> Status {
    EXPECT_EQ(replies.at(place), "?");
    replies[place] = std::move(one.text);
    whole += one.whole;
    return ok_status();
  };
  const Status written = writer.write(all, params, cancel_, keep);
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(replies[i], alone(all[i], params)) << i;
  EXPECT_GT(whole, 0u);
  const std::vector<std::vector<int32_t>> one{{3}};
  ASSERT_TRUE(writer
                  .write(one, params, cancel_,
                         [&](size_t, const Written& told) -> Status {
                           EXPECT_EQ(told.text, alone(one[0], params));
                           return ok_status();
                         })
                  .ok());
}

// What is drawn is the same in any company, another with another seed, and cut where it has no end.
TEST_F(BatchWriterTest, DrawsTheSameInAnyCompany) {
  BatchWriter writer(model_, ctx_, tokenizer_, 600, DType::kF32);
  const auto all = prompts(12);
  const auto write = [&](std::span<const std::vector<int32_t>> some, uint64_t seed) {
    std::vector<std::string> replies(some.size());
    const WriteParams params{
        .sampling = {.temperature = 1.5f, .seed = seed}, .max_tokens = 12, .end_tokens = {}, .stop_strings = {}};
    EXPECT_TRUE(writer
                    .write(some, params, cancel_,
                           [&](size_t place, Written written) -> Status {
                             EXPECT_FALSE(written.whole);
                             replies[place] = std::move(written.text);
                             return ok_status();
                           })
                    .ok());
    return replies;
  };
  const std::vector<std::string> together = write(all, 7);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(write(std::span(all).subspan(i, 1), 7)[0], together[i]) << i;
  EXPECT_NE(write(all, 8), together);
}

TEST_F(BatchWriterTest, StopsWhenToldAndWithItsListener) {
  BatchWriter writer(model_, ctx_, tokenizer_, 600, DType::kF32);
  const auto all = prompts(3);
  const WriteParams params{.sampling = {}, .max_tokens = 4, .end_tokens = {}, .stop_strings = {}};
  const Status refused =
      writer.write(all, params, cancel_, [](size_t, const Written&) -> Status { return invalid("no"); });
  EXPECT_EQ(refused.error().message, "no");
  cancel_.cancel();
  const Status stopped = writer.write(all, params, cancel_, [](size_t, const Written&) { return ok_status(); });
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace linnet
