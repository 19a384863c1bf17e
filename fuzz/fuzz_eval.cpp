// Data files and logs of eval: whatever the bytes, items come out, or an error; and logs can be scored.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/csv.hpp"
#include "data/json_rows.hpp"
#include "eval/benchmark_forms.hpp"
#include "eval/item_log.hpp"
#include "eval/sample_items.hpp"
#include "eval/squad_rows.hpp"
#include "eval/task_score.hpp"

namespace {

void read_as_task(linnet::Rows rows) {
  if (!linnet::unfold_squad(rows).ok() || rows.rows.empty()) return;
  linnet::Task task;
  task.name = "en-de";
  if (const linnet::BenchmarkForm* form = linnet::find_benchmark_form(rows.rows)) {
    form->describe(task);
    for (const linnet::Row& row : rows.rows) (void)form->read(row, "fuzz");
    return;
  }
  const auto match = linnet::recognise_form(rows);
  if (!match.ok()) return;
  if (const auto samples = linnet::make_samples(rows, *match); samples.ok()) {
    if (linnet::read_sample_items(*samples, task).ok()) linnet::join_references(task);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      if (const auto rows = linnet::parse_json_rows(text, "fuzz"); rows.ok()) read_as_task(*rows);
      break;
    case 1:
    case 2:
      if (auto table = linnet::parse_csv(text, data[0] % 4 == 1 ? ',' : '\t', "fuzz"); table.ok()) {
        const auto rows = linnet::name_columns(std::move(table).value(), {"choice0"});
        if (rows.ok()) read_as_task(*rows);
      }
      break;
    default:
      if (const auto logs = linnet::parse_item_log(text, "fuzz"); logs.ok()) {
        for (const linnet::TaskLog& log : *logs) (void)linnet::task_metrics(log, {.stem = true});
      }
  }
  return 0;
}
