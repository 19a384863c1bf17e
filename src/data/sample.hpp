// One thing to learn, whatever the form of the file that it came from.
// Thread safety: values.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "data/form.hpp"
#include "data/rows.hpp"

namespace linnet {

// A fact that a right answer holds: one of its spellings.
using Fact = std::vector<std::string>;

struct Sample {
  std::string place = {};  // "faq.csv, line 12"
  // kText and kLabels: the text. Empty otherwise.
  std::string text = {};
  // The conversation, as OpenAI's chat API writes messages; ends with what the assistant says, where there is something
  // to learn. An assistant's message with "weight": 0 is read but not learned. Empty for kText.
  Json messages = Json::array();
  Json tools = nullptr;          // null, or a list of JSON schemas
  Json rejected = nullptr;       // kPreference: the conversation that ends worse, from its first message on
  bool desired = true;           // kUnpairedPreference
  std::string label = {};        // kLabels
  std::vector<Fact> facts = {};  // kTestList
  std::string group = {};        // samples of one group stay together, or near, when a part is held out (split.hpp)
  bool has_answer = true;        // kTestList: false where the answer is empty
};

// The text that a person says to the model in `sample`: its first user message, or the text.
std::string phrasing_of(const Sample& sample);
// What the assistant says last; empty where it says nothing.
std::string answer_of(const Sample& sample);

struct Samples {
  DataForm form = DataForm::kText;
  bool pairs = false;  // as FormMatch::pairs
  std::vector<Sample> samples;
  std::vector<std::string> said;  // sentences for the person: what was recognised, what was left out
};

// Reads `rows` as `match` says. Errors name file, line and field: a field that is missing or of the wrong type, a role
// that is unknown, an image in a message. skip_bad: such rows are left out instead, which is said.
Result<Samples> make_samples(const Rows& rows, const FormMatch& match, bool skip_bad = false);

// The forms whose rows are conversations (messages.cpp). `field` is for errors.
Result<Json> read_messages(const Json& list, const std::string& place);
Result<Json> read_share_gpt(const Json& list, const std::string& place);
// Every way through the tree; of replies to the same message only the best ranked one is learned, and once.
Result<std::vector<Json>> read_tree(const Json& prompt, const std::string& place);

}  // namespace linnet
