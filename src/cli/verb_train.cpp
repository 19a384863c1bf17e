// linnet train: a model from nothing but text.
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "base/strings.hpp"
#include "base/system.hpp"
#include "base/terminal.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/teaching_screen.hpp"
#include "cli/verb.hpp"
#include "tasks/machine_peaks.hpp"
#include "tasks/pretrain.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  TrainSettings settings;
  std::string name;
  std::string shape = "llama";
  std::string schedule = "cosine";
  std::string optimizer = "adamw";
  std::string weights = "f32";
  double beta1 = 0.9;
  double beta2 = 0.99;
  double momentum = -1;
  double weight_decay = 0.1;
  // What is 0 was not asked for, and is chosen.
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t inner = 0;
  int64_t context = 0;
  int64_t batch = 0;
  int64_t steps = 0;
  double epochs = 0;
  double rate = 0;
  int64_t evaluate_every = 0;
  // The same below 0.
  int64_t warmup = -1;
  int64_t decay = -1;
  double dropout = -1;
  bool resume = false;
  bool json = false;
};

template <class T>
void choose(T flag, std::optional<T>& setting) {
  if (flag > 0) setting = flag;
}
template <class T>
void choose_or_zero(T flag, std::optional<T>& setting) {
  if (flag >= 0) setting = flag;
}

OptimizerConfig optimizer_of(const Flags& flags) {
  OptimizerConfig config;
  const auto decay = static_cast<float>(flags.weight_decay);
  config.adamw.beta1 = static_cast<float>(flags.beta1);
  config.adamw.beta2 = static_cast<float>(flags.beta2);
  config.adamw.weight_decay = config.muon.weight_decay = decay;
  config.sgd.weight_decay = decay;
  if (flags.momentum >= 0) config.muon.momentum = config.sgd.momentum = static_cast<float>(flags.momentum);
  config.kind = flags.optimizer == "muon"  ? OptimizerKind::kMuon
                : flags.optimizer == "sgd" ? OptimizerKind::kSgd
                                           : OptimizerKind::kAdamW;
  return config;
}

TrainSettings settings_of(const Flags& flags) {
  TrainSettings settings = flags.settings;
  settings.size.shape = flags.shape == "gpt2" ? ModelShape::kGpt2 : ModelShape::kLlama;
  settings.schedule = schedule_called(flags.schedule);
  settings.optimizer = optimizer_of(flags);
  settings.weights = flags.weights == "bf16" ? DType::kBF16 : DType::kF32;
  choose(flags.layers, settings.size.layers);
  choose(flags.width, settings.size.width);
  choose(flags.heads, settings.size.heads);
  choose(flags.kv_heads, settings.size.kv_heads);
  choose(flags.inner, settings.size.inner);
  choose(flags.context, settings.context);
  choose(flags.batch, settings.batch);
  choose(flags.steps, settings.steps);
  choose(flags.epochs, settings.epochs);
  choose(flags.rate, settings.rate);
  choose_or_zero(flags.warmup, settings.warmup_steps);
  choose_or_zero(flags.decay, settings.decay_steps);
  choose_or_zero(flags.dropout, settings.dropout);
  choose(flags.evaluate_every, settings.evaluate_every);
  return settings;
}

std::string millions(int64_t count) {
  return count < 1'000'000 ? fmt::format("{:.0f} thousand", static_cast<double>(count) / 1e3)
                           : fmt::format("{:.1f} million", static_cast<double>(count) / 1e6);
}

std::string sentence(const Pretrainer& pretrainer) {
  const TrainPlan& plan = pretrainer.plan();
  std::string text = fmt::format("{} of text, {} tokens of {} kinds; {} learned from, {} held out\n",
                                 format_bytes(pretrainer.text().bytes), pretrainer.text().train.size(), plan.vocab,
                                 plan.train.size(), plan.held_out.size());
  text += fmt::format("{} parameters: layers {}, width {}, heads {}, context {}\n", millions(plan.parameters),
                      plan.size.layers, plan.size.width, plan.size.heads, plan.context);
  const double epochs = static_cast<double>(plan.steps) / static_cast<double>(plan.steps_per_epoch);
  return text + fmt::format("{} of {} tokens, {:.2g} epochs, at a rate of {:.2g}, dropout {:.2g}, products in {}{}\n",
                            counted(plan.steps, "step"), plan.windows_per_step * plan.context, epochs, plan.rate,
                            plan.dropout, plan.bfloat16 ? "bfloat16" : "float32",
                            pretrainer.settings().weights == DType::kBF16 ? ", weights held in bfloat16" : "");
}

Result<std::unique_ptr<Pretrainer>> prepare(const TrainSettings& settings) {
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  return Pretrainer::prepare(settings, interrupt_token(), [&](const Progress& progress) { printer.update(progress); });
}

TeachingWork work_of(Pretrainer& pretrainer) {
  const TrainPlan& plan = pretrainer.plan();
  TeachingWork work{.stage = "training", .steps = plan.steps};
  work.tokens_per_step = static_cast<double>(plan.windows_per_step * plan.context);
  work.flops_per_token = plan.flops_per_token;
  if (stderr_is_terminal()) work.peak = product_peak(pretrainer.runtime(), plan.bfloat16);
  return work;
}

Status run(const Flags& flags) {
  TRY(flags.resume ? RunStore::check_name(flags.name) : RunStore::check_new_name(flags.name));
  if (flags.settings.text.paths.empty()) return usage_error("there is no text", "linnet train book.txt --name book");
  if (flags.steps > 0 && flags.epochs > 0) return usage_error("--steps and --epochs exclude each other");
  interrupt_token();
  TRY_ASSIGN(const std::unique_ptr<Pretrainer> pretrainer, prepare(settings_of(flags)));
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const RunVersion version, store.open(flags.name, pretrainer->info(), flags.resume));
  if (!flags.json) TRY(print(sentence(*pretrainer)));
  LoopResult result;
  {
    TeachingScreen screen(work_of(*pretrainer));
    const Pretrainer::Hooks hooks{
        .report = [&](const StepReport& step,
                      const std::optional<Evaluation>& evaluation) { screen.step(step, evaluation); },
        .sample = [&](const std::string& text) { screen.sample(text); },
        .cancel = &interrupt_token()};
    TRY_ASSIGN(result, pretrainer->run(version, flags.resume, hooks));
    screen.finish();
  }
  TRY(store.set_current(version));
  if (flags.json) return print_json(finished_json(pretrainer->info(), version, result));
  const std::string held_out = result.held_out ? fmt::format(", held out {:.4f}", *result.held_out) : "";
  return print(fmt::format("{0} is ready (version {1}{2}): linnet generate {0}\nreport: {3}\n", version.name,
                           version.number, held_out, (version.folder / "report.html").string()));
}

void declare_model(Arguments& args, Flags& flags) {
  const char* heading = "The model";
  args.add("--size", flags.settings.size.size, "about so many parameters: 1m, 10m, 124m").under(heading);
  args.add("--shape", flags.shape, "llama or gpt2").one_of({"llama", "gpt2"}).under(heading);
  args.add("--tokenizer", flags.settings.text.tokenizer,
           "characters, bpe:SIZE or unigram:SIZE, learned from the text; a tokenizer.json; a model, for its own")
      .under(heading);
  args.add("--layers", flags.layers, "0: what --size gives").non_negative().under(heading);
  args.add("--width", flags.width, "of the residual stream").non_negative().under(heading);
  args.add("--heads", flags.heads, "of attention").non_negative().under(heading);
  args.add("--kv-heads", flags.kv_heads, "key/value heads, which the heads share (llama)")
      .non_negative()
      .under(heading);
  args.add("--inner", flags.inner, "width inside the MLP").non_negative().under(heading);
  args.add("--context", flags.context, "tokens that it sees at once; 0: 256").in_range(0, 1 << 20).under(heading);
  args.flag("--untied", flags.settings.untied_head, "a head of its own instead of the embedding").under(heading);
}

void declare_learning(Arguments& args, Flags& flags) {
  const char* heading = "How it learns";
  args.add("--steps", flags.steps, "in all; 0: 20 tokens a parameter, of 8 epochs at most")
      .non_negative()
      .under(heading);
  args.add("--epochs", flags.epochs, "how often the text is seen; 0: as --steps says")
      .in_range(0.0, 1e6)
      .under(heading);
  args.add("--batch", flags.batch, "tokens of a step; 0: by the size").in_range(0, 1 << 24).under(heading);
  args.add("--rate,--lr", flags.rate, "learning rate, the highest; 0: by the width")
      .in_range(0.0, 100.0)
      .under(heading);
  args.add("--schedule", flags.schedule, "constant, linear, cosine, or stable: constant, then linear down")
      .one_of(schedule_names())
      .under(heading);
  args.add("--warmup", flags.warmup, "steps in which the rate rises; -1: a twentieth, 200 at most")
      .in_range(-1, 1 << 30)
      .under(heading);
  args.add("--decay", flags.decay, "steps in which a stable rate falls; -1: a fifth")
      .in_range(-1, 1 << 30)
      .under(heading);
  args.add("--final", flags.settings.final_fraction, "part of the rate where the run ends")
      .in_range(0.0, 1.0)
      .under(heading);
  args.add("--optimizer", flags.optimizer, "adamw, muon (of the layers' matrices; adamw of the rest) or sgd")
      .one_of({"adamw", "muon", "sgd"})
      .under(heading);
  args.add("--beta1", flags.beta1, "AdamW's first").in_range(0.0, 0.9999).under(heading);
  args.add("--beta2", flags.beta2, "AdamW's second").in_range(0.0, 0.99999).under(heading);
  args.add("--momentum", flags.momentum, "-1: Muon's 0.95 or SGD's 0.9")
      .in_range_or_minus_one(0.0, 0.9999)
      .under(heading);
  args.add("--weight-decay", flags.weight_decay, "of matrices").in_range(0.0, 10.0).under(heading);
  args.add("--clip", flags.settings.clip_norm, "largest norm of the gradients").positive().under(heading);
  args.add("--spike", flags.settings.spike,
           "a loss so many deviations above the last 50 ends the run; 0: only one that is no number")
      .non_negative()
      .under(heading);
  args.add("--dropout", flags.dropout, "part of the numbers; -1: 0.1 where the text is seen more than twice, else 0")
      .in_range_or_minus_one(0.0, 0.95)
      .under(heading);
  args.flag("--float32", flags.settings.float32, "no products in bfloat16").under(heading);
  args.add("--weights", flags.weights,
           "what matrices are held as while they learn; bf16: half of f32's memory, each step rounded stochastically, "
           "by seed")
      .one_of({"f32", "bf16"})
      .under(heading);
}

}  // namespace

Job declare_train(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  TrainSettings& settings = flags->settings;
  args.add("FILES", settings.text.paths, "texts: files, folders, .jsonl; - for standard input");
  args.add("--name", flags->name, "what the model is called").required();
  declare_model(args, *flags);
  declare_learning(args, *flags);
  args.add("--field", settings.text.field, "of each line in .jsonl: the text");
  args.add("--valid", settings.text.held_out, "texts that measure, instead of a part of FILES");
  args.add("--held-out", settings.held_out, "part of the text, at its end, that measures").in_range(0.0, 0.5);
  args.add("--evaluate-every", flags->evaluate_every, "steps; 0: twenty times in the run").non_negative();
  args.add("--prompt", settings.prompt, "what the samples go on from");
  args.add("--seed", settings.seed, "the same seed and text give the same bits");
  args.add("--threads", settings.threads, "0: every core").in_range(0, 1024);
  args.flag("--resume", flags->resume, "go on with the last run of this name");
  args.flag("--json", flags->json, "what was done, as JSON");
  args.notes(
      "Ctrl-C saves; --resume goes on to the very same result. The run's folder holds report.html, metrics.jsonl and\n"
      "TensorBoard's files; its model is NAME wherever a MODEL is asked for.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
