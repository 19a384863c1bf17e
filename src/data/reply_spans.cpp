#include "data/reply_spans.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/json.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

constexpr uint64_t kMostRendered = 256 << 20;
constexpr std::string_view kThinkOpen = "<think>";
constexpr std::string_view kThinkClose = "</think>";

using jinja::strip_space;

// Bytes that both begin with, whole characters.
size_t common_prefix(std::string_view a, std::string_view b) {
  const auto differ = std::ranges::mismatch(a, b);
  auto size = static_cast<size_t>(differ.in1 - a.begin());
  const auto inside_character = [&](std::string_view text) {
    return size < text.size() && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80;
  };
  while (size > 0 && (inside_character(a) || inside_character(b))) --size;
  return size;
}

// What the message thinks: a field of its own, or what its content has before "</think>".
std::string reasoning_of(const Json& message) {
  for (const char* field : {"reasoning_content", "thinking", "reasoning"}) {
    const auto at = message.find(field);
    if (at != message.end() && at->is_string())
      return std::string(strip_space(at->get_ref<const std::string&>(), true, true));
  }
  const auto content = message.find("content");
  if (content == message.end() || !content->is_string()) return {};
  std::string_view text = content->get_ref<const std::string&>();
  const size_t close = text.find(kThinkClose);
  if (close == text.npos) return {};
  text = text.substr(0, close);
  if (const size_t open = text.find(kThinkOpen); open != text.npos) text.remove_prefix(open + kThinkOpen.size());
  return std::string(strip_space(text, true, true));
}

class ReplyFinder {
 public:
  ReplyFinder(const ReplySpanSettings& settings, const ChatRequest& request, const std::vector<bool>& learned,
              const std::optional<PromptMarks>& marks)
      : settings_(settings), request_(request), learned_(learned), marks_(marks) {}

  Result<std::vector<RenderedReplies>> find() {
    TRY_ASSIGN(const Template* chosen,
               settings_.chat_template->choose(request_.template_name, !request_.tools.is_null()));
    template_name_ = chosen->name();
    TRY(check_calls());
    if (chosen->has_generation()) {
      TRY_ASSIGN(std::optional<RenderedReplies> tagged, by_tags());
      if (tagged) {
        std::vector<RenderedReplies> one;
        one.push_back(std::move(*tagged));
        return one;
      }
    }
    return by_prompts();
  }

 private:
  Error bad(std::string message, std::string hint) const {
    return invalid(std::move(message), template_name_, std::move(hint));
  }
  Error no_end() const {
    return bad(
        "the chat template ends the assistant's turn with no token at which generation stops, so the model would not "
        "learn to stop",
        "use a template that writes one (such as <|im_end|> or the eos token) behind each reply");
  }

  Result<Rendered> render(size_t count, bool generation_prompt) {
    Json messages = Json::array();
    for (size_t i = 0; i < count; ++i) messages.push_back(request_.messages[i]);
    return render(std::move(messages), generation_prompt);
  }
  Result<Rendered> render(Json messages, bool generation_prompt) {
    ChatRequest request = request_;
    request.messages = std::move(messages);
    request.add_generation_prompt = generation_prompt;
    TRY_ASSIGN(Rendered rendered, settings_.chat_template->render(request, settings_.options));
    rendered_ += rendered.text.size();
    if (rendered_ > kMostRendered) return invalid("the conversation has too many long turns", {}, "cut it in several");
    return rendered;
  }

  // A call that the template does not write would be lost, and an empty reply learned in its place. One that it writes
  // changes with the name of its function.
  Status check_calls() {
    std::string whole;
    for (size_t i = 0; i < request_.messages.size(); ++i) {
      const auto calls = request_.messages[i].find("tool_calls");
      if (calls == request_.messages[i].end()) continue;
      for (size_t c = 0; c < calls->size(); ++c) {
        if (whole.empty()) {
          TRY_ASSIGN(Rendered rendered, render(request_.messages, false));
          whole = std::move(rendered.text);
        }
        Json renamed = request_.messages;
        Json& call = renamed[i]["tool_calls"][c];
        Json& name = call.contains("function") ? call["function"]["name"] : call["name"];
        const auto written = name.get<std::string>();
        name = written + "_";
        TRY_ASSIGN(const Rendered other, render(std::move(renamed), false));
        if (other.text != whole) continue;
        return bad(fmt::format("writes no tool calls: the call of \"{}\" would be lost", written),
                   "choose a --base whose template writes tool calls, or take the rows that have some out");
      }
    }
    return ok_status();
  }

  bool is_end(int32_t id) const { return std::ranges::count(settings_.end_ids, id) > 0; }

  // nullopt: some messages are not learned, and the blocks do not tell which is which.
  Result<std::optional<RenderedReplies>> by_tags() {
    TRY_ASSIGN(Rendered rendered, render(request_.messages.size(), false));
    std::vector<bool> of_assistant;
    for (size_t i = 0; i < learned_.size(); ++i) {
      if (request_.messages[i].value("role", "") == "assistant") of_assistant.push_back(learned_[i]);
    }
    const bool all = std::ranges::count(of_assistant, false) == 0;
    if (rendered.generation.empty() || (!all && of_assistant.size() != rendered.generation.size())) {
      return std::optional<RenderedReplies>();
    }
    std::ranges::sort(rendered.generation, {}, &RenderedSpan::begin);
    RenderedReplies out;
    for (size_t i = 0; i < rendered.generation.size(); ++i) {
      if (!all && !of_assistant[i]) continue;
      auto [begin, end] = rendered.generation[i];
      const std::string_view text = rendered.text;
      if (!end_of_turn(text.substr(0, end), begin)) {
        const int32_t next = settings_.encoder->special_at_begin(text.substr(end));
        if (!is_end(next)) return no_end();
        end += settings_.encoder->tokenizer().piece(next).size();
      }
      out.spans.push_back({begin, end});
    }
    out.text = std::move(rendered.text);
    return std::optional(std::move(out));
  }

  Result<std::vector<RenderedReplies>> by_prompts() {
    std::vector<RenderedReplies> out;
    for (size_t i = learned_.size(); i-- > 0;) {
      if (!learned_[i]) continue;
      TRY_ASSIGN(Turn turn, turn_of(i));
      const std::string_view seen = std::string_view(turn.text).substr(0, turn.span.end);
      const bool goes_on = !out.empty() && out.back().text.starts_with(seen);
      if (!goes_on) out.push_back({.text = std::move(turn.text), .spans = {}});
      out.back().spans.push_back(turn.span);
    }
    for (RenderedReplies& one : out) std::ranges::reverse(one.spans);
    std::ranges::reverse(out);
    return out;
  }

  struct Turn {
    std::string text;
    TextSpan span;
  };

  // The conversation up to reply `i`, and where the reply is in it.
  Result<Turn> turn_of(size_t i) {
    TRY_ASSIGN(Rendered before, render(i, true));
    TRY_ASSIGN(Rendered with, render(i + 1, false));
    Turn turn;
    turn.span.begin = before.text.size();
    if (with.text.starts_with(before.text)) {
      turn.text = std::move(with.text);
    } else {
      TRY_ASSIGN(turn.text, joined(std::move(before.text), with.text, request_.messages[i]));
    }
    const std::optional<size_t> end = end_of_turn(turn.text, turn.span.begin);
    if (!end) return no_end();
    turn.span.end = *end;
    return turn;
  }

  Result<std::string> joined(std::string prompt, std::string_view with, const Json& message) const {
    const size_t common = common_prefix(prompt, with);
    const std::string_view more = strip_space(std::string_view(prompt).substr(common), true, true);
    const std::string_view reply = with.substr(common);
    if (more.empty()) return prompt.append(strip_space(reply, true, false));
    if (more == kThinkOpen) {
      const std::string reasoning = reasoning_of(message);
      if (!reasoning.empty()) prompt.append(reasoning);
      return prompt.append("\n").append(kThinkClose).append("\n\n").append(strip_space(reply, true, false));
    }
    std::string shown(more.substr(0, 60));
    return bad(
        fmt::format("the prompt for a reply ends with \"{}\", and the conversation with the reply has that not: what "
                    "the assistant says cannot be told",
                    shown),
        "use a template that marks it with {% generation %}");
  }

  // Behind the end token of the reply that begins at `begin` and ends `text`, but for what templates put there: white
  // space, and further special tokens.
  std::optional<size_t> end_of_turn(std::string_view text, size_t begin) const {
    std::optional<size_t> end;
    for (size_t at = text.size(); at > begin;) {
      const std::string_view rest = strip_space(text.substr(begin, at - begin), false, true);
      const int32_t id = settings_.encoder->special_at_end(rest);
      if (id == kNoToken) break;
      if (is_end(id)) end = begin + rest.size();
      at = begin + rest.size() - settings_.encoder->tokenizer().piece(id).size();
    }
    return end ? end : last_end_inside(text, begin);
  }

  // Some templates begin the next reply at once, asked or not. What a person spells stands in marks and does not count.
  std::optional<size_t> last_end_inside(std::string_view text, size_t begin) const {
    std::optional<size_t> end;
    for (const int32_t id : settings_.end_ids) {
      const std::string_view spelling = settings_.encoder->tokenizer().piece(id);
      if (spelling.empty()) continue;
      const size_t at = text.rfind(spelling);
      if (at == text.npos || at < begin) continue;
      if (marks_ && text.substr(0, at).ends_with(marks_->open)) continue;
      end = std::max(end.value_or(0), at + spelling.size());
    }
    return end;
  }

  const ReplySpanSettings& settings_;
  const ChatRequest& request_;
  const std::vector<bool>& learned_;
  const std::optional<PromptMarks>& marks_;
  std::string template_name_;
  uint64_t rendered_ = 0;
};

}  // namespace

Result<std::vector<RenderedReplies>> find_reply_spans(const ReplySpanSettings& settings, const ChatRequest& request,
                                                      const std::vector<bool>& learned,
                                                      const std::optional<PromptMarks>& marks) {
  return ReplyFinder(settings, request, learned, marks).find();
}

}  // namespace linnet
