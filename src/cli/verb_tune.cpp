// linnet tune: teaches a model from a person's own data.
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/terminal.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/teaching_screen.hpp"
#include "cli/tune_common.hpp"
#include "cli/verb.hpp"
#include "data/refuse.hpp"

namespace linnet::cli {

namespace {

constexpr const char* kSmallBase = "smollm2";
const std::vector<std::string> kMethods{"auto", "faq", "encoder", "words", "lora", "contrastive", "dpo", "orpo", "kto"};

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
  const std::string numbers =
      fmt::format("at a rate of {:.2g}, products in {}\n", plan.rate, plan.bfloat16 ? "bfloat16" : "float32");
  if (plan.method) {
    return text + fmt::format("{} steps in {} epochs of up to {} {} each, by {} with beta {:.2g}, {}", plan.steps,
                              plan.epochs, plan.pairs_per_step,
                              *plan.method == PreferenceMethod::kKto ? "replies" : "pairs",
                              preference_method_name(*plan.method), plan.beta, numbers);
  }
  return text + fmt::format("{} steps in {} epochs of up to {} tokens each, {}", plan.steps, plan.epochs,
                            plan.rows_per_step * plan.row_length, numbers);
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
  settings.preference = preference_of(flags.method);
  if (flags.allow_cuts) settings.allowed_cuts = 1;
  if (settings.adapter.alpha == 0) settings.adapter.alpha = 2 * static_cast<double>(settings.adapter.rank);
  settings.adapter.seed = settings.seed = flags.faq.seed = flags.data.seed;
  flags.faq.threads = flags.classify.threads = settings.threads;
  flags.faq.encoder = flags.classify.encoder = flags.encoder;
  flags.classify.adapter = settings.adapter;
  flags.classify.rate = settings.rate;
  flags.classify.epochs = settings.epochs;
  flags.classify.seed = flags.data.seed;
  flags.classify.words_only = flags.method == "words";
  flags.embedding.adapter = settings.adapter;
  flags.embedding.rate = settings.rate;
  flags.embedding.epochs = settings.epochs;
  flags.embedding.length = settings.length;
  flags.embedding.pairs = settings.batch;
  flags.embedding.seed = flags.data.seed;
  flags.embedding.threads = settings.threads;
  flags.embedding.base = flags.base.empty() ? flags.encoder : flags.base;
  settings.base = flags.base.empty() ? kSmallBase : flags.base;
  if (!flags.base.empty()) flags.faq.base = flags.base;
}

Status tune_adapter(const TuneFlags& flags, Dataset dataset) {
  TRY_ASSIGN(const std::unique_ptr<Tuner> tuner, Tuner::prepare(flags.settings, std::move(dataset)));
  if (flags.preview) return print(tuner->preview(2, stdout_is_terminal()));
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const RunVersion version, store.open(flags.name, tuner->info(), flags.resume));
  if (!flags.json) TRY(print(sentence(*tuner)));
  Tuner::Taught taught;
  {
    TeachingScreen screen({.steps = tuner->plan().steps});
    Tuner::Hooks hooks;
    hooks.cancel = &interrupt_token();
    hooks.report = [&](const StepReport& step, std::optional<double> held_out) { screen.step(step, held_out); };
    TRY_ASSIGN(taught, tuner->run(version, flags.resume, hooks));
  }
  TRY(store.set_current(version));
  if (flags.json) {
    Json json = finished_json(tuner->info(), version);
    json["steps_done"] = taught.loop.steps;
    json["held_out_loss"] = taught.loop.held_out ? Json(*taught.loop.held_out) : Json();
    json["held_out_right"] = taught.right ? Json(*taught.right) : Json();
    return print_json(json);
  }
  if (taught.right) {
    TRY(print(fmt::format("{:.0f}% of what was held out came out as people preferred\n", 100 * *taught.right)));
  }
  return print(fmt::format("{} is ready (version {}, {} steps{}): linnet chat {}\n", version.name, version.number,
                           taught.loop.steps, taught.loop.stopped_early ? ", stopped early" : "", version.name));
}

void leave_out_overlaps(Dataset& dataset) {
  const size_t count =
      leave_out_overlap(dataset.train, dataset.test) + leave_out_overlap(dataset.held_out, dataset.test);
  if (count > 0) {
    dataset.said.push_back(fmt::format("{} samples were left out of what is learned: the test holds them, too", count));
  }
}

// What learns.
enum class Kind { kFaq, kClassifier, kEmbedding, kAdapter };

Kind kind_of(const TuneFlags& flags, const Dataset& dataset) {
  if (flags.method == "faq") return Kind::kFaq;
  if (flags.method == "encoder" || flags.method == "words") return Kind::kClassifier;
  if (flags.method == "contrastive") return Kind::kEmbedding;
  if (flags.method != "auto" || flags.preview) return Kind::kAdapter;
  if (is_faq(dataset)) return Kind::kFaq;
  // Who names a language model wants it to write the labels.
  return is_classification(dataset) && flags.base.empty() ? Kind::kClassifier : Kind::kAdapter;
}

Status run(TuneFlags& flags) {
  TRY(RunStore::check_name(flags.name));
  if (flags.undo) return undo(flags);
  if (flags.data.paths.empty()) return usage_error("there is no data", "linnet tune faq.csv --name shop");
  fill_settings(flags);
  interrupt_token();
  TRY_ASSIGN(Dataset dataset, load_dataset(flags.data));
  if (flags.leave_out_overlap) leave_out_overlaps(dataset);
  switch (kind_of(flags, dataset)) {
    case Kind::kFaq:
      return tune_faq(flags, dataset);
    case Kind::kClassifier:
      return tune_classifier(flags, dataset);
    case Kind::kEmbedding:
      return tune_embedding(flags, dataset);
    case Kind::kAdapter:
      return tune_adapter(flags, std::move(dataset));
  }
  return ok_status();
}

}  // namespace

Job declare_tune(Arguments& args) {
  auto flags = std::make_shared<TuneFlags>();
  TuneSettings& settings = flags->settings;
  settings.adapter.alpha = 0;
  args.add("DATA", flags->data.paths, "files or folders: CSV, TSV, xlsx, JSONL, JSON, text (docs/data.md)");
  args.add("--name", flags->name, "what the result is called").required();
  args.add("--method", flags->method,
           "faq: questions are looked up by their meaning; encoder: labels by an encoder; words: labels by weighted "
           "words "
           "alone, which is quick; lora: a model learns to write the answers; contrastive: pairs of texts come near "
           "each "
           "other, for embed; dpo, orpo: it learns from pairs of replies; kto: from replies that were good or bad; "
           "auto: by the data")
      .one_of(kMethods);
  args.add(
      "--base", flags->base,
      fmt::format("the model that is taught, or chooses among answers; without: {} or {}", kSmallBase, kFaqChooser));
  args.add("--test", flags->data.test, "questions that must not stand in the data");
  args.add("--system", settings.system, "system message of conversations that have none");
  args.add("--encoder", flags->encoder, "faq, labels: the model that learns what texts mean");
  args.add("--declining", flags->faq.declining, "faq: the reply to what the list does not answer");
  args.add("--rank", settings.adapter.rank, "of the adapter").in_range(1, 1024);
  args.add("--alpha", settings.adapter.alpha, "of the adapter; 0: twice the rank");
  args.flag("--rslora", settings.adapter.rank_stabilised, "scale by the root of the rank");
  args.flag("--dora", settings.adapter.dora, "learn magnitudes, too (slower)");
  args.add("--target", settings.adapter.targets, "layers that are taught, by their names; without: every linear one");
  args.add("--rate", flags->rate, "learning rate; 0: chosen from the model");
  args.add("--beta", flags->beta, "dpo, orpo, kto: how much preferences weigh; 0: 0.1").in_range(0.0, 100.0);
  args.add("--epochs", flags->epochs, "how often all data is seen; 0: chosen from the data").in_range(0, 1000);
  args.add("--length", flags->length, "most tokens of a sample; 0: up to 2048").in_range(0, 1 << 20);
  args.add("--batch", flags->batch, "tokens of a step, with contrastive pairs; 0: chosen from the data")
      .in_range(0, 1 << 24);
  args.add("--held-out", flags->data.held_out, "part of the data that measures").in_range(0.0, 0.5);
  args.add("--seed", flags->data.seed, "the same seed and data give the same bits");
  args.add("--threads", settings.threads, "0: every core").in_range(0, 1024);
  args.flag("--allow-cuts", flags->allow_cuts, "learn although samples are cut by the length");
  args.flag("--leave-out-overlap", flags->leave_out_overlap,
            "what stands in the test, too, is left out of what is learned, instead of an error");
  args.flag("--preview", flags->preview, "show the first samples as the model reads them, and end");
  args.flag("--resume", flags->resume, "go on with the last run of this name");
  args.flag("--undo", flags->undo, "go back to the version before");
  args.flag("--json", flags->json, "what was done, as JSON");
  args.notes("Ctrl-C saves; --resume goes on to the very same result.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
