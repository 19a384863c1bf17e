// linnet bench: how fast a model reads and writes here, and how near that is to what the machine can do.
#include <algorithm>
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/system.hpp"
#include "base/terminal.hpp"
#include "cli/common.hpp"
#include "cli/roofline.hpp"
#include "cli/table.hpp"
#include "cli/verb.hpp"
#include "tasks/bench.hpp"
#include "tasks/machine_peaks.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::vector<std::string> adapters;
  std::string kv;
  int threads = 0;
  int64_t prompt = 512;
  int64_t generate = 64;
  std::vector<int64_t> depths = {0};
  std::vector<int64_t> sequences = {1};
  int repeats = 5;
  bool ops = false;
  bool json = false;
};

// Reading and writing at each depth, then more sequences at the first depth.
Result<std::vector<BenchCase>> choose_cases(const Flags& flags) {
  std::vector<BenchCase> cases;
  for (const int64_t depth : flags.depths) {
    if (flags.prompt > 0) cases.push_back({BenchCase::Kind::kPrefill, flags.prompt, depth, 1});
    if (flags.generate == 0) continue;
    for (const int64_t count : flags.sequences)
      cases.push_back({BenchCase::Kind::kDecode, flags.generate, depth, count});
  }
  if (cases.empty()) return usage_error("nothing to measure: --prompt and --generate are both 0");
  return cases;
}

std::string name_of(const BenchCase& what) {
  std::string name = fmt::format("{} {}", what.kind == BenchCase::Kind::kPrefill ? "read" : "write", what.tokens);
  if (what.depth > 0) name += fmt::format(" after {}", what.depth);
  if (what.sequences > 1) name += fmt::format(", {} at once", what.sequences);
  return name;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Speeds {
  double least, middle, most;  // tokens per second
  double operations, bytes;    // per second, of the median repetition
};

Speeds speeds_of(const BenchResult& r) {
  const auto tokens = static_cast<double>(r.what.all_tokens());
  const auto [least, most] = std::minmax_element(r.seconds.begin(), r.seconds.end());
  const double middle = median(r.seconds);
  return {tokens / *most, tokens / middle, tokens / *least, r.work.operations / middle, r.work.bytes / middle};
}

// That of the fastest units: what the roof is made of.
double peak_of(const MachinePeaks& peaks) {
  return std::max({peaks.int8, peaks.f32, peaks.bf16});
}

// The share of what the machine allows: memory or arithmetic, whichever limits the case.
double share_of_limit(const MachinePeaks& peaks, const BenchResult& r) {
  const double limit = std::max(r.work.bytes / peaks.read, peak_of(peaks) > 0 ? r.work.operations / peak_of(peaks) : 0);
  return limit / median(r.seconds);
}

std::string draw_results(const MachinePeaks& peaks, const std::vector<BenchResult>& results) {
  std::vector<std::vector<std::string>> rows{{"", "", "tokens/s", "least", "most", "GOPS", "GB/s", "of the limit"}};
  std::vector<RooflinePoint> points;
  for (size_t i = 0; i < results.size(); ++i) {
    const BenchResult& r = results[i];
    const Speeds s = speeds_of(r);
    const char mark = static_cast<char>('A' + i % 26);
    rows.push_back({std::string(1, mark), name_of(r.what), fmt::format("{:.1f}", s.middle),
                    fmt::format("{:.1f}", s.least), fmt::format("{:.1f}", s.most),
                    fmt::format("{:.0f}", s.operations / 1e9), fmt::format("{:.1f}", s.bytes / 1e9),
                    fmt::format("{:.0f}%", 100 * share_of_limit(peaks, r))});
    points.push_back({mark, r.work.operations / r.work.bytes, s.operations});
  }
  std::string out = format_table(rows, {2, 3, 4, 5, 6, 7});
  if (peak_of(peaks) == 0) return out;
  constexpr int kRows = 12;
  const int columns = std::clamp(terminal_columns() - 24, 40, 72);
  out += "\nGOPS over operations per byte; the line is what the machine allows:\n";
  return out + draw_roofline(peaks.read, peak_of(peaks), points, columns, kRows);
}

std::string draw_ops(const BenchResult& r) {
  double all = 0;
  for (const OpTime& op : r.ops) all += op.seconds;
  std::vector<std::vector<std::string>> rows{{name_of(r.what), "share", "ms", "calls"}};
  for (const OpTime& op : r.ops) {
    rows.push_back({std::string(op.name), fmt::format("{:.1f}%", 100 * op.seconds / all),
                    fmt::format("{:.2f}", 1000 * op.seconds), std::to_string(op.calls)});
  }
  return "\n" + format_table(rows, {1, 2, 3});
}

Json to_json(const BenchResult& r) {
  const Speeds s = speeds_of(r);
  Json ops = Json::array();
  for (const OpTime& op : r.ops) ops.push_back({{"name", op.name}, {"seconds", op.seconds}, {"calls", op.calls}});
  return {{"kind", r.what.kind == BenchCase::Kind::kPrefill ? "read" : "write"},
          {"tokens", r.what.tokens},
          {"depth", r.what.depth},
          {"sequences", r.what.sequences},
          {"seconds", r.seconds},
          {"tokens_per_second", s.middle},
          {"operations", r.work.operations},
          {"bytes", r.work.bytes},
          {"ops", std::move(ops)}};
}

Status run(const Flags& flags) {
  TRY_ASSIGN(const std::vector<BenchCase> cases, choose_cases(flags));
  CancelToken& cancel = interrupt_token();
  TRY_ASSIGN(const ModelHandle model, find_writing_model(flags.model));
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.threads));
  int64_t most = 1;  // tokens in all caches together
  for (const BenchCase& what : cases) most = std::max(most, what.sequences * (what.depth + what.tokens));
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model, flags.adapters));
  TRY_ASSIGN(const DType kv, choose_kv_dtype(flags.kv, model.description, runtime->context().kernels()));
  TRY_ASSIGN(const Transformer transformer, load_weights(model, *runtime, most, adapters, kv));
  const MachinePeaks peaks = measure_peaks(*runtime);

  std::vector<BenchResult> results;
  {
    ProgressPrinter printer = ProgressPrinter::for_stderr();
    const auto show = [&](int64_t done, int64_t all) {
      printer.update({.stage = "measuring",
                      .done = static_cast<uint64_t>(done),
                      .total = static_cast<uint64_t>(all),
                      .unit = ProgressUnit::kCount});
    };
    TRY_ASSIGN(results, run_bench(transformer, runtime->context(), kv, cases, flags.repeats, cancel, show));
  }
  if (flags.json) {
    Json list = Json::array();
    for (const BenchResult& r : results) list.push_back(to_json(r));
    return print_json({{"model", model.name()},
                       {"adapters", flags.adapters},
                       {"cpu", cpu_name()},
                       {"instruction_set", runtime->isa()},
                       {"threads", runtime->threads()},
                       {"kv", kv_name(kv)},
                       {"read_bytes_per_second", peaks.read},
                       {"int8_operations_per_second", peaks.int8},
                       {"f32_operations_per_second", peaks.f32},
                       {"bf16_operations_per_second", peaks.bf16},
                       {"peak_resident_bytes", peak_resident_bytes()},
                       {"results", std::move(list)}});
  }
  std::string out = fmt::format("{} on {}, {}, {} threads, keys and values in {}\n", model.name(), cpu_name(),
                                runtime->isa(), runtime->threads(), kv_name(kv));
  out += fmt::format("memory reads {:.1f} GB/s", peaks.read / 1e9);
  if (peak_of(peaks) > 0) {
    out += fmt::format("; arithmetic does {:.0f} GOPS in int8, {:.0f} in float32", peaks.int8 / 1e9, peaks.f32 / 1e9);
    if (peaks.bf16 > 0) out += fmt::format(", {:.0f} in bfloat16", peaks.bf16 / 1e9);
  }
  out += "\n\n" + draw_results(peaks, results);
  if (flags.ops) {
    for (const BenchResult& r : results) out += draw_ops(r);
  }
  return print(out);
}

}  // namespace

Job declare_bench(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a model's name, file or folder").required();
  args.add("--threads", flags->threads, "0: every core").in_range(0, 1024);
  declare_adapters(args, flags->adapters);
  args.add("--prompt", flags->prompt, "tokens to read; 0: none").in_range(0, 1 << 24);
  args.add("--generate", flags->generate, "tokens to write; 0: none").in_range(0, 1 << 24);
  args.add("--depth", flags->depths, "after so many tokens (default 0)").in_range(0, 1 << 24);
  args.add("--kv", flags->kv, "how keys and values are kept; as it comes: what this machine writes fastest with")
      .one_of(kKvTypes);
  args.add("--sequences", flags->sequences, "so many texts written at once (default 1)").in_range(1, 1024);
  args.add("--repeat", flags->repeats, "measurements of each").in_range(1, 1000);
  args.flag("--ops", flags->ops, "where the time goes, op by op");
  args.flag("--json", flags->json, "every measurement, as JSON");
  args.notes(
      "Other programs slow it down, and one slow run says little: look at the least and the most.\n"
      "\"of the limit\": a case takes at least as long as its bytes take to read, or its operations to do.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
