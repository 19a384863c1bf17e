#include "tasks/tokenizer_loader.hpp"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <sstream>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "models/model.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int32_t>;

fs::path vectors_folder() {
  const char* shared = std::getenv("LINNET_SHARED");
  return fs::path(shared ? shared : LINNET_SOURCE_DIR "/../shared") / "data/llamacpp_vocab";
}

// NAME.gguf.inp: texts, each ended by a line of its own.
std::vector<std::string> read_texts(const fs::path& path) {
  constexpr std::string_view kEnd = "\n__ggml_vocab_test__\n";
  const std::string all = *read_file(path);
  std::vector<std::string> texts;
  size_t from = 0;
  for (size_t at = all.find(kEnd); at != std::string::npos; at = all.find(kEnd, from)) {
    texts.push_back(all.substr(from, at - from));
    from = at + kEnd.size();
  }
  return texts;
}

// NAME.gguf.out: the ids of each, a line each.
std::vector<Ids> read_ids(const fs::path& path) {
  std::istringstream lines(*read_file(path));
  std::vector<Ids> all;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Ids ids;
    for (int32_t id = 0; words >> id;) ids.push_back(id);
    all.push_back(std::move(ids));
  }
  return all;
}

size_t differences(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                   const std::vector<Ids>& expected) {
  size_t wrong = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer.encode(texts[i]);
    wrong += !ids.ok() || *ids != expected[i];
  }
  return wrong;
}

class LlamaCppVocabulary : public testing::TestWithParam<const char*> {};

// llama.cpp's own test vectors, by the way that `linnet tokens` takes to a vocabulary without weights.
TEST_P(LlamaCppVocabulary, EveryVectorIsEqual) {
  if (!fs::exists(vectors_folder())) GTEST_SKIP() << "../shared absent";
  const fs::path path = vectors_folder() / (std::string("ggml-vocab-") + GetParam() + ".gguf");
  const auto files = open_model_files(path);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  EXPECT_FALSE(files->has_weights());
  const auto tokenizer = load_tokenizer(*files);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  const std::vector<std::string> texts = read_texts(path.string() + ".inp");
  std::vector<Ids> expected = read_ids(path.string() + ".out");
  ASSERT_EQ(texts.size(), 46u);
  ASSERT_EQ(expected.size(), texts.size());
  EXPECT_EQ(differences(*tokenizer, texts, expected), 0u);
  expected.back().push_back(0);
  EXPECT_EQ(differences(*tokenizer, texts, expected), 1u) << "a wrong vector was not noticed";
}

INSTANTIATE_TEST_SUITE_P(All, LlamaCppVocabulary, testing::Values("bert-bge", "gpt-2", "phi-3"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase(name, '-');
                           return name;
                         });

class TokenizerAlone : public FolderTest {};

TEST_F(TokenizerAlone, IsFoundAsAFileOfAnyNameAndInAFolder) {
  const fs::path whole = LINNET_SOURCE_DIR "/tests/golden/tiny_chat";
  fs::create_directory(folder_ / "folder");
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    fs::copy_file(whole / name, folder_ / "folder" / name);
  }
  fs::copy_file(whole / "tokenizer.json", folder_ / "mine.json");
  const Tokenizer expected = *load_tokenizer(*open_model_files(whole));
  const Ids ids = *expected.encode("Hello there.");
  for (const char* name : {"folder", "folder/tokenizer.json", "mine.json"}) {
    const auto files = open_model_files(folder_ / name);
    ASSERT_TRUE(files.ok()) << files.error().to_string();
    EXPECT_FALSE(files->has_weights());
    const auto tokenizer = load_tokenizer(*files);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    EXPECT_EQ(*tokenizer->encode("Hello there."), ids) << name;
    const bool config = std::string_view(name) != "mine.json";
    EXPECT_EQ(tokenizer->special().bos, config ? expected.special().bos : kNoToken) << name;
  }
}

TEST_F(TokenizerAlone, IsNoModel) {
  fs::copy_file(LINNET_SOURCE_DIR "/tests/golden/tiny_chat/tokenizer.json", folder_ / "tokenizer.json");
  const auto model = describe_model(folder_);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().to_string().find("there are no weights here"), std::string::npos)
      << model.error().to_string();
}

}  // namespace
}  // namespace linnet
