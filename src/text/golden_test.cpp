// Small tokenizers of every kind against what Hugging Face tokenizers and sentencepiece made of the same texts
// (tests/golden/make_tokenizers.py).
#include <gtest/gtest.h>

#include "text/golden_testing.hpp"

namespace linnet {
namespace {

using Ids = std::vector<int32_t>;

// How many of the recorded answers are not ours.
size_t differences(const Tokenizer& tokenizer, const Json& record) {
  size_t wrong = 0;
  const auto encode = [&](const char* key, const EncodeOptions& options) {
    if (!record.contains(key)) return;
    for (size_t i = 0; i < record.at("texts").size(); ++i) {
      const auto ids = tokenizer.encode(record["texts"][i].get<std::string>(), options);
      wrong += !ids.ok() || *ids != record[key][i].get<Ids>();
    }
  };
  encode("ids", {});
  encode("ids_parsed", {false, true});
  encode("ids_framed", {true, true});
  const auto decode = [&](const char* key, const DecodeOptions& options) {
    if (!record.contains(key)) return;
    for (size_t i = 0; i < record.at("sequences").size(); ++i) {
      const auto ids = record["sequences"][i].get<Ids>();
      const auto expected = record[key][i].get<std::string>();
      Detokenizer detokenizer(tokenizer, options);
      std::string streamed;
      for (const int32_t id : ids) streamed += detokenizer.push(id);
      streamed += detokenizer.finish();
      wrong += tokenizer.decode(ids, options) != expected;
      wrong += streamed != expected;
    }
  };
  decode("decoded", {true});
  decode("decoded_all", {false});
  return wrong;
}

TEST(GoldenTokenizerTest, EveryRecordingIsEqual) {
  const auto paths = tokenizer_recordings();
  EXPECT_GE(paths.size(), 45u);
  for (const auto& path : paths) {
    const auto record = read_json_file(path.string());
    ASSERT_TRUE(record.ok()) << record.error().to_string();
    const auto tokenizer = load_recorded_tokenizer(*record);
    ASSERT_TRUE(tokenizer.ok()) << path << tokenizer.error().to_string();
    EXPECT_EQ(differences(*tokenizer, *record), 0u) << path;
  }
}

TEST(GoldenTokenizerTest, AWrongRecordingIsNoticed) {
  auto record = read_json_file(LINNET_SOURCE_DIR "/tests/golden/tokenizers/llama3.json");
  ASSERT_TRUE(record.ok());
  const auto tokenizer = load_recorded_tokenizer(*record);
  ASSERT_TRUE(tokenizer.ok());
  (*record)["ids"][3][0] = (*record)["ids"][3][0].get<int>() + 1;
  (*record)["decoded"][5] = "wrong";
  EXPECT_EQ(differences(*tokenizer, *record), 3u);
}

}  // namespace
}  // namespace linnet
