#include "tasks/job_score.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "base/utf8.hpp"
#include "data/split.hpp"
#include "engine/batch_writer.hpp"
#include "eval/sample_items.hpp"
#include "eval/task_score.hpp"
#include "tasks/chat_prompt.hpp"
#include "tasks/writing_job.hpp"

namespace linnet {

namespace {

// Of the work of the whole run: what all measurements together may come to.
constexpr double kShare = 0.06;
// What it takes to read a token, and to write one beside others, in tokens that are taught: teaching goes forth and
// back over many rows at once, while writing reads every weight for the next token of a few replies.
constexpr double kReading = 1.0 / 3;
constexpr double kWriting = 3;

constexpr size_t kMost = 24;               // samples
constexpr size_t kEnough = 8;              // fewer say little: then it is measured more seldom
constexpr size_t kLeast = 4;               // asked in any case, before and after
constexpr int64_t kMostReplyTokens = 256;  // what is longer is compared as far as it goes
constexpr size_t kMostShownBytes = 400;    // of a text in the sample that is shown

bool is_shown(TaskKind kind, const std::string& metric) {
  return kind == TaskKind::kAnswer ? metric == "exact_match" || metric == "f1" : metric == deciding_score(kind);
}

std::string sample_of(const ItemRecord& item) {
  const std::string wanted = item.references.empty() ? "" : item.references.front();
  return fmt::format("asked: {}\nright: {}\nreply: {}", shown_text(item.context), shown_text(wanted),
                     shown_text(item.output));
}

}  // namespace

std::string shown_text(const std::string& text) {
  std::string out = text.substr(0, kMostShownBytes);
  if (out.size() < text.size()) {
    out.resize(out.size() - incomplete_utf8_tail(out));
    out += " …";
  }
  std::ranges::replace(out, '\n', ' ');
  return out;
}

std::optional<Task> scored_task(const Dataset& dataset, const std::vector<Sample>& samples, DataForm form,
                                uint64_t seed) {
  if (const std::optional<WritingJob> job = find_writing_job(dataset)) {
    Result<Task> task = writing_task(*job, samples, seed);
    return task.ok() ? std::optional(std::move(*task)) : std::nullopt;
  }
  constexpr std::array kAnswered{DataForm::kQuestionAnswer, DataForm::kTestList, DataForm::kPromptCompletion,
                                 DataForm::kLabels};
  if (std::ranges::find(kAnswered, form) == kAnswered.end()) return std::nullopt;
  Task task;
  task.data_form = form;
  describe_answers(task);
  // Samples with a system message of their own are none that eval can ask.
  if (!add_sample_items(samples, task).ok()) return std::nullopt;
  std::vector<TaskItem> ordered;
  ordered.reserve(task.items.size());
  for (const uint32_t i : shuffled(task.items.size(), seed, 0)) ordered.push_back(std::move(task.items[i]));
  task.items = std::move(ordered);
  return task;
}

Result<std::optional<JobScore>> JobScore::prepare(const Dataset& dataset, const JobAsking& asking,
                                                  const JobWork& work) {
  std::optional<Task> task = scored_task(dataset, dataset.held_out, dataset.form, asking.seed);
  if (!task || task->items.empty()) return std::optional<JobScore>();
  JobScore score(std::move(*task), asking);
  TRY(score.choose(work));
  if (score.items() == 0) return std::optional<JobScore>();
  return std::optional<JobScore>(std::move(score));
}

ChatRenderer JobScore::renderer() const {
  return chat_renderer(*asking_.chat_template, *asking_.tokenizer, {.system = asking_.system});
}

Status JobScore::choose(const JobWork& work) {
  struct Item {
    int64_t prompt, reply;
  };
  std::vector<TaskItem> fitting;
  std::vector<Item> sizes;
  const ChatRenderer render = renderer();
  for (TaskItem& item : task_.items) {
    if (fitting.size() == kMost) break;
    TRY_ASSIGN(const std::vector<int32_t> prompt, render({}, item.request));
    int64_t reply = 1;
    for (const std::string& reference : item.references) {
      TRY_ASSIGN(const std::vector<int32_t> ids, asking_.tokenizer->encode(reference));
      reply = std::max(reply, static_cast<int64_t>(ids.size()) + 1);  // and the end
    }
    const Item size{static_cast<int64_t>(prompt.size()), std::min(reply, kMostReplyTokens)};
    if (size.prompt + size.reply > asking_.longest) continue;
    sizes.push_back(size);
    fitting.push_back(std::move(item));
  }
  // The longest reply bounds all of them. Of items [0, count):
  const auto reply_tokens = [&](size_t count) {
    int64_t most = 0;
    for (size_t i = 0; i < count; ++i) most = std::max(most, sizes[i].reply);
    return most;
  };
  const auto cost_of = [&](size_t count) {
    double cost = static_cast<double>(count) * kWriting * static_cast<double>(reply_tokens(count));
    for (size_t i = 0; i < count; ++i) cost += kReading * static_cast<double>(sizes[i].prompt);
    return cost;
  };
  size_t count = 0;
  for (every_ = 1;; every_ *= 2) {
    const int64_t times = 2 + work.evaluations / every_;  // before and after, too
    const double room = kShare * work.tokens / static_cast<double>(times);
    for (count = fitting.size(); count > 0 && cost_of(count) > room;) --count;
    if (count >= std::min(kEnough, fitting.size()) || every_ > work.evaluations) break;
  }
  count = std::max(count, std::min(kLeast, fitting.size()));
  cost_ = cost_of(count);
  task_.max_tokens = reply_tokens(count);
  task_.items.clear();
  for (size_t i = 0; i < count; ++i) {
    const int64_t tokens = sizes[i].prompt + task_.max_tokens;
    if (tokens > asking_.longest) continue;  // there would be no room for the longest reply of all
    most_tokens_ = std::max(most_tokens_, tokens);
    task_.items.push_back(std::move(fitting[i]));
  }
  return ok_status();
}

int64_t JobScore::cache_bytes(const Transformer& model) const {
  return BatchWriter::cache_bytes(model, most_tokens_, asking_.kv_dtype);
}

Result<JobScore::Measured> JobScore::measure(Context& ctx, const Transformer& model, const CancelToken& cancel) const {
  const Subject subject{model, ctx, *asking_.tokenizer, asking_.end_tokens, most_tokens_, asking_.kv_dtype};
  const RunOptions options{
      .instruct = false, .chat = renderer(), .frequency_penalty = static_cast<float>(asking_.frequency_penalty)};
  TRY_ASSIGN(RunResult result, run_task(
                                   task_, subject, options, [](const ItemRecord&) { return ok_status(); }, cancel,
                                   [](int64_t, int64_t) {}));
  if (result.cancelled) return Error{ErrorCode::kCancelled, "stopped while measuring", {}, {}};
  Measured measured;
  // The same sample each time.
  const auto first = std::ranges::find(result.items, task_.items.front().number, &ItemRecord::item);
  measured.sample = sample_of(*first);
  TRY_ASSIGN(const std::vector<Metric> metrics,
             task_metrics({.task = {}, .kind = task_.kind, .settings = {}, .items = std::move(result.items)}, {}));
  for (const Metric& metric : metrics) {
    if (is_shown(task_.kind, metric.name())) measured.scores.push_back({metric.name(), metric.value()});
  }
  return measured;
}

}  // namespace linnet
