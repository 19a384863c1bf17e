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

constexpr const char* kSmallBase = "smollm2";
const std::vector<std::string> kMethods{"auto", "faq",         "encoder", "words", "lora", "last",
                                        "full", "contrastive", "dpo",     "orpo",  "kto"};

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

// What learns.
enum class Kind { kFaq, kClassifier, kEmbedding, kWriting, kModel };

Kind kind_of(const TuneFlags& flags, const Dataset& dataset, bool writing) {
  if (flags.method == "faq") return Kind::kFaq;
  if (flags.method == "encoder" || flags.method == "words") return Kind::kClassifier;
  if (flags.method == "contrastive") return Kind::kEmbedding;
  const bool teacher = !flags.settings.teacher.name.empty();
  if (writing && !teacher && (flags.method == "auto" || flags.method == "lora")) return Kind::kWriting;
  if (flags.method != "auto" || teacher) return Kind::kModel;
  if (is_faq(dataset)) return Kind::kFaq;
  // Who names a language model wants it to write the labels.
  return is_classification(dataset) && flags.base.empty() ? Kind::kClassifier : Kind::kModel;
}

TuneWay way_of(const TuneFlags& flags, Kind kind, DataForm form) {
  switch (kind) {
    case Kind::kFaq:
      return TuneWay::kFaq;
    case Kind::kClassifier:
      return flags.method == "words" ? TuneWay::kWords : TuneWay::kEncoder;
    case Kind::kEmbedding:
      return TuneWay::kContrastive;
    case Kind::kWriting:
      return TuneWay::kWriting;
    case Kind::kModel:
      break;
  }
  if (flags.method == "last") return TuneWay::kLast;
  if (flags.method == "full") return TuneWay::kFull;
  const bool preferences = form == DataForm::kPreference || form == DataForm::kUnpairedPreference;
  return preferences || flags.settings.preference ? TuneWay::kPreferences : TuneWay::kLora;
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
Status leave_out_bad(const TuneFlags& flags, Kind kind, Dataset& dataset) {
  if (!flags.skip_bad || kind == Kind::kFaq) return ok_status();
  for (std::vector<Sample>* samples : {&dataset.train, &dataset.held_out}) {
    const std::vector<Unusable> bad = find_unusable(*samples, dataset.form, flags.data.read.unanswered);
    if (!bad.empty()) dataset.said.push_back(leave_out_unusable(*samples, bad));
  }
  if (!dataset.train.empty()) return ok_status();
  return invalid("nothing is left to learn from: " + dataset.said.back());
}

// What is learned without a chat is not shown as one.
Status preview_rows(const TuneFlags& flags, Kind kind, const Dataset& dataset) {
  if (kind == Kind::kFaq) return show_preview(dataset, "faq", {"question", "answer"});
  if (kind == Kind::kEmbedding) {
    TRY(check_has_pairs(dataset));
    return show_preview(dataset, "contrastive", {"one text", "belongs to"});
  }
  TRY(check_classification(dataset));
  const bool words = flags.method == "words";
  return show_preview(dataset, words ? "words" : "encoder, with weighted words beside it", {"text", "label"});
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
  const Kind kind = kind_of(flags, dataset, job.has_value());
  TRY(check_flags_of(way_of(flags, kind, dataset.form),
                     [&](std::string_view flag) { return args.given(std::string(flag)); }));
  TRY(leave_out_bad(flags, kind, dataset));
  if (dataset.form == DataForm::kQuestionAnswer) {
    if (std::string said = describe_contradictions(dataset.train); !said.empty())
      dataset.said.push_back(std::move(said));
  }
  const bool writes = kind == Kind::kWriting || kind == Kind::kModel;
  if (flags.preview && !writes) return preview_rows(flags, kind, dataset);
  switch (kind) {
    case Kind::kFaq:
      return tune_faq(flags, dataset);
    case Kind::kClassifier:
      return tune_classifier(flags, dataset);
    case Kind::kEmbedding:
      return tune_embedding(flags, dataset);
    case Kind::kWriting:
      return job ? tune_writing(flags, std::move(dataset), *job) : ok_status();
    case Kind::kModel:
      return tune_model(flags, std::move(dataset));
  }
  return ok_status();
}

void declare_teacher(Arguments& args, TuneFlags& flags) {
  TeacherSettings& teacher = flags.settings.teacher;
  const char* heading = "Learning from a larger model";
  args.add("--teacher", teacher.name, "a model that it learns from, beside the data").under(heading);
  args.add("--distil", flags.distil,
           "logits: how likely the teacher finds each token (both must have the same vocabulary); text: what the "
           "teacher writes, instead of the data's own answers")
      .one_of({"logits", "text"})
      .under(heading);
  args.add("--teacher-top", teacher.top, "logits: so many of its likeliest tokens count, all others as one")
      .in_range(1, 65536)
      .under(heading);
  args.add("--teacher-weight", teacher.weight, "logits: of the teacher, the rest is the data's own tokens'")
      .in_range(0.0, 1.0)
      .under(heading);
  args.add("--teacher-temperature", teacher.temperature, "text: 0: its likeliest answers")
      .in_range(0.0, 100.0)
      .under(heading);
}

void declare_steps(Arguments& args, TuneFlags& flags) {
  TuneSettings& settings = flags.settings;
  args.add("--rate,--lr", flags.rate, "learning rate, the highest; 0: chosen from the model").in_range(0.0, 100.0);
  const char* heading = "How a model that writes learns";
  args.add("--steps", flags.steps, "in all, instead of --epochs; 0: as the epochs have").non_negative().under(heading);
  args.add("--schedule", flags.schedule, "constant, linear, cosine, or stable: constant, then linear down over a fifth")
      .one_of(schedule_names())
      .under(heading);
  args.add("--warmup", flags.warmup, "steps in which the rate rises; -1: a twentieth")
      .in_range(-1, 1 << 30)
      .under(heading);
  args.add("--weight-decay", settings.weight_decay, "of matrices").in_range(0.0, 10.0).under(heading);
  args.add("--clip", settings.clip_norm, "largest norm of the gradients").positive().under(heading);
  args.add("--dropout", settings.dropout, "part of the numbers").in_range(0.0, 0.95).under(heading);
  args.add("--spike", settings.spike,
           "a loss so many deviations above the last 50 ends the run, or one far above what guessing has; 0: only one "
           "that is no number")
      .non_negative()
      .under(heading);
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
  TuneSettings& settings = flags->settings;
  NewAdapter& adapter = settings.pupil.adapter;
  adapter.alpha = 0;
  args.add("DATA", flags->data.paths, "files or folders: CSV, TSV, xlsx, JSONL, JSON, text (docs/data.md)");
  args.add("--name", flags->name, "what the result is called; only --preview does without");
  args.add("--method", flags->method,
           "faq: questions are looked up by their meaning; encoder: labels by an encoder; words: labels by weighted "
           "words "
           "alone, which is quick; lora: a model learns to write the answers, by an adapter; last, full: by its own "
           "last layers, or all of its weights; contrastive: pairs of texts come near each other, for embed; dpo, "
           "orpo: it learns from pairs of replies; kto: from replies that were good or bad; auto: by the data")
      .one_of(kMethods);
  args.add(
      "--base", flags->base,
      fmt::format("the model that is taught, or chooses among answers; without: {} or {}", kSmallBase, kFaqChooser));
  args.add("--test", flags->data.test,
           "data that measures, and must not stand in the rest: its loss before and after, and its replies where their "
           "form has a score");
  args.add("--input", flags->input,
           "the column of what is said, where its name does not tell; of a table without names: 1, 2, …");
  args.add("--output", flags->output, "the column of the reply to it");
  args.add("--sheet", flags->data.read.sheet, "of an xlsx file; empty: the first that is not hidden");
  args.add("--minutes", flags->minutes,
           "pairs, summaries: about so long in all, the test included; 0: as long as it takes")
      .in_range(0.0, 100000.0);
  args.add("--samples", flags->samples, "pairs, summaries: so many of the data, by seed; 0: what the minutes allow")
      .in_range(0, 1 << 24);
  args.add("--input-tokens", flags->input_tokens,
           "pairs, summaries: what is longer is cut to its beginning; 0: chosen from the data")
      .in_range(0, 1 << 20);
  args.add("--system", settings.system, "system message of conversations that have none");
  args.add("--encoder", flags->encoder,
           "faq, labels: the model that learns what texts mean; " + flags->faq.encoder + " for faq, " +
               flags->classify.encoder + " for labels");
  args.add("--declining", flags->faq.declining, "faq: the reply to what the list does not answer");
  args.add("--rank", adapter.rank, "of the adapter").in_range(1, 1024);
  args.add("--alpha", adapter.alpha, "of the adapter; 0: twice the rank").in_range(0.0, 1e6);
  args.flag("--rslora", adapter.rank_stabilised, "scale by the root of the rank");
  args.flag("--dora", adapter.dora, "learn magnitudes, too (slower)");
  args.add("--target", adapter.targets, "layers that are taught, by their names; without: every linear one");
  args.add("--lora-plus", flags->lora_plus,
           "how many times as fast as A the adapter's B learns (LoRA+: 16); 0: as fast")
      .in_range(0.0, 1000.0);
  args.add("--layers", settings.pupil.layers, "last: how many of the last layers learn, with the final norm and head")
      .non_negative();
  args.add("--weights", flags->weights,
           "last, full: what matrices are held as while they learn; bf16: half of f32's memory, each step rounded "
           "stochastically, by seed")
      .one_of({"f32", "bf16"});
  declare_teacher(args, *flags);
  declare_steps(args, *flags);
  args.add("--beta", flags->beta, "dpo, orpo, kto: how much preferences weigh; 0: 0.1").in_range(0.0, 100.0);
  args.add("--epochs", flags->epochs, "how often all data is seen; 0: chosen from the data").in_range(0, 1000);
  args.add("--length", flags->length, "most tokens of a sample; 0: up to 2048").in_range(0, 1 << 20);
  args.add("--batch", flags->batch, "tokens of a step, with contrastive pairs; 0: chosen from the data")
      .in_range(0, 1 << 24);
  args.flag("--recompute", settings.recompute,
            "what a layer computes inside is dropped and computed again on the way back: less memory, more time");
  args.add("--memory", flags->memory, "most memory to take, in MB; 0: what is free").in_range(0, 1 << 30);
  args.add("--held-out", flags->data.held_out, "part of the data that measures").in_range(0.0, 0.5);
  args.add("--seed", flags->data.seed, "the same seed and data give the same bits");
  args.add("--threads", settings.threads, "0: every core").in_range(0, 1024);
  args.flag("--allow-cuts", flags->allow_cuts,
            "learn although samples are cut by the length; those of whose reply it leaves nothing are left out");
  args.flag("--skip-bad", flags->skip_bad,
            "leave rows out that cannot be read or have nothing to learn from, instead of an error");
  args.flag("--leave-out-overlap", flags->leave_out_overlap,
            "what stands in the test, too, is left out of what is learned, instead of an error");
  args.flag("--preview", flags->preview, "say what would be learned and how, show the first samples, and end");
  args.flag("--resume", flags->resume, "go on with the last run of this name");
  args.flag("--undo", flags->undo, "go back to the version before");
  args.flag("--json", flags->json, "what was done, as JSON");
  args.notes("Ctrl-C saves; --resume goes on to the very same result.");
  return [flags, args] { return run(*flags, args); };
}

}  // namespace linnet::cli
