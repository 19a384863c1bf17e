#include "tasks/token_stream.hpp"

#include <fstream>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "models/reference_testing.hpp"
#include "text/tokenizer_json.hpp"
#include "text/training/tokenizer_trainer.hpp"

namespace linnet {
namespace {

class TokenStreamTest : public FolderTest {
 protected:
  Tokenizer characters_of(const TextCorpus& corpus) {
    TokenizerTraining training;
    training.kind = TokenizerKind::kCharacters;
    const TrainedTokenizer trained = value(train_tokenizer(corpus, training, {pool_, cancel_}));
    return value(load_tokenizer_json(trained.json, trained.config, "test"));
  }
  TextCorpus corpus_of(const std::vector<std::string>& files) { return value(TextCorpus::open(files)); }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  Status write(const TextCorpus& corpus, const Tokenizer& tokenizer) {
    return TokenStream::write(path_, corpus, tokenizer, pool_, cancel_, [](const Progress&) {});
  }

  ThreadPool pool_{2};
  CancelToken cancel_;
  std::filesystem::path path_ = folder_ / "tokens";
};

TEST_F(TokenStreamTest, HoldsEveryTextAndItsEnd) {
  const TextCorpus corpus =
      corpus_of({file("a.txt", "one two"), file("b.jsonl", "{\"text\":\"three\"}\n\n{\"text\":\"four\"}\n")});
  const Tokenizer tokenizer = characters_of(corpus);
  ASSERT_TRUE(write(corpus, tokenizer).ok());
  const TokenStream stream = value(TokenStream::open(path_, tokenizer.vocab_size()));
  std::vector<int32_t> tokens(static_cast<size_t>(stream.size()));
  stream.read(0, tokens);
  EXPECT_EQ(tokenizer.decode(tokens, {.skip_special = false}),
            "one two<|endoftext|>three<|endoftext|>four<|endoftext|>");
  std::vector<int32_t> piece(3);
  stream.read(4, piece);
  EXPECT_EQ(tokenizer.decode(piece), "two");
}

TEST_F(TokenStreamTest, PartsOfALargeFileAreOneText) {
  std::string text;
  for (int i = 0; text.size() < 3'000'000; ++i) text += "line " + std::to_string(i) + "\n";
  const TextCorpus corpus = corpus_of({file("large.txt", text)});
  ASSERT_GT(corpus.parts(), 1u);
  const Tokenizer tokenizer = characters_of(corpus);
  ASSERT_TRUE(write(corpus, tokenizer).ok());
  const TokenStream stream = value(TokenStream::open(path_, tokenizer.vocab_size()));
  std::vector<int32_t> tokens(static_cast<size_t>(stream.size()));
  stream.read(0, tokens);
  EXPECT_EQ(tokenizer.decode(tokens, {.skip_special = false}), text + "<|endoftext|>");
}

TEST_F(TokenStreamTest, RefusesWhatIsNoSuchFile) {
  const TextCorpus corpus = corpus_of({file("a.txt", "abcabc")});
  const Tokenizer tokenizer = characters_of(corpus);
  ASSERT_TRUE(write(corpus, tokenizer).ok());
  const std::string good = value(read_file(path_));
  const int32_t vocab = tokenizer.vocab_size();
  const auto open = [&](const std::string& bytes, int32_t of) {
    std::ofstream(path_) << bytes;
    return TokenStream::open(path_, of).ok();
  };
  EXPECT_TRUE(open(good, vocab));
  EXPECT_FALSE(open(good, vocab + 1));
  EXPECT_FALSE(open(good, 1 << 17));
  EXPECT_FALSE(open(good.substr(2), vocab));                   // cut in front
  EXPECT_FALSE(open(good.substr(0, good.size() - 1), vocab));  // and behind
  EXPECT_FALSE(open("", vocab));
  std::string wild = good;
  wild[1] = '\x7f';  // a token far above the vocabulary
  EXPECT_FALSE(open(wild, vocab));
  std::string many = good;
  many[many.size() - 1] = '\x7f';  // 2^62 tokens
  EXPECT_FALSE(open(many, vocab));
}

}  // namespace
}  // namespace linnet
