#include "text/training/corpus.hpp"

#include <atomic>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "text/training/word_counts.hpp"

namespace linnet {
namespace {

class CorpusTest : public FolderTest {
 protected:
  std::string write(const std::string& name, std::string_view text) {
    const auto path = folder_ / name;
    EXPECT_TRUE(write_file(path, text).ok());
    return path.string();
  }

  // Every text, or the error of the first part that has one.
  static Result<std::vector<std::string>> texts(const std::vector<std::string>& paths,
                                                const std::string& field = "text") {
    TRY_ASSIGN(const TextCorpus corpus, TextCorpus::open(paths, field));
    std::vector<std::string> out;
    for (size_t part = 0; part < corpus.parts(); ++part) {
      TRY(corpus.read(part, [&](std::string_view text) -> Status {
        out.emplace_back(text);
        return ok_status();
      }));
    }
    return out;
  }
};

using Texts = std::vector<std::string>;

TEST_F(CorpusTest, ReadsFilesAndLinesAndFolders) {
  const std::string plain = write("b.weird", "one two");
  const std::string lines =
      write("a.jsonl", "{\"text\": \"caf\\u00e9\"}\r\n\n{\"id\": 1, \"text\": \"\"}\n{\"text\": \"end\"}");
  write("deep/er/z.md", "\xEF\xBB\xBF# Title");
  write("deep/y.png", "\xFF");
  EXPECT_EQ(*texts({plain, lines}), (Texts{"one two", "café", "", "end"}));
  EXPECT_EQ(*texts({folder_.string()}), (Texts{"café", "", "end", "# Title"}));
}

TEST_F(CorpusTest, AnotherFieldMayHoldTheText) {
  EXPECT_EQ(*texts({write("a.ndjson", R"({"text": 1, "body": "x"})")}, "body"), Texts{"x"});
}

TEST_F(CorpusTest, LongFilesAreCutBetweenWords) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += i % 7 == 0 ? "日本\u3000語\u3000 \n\n  x" : " words and  more\t\r\n";
  const auto parts = texts({write("long.txt", text)});
  ASSERT_TRUE(parts.ok());
  EXPECT_GT(parts->size(), 8u);
  std::string joined;
  for (const std::string& part : *parts) {
    if (!joined.empty()) {
      EXPECT_TRUE(part[0] == ' ' || part[0] == '\n');
      EXPECT_NE(joined.back(), ' ');
      EXPECT_NE(joined.back(), '\n');
      EXPECT_FALSE(joined.ends_with("\u3000"));
    }
    joined += part;
  }
  EXPECT_EQ(joined, text);
}

TEST_F(CorpusTest, SaysWhereATextIsWrong) {
  const auto error = [&](const std::string& path) {
    const auto read = texts({path});
    return read.ok() ? std::string("ok") : read.error().to_string();
  };
  const std::string latin = write("latin.txt", "one\ntwo caf\xE9\n");
  EXPECT_TRUE(error(latin).starts_with(latin + ": line 2: byte 11 (0xE9) is not UTF-8")) << error(latin);
  const std::string half = write("half.txt", "\xE2\x82");
  EXPECT_TRUE(error(half).starts_with(half + ": line 1: byte 0 (0xE2)")) << error(half);
  const std::string none = write("none.jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n");
  EXPECT_TRUE(error(none).starts_with(none + ": line 2")) << error(none);
  EXPECT_NE(error(none).find("text"), std::string::npos) << error(none);
  EXPECT_TRUE(error(write("list.jsonl", "[1]")).find("line 1") != std::string::npos);
  EXPECT_TRUE(error(write("bad.jsonl", "{\"text\": \"\\ud800\"}")).find("line 1") != std::string::npos);
  EXPECT_TRUE(error((folder_ / "missing").string()).find("missing") != std::string::npos);
  write("empty/readme.rst", "x");
  EXPECT_TRUE(error((folder_ / "empty").string()).find("no text") != std::string::npos);
}

TEST_F(CorpusTest, NothingIsNoText) {
  EXPECT_EQ(*texts({write("empty.txt", "")}), Texts{});
  EXPECT_EQ(*texts({write("mark.txt", "\xEF\xBB\xBF")}), Texts{});
}

TEST(WordCountsTest, KeepsWordsOfEveryLength) {
  WordCounts counts;
  const std::string long_word(3 << 20, 'x');
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(counts.add("b", 1).ok());
    ASSERT_TRUE(counts.add(std::string(long_word), 2).ok());
    ASSERT_TRUE(counts.add("a", 1).ok());
  }
  WordCounts other;
  ASSERT_TRUE(other.add(std::string("c"), 5).ok());
  ASSERT_TRUE(other.add(std::string("a"), 5).ok());
  ASSERT_TRUE(counts.absorb(std::move(other)).ok());
  counts.sort();
  ASSERT_TRUE(counts.add("a", 1).ok());
  ASSERT_EQ(counts.words().size(), 4u);
  EXPECT_EQ(counts.words()[0].word, "a");
  EXPECT_EQ(counts.words()[0].count, 8u);
  EXPECT_EQ(counts.words()[2].word, "c");
  EXPECT_EQ(counts.words()[3].word, long_word);
  EXPECT_EQ(counts.total(), 8u + 2 + 5 + 4);
}

TEST(WordCountsTest, LongWordsAreCutBetweenCharacters) {
  ThreadPool pool(1);
  const CancelToken never;
  auto counts = count_words(TextCorpus::of_text("t", "\u00e9\u00e9\u00e9abcde\u20ac"), {}, {pool, never}, 5);
  ASSERT_TRUE(counts.ok());
  counts->sort();
  std::vector<std::string_view> words;
  for (const WordCount& word : counts->words()) words.push_back(word.word);
  EXPECT_EQ(words, (std::vector<std::string_view>{"de\u20ac", "\u00e9abc", "\u00e9\u00e9"}));
}

TEST(WordCountsTest, TheFirstErrorIsToldOnAnyNumberOfThreads) {
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += " word";
  text[1'000'001] = '\xFF';
  text[1'900'001] = '\xFF';
  const TextCorpus corpus = TextCorpus::of_text("t", text);
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    const CancelToken never;
    const auto counts = count_words(corpus, {}, {pool, never});
    ASSERT_FALSE(counts.ok());
    EXPECT_NE(counts.error().message.find("byte 1000001 "), std::string::npos) << counts.error().message;
  }
}

}  // namespace
}  // namespace linnet
