#include "cli/chat_session.hpp"

#include <fmt/core.h>

#include "base/cancel.hpp"
#include "base/paths.hpp"
#include "base/system.hpp"
#include "base/terminal.hpp"
#include "tasks/chat_prompt.hpp"
#include "text/chat_request.hpp"

namespace linnet::cli {

namespace {

using Role = ChatMessage::Role;

constexpr int64_t kTinyModel = 400'000'000;

int64_t count_parameters(const ModelHandle& model) {
  int64_t count = 0;
  for (const StoredTensor& tensor : model.description.files.tensors->all()) count += tensor.shape.elements();
  return count;
}

std::string short_count(int64_t count) {
  if (count >= 1'000'000'000) return fmt::format("{:.1f}B", static_cast<double>(count) / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.0f}M", static_cast<double>(count) / 1e6);
  return fmt::format("{:.0f}K", static_cast<double>(count) / 1e3);
}

std::string display_name(const ModelHandle& model) {
  if (model.stored.origin != StoredModel::Origin::kPath) return model.name();
  return model.stored.path.stem().string();
}

// No shell is between the person and the file name.
std::filesystem::path expand_home(const std::string& path) {
  return path.starts_with("~/") ? home_dir() / path.substr(2) : std::filesystem::path(path);
}

std::string adapter_names(const std::vector<ChosenAdapter>& adapters) {
  std::string text;
  for (const ChosenAdapter& chosen : adapters) text += (text.empty() ? "" : ", ") + chosen.text;
  return text.empty() ? "none" : text;
}

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

}  // namespace

ChatSession::ChatSession(std::unique_ptr<Speaker> speaker, std::optional<ChatTemplate> chat_template, Options options)
    : speaker_(std::move(speaker)),
      template_(std::move(chat_template)),
      options_(std::move(options)),
      session_(speaker_->session()) {
  conversation_.set_system(options_.system);
}

Result<std::unique_ptr<ChatSession>> ChatSession::create(std::unique_ptr<Speaker> speaker, Options options) {
  std::optional<ChatTemplate> chat_template;
  if (!speaker->faq) {
    TRY_ASSIGN(chat_template, load_chat_template(speaker->model, speaker->tokenizer));
  }
  options.params.end_tokens = speaker->end_tokens;
  return std::unique_ptr<ChatSession>(
      new ChatSession(std::move(speaker), std::move(chat_template), std::move(options)));  // NOLINT: private
}

std::string ChatSession::welcome() const {
  const ModelHandle& model = speaker_->model;
  if (speaker_->faq) {
    const FaqList& list = speaker_->faq->list();
    return without_controls(
        fmt::format("{}: answers {} questions in {} ways of asking, and declines others. /help "
                    "lists what you can do.\n",
                    display_name(model), list.answers.size(), list.questions.size()));
  }
  const int64_t parameters = count_parameters(model);
  std::string text = fmt::format("{}: {} parameters, {}, context {} tokens. /help lists what you can do.\n",
                                 display_name(model), short_count(parameters),
                                 format_bytes(model.description.files.tensors->total_bytes()), session_.max_tokens());
  if (parameters <= kTinyModel) {
    text += "This model is tiny and often wrong. Better ones: linnet list --all\n";
  }
  return without_controls(text);
}

Status ChatSession::say(std::string_view text) const {
  return print(options_.on_terminal ? without_controls(text) : text);
}

Result<std::vector<int32_t>> ChatSession::prompt_of(const Conversation& conversation, bool for_reply) const {
  if (!template_) return unsupported("a list of questions reads no prompt", speaker_->model.name());
  ChatRequest request;
  request.messages = conversation.to_json();
  request.add_generation_prompt = for_reply;
  TRY_ASSIGN(ChatPrompt prompt, make_chat_prompt(*template_, speaker_->tokenizer, request));
  return std::move(prompt.tokens);
}

Error ChatSession::does_not_fit(int64_t tokens) const {
  // The fewest of the oldest turns that make room; the last one is the question itself.
  int64_t low = 1;
  int64_t high = conversation_.turns();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    Conversation shorter = conversation_;
    shorter.drop_turns(middle);
    const auto prompt = prompt_of(shorter, true);
    if (prompt.ok() && static_cast<int64_t>(prompt->size()) < session_.max_tokens()) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  std::string hint;
  if (low < conversation_.turns()) {
    hint = low == 1
               ? "/drop forgets the oldest question and reply, /clear all of them"
               : fmt::format("/drop {} forgets enough of the oldest questions and replies, /clear all of them", low);
  } else {
    hint = conversation_.turns() > 1 ? "/clear forgets what was said before; or ask for less at once"
                                     : "this message alone is too long: shorten it";
  }
  const int64_t most = speaker_->model.config().max_positions;
  if (most > session_.max_tokens()) hint += fmt::format("; --context gives room for up to {}", most);
  return invalid(
      fmt::format("the conversation is {} tokens long, and the context holds {}", tokens, session_.max_tokens()), {},
      std::move(hint));
}

Result<std::vector<int32_t>> ChatSession::fitting_prompt() const {
  TRY_ASSIGN(std::vector<int32_t> prompt, prompt_of(conversation_, true));
  const auto length = static_cast<int64_t>(prompt.size());
  if (length >= session_.max_tokens()) return does_not_fit(length);
  return prompt;
}

Result<int64_t> ChatSession::tokens_used() const {
  if (!template_ || (conversation_.empty() && conversation_.system().empty())) return 0;
  TRY_ASSIGN(const std::vector<int32_t> prompt, prompt_of(conversation_, false));
  return static_cast<int64_t>(prompt.size());
}

Status ChatSession::ask(std::string question) {
  conversation_.add(Role::kUser, std::move(question));
  Status done = reply();
  // A question without an answer is taken back, or the model would see two of them in a row.
  if (!done.ok()) conversation_.take_last(Role::kUser);
  return done;
}

// Each question by itself: what was said before is not looked at.
Status ChatSession::reply_from_list() {
  TRY_ASSIGN(FaqReply reply, speaker_->faq->reply(conversation_.messages().back().content));
  TRY(say(reply.text + "\n"));
  if (options_.settings.stats) {
    const FaqJudgement& judgement = reply.judgement;
    std::fputs(fmt::format("[similarity {:.2f}, to what is not in the list {:.2f}, confidence {:.2f}{}]\n",
                           judgement.candidates.front().similarity, judgement.nearest_other, judgement.confidence,
                           judgement.declined ? ": declined" : "")
                   .c_str(),
               stderr);
  }
  conversation_.add(Role::kAssistant, std::move(reply.text));
  return ok_status();
}

Status ChatSession::reply() {
  if (speaker_->faq) return reply_from_list();
  TRY_ASSIGN(const std::vector<int32_t> prompt, fitting_prompt());
  GenerateParams params = options_.params;
  auto bias = std::move(params.sampling.logit_bias);
  params.sampling = options_.settings.sampling;
  params.sampling.logit_bias = std::move(bias);
  params.sampling.seed += replies_++;
  params.max_tokens = options_.settings.max_tokens;
  Status written = ok_status();
  CancelToken& cancel = interrupt_token();
  const auto show = [&](std::string_view piece) {
    if (written.ok()) written = say(piece);
    if (!written.ok()) cancel.cancel();  // nobody reads: stop computing
  };
  auto result = generate(session_, speaker_->tokenizer, prompt, params, show, &cancel);
  TRY(std::move(written));
  if (!result.ok()) return std::move(result).error();
  const bool stopped = result->reason == FinishReason::kCancelled;
  if (stopped && options_.on_terminal) cancel.reset();
  if (!result->text.ends_with('\n')) TRY(print("\n"));
  if (stopped && result->text.empty()) {
    return Error{
        ErrorCode::kCancelled, "stopped before the first word", {}, "the question is forgotten; Up brings it back"};
  }
  conversation_.add(Role::kAssistant, result->text);
  remark_on(*result);
  return stopped && !options_.on_terminal ? cancel.check() : ok_status();
}

void ChatSession::remark_on(const Generated& result) const {
  const auto replied = static_cast<int64_t>(result.tokens.size());
  // The last token of a full context is said, and not read any more.
  const int64_t used = std::min(result.prompt_tokens + replied, session_.max_tokens());
  const int64_t left = session_.max_tokens() - used;
  std::string text;
  switch (result.reason) {
    case FinishReason::kCancelled:
      text += "[stopped]\n";
      break;
    case FinishReason::kLength:
      text += fmt::format("[cut after {} tokens: /set max-tokens allows more]\n", replied);
      break;
    case FinishReason::kContext:
      text += "[cut: the context is full; /drop or /clear makes room]\n";
      break;
    case FinishReason::kEndToken:
    case FinishReason::kStopString:
      if (result.text.empty()) text += "[the model had nothing to say]\n";
      break;
  }
  if (options_.settings.stats) {
    text +=
        fmt::format("[reply {} tokens, {:.1f} tokens/s; read {} tokens, {:.1f} tokens/s; {} were known]\n", replied,
                    rate(replied, result.decode_seconds), result.prompt_tokens - result.reused_tokens,
                    rate(result.prompt_tokens - result.reused_tokens, result.prefill_seconds), result.reused_tokens);
  }
  // A fifth is when a person still has time to choose what to drop.
  if (options_.settings.stats || left * 5 < session_.max_tokens()) {
    text += fmt::format("[context: {} of {} tokens used, {} left]\n", used, session_.max_tokens(), left);
  }
  std::fputs(text.c_str(), stderr);
}

Status ChatSession::regenerate() {
  std::optional<ChatMessage> old = conversation_.take_last(Role::kAssistant);
  if (conversation_.empty() || conversation_.messages().back().role != Role::kUser) {
    if (old) conversation_.add(old->role, std::move(old->content));
    return usage_error("there is no question to answer again");
  }
  Status done = reply();
  if (!done.ok() && old) conversation_.add(old->role, std::move(old->content));
  return done;
}

Status ChatSession::show() const {
  const ModelHandle& model = speaker_->model;
  TRY_ASSIGN(const int64_t used, tokens_used());
  std::string text =
      fmt::format("model     {} ({}, {} parameters, {})\n", display_name(model), model.description.family->model_type,
                  short_count(count_parameters(model)), format_bytes(model.description.files.tensors->total_bytes()));
  text += fmt::format("file      {}\n", model.stored.path.string());
  if (!speaker_->adapters.empty()) text += fmt::format("adapters  {}\n", adapter_names(speaker_->adapters));
  text += fmt::format("computes  {} threads, {}\n", speaker_->runtime->threads(), speaker_->runtime->isa());
  text += fmt::format("system    {}\n", conversation_.system().empty() ? "(none of yours)" : conversation_.system());
  text +=
      fmt::format("context   {} of {} tokens used by {} questions and replies, {} left\n", used, session_.max_tokens(),
                  conversation_.messages().size(), std::max<int64_t>(session_.max_tokens() - used, 0));
  text += "settings ";
  size_t column = 9;
  for (const auto& [name, value] : options_.settings.list()) {
    const std::string item = fmt::format(" {} {},", name, value);
    if (column + item.size() > 78) {
      text += "\n         ";
      column = 9;
    }
    column += item.size();
    text += item;
  }
  text.back() = '\n';
  return say(text);
}

Status ChatSession::load(const std::string& path) {
  TRY_ASSIGN(Conversation loaded, load_conversation(expand_home(path)));
  conversation_ = std::move(loaded);
  return say(fmt::format("Loaded {} questions and replies.\n", conversation_.messages().size()));
}

// The base stays where it is; what was read with other adapters is read again.
Status ChatSession::switch_adapter(const std::string& text) {
  if (!text.empty()) {
    const bool beside = text.starts_with('+');
    std::vector<ChosenAdapter> adapters;
    if (text != "-") {
      const std::string path = expand_home(text.substr(beside ? 1 : 0)).string();
      TRY_ASSIGN(ChosenAdapter chosen, choose_adapter(path, speaker_->model.description, names_of(speaker_->model)));
      if (beside) adapters = speaker_->adapters;
      adapters.push_back(std::move(chosen));
    }
    detach_adapters(speaker_->transformer);
    TRY(attach_all(speaker_->runtime->context(), speaker_->transformer, adapters));
    speaker_->adapters = std::move(adapters);
    session_.forget();
  }
  return say("adapters: " + adapter_names(speaker_->adapters) + "\n");
}

Result<bool> ChatSession::obey(const ChatCommand& command) {
  switch (command.verb) {
    case ChatVerb::kHelp:
      TRY(print(chat_help()));
      break;
    case ChatVerb::kSystem:
      if (command.argument.empty()) {
        TRY(say(conversation_.system().empty() ? "No system text is set.\n" : conversation_.system() + "\n"));
      } else {
        conversation_.set_system(command.argument == "-" ? "" : command.argument);
      }
      break;
    case ChatVerb::kAdapter:
      TRY(switch_adapter(command.argument));
      break;
    case ChatVerb::kSet:
      TRY(options_.settings.set(command.argument, command.value));
      break;
    case ChatVerb::kShow:
      TRY(show());
      break;
    case ChatVerb::kSave:
      TRY(save_conversation(conversation_, speaker_->model.name(), expand_home(command.argument)));
      TRY(say("Saved to " + expand_home(command.argument).string() + "\n"));
      break;
    case ChatVerb::kLoad:
      TRY(load(command.argument));
      break;
    case ChatVerb::kRegen:
      TRY(regenerate());
      break;
    case ChatVerb::kDrop: {
      const int64_t before = conversation_.turns();
      conversation_.drop_turns(command.count);
      TRY(say(fmt::format("Forgot {} of {} questions with their replies.\n", before - conversation_.turns(), before)));
      break;
    }
    case ChatVerb::kClear:
      conversation_.clear();
      break;
    case ChatVerb::kBye:
      return false;
  }
  return true;
}

}  // namespace linnet::cli
