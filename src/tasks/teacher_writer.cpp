#include "tasks/teacher_writer.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/file_lock.hpp"
#include "base/json.hpp"
#include "base/part_file.hpp"
#include "base/random.hpp"
#include "base/strings.hpp"
#include "engine/batch_writer.hpp"
#include "hub/digest.hpp"
#include "tasks/chat_prompt.hpp"
#include "tasks/memory_plan.hpp"
#include "text/chat_request.hpp"

namespace linnet {

namespace {

struct Answer {
  std::string text;
  bool whole = false;
};
using Answers = std::vector<std::optional<Answer>>;  // by sample

bool says(const Json& message, std::string_view role) {
  return message.value("role", "") == role;
}

void drop_last_reply(Json& messages) {
  if (!messages.empty() && says(messages.back(), "assistant")) messages.erase(messages.size() - 1);
}

// The conversation up to the last reply, or all of it where it has none.
Result<Json> before_reply(const Sample& sample, const std::string& system) {
  Json messages = sample.messages;
  drop_last_reply(messages);
  if (std::ranges::none_of(messages, [](const Json& one) { return says(one, "user") || says(one, "tool"); })) {
    return invalid("nothing is asked that a teacher could answer: there is no message of a user before the reply",
                   sample.place, "add the question, or take the row out");
  }
  for (Json& message : messages) message.erase("weight");
  if (!system.empty() && !says(messages.front(), "system")) {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", system}});
  }
  return messages;
}

Result<std::vector<int32_t>> prompt_of(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                       const Sample& sample, const std::string& system) {
  ChatRequest request;
  TRY_ASSIGN(request.messages, before_reply(sample, system));
  request.tools = sample.tools;
  request.add_generation_prompt = true;
  auto prompt = make_chat_prompt(chat_template, tokenizer, request);
  if (!prompt.ok()) return std::move(prompt).error().at(sample.place);
  return std::move(prompt->tokens);
}

// The lines that an earlier writing left. One that was torn by its end says nothing, and is written anew.
Status read_answers(const std::filesystem::path& path, Answers& answers) {
  if (!std::filesystem::exists(path)) return ok_status();
  TRY_ASSIGN(const std::string text, read_file(path));
  for (const std::string_view line : lines_of(text)) {
    const auto json = parse_json(line, path.string());
    if (!json.ok() || !json->is_object()) continue;
    const auto n = json->find("n"), said = json->find("text"), whole = json->find("whole");
    if (n == json->end() || !n->is_number_unsigned() || n->get<size_t>() >= answers.size() || said == json->end() ||
        !said->is_string() || whole == json->end() || !whole->is_boolean()) {
      continue;
    }
    answers[n->get<size_t>()] = Answer{said->get<std::string>(), whole->get<bool>()};
  }
  return ok_status();
}

class Writing {
 public:
  Writing(const Teacher& teacher, Runtime& runtime, const TeacherWriting& settings, const CancelToken* cancel,
          const ProgressCallback& progress)
      : teacher_(teacher), runtime_(runtime), settings_(settings), cancel_(cancel), progress_(progress) {}

  // The answers to all prompts; nullopt where a prompt, with an answer, has no room.
  Result<Answers> run(const std::vector<std::vector<int32_t>>& prompts) {
    Answers answers(prompts.size());
    const std::filesystem::path path = settings_.cache / (key_of(prompts) + ".jsonl");
    TRY_ASSIGN(const FileLock lock, FileLock::acquire(path.string() + ".lock", {.cancel = cancel_}));
    TRY(read_answers(path, answers));
    std::vector<size_t> missing;
    int64_t longest = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      const auto length = static_cast<int64_t>(prompts[i].size()) + settings_.most_tokens;
      if (answers[i] || length > teacher_.model().config().max_positions) continue;
      missing.push_back(i);
      longest = std::max(longest, length);
    }
    if (missing.empty()) return answers;
    TRY_ASSIGN(PartFile file, PartFile::open(path));
    if (file.size() > 0) TRY(append(file, "\n"));  // behind a line that was torn
    TRY(write(prompts, missing, longest, file, answers));
    return answers;
  }

 private:
  static Status append(PartFile& file, const std::string& text) { return file.append(std::as_bytes(std::span(text))); }

  std::string key_of(const std::vector<std::vector<int32_t>>& prompts) const {
    Digest digest;
    digest.update(fmt::format("answers 1, {}, {}, {}, {}\n", teacher_.digest(), settings_.temperature,
                              settings_.temperature > 0 ? settings_.seed : 0, settings_.most_tokens));
    for (const std::vector<int32_t>& prompt : prompts) {
      digest.update(fmt::format("{}\n", prompt.size()));
      digest.update(std::as_bytes(std::span(prompt)));
    }
    return digest.hex();
  }

  // Of what is drawn for a prompt: the same in any company.
  uint64_t seed_of(const std::vector<int32_t>& prompt) const {
    uint64_t seed = settings_.seed;
    for (const int32_t token : prompt) seed = seed_of_part(seed, static_cast<uint64_t>(token));
    return seed;
  }

  Status write(const std::vector<std::vector<int32_t>>& prompts, const std::vector<size_t>& missing, int64_t longest,
               PartFile& file, Answers& answers) {
    TRY_ASSIGN(const Transformer model, teacher_.load(runtime_, longest));
    const DType kv = kv_dtype(teacher_.model().description, runtime_.context().kernels());
    BatchWriter writer(model, runtime_.context(), teacher_.tokenizer(), longest, kv);
    GenerateParams params;
    params.max_tokens = settings_.most_tokens;
    params.end_tokens = end_tokens(teacher_.model(), teacher_.tokenizer());
    params.sampling.temperature = settings_.temperature;
    Progress state{.stage = "the teacher writes", .total = missing.size(), .unit = ProgressUnit::kCount};
    RateMeter meter;
    const CancelToken never;
    const auto keep = [&](size_t place, Generated written) -> Status {
      const size_t n = missing[place];
      TRY(append(file, dump_json({{"n", n}, {"text", written.text}, {"whole", written.whole()}}) + "\n"));
      answers[n] = Answer{std::move(written.text), written.whole()};
      ++state.done;
      meter.add(state.done, RateMeter::Clock::now());
      meter.fill(state, RateMeter::Clock::now());
      if (progress_) progress_(state);
      return ok_status();
    };
    std::vector<WriterPrompt> asked;
    asked.reserve(missing.size());
    for (const size_t n : missing) asked.push_back({prompts[n], seed_of(prompts[n])});
    Status written = writer.write(asked, params, cancel_ ? *cancel_ : never, keep);
    TRY(file.flush());
    return written;
  }

  const Teacher& teacher_;
  Runtime& runtime_;
  const TeacherWriting& settings_;
  const CancelToken* cancel_;
  const ProgressCallback& progress_;
};

// `answer` in the place of the last reply; earlier ones are only read.
void put_answer(Sample& sample, const std::string& answer) {
  drop_last_reply(sample.messages);
  for (Json& message : sample.messages) {
    if (says(message, "assistant")) message["weight"] = 0;
  }
  sample.messages.push_back({{"role", "assistant"}, {"content", answer}});
}

}  // namespace

Result<LeftOut> let_teacher_write(const Teacher& teacher, Runtime& runtime, const TeacherWriting& settings,
                                  std::vector<Sample>& samples, const CancelToken* cancel,
                                  const ProgressCallback& progress) {
  LeftOut left_out;
  if (samples.empty()) return left_out;
  TRY_ASSIGN(const ChatTemplate chat_template, load_chat_template(teacher.model(), teacher.tokenizer()));
  std::vector<std::vector<int32_t>> prompts;
  for (const Sample& sample : samples) {
    TRY_ASSIGN(std::vector<int32_t> prompt, prompt_of(chat_template, teacher.tokenizer(), sample, settings.system));
    prompts.push_back(std::move(prompt));
  }
  TRY_ASSIGN(const Answers answers, Writing(teacher, runtime, settings, cancel, progress).run(prompts));
  std::vector<Sample> taught;
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::optional<Answer>& answer = answers[i];
    if (!answer) {
      ++left_out.too_long;
    } else if (!answer->whole) {
      ++left_out.unfinished;
    } else if (answer->text.empty()) {
      ++left_out.empty;
    } else {
      put_answer(samples[i], answer->text);
      taught.push_back(std::move(samples[i]));
    }
  }
  samples = std::move(taught);
  runtime.context().buffers().release_free();
  return left_out;
}

}  // namespace linnet
