#include "tasks/chat_prompt.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "text/chat_request.hpp"

namespace linnet {

namespace {

// Two code points that are in no message, to mark what a person wrote. The Unicode standard sets U+FDD0..U+FDEF aside
// for such internal use.
struct Marks {
  std::string open;
  std::string close;
};

Result<Marks> unused_marks(const std::string& everything) {
  for (char32_t c = 0xFDD0; c < 0xFDEF; c += 2) {
    Marks marks;
    append_utf8(marks.open, c);
    append_utf8(marks.close, c + 1);
    if (everything.find(marks.open) == std::string::npos && everything.find(marks.close) == std::string::npos)
      return marks;
  }
  return invalid("the conversation uses every one of Unicode's noncharacters", {}, "remove them");
}

std::vector<std::string> special_spellings(const Tokenizer& tokenizer) {
  std::vector<std::string> spellings;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_special(id) && !tokenizer.piece(id).empty()) spellings.emplace_back(tokenizer.piece(id));
  }
  // The longest first, so that a token is not cut by another that begins it.
  std::sort(spellings.begin(), spellings.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return spellings;
}

// Puts marks around every special token that `text` spells. Whether there was one.
bool mark(std::string& text, const std::vector<std::string>& spellings, const Marks& marks) {
  std::string out;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const auto hit = std::find_if(spellings.begin(), spellings.end(),
                                  [&](const std::string& s) { return text.compare(at, s.size(), s) == 0; });
    if (hit == spellings.end()) {
      out += text[at++];
      continue;
    }
    out += marks.open + *hit + marks.close;
    at += hit->size();
    found = true;
  }
  text = std::move(out);
  return found;
}

constexpr int kMaxDepth = 64;

bool mark_all(Json& json, const std::vector<std::string>& spellings, const Marks& marks, int depth = 0) {
  if (depth > kMaxDepth) return false;
  bool found = false;
  if (json.is_string()) {
    found = mark(json.get_ref<std::string&>(), spellings, marks);
  } else if (json.is_structured()) {
    for (Json& item : json) found |= mark_all(item, spellings, marks, depth + 1);
  }
  return found;
}

// Encodes text whose marked parts are to be read as text, the rest with its special tokens.
Result<std::vector<int32_t>> encode_marked(const Tokenizer& tokenizer, std::string_view text, const Marks& marks) {
  std::vector<int32_t> tokens;
  const auto append = [&](std::string_view part, bool special) -> Status {
    if (part.empty()) return ok_status();
    TRY_ASSIGN(const std::vector<int32_t> ids, tokenizer.encode(part, {.parse_special = special}));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    return ok_status();
  };
  while (!text.empty()) {
    const size_t open = text.find(marks.open);
    TRY(append(text.substr(0, open), true));
    if (open == std::string_view::npos) break;
    text.remove_prefix(open + marks.open.size());
    const size_t close = text.find(marks.close);
    TRY(append(text.substr(0, close), false));
    text.remove_prefix(close == std::string_view::npos ? text.size() : close + marks.close.size());
  }
  return tokens;
}

void erase_all(std::string& text, const std::string& what) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) text.erase(at, what.size());
}

}  // namespace

Result<ChatPrompt> make_chat_prompt(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                    const ChatRequest& request) {
  TRY_ASSIGN(const Marks marks, unused_marks(dump_json(request.messages)));
  ChatRequest marked = request;
  const bool any = mark_all(marked.messages, special_spellings(tokenizer), marks);
  TRY_ASSIGN(Rendered rendered, chat_template.render(any ? marked : request));
  ChatPrompt prompt;
  if (any) {
    TRY_ASSIGN(prompt.tokens, encode_marked(tokenizer, rendered.text, marks));
    erase_all(rendered.text, marks.open);
    erase_all(rendered.text, marks.close);
  } else {
    TRY_ASSIGN(prompt.tokens, tokenizer.encode(rendered.text, {.parse_special = true}));
  }
  prompt.text = std::move(rendered.text);
  return prompt;
}

}  // namespace linnet
