#include "tasks/writing_test.hpp"

#include <algorithm>
#include <chrono>

#include "eval/run_task.hpp"
#include "tasks/chat_prompt.hpp"
#include "tasks/memory_plan.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "text/chat_request.hpp"

namespace linnet {

namespace {

// Items between two looks at the clock: the more, the seldomer a few long replies hold up the rest.
constexpr size_t kAtOnce = 64;
constexpr size_t kAtOnceOfFew = 16;
constexpr size_t kFew = 256;

std::vector<ItemRecord> by_number(std::vector<ItemRecord> records) {
  std::ranges::sort(records, {}, &ItemRecord::item);
  return records;
}

}  // namespace

Result<std::vector<ItemRecord>> ask_model(const Task& task, const Asking& asking, const CancelToken& cancel,
                                          const std::function<void(int64_t, int64_t)>& progress) {
  TRY_ASSIGN(const ModelHandle model, find_model(asking.model));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  std::optional<ChatTemplate> chat_template;
  if (has_chat_template(model.description.files)) {
    TRY_ASSIGN(chat_template, load_chat_template(model, tokenizer));
  }
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(asking.threads));
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model));
  const int64_t tokens = std::min(asking.prompt_tokens + task.max_tokens, model.config().max_positions);
  TRY_ASSIGN(const Transformer transformer, load_weights(model, *runtime, tokens, adapters));
  const Subject subject{transformer, runtime->context(),
                        tokenizer,   end_tokens(model, tokenizer),
                        tokens,      kv_dtype(model.description, runtime->context().kernels())};
  RunOptions options{.skip_long = asking.skip_long,
                     .instruct = asking.instruct,
                     .frequency_penalty = static_cast<float>(asking.frequency_penalty)};
  if (chat_template) options.chat = chat_renderer(*chat_template, tokenizer, {.system = asking.system});

  std::vector<ItemRecord> records;
  Task part = task;
  const auto all = static_cast<int64_t>(task.items.size());
  const auto began = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); };
  const size_t at_once = task.items.size() > kFew ? kAtOnce : kAtOnceOfFew;
  for (size_t begin = 0; begin < task.items.size() && (asking.seconds == 0 || passed() < asking.seconds || begin == 0);
       begin += at_once) {
    const size_t end = std::min(begin + at_once, task.items.size());
    part.items.assign(task.items.begin() + static_cast<std::ptrdiff_t>(begin),
                      task.items.begin() + static_cast<std::ptrdiff_t>(end));
    const auto before = static_cast<int64_t>(begin);
    TRY_ASSIGN(RunResult result, run_task(
                                     part, subject, options, [](const ItemRecord&) { return ok_status(); }, cancel,
                                     [&](int64_t done, int64_t) { progress(before + done, all); }));
    if (result.cancelled) return Error{ErrorCode::kCancelled, "stopped while testing", {}, {}};
    std::ranges::move(result.items, std::back_inserter(records));
  }
  return by_number(std::move(records));
}

std::vector<ItemRecord> answer_all(const Task& task,
                                   const std::function<std::string(const std::string& request)>& reply) {
  std::vector<ItemRecord> records;
  for (const TaskItem& item : task.items) {
    ItemRecord record{.item = item.number, .context = item.request};
    record.references = item.references;
    record.output = reply(item.request);
    records.push_back(std::move(record));
  }
  return by_number(std::move(records));
}

}  // namespace linnet
