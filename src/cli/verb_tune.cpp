// linnet tune: teaches a model from a person's own data.
#include <algorithm>
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/tune_common.hpp"
#include "cli/tune_tested.hpp"
#include "cli/tune_ways.hpp"
#include "cli/verb.hpp"
#include "data/refuse.hpp"
#include "data/unusable.hpp"

namespace linnet::cli {

namespace {

std::optional<PreferenceMethod> preference_of(const std::string& method) {
  for (const auto one : {PreferenceMethod::kDpo, PreferenceMethod::kOrpo, PreferenceMethod::kKto}) {
    if (preference_method_name(one) == method) return one;
  }
  return std::nullopt;
}

std::string sentence(const Tuner& tuner) {
  const TunePlan& plan = tuner.plan();
  std::string text;
  for (const std::string& said : tuner.dataset().said) text += said + "\n";
  text += fmt::format("{} samples to learn from, {} held out; {} tokens, of which {} are learned\n",
                      tuner.dataset().train.size(), tuner.dataset().held_out.size(), tuner.train_set().tokens(),
                      tuner.train_set().learned());
  text += fmt::format("memory: {}, {} are free\n", plan.memory.to_string(), format_bytes(memory_info().available));
  const std::string numbers =
      fmt::format("at a rate of {:.2g}, products in {}{}\n", plan.rate, plan.bfloat16 ? "bfloat16" : "float32",
                  tuner.pupil().weights == DType::kBF16 ? ", weights held in bfloat16" : "");
  if (plan.method) {
    return text + fmt::format("{} in {} of up to {} {} each, by {} with beta {:.2g}, {}", counted(plan.steps, "step"),
                              counted(plan.epochs, "epoch"), plan.pairs_per_step,
                              *plan.method == PreferenceMethod::kKto ? "replies" : "pairs",
                              preference_method_name(*plan.method), plan.beta, numbers);
  }
  return text + fmt::format("{} in {} of up to {} tokens each, {}", counted(plan.steps, "step"),
                            counted(plan.epochs, "epoch"), plan.rows_per_step * plan.row_length, numbers);
}

Status undo(const TuneFlags& flags) {
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const std::optional<RunVersion> current, store.find(flags.name));
  if (!current) return not_found("there is no run " + flags.name);
  const std::vector<int64_t> numbers = store.numbers(flags.name);
  for (size_t i = numbers.size(); i-- > 0;) {
    if (numbers[i] >= current->number) continue;
    TRY_ASSIGN(const RunVersion before, store.version(flags.name, numbers[i]));
    if (!before.finished()) continue;
    TRY(store.set_current(before));
    return print(fmt::format("{} is version {} again (it was {})\n", flags.name, before.number, current->number));
  }
  return usage_error(fmt::format("{} has no version before {}", flags.name, current->number));
}

// What no flag said is left to the data.
void fill_settings(TuneFlags& flags) {
  TuneSettings& settings = flags.settings;
  const auto choose = [](auto flag, auto& setting) {
    if (flag > 0) setting = flag;
  };
  choose(flags.rate, settings.rate);
  choose(flags.epochs, settings.epochs);
  choose(flags.length, settings.length);
  choose(flags.batch, settings.batch);
  choose(flags.beta, settings.beta);
  choose(flags.steps, settings.steps);
  if (flags.warmup >= 0) settings.warmup_steps = flags.warmup;
  settings.schedule = schedule_called(flags.schedule);
  constexpr uint64_t kMegabyte = 1'000'000;
  settings.memory = static_cast<uint64_t>(flags.memory) * kMegabyte;
  settings.preference = preference_of(flags.method);
  if (flags.allow_cuts) settings.allowed_cuts = 1;
  settings.skip_cut_off = flags.allow_cuts || flags.skip_bad;
  flags.data.read.skip_bad = flags.skip_bad;
  NewAdapter& adapter = settings.pupil.adapter;
  if (adapter.alpha == 0) adapter.alpha = 2 * static_cast<double>(adapter.rank);
  if (flags.lora_plus > 0) settings.pupil.b_rate = flags.lora_plus;
  settings.teacher.from = flags.distil == "text" ? DistilFrom::kText : DistilFrom::kLogits;
  flags.data.read.unanswered = !settings.teacher.name.empty() && settings.teacher.from == DistilFrom::kText;
  if (flags.method == "last") settings.pupil.learns = Learns::kLastLayers;
  if (flags.method == "full") settings.pupil.learns = Learns::kEverything;
  settings.pupil.weights = flags.weights == "bf16" ? DType::kBF16 : DType::kF32;
  adapter.seed = settings.seed = flags.faq.seed = flags.data.seed;
  flags.faq.threads = flags.classify.threads = settings.threads;
  if (!flags.encoder.empty()) flags.faq.encoder = flags.classify.encoder = flags.embedding.base = flags.encoder;
  flags.classify.adapter = adapter;
  flags.classify.rate = settings.rate;
  flags.classify.epochs = settings.epochs;
  flags.classify.seed = flags.data.seed;
  flags.classify.words_only = flags.method == "words";
  flags.embedding.adapter = settings.pupil.adapter;
  flags.embedding.rate = settings.rate;
  flags.embedding.epochs = settings.epochs;
  flags.embedding.length = settings.length;
  flags.embedding.pairs = settings.batch;
  flags.embedding.seed = flags.data.seed;
  flags.embedding.threads = settings.threads;
  if (!flags.base.empty()) flags.embedding.base = flags.base;
  settings.base = flags.base.empty() ? kSmallBase : flags.base;
  if (!flags.base.empty()) flags.faq.base = flags.base;
}

Status tune_model(TuneFlags& flags, Dataset dataset) {
  const RunStore store = RunStore::standard();
  if (flags.resume) take_choices_of_last(store, flags.name, flags.settings);
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  const auto show = [&](const Progress& progress) { printer.update(progress); };
  TRY_ASSIGN(const std::unique_ptr<Tuner> tuner,
             Tuner::prepare(flags.settings, std::move(dataset), &interrupt_token(), show));
  printer.finish();
  if (flags.preview) return show_preview(*tuner);
  TRY_ASSIGN(RunVersion version, store.open(flags.name, tuner->info(), flags.resume));
  if (!flags.json) TRY(print(sentence(*tuner)));
  TRY_ASSIGN(const Tuner::Taught taught, teach_shown(*tuner, tuner->plan().steps, version, flags.resume));
  TRY(store.set_current(version));
  TRY_ASSIGN(const TestReport test, test_run(*tuner, flags.settings, taught, version));
  if (test.after) {
    version.info["test"] = to_json(test);
    TRY(store.write_info(version));
  }
  const std::vector<Score> before = taught.loop.before ? taught.loop.before->scores : std::vector<Score>();
  if (flags.json) {
    Json json = finished_json(tuner->info(), version);
    json["steps_done"] = taught.loop.steps;
    json["memory"] = tuner->plan().memory.total();
    json["seconds"] = taught.seconds;
    json["seconds_foreseen"] = taught.forecast ? Json(*taught.forecast) : Json();
    json["held_out_loss"] = taught.loop.held_out ? Json(*taught.loop.held_out) : Json();
    json["held_out_loss_before"] = taught.loop.before ? Json(taught.loop.before->loss) : Json();
    json["held_out_scores"] = {{"before", scores_json(before)}, {"after", scores_json(taught.loop.after)}};
    json["test"] = test.after ? to_json(test) : Json();
    json["held_out_right"] = taught.right ? Json(*taught.right) : Json();
    return print_json(json);
  }
  if (taught.right) {
    TRY(print(fmt::format("{:.0f}% of what was held out came out as people preferred\n", 100 * *taught.right)));
  }
  for (size_t i = 0; i < std::min(taught.loop.after.size(), before.size()); ++i) {
    TRY(print(fmt::format("held out: {} {:.3g} before, {:.3g} after\n", taught.loop.after[i].name, before[i].value,
                          taught.loop.after[i].value)));
  }
  return print(fmt::format("{}{}{}: linnet {} {}\n", draw(test), worse_than_untaught(flags.settings.base, taught.loop),
                           ready_sentence(version, taught.loop), tuner->chats() ? "chat" : "generate", version.name));
}

TuneWay way_of(const TuneFlags& flags, const Dataset& dataset, bool writing) {
  if (flags.method == "faq") return TuneWay::kFaq;
  if (flags.method == "encoder") return TuneWay::kEncoder;
  if (flags.method == "words") return TuneWay::kWords;
  if (flags.method == "contrastive") return TuneWay::kContrastive;
  if (flags.method == "last") return TuneWay::kLast;
  if (flags.method == "full") return TuneWay::kFull;
  const bool teacher = !flags.settings.teacher.name.empty();
  if (writing && !teacher && !flags.settings.preference) return TuneWay::kWriting;
  if (flags.method == "auto" && !teacher) {
    if (is_faq(dataset)) return TuneWay::kFaq;
    // Who names a language model wants it to write the labels.
    if (is_classification(dataset) && flags.base.empty()) return TuneWay::kEncoder;
  }
  return flags.settings.preference || holds_preferences(dataset.form) ? TuneWay::kPreferences : TuneWay::kLora;
}

// Whether what is taught writes, and is not only looked up, sorted or compared.
bool writes(TuneWay way) {
  return way != TuneWay::kFaq && way != TuneWay::kEncoder && way != TuneWay::kWords && way != TuneWay::kContrastive;
}

// Which columns are which, as a person says it.
Status name_columns(TuneFlags& flags) {
  if (flags.input.empty() != flags.output.empty()) {
    return usage_error("--input and --output go together", "name the columns of what is said and of the reply");
  }
  if (!flags.input.empty()) flags.data.read.columns = {{"prompt", flags.input}, {"completion", flags.output}};
  return ok_status();
}

// Rows without an answer are part of a list of questions.
Status leave_out_bad(const TuneFlags& flags, TuneWay way, Dataset& dataset) {
  if (!flags.skip_bad || way == TuneWay::kFaq) return ok_status();
  for (std::vector<Sample>* samples : {&dataset.train, &dataset.held_out}) {
    const std::vector<Unusable> bad = find_unusable(*samples, dataset.form, flags.data.read.unanswered);
    if (!bad.empty()) dataset.said.push_back(leave_out_unusable(*samples, bad));
  }
  if (!dataset.train.empty()) return ok_status();
  return invalid("nothing is left to learn from: " + dataset.said.back());
}

// What is learned without a chat is not shown as one.
Status preview_rows(TuneWay way, const Dataset& dataset) {
  if (way == TuneWay::kFaq) return show_preview(dataset, "faq", {"question", "answer"});
  if (way == TuneWay::kContrastive) {
    TRY(check_has_pairs(dataset));
    return show_preview(dataset, "contrastive", {"one text", "belongs to"});
  }
  TRY(check_classification(dataset));
  const char* method = way == TuneWay::kWords ? "words" : "encoder, with weighted words beside it";
  return show_preview(dataset, method, {"text", "label"});
}

Status run(TuneFlags& flags, const Arguments& args) {
  if (!flags.preview || flags.undo) {
    if (flags.name.empty()) return usage_error("--name is required", "linnet tune faq.csv --name shop");
    TRY(flags.resume || flags.undo ? RunStore::check_name(flags.name) : RunStore::check_new_name(flags.name));
  }
  if (flags.undo) return undo(flags);
  if (flags.preview && flags.json) return usage_error("--preview prints no JSON", "leave out one of the two");
  if (flags.data.paths.empty()) return usage_error("there is no data", "linnet tune faq.csv --name shop");
  if (flags.steps > 0 && flags.epochs > 0) return usage_error("--steps and --epochs exclude each other");
  if (flags.method == "last" && flags.settings.pupil.layers == 0) {
    return usage_error("--method last does not say how many layers", "--layers 4");
  }
  TRY(name_columns(flags));
  fill_settings(flags);
  interrupt_token();
  TRY_ASSIGN(Dataset dataset, load_dataset(flags.data));
  if (flags.leave_out_overlap) leave_out_overlaps(dataset);
  if (dataset.train.empty() && dataset.held_out.empty()) {
    return invalid("nothing is left to learn from", flags.data.paths.front(),
                   "all that it holds stands in the test, too");
  }
  const std::optional<WritingJob> job = find_writing_job(dataset);
  const TuneWay way = way_of(flags, dataset, job.has_value());
  TRY(check_flags_of(way, [&](std::string_view flag) { return args.given(std::string(flag)); }));
  TRY(leave_out_bad(flags, way, dataset));
  if (dataset.form == DataForm::kQuestionAnswer) {
    if (std::string said = describe_contradictions(dataset.train); !said.empty())
      dataset.said.push_back(std::move(said));
  }
  if (flags.preview && !writes(way)) return preview_rows(way, dataset);
  switch (way) {
    case TuneWay::kFaq:
      return tune_faq(flags, dataset);
    case TuneWay::kEncoder:
    case TuneWay::kWords:
      return tune_classifier(flags, dataset);
    case TuneWay::kContrastive:
      return tune_embedding(flags, dataset);
    case TuneWay::kWriting:
      return job ? tune_writing(flags, std::move(dataset), *job) : ok_status();
    case TuneWay::kLora:
    case TuneWay::kLast:
    case TuneWay::kFull:
    case TuneWay::kPreferences:
      return tune_model(flags, std::move(dataset));
  }
  return ok_status();
}

}  // namespace

std::string ready_sentence(const RunVersion& version, const LoopResult& loop) {
  return fmt::format("{} is ready (version {}, {}{})", version.name, version.number, counted(loop.steps, "step"),
                     loop.stopped_early ? ", stopped early" : "");
}

std::string worse_than_untaught(const std::string& base, const LoopResult& loop) {
  if (!loop.before || !loop.held_out || *loop.held_out <= loop.before->loss) return {};
  return fmt::format("worse than {} untaught: held out {:.3f} beside {:.3f}; try a lower --rate\n", base,
                     *loop.held_out, loop.before->loss);
}

void leave_out_overlaps(Dataset& dataset) {
  const size_t count =
      leave_out_overlap(dataset.train, dataset.test) + leave_out_overlap(dataset.held_out, dataset.test);
  if (count > 0) {
    dataset.said.push_back(fmt::format("{} samples were left out of what is learned: the test holds them, too", count));
  }
}

void take_choices_of_last(const RunStore& store, const std::string& name, TuneSettings& settings) {
  const std::vector<int64_t> numbers = store.numbers(name);
  if (numbers.empty()) return;
  const auto last = store.version(name, numbers.back());
  if (!last.ok()) return;
  settings.packed_alone = last->info.contains("base_weights");
  const auto length = last->info.find("row_length");
  if (length == last->info.end() || !length->is_number_integer() || *length < 1) return;
  settings.row_length = length->get<int64_t>();
}

Job declare_tune(Arguments& args) {
  auto flags = std::make_shared<TuneFlags>();
  declare_tune_options(args, *flags);
  args.notes("Ctrl-C saves; --resume goes on to the very same result.");
  return [flags, args] { return run(*flags, args); };
}

}  // namespace linnet::cli
