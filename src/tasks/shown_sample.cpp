#include "tasks/shown_sample.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "data/split.hpp"
#include "engine/batch_writer.hpp"
#include "tasks/chat_prompt.hpp"
#include "text/chat_request.hpp"

namespace linnet {

namespace {

// It is written twice, and a person reads it.
constexpr int64_t kMostReplyTokens = 128;
constexpr int64_t kMostTextTokens = 64;  // that are read of a text

// Templates do not see the weight (data/render.hpp).
Json without_weights(Json messages) {
  for (Json& message : messages) message.erase("weight");
  return messages;
}

}  // namespace

std::optional<ShownSample> ShownSample::choose(const Dataset& dataset, const JobAsking& asking) {
  const std::vector<Sample>& all = dataset.held_out;
  for (const uint32_t i : shuffled(all.size(), asking.seed, 0)) {
    ShownSample shown(asking);
    const bool text = dataset.form == DataForm::kText;
    const Status taken = text ? shown.take_text(all[i]) : shown.take_conversation(all[i]);
    if (taken.ok() && shown.reply_tokens_ > 0 && shown.most_tokens() <= asking.longest) return shown;
  }
  return std::nullopt;
}

Status ShownSample::take_conversation(const Sample& sample) {
  const std::string right = answer_of(sample);
  // A reply that people did not like is none that is right.
  if (asking_.chat_template == nullptr || right.empty() || !sample.desired) return ok_status();
  ChatRequest request;
  request.messages = without_weights(sample.messages);
  request.messages.erase(request.messages.size() - 1);
  if (request.messages.empty() || !request.messages.back().contains("content")) return ok_status();
  const Json asked = request.messages.back()["content"];
  if (!asking_.system.empty() && request.messages.front().value("role", "") != "system") {
    request.messages.insert(request.messages.begin(), Json{{"role", "system"}, {"content", asking_.system}});
  }
  request.tools = sample.tools;
  request.add_generation_prompt = true;
  TRY_ASSIGN(ChatPrompt prompt, make_chat_prompt(*asking_.chat_template, *asking_.tokenizer, request));
  TRY_ASSIGN(const std::vector<int32_t> reply, asking_.tokenizer->encode(right));
  prompt_ = std::move(prompt.tokens);
  reply_tokens_ = std::min(static_cast<int64_t>(reply.size()) + 1, kMostReplyTokens);  // and the end
  head_ = fmt::format("asked: {}\nright: {}\nreply: ", shown_text(asked.is_string() ? asked.get<std::string>() : ""),
                      shown_text(right));
  return ok_status();
}

Status ShownSample::take_text(const Sample& sample) {
  TRY_ASSIGN(const std::vector<int32_t> all, asking_.tokenizer->encode(sample.text, {.add_special = true}));
  const int64_t read = std::min({static_cast<int64_t>(all.size()) / 2, kMostTextTokens, asking_.longest / 2});
  if (read == 0) return ok_status();
  const auto rest = std::span(all).subspan(static_cast<size_t>(read));
  prompt_.assign(all.begin(), all.begin() + read);
  reply_tokens_ = std::min({static_cast<int64_t>(rest.size()), kMostReplyTokens, asking_.longest - read});
  head_ = fmt::format("begins: {}\nright: {}\nwrites: ", shown_text(asking_.tokenizer->decode(prompt_)),
                      shown_text(asking_.tokenizer->decode(rest.first(static_cast<size_t>(reply_tokens_)))));
  return ok_status();
}

int64_t ShownSample::cache_bytes(const Transformer& model) const {
  return BatchWriter::cache_bytes(model, most_tokens(), asking_.kv_dtype);
}

Result<std::string> ShownSample::write(Context& ctx, const Transformer& model, const CancelToken& cancel) const {
  BatchWriter writer(model, ctx, *asking_.tokenizer, most_tokens(), asking_.kv_dtype);
  GenerateParams params;
  params.sampling.frequency_penalty = static_cast<float>(asking_.frequency_penalty);
  params.max_tokens = reply_tokens_;
  params.end_tokens = asking_.end_tokens;
  std::string text = head_;
  TRY(writer.write({{WriterPrompt{.tokens = prompt_}}}, params, cancel, [&](size_t, const Generated& reply) {
    text += shown_text(reply.text);
    return ok_status();
  }));
  return text;
}

}  // namespace linnet
