// The small tokenizers that tests/golden/make_tokenizers.py recorded, for the tests that need one of every kind.
#pragma once

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/json.hpp"
#include "text/base64.hpp"
#include "text/sentencepiece.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {

inline std::vector<std::filesystem::path> tokenizer_recordings() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(LINNET_SOURCE_DIR "/tests/golden/tokenizers")) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

inline Result<Tokenizer> load_recorded_tokenizer(const Json& record) {
  if (!record.contains("sentencepiece")) return load_tokenizer_json(dump_json(record.at("tokenizer")), {}, "golden");
  return load_sentencepiece(*decode_base64(record.at("sentencepiece").get<std::string>()), "golden");
}

}  // namespace linnet
