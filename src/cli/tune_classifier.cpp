// linnet tune on labelled texts.
#include <algorithm>
#include <fmt/core.h>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/table.hpp"
#include "cli/tune_common.hpp"
#include "eval/classification.hpp"
#include "eval/item_log.hpp"

namespace linnet::cli {

namespace {

// Of the figures for people and the choice between two classifiers, which hang on no other seed.
constexpr uint64_t kBootstrapSeed = 0;
// What is measured on.
constexpr const char* kTest = "test";
constexpr const char* kHeldOut = "held out";

std::string sentence(const ClassifyTuner& tuner, const Dataset& dataset, const ClassifySettings& settings) {
  std::string text;
  for (const std::string& said : dataset.said) text += said + "\n";
  text += fmt::format("{} texts of {} labels to learn from, {} held out\n", tuner.train().size(), tuner.labels().size(),
                      tuner.held_out().size());
  if (settings.words_only) return text + "weighted words learn them\n";
  const ClassifyPlan& plan = tuner.plan();
  return text + fmt::format(
                    "{} learns them, and weighted words beside it: {} in {} of {} texts each, at a "
                    "rate of {:.2g}\n",
                    settings.encoder, counted(plan.steps, "step"), counted(plan.epochs, "epoch"), plan.texts_per_step,
                    plan.rate);
}

// One classifier at the texts that measure.
struct Measured {
  std::string name;
  std::vector<Labelled> items;

  Estimate accuracy() const { return estimate(accuracy_metric(items), kBootstrapSeed); }
  Estimate macro_f1(size_t classes) const { return estimate(macro_f1_metric(items, classes), kBootstrapSeed); }
};

struct Report {
  std::string on;             // "test" or "held out"; empty: there was nothing to measure with
  std::vector<Measured> all;  // the baselines first
  ClassifierKind answers = ClassifierKind::kEncoder;
  std::string why;              // for people
  PairedDifference difference;  // of the encoder's accuracy from the words'; where both are in `all`
  bool compared = false;

  const Measured* find(std::string_view name) const {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Measured& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
  }
};

Measured majority(const ClassifyTuner& tuner, const LabelledTexts& texts) {
  Measured out{"majority", {}};
  for (const int32_t label : texts.classes) out.items.push_back({label, tuner.most_frequent()});
  return out;
}

// What the classifier makes of `texts`, which is kept as a log that `linnet eval compare` reads.
Result<Measured> measure(const RunVersion& version, ClassifierKind kind, const LabelledTexts& texts,
                         const std::string& on, int threads) {
  TRY_ASSIGN(const std::unique_ptr<Classifier> classifier, Classifier::open(version.folder, threads, kind));
  const std::string name(classifier_kind_name(kind));
  auto printer = ProgressPrinter::for_stderr();
  RateMeter meter;
  Progress progress{.stage = "measuring", .item = name, .total = texts.size(), .unit = ProgressUnit::kCount};
  TRY_ASSIGN(const std::vector<LabelChances> chances,
             classifier->classify(texts.texts, &interrupt_token(), [&](size_t done) {
               progress.done = done;
               meter.add(done, RateMeter::Clock::now());
               meter.fill(progress, RateMeter::Clock::now());
               printer.update(progress);
             }));
  Measured out{name, {}};
  for (size_t i = 0; i < texts.size(); ++i) {
    out.items.push_back({texts.classes[i], static_cast<int32_t>(likeliest(chances[i]))});
  }
  if (classifier->labels().size() > kMaxLabels) return out;  // more than a log holds
  const std::filesystem::path path = version.folder / fmt::format("{}.{}.jsonl", on == kTest ? on : "held-out", name);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);  // of a run that was killed, and goes on
  TRY_ASSIGN(ItemLog log, ItemLog::create(path.string()));
  TRY(log.begin(on, TaskKind::kLabel, {{"model", version.name}, {"version", version.number}, {"classifier", name}}));
  for (size_t i = 0; i < texts.size(); ++i) {
    TRY(log.add({.item = static_cast<int64_t>(i) + 1,
                 .context = texts.texts[i],
                 .choices = classifier->labels(),
                 .gold = texts.classes[i],
                 .log_likelihoods = chances[i],
                 .greedy = std::vector<bool>(chances[i].size(), false)}));
  }
  return out;
}

Result<Report> measure_all(const ClassifyTuner& tuner, const RunVersion& version, bool words_only, int threads) {
  Report report;
  report.on = !tuner.test().texts.empty() ? kTest : !tuner.held_out().texts.empty() ? kHeldOut : "";
  if (report.on.empty()) return report;
  const LabelledTexts& texts = report.on == kTest ? tuner.test() : tuner.held_out();
  report.all.push_back(majority(tuner, texts));
  std::vector<ClassifierKind> kinds{ClassifierKind::kWords};
  if (!words_only) kinds = {ClassifierKind::kUntaught, ClassifierKind::kWords, ClassifierKind::kEncoder};
  for (const ClassifierKind kind : kinds) {
    TRY_ASSIGN(Measured one, measure(version, kind, texts, report.on, threads));
    report.all.push_back(std::move(one));
  }
  const Measured* words = report.find("words");
  const Measured* encoder = report.find("encoder");
  if (words && encoder) {
    report.compared = true;
    report.difference = compare_paired(accuracy_metric(words->items), accuracy_metric(encoder->items), kBootstrapSeed);
  }
  return report;
}

size_t count_right(const std::vector<Labelled>& items) {
  return static_cast<size_t>(
      std::count_if(items.begin(), items.end(), [](const Labelled& item) { return item.gold == item.predicted; }));
}

// How many of the texts that were held out it labels rightly.
Result<size_t> right_of_held_out(const ClassifyTuner& tuner, const RunVersion& version, const Report& report,
                                 ClassifierKind kind, int threads) {
  const Measured* known = report.find(classifier_kind_name(kind));
  if (report.on == kHeldOut && known != nullptr) return count_right(known->items);
  TRY_ASSIGN(const Measured measured, measure(version, kind, tuner.held_out(), kHeldOut, threads));
  return count_right(measured.items);
}

// Which of the two answers: as the method says, else the one that is right more often on what was held out. The test
// does not choose: it would no longer measure what was chosen.
Status choose(const TuneFlags& flags, const ClassifyTuner& tuner, const RunVersion& version, Report& report) {
  if (flags.classify.words_only) {
    report.answers = ClassifierKind::kWords;
    return ok_status();
  }
  const LabelledTexts& held_out = tuner.held_out();
  const int threads = flags.classify.threads;
  if (flags.method == "encoder" || held_out.texts.empty()) return ok_status();
  TRY_ASSIGN(const size_t words, right_of_held_out(tuner, version, report, ClassifierKind::kWords, threads));
  TRY_ASSIGN(const size_t encoder, right_of_held_out(tuner, version, report, ClassifierKind::kEncoder, threads));
  if (words > encoder) report.answers = ClassifierKind::kWords;
  report.why = fmt::format(
      "{} answers by its {}: of {} texts that were held out, the encoder labels {} rightly, weighted "
      "words {}\n",
      version.name, report.answers == ClassifierKind::kWords ? "weighted words" : "encoder", held_out.size(), encoder,
      words);
  return ok_status();
}

std::string points(double share) {
  return fmt::format("{:+.1f}", 100 * share);
}

// What the measurement says in plain words.
std::string verdict(const Report& report) {
  if (!report.compared) return {};
  const PairedDifference& d = report.difference;
  const std::string interval = fmt::format("{} points of accuracy, 95% interval {} to {} by paired bootstrap",
                                           points(d.difference), points(d.low), points(d.high));
  if (d.low > 0) return fmt::format("the taught encoder is better than weighted words ({})\n", interval);
  const bool chosen = report.answers == ClassifierKind::kWords;
  const std::string how = chosen ? "they answer" : "take them with --method words";
  if (d.high < 0) {
    return fmt::format("weighted words are better than the taught encoder (encoder {}), and recommended: {}\n",
                       interval, how);
  }
  return fmt::format(
      "the taught encoder and weighted words do not differ for certain (encoder {}); weighted words are far "
      "smaller and quicker: {}\n",
      interval, how);
}

std::string draw(const Report& report, size_t classes) {
  if (report.on.empty()) return {};
  std::vector<std::vector<std::string>> rows = {{"on " + report.on, "ACCURACY", "±", "MACRO F1", "±"}};
  for (const Measured& one : report.all) {
    const Estimate accuracy = one.accuracy(), f1 = one.macro_f1(classes);
    rows.push_back({one.name, fmt::format("{:.1f}%", 100 * accuracy.value),
                    fmt::format("{:.1f}", 100 * accuracy.standard_error), fmt::format("{:.1f}%", 100 * f1.value),
                    fmt::format("{:.1f}", 100 * f1.standard_error)});
  }
  return format_table(rows, {1, 2, 3, 4});
}

Json to_json(const Report& report, size_t classes) {
  Json json = {{"answers_by", std::string(classifier_kind_name(report.answers))},
               {"measured_on", report.on.empty() ? Json() : Json(report.on)}};
  json["scores"] = Json::object();
  for (const Measured& one : report.all) {
    const Estimate accuracy = one.accuracy(), f1 = one.macro_f1(classes);
    json["scores"][one.name] = {{"items", one.items.size()},
                                {"accuracy", accuracy.value},
                                {"accuracy_standard_error", accuracy.standard_error},
                                {"macro_f1", f1.value},
                                {"macro_f1_standard_error", f1.standard_error}};
  }
  json["encoder_beside_words"] = Json();
  if (report.compared) {
    const PairedDifference& d = report.difference;
    json["encoder_beside_words"] = {{"difference", d.difference}, {"low", d.low}, {"high", d.high}, {"p", d.p}};
  }
  return json;
}

}  // namespace

Status tune_classifier(const TuneFlags& flags, const Dataset& dataset) {
  if (flags.length > 0 || flags.batch > 0) {
    return usage_error("--length and --batch are of models that write", "leave them out, or add --method lora");
  }
  TRY(check_classification(dataset));  // before an encoder is fetched for it
  const ClassifySettings& settings = flags.classify;
  if (!settings.words_only && flags.encoder.empty()) TRY(ensure_model(settings.encoder));
  TRY_ASSIGN(const std::unique_ptr<ClassifyTuner> tuner, ClassifyTuner::prepare(settings, dataset));
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const RunVersion version, store.open(flags.name, tuner->info(), flags.resume));
  if (!flags.json) TRY(print(sentence(*tuner, dataset, settings)));
  TRY_ASSIGN(const LoopResult result, teach_shown(*tuner, tuner->plan().steps, version, flags.resume));
  TRY_ASSIGN(Report report, measure_all(*tuner, version, settings.words_only, settings.threads));
  TRY(choose(flags, *tuner, version, report));
  TRY(set_answering(version.folder, report.answers));
  TRY(store.set_current(version));
  const size_t classes = tuner->labels().size();
  if (flags.json) {
    Json json = finished_json(tuner->info(), version);
    json["steps_done"] = result.steps;
    for (auto& [key, value] : to_json(report, classes).items()) json[key] = value;
    return print_json(json);
  }
  return print(fmt::format("{}{}{}{} is ready (version {}{}): linnet generate {} \"a text\"\n", draw(report, classes),
                           verdict(report), report.why, version.name, version.number,
                           result.stopped_early ? ", stopped early" : "", version.name));
}

}  // namespace linnet::cli
