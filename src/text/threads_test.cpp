// One tokenizer and one template, used from several threads at once. Runs under ThreadSanitizer too.
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "text/golden_testing.hpp"
#include "text/jinja/template.hpp"

namespace linnet {
namespace {

constexpr int kThreads = 4;

// Runs `work` on all threads at once and gives how often it was false.
template <class Work>
int failures(const Work& work) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      if (!work()) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return wrong;
}

// What a tokenizer learns about its tokens while it encodes, every thread meets first here.
TEST(TextThreadsTest, OneTokenizerServesEveryThread) {
  for (const auto& path : tokenizer_recordings()) {
    const auto record = read_json_file(path.string());
    ASSERT_TRUE(record.ok()) << record.error().to_string();
    const auto tokenizer = load_recorded_tokenizer(*record);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    const auto texts = record->at("texts").get<std::vector<std::string>>();
    const auto expected = record->at("ids").get<std::vector<std::vector<int32_t>>>();
    const auto sequences = record->at("sequences").get<std::vector<std::vector<int32_t>>>();
    const auto decoded = record->at("decoded").get<std::vector<std::string>>();
    const auto work = [&] {
      bool equal = true;
      for (size_t i = 0; i < texts.size(); ++i) {
        const auto ids = tokenizer->encode(texts[i]);
        equal = equal && ids.ok() && *ids == expected[i];
      }
      for (size_t i = 0; i < sequences.size(); ++i) equal = equal && tokenizer->decode(sequences[i]) == decoded[i];
      return equal;
    };
    EXPECT_EQ(failures(work), 0) << path;
  }
}

TEST(TextThreadsTest, OneTemplateServesEveryThread) {
  const auto parsed = Template::parse(
      "{% macro turn(m) %}<{{ m.role | upper }}>{{ m.content | trim }}\n{% endmacro %}"
      "{% for m in messages %}{{ turn(m) }}{% endfor %}{{ messages | map(attribute='role') | join(',') }}",
      "t");
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  const Json variables =
      Json::parse(R"({"messages":[{"role":"user","content":" Hi "},{"role":"assistant","content":"Ünï"}]})");
  const auto work = [&] {
    bool equal = true;
    for (int i = 0; i < 50; ++i) {
      const auto rendered = parsed->render(variables);
      equal = equal && rendered.ok() && rendered->text == "<USER>Hi\n<ASSISTANT>Ünï\nuser,assistant";
    }
    return equal;
  };
  EXPECT_EQ(failures(work), 0);
}

}  // namespace
}  // namespace linnet
