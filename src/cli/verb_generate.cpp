// linnet generate: continues a text, answers a question, or works through a file of them.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <memory>
#include <numeric>
#include <optional>

#include "base/cancel.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/terminal.hpp"
#include "cli/batch.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "engine/batch_writer.hpp"
#include "engine/generate.hpp"
#include "tasks/chat_prompt.hpp"
#include "tasks/conversation.hpp"
#include "text/chat_request.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string prompt;
  std::string system;
  BatchOptions batch;
  bool chat = false;
  bool json = false;
  bool stats = false;
  bool parse_special = false;
  int32_t logprobs = -1;
};

// One prompt's tokens: {"messages": [...]} through the chat template, {"prompt": "..."} as it is.
class Prompts {
 public:
  Prompts(const Flags& flags, const Speaker& speaker) : flags_(flags), speaker_(speaker) {}

  Result<std::vector<int32_t>> plain(const std::string& text) {
    return speaker_.tokenizer.encode(text, {.add_special = true, .parse_special = flags_.parse_special});
  }

  Result<std::vector<int32_t>> chat(Json messages) {
    if (!template_) {
      TRY_ASSIGN(ChatTemplate loaded, load_chat_template(speaker_.model, speaker_.tokenizer));
      template_ = std::move(loaded);
    }
    ChatRequest request;
    request.messages = std::move(messages);
    request.add_generation_prompt = true;
    TRY_ASSIGN(ChatPrompt prompt, make_chat_prompt(*template_, speaker_.tokenizer, request));
    return std::move(prompt.tokens);
  }

  Result<std::vector<int32_t>> question(const std::string& text) {
    if (!flags_.chat) return plain(text);
    Json messages = Json::array();
    const std::string& system = flags_.system.empty() ? speaker_.model.system : flags_.system;
    if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
    messages.push_back({{"role", "user"}, {"content", text}});
    return chat(std::move(messages));
  }

 private:
  const Flags& flags_;
  const Speaker& speaker_;
  std::optional<ChatTemplate> template_;
};

// A token may be a part of a character, which "token" cannot hold: its bytes stand beside it.
Json describe_token(const Tokenizer& tokenizer, const TokenChance& token) {
  const std::string bytes = tokenizer.token_bytes(token.id);
  return {{"id", token.id},
          {"token", bytes},
          {"bytes", std::vector<uint8_t>(bytes.begin(), bytes.end())},
          {"logprob", token.log_probability}};
}

Json to_json(const Generated& result, const Tokenizer& tokenizer, bool logprobs) {
  Json json = {{"text", result.text},
               {"finish_reason", std::string(finish_reason_name(result.reason))},
               {"prompt_tokens", result.prompt_tokens},
               {"tokens", result.tokens.size()},
               {"prefill_seconds", result.prefill_seconds},
               {"decode_seconds", result.decode_seconds}};
  if (!logprobs) return json;
  Json list = Json::array();
  for (const GeneratedToken& token : result.tokens) {
    Json item = describe_token(tokenizer, token.chosen);
    item["top"] = Json::array();
    for (const TokenChance& other : token.top) item["top"].push_back(describe_token(tokenizer, other));
    list.push_back(std::move(item));
  }
  json["logprobs"] = std::move(list);
  return json;
}

void print_stats(const Generated& result) {
  const auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  };
  std::fprintf(stderr, "[prompt %lld tokens, %.1f tokens/s; reply %zu tokens, %.1f tokens/s]\n",
               static_cast<long long>(result.prompt_tokens),
               rate(result.prompt_tokens - result.reused_tokens, result.prefill_seconds), result.tokens.size(),
               rate(static_cast<int64_t>(result.tokens.size()), result.decode_seconds));
}

// Whoever asks a model that was trained to answer, without --chat, sees it ramble on and does not know why.
void hint_at_chat(const Flags& flags, const Speaker& speaker) {
  const bool watched = stdout_is_terminal() && stderr_is_terminal() && !flags.json;
  if (!watched || flags.chat || !speaker.model.description.files.chat_template) return;
  std::fputs("[continuing the text; with --chat, this model answers it]\n", stderr);
}

// A taught list of questions answers whatever is asked, however the prompt is meant.
Json to_json(const FaqReply& reply) {
  const FaqJudgement& judgement = reply.judgement;
  return {{"text", reply.text},
          {"finish_reason", "stop"},
          {"declined", judgement.declined},
          {"confidence", judgement.confidence},
          {"similarity", judgement.candidates.front().similarity}};
}

Status ask_list(const Flags& flags, const FaqAssistant& faq, const std::string& question) {
  TRY_ASSIGN(const FaqReply reply, faq.reply(question));
  return flags.json ? print_json(to_json(reply)) : print(reply.text + "\n");
}

// A classifier's reply is the likeliest label; --logprobs N names the N likeliest.
Json to_json(const LabelChances& chances, const std::vector<std::string>& labels, int32_t logprobs) {
  const size_t best = likeliest(chances);
  Json json = {{"text", labels[best]}, {"finish_reason", "stop"}, {"probability", std::exp(chances[best])}};
  if (logprobs < 0) return json;
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return chances[x] > chances[y]; });
  order.resize(std::min(order.size(), static_cast<size_t>(logprobs)));
  json["labels"] = Json::array();
  for (const size_t i : order) json["labels"].push_back({{"label", labels[i]}, {"logprob", chances[i]}});
  return json;
}

// The prompt; without one, standard input.
Result<std::string> read_prompt(const Flags& flags) {
  if (!flags.prompt.empty() || stdin_is_terminal()) return flags.prompt;
  TRY_ASSIGN(std::string text, read_stdin());
  // A pipe's last line break belongs to the pipe.
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Status run_one(const Flags& flags, Speaker& speaker, const GenerateParams& params) {
  TRY_ASSIGN(const std::string text, read_prompt(flags));
  if (speaker.faq) return ask_list(flags, *speaker.faq, text);
  Prompts prompts(flags, speaker);
  TRY_ASSIGN(const std::vector<int32_t> tokens, prompts.question(text));
  hint_at_chat(flags, speaker);
  Session session = speaker.session();
  Status written = ok_status();
  CancelToken& cancel = interrupt_token();
  const auto show = [&](std::string_view piece) {
    if (!flags.json && written.ok()) written = print(piece);
    if (!written.ok()) cancel.cancel();  // nobody reads: stop computing
  };
  TRY_ASSIGN(const Generated result, generate(session, speaker.tokenizer, tokens, params, show, &cancel));
  TRY(std::move(written));
  if (flags.json) {
    TRY(print_json(to_json(result, speaker.tokenizer, flags.logprobs >= 0)));
  } else {
    TRY(print("\n"));
  }
  if (result.reason == FinishReason::kContext && !flags.json) {
    log_warning("the context of {} tokens is full, so the text ends here: --context makes room for more",
                speaker.context);
  }
  if (flags.stats) print_stats(result);
  return result.reason == FinishReason::kCancelled ? cancel.check() : ok_status();
}

// The tokens of one line of a batch file.
Result<std::vector<int32_t>> batch_prompt(Prompts& prompts, const JsonObject& object) {
  if (const Json* messages = object.find("messages")) return prompts.chat(*messages);
  if (!object.has("prompt")) return invalid("has neither \"prompt\" nor \"messages\"", object.place());
  TRY_ASSIGN(const std::string text, object.string("prompt"));
  return prompts.question(text);
}

// What was asked last in a line of a batch file.
Result<std::string> batch_question(const JsonObject& object) {
  const Json* messages = object.find("messages");
  if (!messages) return object.string("prompt");
  TRY_ASSIGN(const Conversation conversation, Conversation::from_json(*messages, object.place()));
  if (conversation.empty() || conversation.messages().back().role != ChatMessage::Role::kUser) {
    return invalid("does not end with a question", object.place());
  }
  return conversation.messages().back().content;
}

// Many prompts for a model that writes, answered together.
class Lines {
 public:
  Lines(const Flags& flags, Speaker& speaker, const GenerateParams& params)
      : flags_(flags),
        speaker_(speaker),
        params_(params),
        prompts_(flags, speaker),
        room_(std::min(speaker.context, speaker.transformer.config().max_positions)),
        writer_(speaker.transformer, speaker.runtime->context(), speaker.tokenizer, room_, speaker.kv) {}

  Status answer(std::span<const BatchPrompt> lines, const BatchListener& done) {
    std::vector<WriterPrompt> together;
    std::vector<size_t> places;
    for (size_t i = 0; i < lines.size(); ++i) {
      auto tokens = tokens_of(lines[i].object);
      if (!tokens.ok()) {
        TRY(done(i, tokens.error()));
        continue;
      }
      // Each line draws by itself, also where it says what another one does.
      const uint64_t seed = seed_of_part(params_.sampling.seed, lines[i].line);
      const int64_t most = std::ssize(*tokens) + params_.max_tokens;
      if (regime_of(speaker_.transformer.config(), most) != 0) {
        TRY(answer_alone(i, *tokens, seed, done));
        continue;
      }
      together.push_back({std::move(*tokens), seed});
      places.push_back(i);
    }
    return writer_.write(together, params_, interrupt_token(),
                         [&](size_t place, const Generated& reply) { return done(places[place], described(reply)); });
  }

  // An answer says how long its prompt was.
  bool fits(const JsonObject& prompt, const Json& answer) {
    const auto tokens = tokens_of(prompt);
    return tokens.ok() && answer.contains("prompt_tokens") && answer["prompt_tokens"] == tokens->size();
  }

 private:
  Result<std::vector<int32_t>> tokens_of(const JsonObject& object) {
    TRY_ASSIGN(std::vector<int32_t> tokens, batch_prompt(prompts_, object));
    if (tokens.empty()) return empty_prompt();
    if (std::ssize(tokens) > room_) return too_long(std::ssize(tokens), room_);
    return tokens;
  }

  // Where rotary embeddings are stretched as the text grows, which texts of one step must do alike.
  Status answer_alone(size_t place, std::span<const int32_t> tokens, uint64_t seed, const BatchListener& done) {
    if (!session_) session_.emplace(speaker_.session());
    GenerateParams params = params_;
    params.sampling.seed = seed;
    auto reply = generate(*session_, speaker_.tokenizer, tokens, params, {}, &interrupt_token());
    TRY(interrupt_token().check());
    return done(place, reply.ok() ? Result<Json>(described(*reply)) : Result<Json>(reply.error()));
  }

  Json described(const Generated& reply) const {
    if (flags_.stats) print_stats(reply);
    return to_json(reply, speaker_.tokenizer, flags_.logprobs >= 0);
  }

  const Flags& flags_;
  Speaker& speaker_;
  const GenerateParams& params_;
  Prompts prompts_;
  int64_t room_;
  BatchWriter writer_;
  std::optional<Session> session_;
};

// Lines that come on the same screen would tear a bar, and show themselves how far it is.
BatchOptions with_progress(const Flags& flags) {
  BatchOptions options = flags.batch;
  options.progress = !flags.stats && (!options.output.empty() || !stdout_is_terminal());
  return options;
}

Status run_lines(const Flags& flags, Speaker& speaker, const GenerateParams& params) {
  if (speaker.faq) {
    const auto look_up = [&](const JsonObject& object) -> Result<Json> {
      TRY_ASSIGN(const std::string question, batch_question(object));
      TRY_ASSIGN(const FaqReply reply, speaker.faq->reply(question));
      return to_json(reply);
    };
    return run_batch(with_progress(flags), one_by_one(look_up), interrupt_token());
  }
  Lines lines(flags, speaker, params);
  return run_batch(
      with_progress(flags),
      [&](std::span<const BatchPrompt> some, const BatchListener& done) { return lines.answer(some, done); },
      interrupt_token(), [&](const JsonObject& prompt, const Json& answer) { return lines.fits(prompt, answer); });
}

Status label_texts(const Flags& flags, const Classifier& classifier) {
  const auto label = [&](const std::string& text) -> Result<Json> {
    TRY_ASSIGN(const std::vector<LabelChances> chances, classifier.classify({&text, 1}));
    return to_json(chances.front(), classifier.labels(), flags.logprobs);
  };
  if (!flags.batch.input.empty()) {
    const auto answer = [&](const JsonObject& object) -> Result<Json> {
      TRY_ASSIGN(const std::string text, batch_question(object));
      return label(text);
    };
    return run_batch(with_progress(flags), one_by_one(answer), interrupt_token());
  }
  TRY_ASSIGN(const std::string text, read_prompt(flags));
  TRY_ASSIGN(const Json json, label(text));
  return flags.json ? print_json(json) : print(json["text"].get<std::string>() + "\n");
}

// What would make no sense for any prompt.
Status check_use(const Flags& flags) {
  if (flags.batch.input.empty()) {
    if (!flags.batch.output.empty() || flags.batch.resume) return usage_error("--output and --resume go with --batch");
    if (!flags.prompt.empty() || !stdin_is_terminal()) return ok_status();
    return usage_error("there is no prompt", "give one: linnet generate MODEL \"Once upon a time\", or pipe one in");
  }
  if (!flags.prompt.empty()) return usage_error("give a prompt or --batch, not both");
  if (flags.batch.resume && flags.batch.output.empty()) {
    return usage_error("--resume needs the file that an earlier run wrote", "name it by --output FILE");
  }
  return ok_status();
}

// A choice among tokens where the likeliest is always taken would be ignored without a word.
Status check_choice(const SamplingParams& sampling) {
  if (sampling.temperature > 0) return ok_status();
  const char* idle = sampling.top_k != 0      ? "--top-k"
                     : sampling.top_p < 1     ? "--top-p"
                     : sampling.min_p > 0     ? "--min-p"
                     : sampling.typical_p < 1 ? "--typical-p"
                                              : nullptr;
  if (idle == nullptr) return ok_status();
  return usage_error(fmt::format("{} does nothing at temperature 0, where the likeliest token is always taken", idle),
                     "add --temperature 1");
}

Status run(const Flags& flags) {
  TRY(check_use(flags));
  TRY_ASSIGN(GenerateParams params, flags.sampling.read());
  TRY(check_choice(params.sampling));
  interrupt_token();
  TRY_ASSIGN(const std::unique_ptr<Classifier> classifier, find_classifier(flags.model));
  if (classifier) return label_texts(flags, *classifier);
  TRY_ASSIGN(const std::unique_ptr<Speaker> speaker, open_speaker(flags.model));
  params.end_tokens = speaker->end_tokens;
  if (flags.logprobs >= 0) params.top_logprobs = flags.logprobs;
  TRY(params.check(speaker->tokenizer));
  return flags.batch.input.empty() ? run_one(flags, *speaker, params) : run_lines(flags, *speaker, params);
}

}  // namespace

Job declare_generate(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  flags->model.declare(args);
  args.add("PROMPT", flags->prompt, "the text to continue; without it, standard input");
  args.flag("--chat", flags->chat, "the prompt is a question: ask it through the model's chat template");
  args.add("--system", flags->system, "with --chat: what the model is told first");
  args.add(
      "--batch", flags->batch.input,
      "a JSONL file (- for standard input), a \"prompt\" or \"messages\" a line, and perhaps an \"id\": a JSON line "
      "each, in order; many are answered at once, each with a seed of its own; what fails has an \"error\" there");
  args.add("--output", flags->batch.output, "with --batch: a new file for the lines, instead of standard output")
      .not_empty();
  args.flag("--resume", flags->batch.resume,
            "with --output: keep the lines that are there and make those that are not");
  args.flag("--json", flags->json, "one JSON object instead of text");
  args.add("--logprobs", flags->logprobs, "as JSON, with the log-probabilities of each token and of the N likeliest")
      .in_range(0, 100);
  args.flag("--parse-special", flags->parse_special, "special tokens that the prompt spells are tokens");
  args.flag("--stats", flags->stats, "token counts and speeds, on standard error");
  flags->sampling.declare(args);
  return [flags] {
    flags->json |= flags->logprobs >= 0;
    return run(*flags);
  };
}

}  // namespace linnet::cli
