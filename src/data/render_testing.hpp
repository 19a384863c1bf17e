// For tests: the recorded tokenizers with special tokens of many templates behind their vocabulary, as
// tests/golden/make_data.py adds them.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "text/tokenizer_json.hpp"

namespace linnet {

inline Tokenizer tokenizer_with_special(const std::string& name, const std::vector<std::string>& special) {
  const auto record = read_json_file(LINNET_SOURCE_DIR "/tests/golden/tokenizers/" + name + ".json");
  if (!record.ok()) throw std::runtime_error(record.error().to_string());
  Json spec = (*record)["tokenizer"];
  Json& added = spec["added_tokens"];
  int64_t next = static_cast<int64_t>(spec["model"]["vocab"].size()) - 1;
  for (const Json& token : added) next = std::max(next, token["id"].get<int64_t>());
  for (const std::string& content : special) {
    const auto has = [&](const Json& token) { return token["content"] == content; };
    const auto at = std::ranges::find_if(added, has);
    if (at != added.end()) {
      (*at)["special"] = true;
      (*at)["normalized"] = false;
      continue;
    }
    added.push_back({{"id", ++next},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", content == "<|assistant|>" || content == "<|user|>"},
                     {"normalized", false},
                     {"special", true}});
  }
  auto tokenizer = load_tokenizer_json(dump_json(spec), {}, name);
  if (!tokenizer.ok()) throw std::runtime_error(tokenizer.error().to_string());
  return std::move(tokenizer).value();
}

}  // namespace linnet
