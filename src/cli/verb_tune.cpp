// linnet tune: teaches a model from a person's own data.
#include <cmath>
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/terminal.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "tasks/tune.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  TuneSettings settings;
  std::string name;
  double rate = 0;
  int64_t epochs = 0;
  int64_t length = 0;
  int64_t batch = 0;
  bool allow_cuts = false;
  bool resume = false;
  bool preview = false;
  bool undo = false;
  bool json = false;
};

std::string sentence(const Tuner& tuner) {
  const TunePlan& plan = tuner.plan();
  std::string text;
  for (const std::string& said : tuner.dataset().said) text += said + "\n";
  text += fmt::format("{} samples to learn from, {} held out; {} tokens, of which {} are learned\n",
                      tuner.dataset().train.size(), tuner.dataset().held_out.size(), tuner.train_set().tokens(),
                      tuner.train_set().learned());
  text +=
      fmt::format("{} steps in {} epochs of up to {} tokens each, at a rate of {:.2g}, products in {}\n", plan.steps,
                  plan.epochs, plan.rows_per_step * plan.row_length, plan.rate, plan.bfloat16 ? "bfloat16" : "float32");
  return text;
}

// Goes on with the newest version, which must be of the same data and choices, or begins a new one.
Result<RunVersion> open_version(const RunStore& store, const Flags& flags, const Json& info) {
  if (!flags.resume) return store.begin(flags.name, info);
  const std::vector<int64_t> numbers = store.numbers(flags.name);
  if (numbers.empty()) return not_found("there is no run " + flags.name + " to go on with", {}, "leave --resume out");
  TRY_ASSIGN(RunVersion version, store.version(flags.name, numbers.back()));
  if (std::filesystem::exists(version.folder / "adapter")) {
    return usage_error(fmt::format("version {} of {} is finished", version.number, flags.name), "leave --resume out");
  }
  for (const auto& [key, value] : info.items()) {
    const auto before = version.info.find(key);
    if (before == version.info.end() || *before != value) {
      return usage_error(
          fmt::format("version {} of {} is another run: its {} is {}, not {}", version.number, flags.name, key,
                      before == version.info.end() ? "unknown" : dump_json(*before), dump_json(value)),
          "begin anew without --resume, or give the flags and the data that it began with");
    }
  }
  return version;
}

// Bar and lines while it learns.
class Screen {
 public:
  explicit Screen(const TunePlan& plan) : plan_(plan) {}

  void show(const StepReport& step, std::optional<double> held_out) {
    // What a person sees is the mean of the last steps; one step's loss jumps.
    constexpr double kKeep = 0.9;
    const double loss = loss_ ? kKeep * *loss_ + (1 - kKeep) * step.loss : step.loss;
    loss_ = loss;
    Progress progress{.stage = "teaching",
                      .item = fmt::format("loss {:.3f}", loss),
                      .done = static_cast<uint64_t>(step.step + 1),
                      .total = static_cast<uint64_t>(plan_.steps),
                      .unit = ProgressUnit::kCount};
    meter_.add(progress.done, RateMeter::Clock::now());
    meter_.fill(progress, RateMeter::Clock::now());
    printer_.update(progress);
    if (held_out) {
      printer_.note(fmt::format("step {}: loss {:.3f}, held out {:.3f}", step.step + 1, loss, *held_out));
    }
  }

 private:
  const TunePlan& plan_;
  std::optional<double> loss_;
  RateMeter meter_;
  ProgressPrinter printer_ = ProgressPrinter::for_stderr();
};

Status undo(const Flags& flags) {
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const std::optional<RunVersion> current, store.find(flags.name));
  if (!current) return not_found("there is no run " + flags.name);
  const std::vector<int64_t> numbers = store.numbers(flags.name);
  for (size_t i = numbers.size(); i-- > 0;) {
    if (numbers[i] >= current->number) continue;
    TRY_ASSIGN(const RunVersion before, store.version(flags.name, numbers[i]));
    if (!std::filesystem::exists(before.folder / "adapter")) continue;  // never finished
    TRY(store.set_current(before));
    return print(fmt::format("{} is version {} again (it was {})\n", flags.name, before.number, current->number));
  }
  return usage_error(fmt::format("{} has no version before {}", flags.name, current->number));
}

Status run(Flags& flags) {
  TRY(RunStore::check_name(flags.name));
  if (flags.undo) return undo(flags);
  TuneSettings& settings = flags.settings;
  if (settings.data.paths.empty()) return usage_error("there is no data", "linnet tune faq.csv --name shop");
  const auto choose = [](auto flag, auto& setting) {
    if (flag > 0) setting = flag;
  };
  choose(flags.rate, settings.rate);
  choose(flags.epochs, settings.epochs);
  choose(flags.length, settings.length);
  choose(flags.batch, settings.batch);
  if (flags.allow_cuts) settings.allowed_cuts = 1;
  if (settings.adapter.alpha == 0) settings.adapter.alpha = 2 * static_cast<double>(settings.adapter.rank);
  settings.adapter.seed = settings.data.seed;
  interrupt_token();
  TRY_ASSIGN(const std::unique_ptr<Tuner> tuner, Tuner::prepare(settings));
  if (flags.preview) return print(tuner->preview(2, stdout_is_terminal()));
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const RunVersion version, open_version(store, flags, tuner->info()));
  if (!flags.json) TRY(print(sentence(*tuner)));
  LoopResult result;
  {
    Screen screen(tuner->plan());
    Tuner::Hooks hooks;
    hooks.cancel = &interrupt_token();
    hooks.report = [&](const StepReport& step, std::optional<double> held_out) { screen.show(step, held_out); };
    TRY_ASSIGN(result, tuner->run(version, flags.resume, hooks));
  }
  TRY(store.set_current(version));
  if (flags.json) {
    Json json = tuner->info();
    json["name"] = version.name;
    json["version"] = version.number;
    json["folder"] = version.folder.string();
    json["steps_done"] = result.steps;
    json["held_out_loss"] = result.held_out ? Json(*result.held_out) : Json();
    return print_json(json);
  }
  return print(fmt::format("{} is ready (version {}, {} steps{}): linnet chat {}\n", version.name, version.number,
                           result.steps, result.stopped_early ? ", stopped early" : "", version.name));
}

}  // namespace

Job declare_tune(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  TuneSettings& settings = flags->settings;
  settings.base = "smollm2";
  settings.adapter.alpha = 0;
  args.add("DATA", settings.data.paths, "files or folders: CSV, TSV, xlsx, JSONL, JSON, text (docs/data.md)");
  args.add("--name", flags->name, "what the result is called").required();
  args.add("--base", settings.base, "the model that is taught");
  args.add("--test", settings.data.test, "questions that must not stand in the data");
  args.add("--system", settings.system, "system message of conversations that have none");
  args.add("--rank", settings.adapter.rank, "of the adapter").in_range(1, 1024);
  args.add("--alpha", settings.adapter.alpha, "of the adapter; 0: twice the rank");
  args.flag("--rslora", settings.adapter.rank_stabilised, "scale by the root of the rank");
  args.flag("--dora", settings.adapter.dora, "learn magnitudes, too (slower)");
  args.add("--target", settings.adapter.targets, "layers that are taught, by their names; without: every linear one");
  args.add("--rate", flags->rate, "learning rate; 0: chosen from the model");
  args.add("--epochs", flags->epochs, "how often all data is seen; 0: chosen from the data").in_range(0, 1000);
  args.add("--length", flags->length, "most tokens of a sample; 0: up to 2048").in_range(0, 1 << 20);
  args.add("--batch", flags->batch, "tokens of a step; 0: chosen from the data").in_range(0, 1 << 24);
  args.add("--held-out", settings.data.held_out, "part of the data that measures").in_range(0.0, 0.5);
  args.add("--seed", settings.data.seed, "the same seed and data give the same bits");
  args.add("--threads", settings.threads, "0: every core").in_range(0, 1024);
  args.flag("--allow-cuts", flags->allow_cuts, "learn although samples are cut by the length");
  args.flag("--preview", flags->preview, "show the first samples as the model reads them, and end");
  args.flag("--resume", flags->resume, "go on with the last run of this name");
  args.flag("--undo", flags->undo, "go back to the version before");
  args.flag("--json", flags->json, "what was done, as JSON");
  args.notes("Ctrl-C saves; --resume goes on to the very same result.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
