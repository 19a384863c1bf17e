#include "data/unusable.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/strings.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

bool is_reply(const Json& message) {
  return message.value("role", "") == "assistant";
}

bool is_learned(const Json& message) {
  return is_reply(message) && message.value("weight", 1) != 0;
}

bool is_empty(const Json& message) {
  const auto content = message.find("content");
  return !message.contains("tool_calls") && content != message.end() && content->is_string() &&
         jinja::strip_space(content->get_ref<const std::string&>(), true, true).empty();
}

// Empty: there is nothing wrong.
std::string fault_of_reply(const Json& messages, const std::string& name) {
  if (std::ranges::none_of(messages, is_reply)) return "there is no reply";
  if (std::ranges::none_of(messages, is_learned)) return "every reply has the weight 0";
  const Json& last = messages.back();
  return is_learned(last) && is_empty(last) ? name + " is empty" : "";
}

std::string fault_of(const Sample& sample, DataForm form) {
  if (form == DataForm::kText) return sample.text.empty() ? "the text is empty" : "";
  if (form != DataForm::kPreference) return fault_of_reply(sample.messages, "the reply");
  if (sample.messages == sample.rejected) return "the chosen and the rejected reply are the same";
  const std::string chosen = fault_of_reply(sample.messages, "the chosen reply");
  return chosen.empty() ? fault_of_reply(sample.rejected, "the rejected reply") : chosen;
}

bool asks_nothing(const Sample& sample) {
  const auto asks = [](const Json& message) {
    const std::string role = message.value("role", "");
    return role == "user" || role == "tool";
  };
  return std::ranges::none_of(sample.messages, asks);
}

std::vector<Flaw> flaws_of(const std::vector<Sample>& samples, const std::vector<Unusable>& unusable) {
  std::vector<Flaw> flaws;
  flaws.reserve(unusable.size());
  for (const Unusable& one : unusable) flaws.push_back({samples[one.sample].place, one.why});
  return flaws;
}

std::string advice(const std::vector<Unusable>& unusable, int64_t longest) {
  const size_t needed = std::ranges::max(unusable, {}, &Unusable::needed).needed;
  if (needed == 0) return "mend the rows, or leave them out with --skip-bad";
  std::string out =
      needed <= static_cast<size_t>(longest)
          ? fmt::format("--length {} takes them whole", needed)
          : fmt::format("the model reads {} tokens at most: shorten what stands before the reply", longest);
  return out + "; --allow-cuts leaves them out";
}

}  // namespace

std::vector<Unusable> find_unusable(const std::vector<Sample>& samples, DataForm form, bool unanswered) {
  std::vector<Unusable> out;
  for (uint32_t i = 0; i < samples.size(); ++i) {
    std::string why = !unanswered ? fault_of(samples[i], form) : asks_nothing(samples[i]) ? "nothing is asked" : "";
    if (!why.empty()) out.push_back({i, std::move(why)});
  }
  return out;
}

std::vector<Unusable> find_cut_off(const std::vector<Sample>& samples, const TokenSet& set, bool each_reply) {
  struct Tokens {
    size_t sequences = 0, learned = 0;  // learned: sequences in which something is
    size_t length = 0, needed = 0;      // of the longest that was cut; needed: before
  };
  std::vector<Tokens> all(samples.size());
  for (const TokenSequence& sequence : set.sequences) {
    Tokens& tokens = all[sequence.sample];
    ++tokens.sequences;
    if (std::ranges::count(sequence.learned, 1) > 0) ++tokens.learned;
    if (sequence.whole <= tokens.needed) continue;
    tokens.needed = sequence.whole;
    tokens.length = sequence.tokens.size();
  }
  std::vector<Unusable> out;
  for (uint32_t i = 0; i < samples.size(); ++i) {
    const Tokens& tokens = all[i];
    if (tokens.learned > 0 && (!each_reply || tokens.learned == tokens.sequences)) continue;
    std::string why = tokens.needed == 0 ? "none of its tokens is learned"
                                         : fmt::format("of {} tokens, the length of {} leaves nothing of the reply",
                                                       tokens.needed, tokens.length);
    out.push_back({i, std::move(why), tokens.needed});
  }
  return out;
}

Status refuse_unusable(const std::vector<Sample>& samples, const std::vector<Unusable>& unusable, int64_t longest) {
  if (unusable.empty()) return ok_status();
  return invalid(fmt::format("{} with nothing to learn from: {}", counted(unusable.size(), "sample"),
                             list_flaws(flaws_of(samples, unusable))),
                 {}, advice(unusable, longest));
}

std::string leave_out_unusable(std::vector<Sample>& samples, const std::vector<Unusable>& unusable) {
  std::string said =
      fmt::format("{} left out: {}", counted(unusable.size(), "sample"), list_flaws(flaws_of(samples, unusable)));
  auto next = unusable.begin();
  uint32_t number = 0;
  std::erase_if(samples, [&](const Sample&) {
    const bool out = next != unusable.end() && next->sample == number++;
    if (out) ++next;
    return out;
  });
  return said;
}

}  // namespace linnet
