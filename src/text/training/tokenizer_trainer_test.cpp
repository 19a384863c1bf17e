// What is learned, beside what Hugging Face tokenizers learned from the same texts (tests/golden/make_trained.py), and
// what must hold for every text.
#include "text/training/tokenizer_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <random>

#include "base/json.hpp"
#include "base/utf8.hpp"
#include "text/tokenizer_json.hpp"
#include "text/training/seed_pieces.hpp"

namespace linnet {
namespace {

using Ids = std::vector<int32_t>;

Result<TrainedTokenizer> train(const std::string& text, const TokenizerTraining& options, int threads = 2) {
  ThreadPool pool(threads);
  const CancelToken never;
  return train_tokenizer(TextCorpus::of_text("text", text), options, {pool, never});
}

TokenizerTraining training(TokenizerKind kind, std::optional<int32_t> vocab_size = {}) {
  TokenizerTraining options;
  options.kind = kind;
  options.vocab_size = vocab_size;
  return options;
}

std::string error_of(const std::string& text, const TokenizerTraining& options) {
  const auto trained = train(text, options);
  return trained.ok() ? "ok" : trained.error().to_string();
}

Result<Tokenizer> load(const TrainedTokenizer& trained) {
  return load_tokenizer_json(trained.json, trained.config, "trained");
}

std::vector<std::filesystem::path> recordings(std::string_view kind) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(LINNET_SOURCE_DIR "/tests/golden/trained")) {
    if (entry.path().filename().string().starts_with(kind)) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TokenizerTraining recorded_training(const Json& record, TokenizerKind kind) {
  TokenizerTraining options = training(kind, record.at("vocab_size").get<int32_t>());
  options.specials = record.at("specials").get<std::vector<std::string>>();
  options.unknown = UnknownCharacters::kToken;
  return options;
}

TEST(TokenizerTrainerTest, BpeIsThePeers) {
  const auto paths = recordings("bpe-");
  ASSERT_GE(paths.size(), 12u);
  for (const auto& path : paths) {
    const Json record = *read_json_file(path.string());
    TokenizerTraining options = recorded_training(record, TokenizerKind::kBpe);
    options.min_frequency = record.at("min_frequency").get<uint64_t>();
    const auto trained = train(record.at("text").get<std::string>(), options);
    ASSERT_TRUE(trained.ok()) << path << trained.error().to_string();
    const Json model = parse_json(trained->json, "trained")->at("model");
    std::vector<std::string> vocab;
    for (const auto& [piece, id] : model.at("vocab").items()) {
      ASSERT_EQ(id.get<size_t>(), vocab.size());
      vocab.push_back(piece);
    }
    EXPECT_EQ(vocab, record.at("vocab").get<std::vector<std::string>>()) << path;
    EXPECT_EQ(model.at("merges"), record.at("merges")) << path;
  }
}

TEST(TokenizerTrainerTest, UnigramIsThePeers) {
  const auto paths = recordings("unigram-");
  ASSERT_GE(paths.size(), 9u);
  for (const auto& path : paths) {
    const Json record = *read_json_file(path.string());
    const TokenizerTraining options = recorded_training(record, TokenizerKind::kUnigram);
    const auto trained = train(record.at("text").get<std::string>(), options);
    ASSERT_TRUE(trained.ok()) << path << trained.error().to_string();
    const Json vocab = parse_json(trained->json, "trained")->at("model").at("vocab");
    std::map<std::string, double> scores;
    for (size_t i = 1; i < vocab.size(); ++i) {
      scores[vocab[i][0].get<std::string>()] = vocab[i][1].get<double>();
    }
    EXPECT_EQ(scores.size(), record.at("pieces").size()) << path;
    for (const Json& piece : record.at("pieces")) {
      const auto own = scores.find(piece[0].get<std::string>());
      ASSERT_NE(own, scores.end()) << path << " lacks " << piece[0];
      if (piece[1].is_null()) continue;
      EXPECT_NEAR(own->second, piece[1].get<double>(), 1e-9) << path << piece[0];
    }
  }
}

// --- what must hold for every text

std::string random_text(std::mt19937& random, int length) {
  constexpr char32_t kRanges[][2] = {{'a', 'e'},       {' ', '~'},       {1, 0x24F},        {0x300, 0x36F},
                                     {0x3040, 0x30FF}, {0x4E00, 0x4E20}, {0x1F300, 0x1F310}};
  std::string text;
  for (int i = 0; i < length; ++i) {
    const auto& range = kRanges[std::min<size_t>(random() % 14, std::size(kRanges) - 1) % std::size(kRanges)];
    append_utf8(text, range[0] + static_cast<char32_t>(random() % (range[1] - range[0] + 1)));
    if (random() % 5 == 0) text += random() % 4 == 0 ? "\n" : " ";
  }
  return text;
}

TEST(TokenizerTrainerTest, EveryTextComesBack) {
  std::mt19937 random(7);
  for (int round = 0; round < 12; ++round) {
    const std::string text = random_text(random, 2000);
    for (const TokenizerKind kind : {TokenizerKind::kBpe, TokenizerKind::kUnigram, TokenizerKind::kCharacters}) {
      const auto trained = train(text, training(kind, kind == TokenizerKind::kCharacters ? 600 : 1600));
      ASSERT_TRUE(trained.ok()) << trained.error().to_string();
      const auto tokenizer = load(*trained);
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
      EXPECT_EQ(tokenizer->vocab_size(), trained->vocab_size);
      EXPECT_EQ(tokenizer->piece(tokenizer->special().eos), "<|endoftext|>");
      const auto ids = tokenizer->encode(text);
      ASSERT_TRUE(ids.ok());
      EXPECT_EQ(ids->size(), trained->tokens);
      for (int other = 0; other < 20; ++other) {
        const std::string unseen = random_text(random, 60) + "<0x0A> \U0001F9FF Ж <|endoftext|>  ";
        EXPECT_EQ(tokenizer->decode(*tokenizer->encode(unseen)), unseen) << static_cast<int>(kind);
      }
    }
  }
}

TEST(TokenizerTrainerTest, ByteLevelBpeKeepsAnyBytes) {
  const auto trained = train("the cat sat on the mat", training(TokenizerKind::kBpe, 262));
  const auto tokenizer = load(*trained);
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  std::string back;
  const auto ids = tokenizer->encode(bytes);
  for (const int32_t id : *ids) back += tokenizer->token_bytes(id);
  EXPECT_EQ(back, bytes);
}

TEST(TokenizerTrainerTest, TheNumberOfThreadsChangesNothing) {
  std::mt19937 random(9);
  std::string text;
  for (int i = 0; i < 12; ++i) text += random_text(random, 2500) + std::string(4000, 'z');
  for (const TokenizerKind kind : {TokenizerKind::kBpe, TokenizerKind::kUnigram, TokenizerKind::kCharacters}) {
    const auto one = train(text, training(kind, 1500), 1);
    ASSERT_TRUE(one.ok()) << one.error().to_string();
    for (const int threads : {2, 5}) EXPECT_EQ(train(text, training(kind, 1500), threads)->json, one->json);
  }
}

TEST(TokenizerTrainerTest, CharactersAreThoseOfTheText) {
  TokenizerTraining options = training(TokenizerKind::kCharacters);
  options.unknown = UnknownCharacters::kToken;
  const auto trained = train("hello world\nÜber", options);
  ASSERT_TRUE(trained.ok());
  EXPECT_EQ(trained->vocab_size, 2 + 11);  // <unk>, <|endoftext|>; \n, space, b d e h l o r w Ü
  EXPECT_EQ(trained->tokens, 16u);
  const auto tokenizer = load(*trained);
  EXPECT_EQ(tokenizer->encode("he\n Ü")->size(), 5u);
  EXPECT_EQ(tokenizer->encode("Z")->front(), tokenizer->special().unk);
  options.vocab_size = 4;
  options.specials = {};
  const auto fewest = train("aaaabbbccd", options);  // <unk> and the three most frequent
  EXPECT_EQ(fewest->vocab_size, 4);
  EXPECT_EQ(load(*fewest)->id_of("c"), 3);
  EXPECT_FALSE(load(*fewest)->id_of("d"));
}

TEST(TokenizerTrainerTest, SmallAndStrangeTexts) {
  for (const TokenizerKind kind : {TokenizerKind::kBpe, TokenizerKind::kUnigram, TokenizerKind::kCharacters}) {
    EXPECT_NE(error_of("", training(kind)).find("no text"), std::string::npos);
    for (const std::string& text : {std::string("a"), std::string(" "), std::string("\n"), std::string(3, '\0'),
                                    std::string("\u2581 <unk> <|endoftext|>"), std::string(50'000, 'a')}) {
      const auto trained = train(text, training(kind, 600));
      ASSERT_TRUE(trained.ok()) << trained.error().to_string();
      const auto tokenizer = load(*trained);
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
      EXPECT_TRUE(tokenizer->encode(text).ok());
    }
  }
  // A pair that overlaps itself is halved at each merge, until it occurs once.
  EXPECT_EQ(train(std::string(1 << 16, 'a'), training(TokenizerKind::kBpe, 600))->tokens, 2u);
  // But no piece becomes longer than a tokenizer that is read may have: "\u00e9" is four bytes of it, spelled.
  for (const auto& [part, tokens] : {std::pair("a", 4u), std::pair("\u00e9", 16u)}) {
    std::string text;
    for (int i = 0; i < 1 << 18; ++i) text += part;
    const auto trained = train(text, training(TokenizerKind::kBpe, 600));
    EXPECT_TRUE(load(*trained).ok());
    EXPECT_EQ(trained->tokens, tokens);
  }
}

// One word of many letters is more than a lattice is made of at once.
TEST(TokenizerTrainerTest, UnigramLearnsFromATextWithoutSpaces) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < 200'000) text += "acgt"[random() % 4];
  TokenizerTraining options = training(TokenizerKind::kUnigram, 600);
  options.unknown = UnknownCharacters::kToken;
  const auto trained = train(text, options);
  ASSERT_TRUE(trained.ok()) << trained.error().to_string();
  EXPECT_EQ(trained->vocab_size, 600);
  EXPECT_EQ(trained->bytes, text.size());
  EXPECT_EQ(trained->words, text.size() / 4192 + 1);
  EXPECT_LT(trained->tokens, text.size() / 3);
}

TEST(TokenizerTrainerTest, SeedPiecesAreTheMostFrequentSubstrings) {
  std::mt19937 random(2);
  WordCounts words;
  std::map<std::string, double> pairs;  // by how often they occur in all words
  for (int i = 0; i < 40'000; ++i) {
    std::string word;
    while (word.size() < 6) word += static_cast<char>('a' + random() % 5);
    if (i % 2 == 0) word[3] = static_cast<char>(random() % 32);
    const size_t before = words.words().size();
    ASSERT_TRUE(words.add(word, 1).ok());
    if (words.words().size() == before) continue;
    for (size_t at = 0; at + 1 < word.size(); ++at) {
      if (word.find('\0', at) >= at + 2) ++pairs[word.substr(at, 2)];
    }
  }
  const CancelToken never;
  const auto pieces = seed_pieces(words, 16, 1'000'000, never);
  ASSERT_TRUE(pieces.ok());
  double of_one = 0;  // what a piece's probability is of
  size_t found = 0;
  for (const UnigramPiece& piece : *pieces) {
    if (piece.text.size() != 2) continue;
    const double weight = std::exp(piece.score) / (2 * pairs.at(piece.text));
    if (of_one == 0) of_one = weight;
    EXPECT_NEAR(weight / of_one, 1, 1e-9) << piece.text;
    ++found;
  }
  EXPECT_GT(found, 25u);
  CancelToken cancel;
  cancel.cancel();
  EXPECT_EQ(seed_pieces(words, 16, 1'000'000, cancel).error().code, ErrorCode::kCancelled);
}

TEST(TokenizerTrainerTest, SaysTheLeastVocabulary) {
  EXPECT_NE(error_of("abc", training(TokenizerKind::kBpe, 256)).find("257 is the least"), std::string::npos);
  EXPECT_EQ(train("abc", training(TokenizerKind::kBpe, 257))->merges, 0u);
  TokenizerTraining unigram = training(TokenizerKind::kUnigram, 4);
  unigram.unknown = UnknownCharacters::kToken;
  EXPECT_NE(error_of("abc", unigram).find("5 is the least"), std::string::npos);
  unigram.vocab_size = 5;
  EXPECT_EQ(train("abc", unigram)->vocab_size, 5);
  TokenizerTraining characters = training(TokenizerKind::kCharacters, 2);
  EXPECT_NE(error_of("abc", characters).find("277 is the least"), std::string::npos);
  // The characters that bytes' tokens are spelled with stay, however few there is room for.
  characters.vocab_size = 278;
  const auto fewest = train("naïve 日本 日本 <0x0A>", characters);
  const auto tokenizer = load(*fewest);
  const auto ids = tokenizer->encode("naïve <0x0A>");
  EXPECT_EQ(tokenizer->decode(*ids), "naïve <0x0A>");
}

// As a corpus may that was written down with them.
TEST(TokenizerTrainerTest, ATextMayRepeatTheSpellingsOfOtherTokens) {
  const std::string text = "a <0x8A> b<0x8A> <unk> <0x8A><unk> <unk> c <0x8A> <unk><|endoftext|> <|endoftext|>";
  for (const TokenizerKind kind : {TokenizerKind::kBpe, TokenizerKind::kUnigram, TokenizerKind::kCharacters}) {
    for (const UnknownCharacters unknown : {UnknownCharacters::kToken, UnknownCharacters::kBytes}) {
      TokenizerTraining options = training(kind, 400);
      options.unknown = unknown;
      const auto trained = train(text, options);
      const auto tokenizer = load(*trained);
      EXPECT_EQ(tokenizer->decode(*tokenizer->encode(text)), text);
    }
  }
}

TEST(TokenizerTrainerTest, RefusesSpecialTokensThatCannotBe) {
  for (const std::vector<std::string>& specials : {std::vector<std::string>{""},
                                                   {"<a>", "<a>"},
                                                   {"\xFF"},
                                                   {"<unk>"},
                                                   {"<0x0A>"},
                                                   {"é"},
                                                   {std::string(300, 'x')}}) {
    TokenizerTraining options = training(TokenizerKind::kBpe, 300);
    options.specials = specials;
    EXPECT_NE(error_of("abc", options).find("special token"), std::string::npos) << specials[0];
  }
}

TEST(TokenizerTrainerTest, ASpecialTokenIsNoPieceOfAText) {
  TokenizerTraining options = training(TokenizerKind::kUnigram, 400);
  options.specials = {"the"};
  const auto trained = train("the then these the other the", options);
  const auto tokenizer = load(*trained);
  EXPECT_EQ(tokenizer->vocab_size(), trained->vocab_size);
  const auto ids = tokenizer->encode("the");
  EXPECT_EQ(std::count(ids->begin(), ids->end(), *tokenizer->id_of("the")), 0);
  EXPECT_EQ(tokenizer->decode(*ids), "the");
}

TEST(TokenizerTrainerTest, StopsWhenAsked) {
  ThreadPool pool(2);
  for (const TokenizerKind kind : {TokenizerKind::kBpe, TokenizerKind::kUnigram, TokenizerKind::kCharacters}) {
    CancelToken cancel;
    size_t calls = 0;
    const auto trained = train_tokenizer(TextCorpus::of_text("t", "some words, some more words"), training(kind, 600),
                                         {pool, cancel, [&](const Progress&) {
                                            if (++calls == 1) cancel.cancel();
                                          }});
    ASSERT_FALSE(trained.ok());
    EXPECT_EQ(trained.error().code, ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace linnet
