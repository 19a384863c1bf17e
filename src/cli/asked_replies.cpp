#include "cli/asked_replies.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

int64_t prompt_room(int64_t input_tokens, const std::string& system) {
  constexpr int64_t kAroundAnInput = 128;  // tokens of the chat template and of an instruction
  return input_tokens + kAroundAnInput + static_cast<int64_t>(system.size());  // bytes are no fewer than tokens
}

Result<std::vector<ItemRecord>> ask_shown(const Task& task, const Asking& asking) {
  auto printer = ProgressPrinter::for_stderr();
  RateMeter meter;
  Progress progress{.stage = "asking", .item = asking.model, .unit = ProgressUnit::kCount};
  return ask_model(task, asking, interrupt_token(), [&](int64_t done, int64_t all) {
    progress.done = static_cast<uint64_t>(done);
    progress.total = static_cast<uint64_t>(all);
    meter.fill(progress, RateMeter::Clock::now());
    printer.update(progress);
  });
}

Result<int64_t> longest_reply(const std::string& base, const std::vector<Sample>& taught) {
  constexpr int64_t kMost = 1024;
  TRY_ASSIGN(const ModelHandle model, find_base(base));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  size_t longest = 1;
  for (const Sample& sample : taught) {
    TRY_ASSIGN(const std::vector<int32_t> ids, tokenizer.encode(answer_of(sample)));
    longest = std::max(longest, ids.size());
  }
  return std::min({static_cast<int64_t>(longest), kMost, std::max<int64_t>(model.config().max_positions / 4, 1)});
}

Status keep_replies(const RunVersion& version, const Task& task, const std::string& on, const std::string& writer,
                    const std::vector<ItemRecord>& replies) {
  const std::string part = writer == "taught" ? "" : "." + writer;
  const std::filesystem::path path = version.folder / fmt::format("{}{}.jsonl", on == kTest ? on : "held-out", part);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);  // of a run that was killed, and goes on
  TRY_ASSIGN(ItemLog log, ItemLog::create(path.string()));
  TRY(log.begin(task.name, task.kind, {{"model", version.name}, {"version", version.number}, {"writer", writer}}));
  for (const ItemRecord& reply : replies) TRY(log.add(reply));
  return ok_status();
}

Json scores_of_writer(size_t items, const std::vector<Metric>& metrics) {
  Json one = {{"items", items}};
  for (const Metric& metric : metrics) {
    const Estimate told = estimate(metric, kBootstrapSeed);
    one[metric.name()] = {{"value", told.value}, {"standard_error", told.standard_error}};
  }
  return one;
}

}  // namespace linnet::cli
