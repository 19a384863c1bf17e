#include "engine/batch_writer.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

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
  std::vector<WriterPrompt> prompts(size_t count) {
    const auto token = [&] { return static_cast<int32_t>(random_.below(400)); };
    std::vector<int32_t> begin(70);
    for (int32_t& t : begin) t = token();
    std::vector<WriterPrompt> out;
    for (size_t i = 0; i < count; ++i) {
      std::vector<int32_t> prompt = begin;
      for (uint64_t more = 1 + random_.below(i % 5 == 0 ? 220 : 30); more > 0; --more) prompt.push_back(token());
      out.push_back({std::move(prompt), i});
    }
    return out;
  }

  static constexpr int64_t kRoom = 300;  // some prompts leave none for a whole reply

  Generated alone(const WriterPrompt& prompt, GenerateParams params) {
    Session session(model_, ctx_, kRoom, DType::kF32);
    params.sampling.seed = prompt.seed;
    return *generate(session, tokenizer_, prompt.tokens, params, {});
  }

  static void expect_same(const Generated& got, const Generated& expected) {
    EXPECT_EQ(got.text, expected.text);
    EXPECT_EQ(got.reason, expected.reason);
    EXPECT_EQ(got.prompt_tokens, expected.prompt_tokens);
    ASSERT_EQ(got.tokens.size(), expected.tokens.size());
    for (size_t i = 0; i < got.tokens.size(); ++i) {
      EXPECT_EQ(got.tokens[i].chosen.id, expected.tokens[i].chosen.id);
      EXPECT_EQ(got.tokens[i].chosen.log_probability, expected.tokens[i].chosen.log_probability);
      EXPECT_EQ(got.tokens[i].top.size(), expected.tokens[i].top.size());
    }
  }

  std::vector<Generated> write(BatchWriter& writer, std::span<const WriterPrompt> all, const GenerateParams& params) {
    std::vector<Generated> replies(all.size());
    std::vector<int> times(all.size());
    const Status written = writer.write(all, params, cancel_, [&](size_t place, Generated reply) -> Status {
      ++times.at(place);
      replies[place] = std::move(reply);
      return ok_status();
    });
    EXPECT_TRUE(written.ok()) << written.error().to_string();
    EXPECT_EQ(std::ranges::count(times, 1), std::ssize(times));
    return replies;
  }

  Random random_{9};
  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  Tokenizer tokenizer_ = tokenizer();
  Transformer model_ = model();
  CancelToken cancel_;
};

TEST_F(BatchWriterTest, EachReplyIsWhatItWouldBeAlone) {
  BatchWriter writer(model_, ctx_, tokenizer_, kRoom, DType::kF32);
  const auto all = prompts(40);
  GenerateParams params;
  params.max_tokens = 90;
  // The end token is one that the model writes now and then, so that replies are of many lengths.
  const Generated sample = alone(all[0], params);
  params.end_tokens = {sample.tokens.at(sample.tokens.size() / 2).chosen.id};
  params.stop_strings = {"\n", "e "};
  params.top_logprobs = 2;
  std::set<FinishReason> reasons;
  for (const float temperature : {0.0f, 1.5f}) {
    SCOPED_TRACE(temperature);
    params.sampling.temperature = temperature;
    const std::vector<Generated> replies = write(writer, all, params);
    for (size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(i);
      expect_same(replies[i], alone(all[i], params));
      reasons.insert(replies[i].reason);
    }
  }
  EXPECT_GE(reasons.size(), 4u) << "end token, stop string, length and context are all to be seen";
  const std::vector<WriterPrompt> one{{{3}}};
  expect_same(write(writer, one, params)[0], alone(one[0], params));
  params.max_tokens = 0;
  EXPECT_EQ(write(writer, one, params)[0].text, "");
}

TEST_F(BatchWriterTest, DrawsBySeed) {
  BatchWriter writer(model_, ctx_, tokenizer_, kRoom, DType::kF32);
  std::vector<WriterPrompt> all = prompts(12);
  for (WriterPrompt& prompt : all) prompt.tokens = all[0].tokens;
  GenerateParams params;
  params.sampling.temperature = 1.5f;
  params.max_tokens = 12;
  std::set<std::string> texts;
  for (const Generated& reply : write(writer, all, params)) {
    EXPECT_FALSE(reply.whole());
    texts.insert(reply.text);
  }
  EXPECT_EQ(texts.size(), all.size());
}

TEST_F(BatchWriterTest, StopsWhenToldAndWithItsListener) {
  BatchWriter writer(model_, ctx_, tokenizer_, kRoom, DType::kF32);
  const auto all = prompts(3);
  GenerateParams params;
  params.max_tokens = 4;
  const Status refused =
      writer.write(all, params, cancel_, [](size_t, const Generated&) -> Status { return invalid("no"); });
  EXPECT_EQ(refused.error().message, "no");
  cancel_.cancel();
  const Status stopped = writer.write(all, params, cancel_, [](size_t, const Generated&) { return ok_status(); });
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace linnet
