// linnet tune on pairs of phrases, and on texts with summaries.
#include <algorithm>
#include <chrono>
#include <fmt/core.h>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/strings.hpp"
#include "base/system.hpp"
#include "cli/asked_replies.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/tune_common.hpp"
#include "cli/writing_report.hpp"
#include "data/cut_input.hpp"
#include "data/refuse.hpp"
#include "tasks/simple_replies.hpp"
#include "tasks/teaching_time.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "tasks/writing_test.hpp"
#include "text/chat_request.hpp"

namespace linnet::cli {

namespace {

// Parts of the minutes. What is left is for reading and loading.
constexpr double kTeachingPart = 0.7;
constexpr double kTestPart = 0.25;  // both models

constexpr size_t kMostHeldOut = 200;  // samples that a loss is measured on

// Not every template has a place for a system message.
bool takes_system(const ChatTemplate& chat_template, const std::string& system) {
  ChatRequest request;
  request.messages = {{{"role", "system"}, {"content", system}}, {{"role", "user"}, {"content", "."}}};
  request.add_generation_prompt = true;
  return chat_template.render(request).ok();
}

// Cuts inputs by the tokens of the model that is taught, and tells it what to do where it can be told.
Status fit_to_base(const TuneFlags& flags, const WritingJob& job, Dataset& dataset, TuneSettings& settings) {
  TRY_ASSIGN(ModelHandle model, find_base(settings.base));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  if (!has_chat_template(model.description.files)) {
    settings.chat_template = kPlainTemplate;
    model.description.files.chat_template = kPlainTemplate;
  }
  TRY_ASSIGN(const ChatTemplate chat_template, load_chat_template(model, tokenizer));
  if (flags.settings.system.empty() && !job.system.empty() && takes_system(chat_template, job.system))
    settings.system = job.system;
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  // A reply needs room, too.
  const int64_t tokens = std::min(*settings.input_tokens, model.config().max_positions / 2);
  settings.input_tokens = tokens;
  size_t cut = 0;
  for (std::vector<Sample>* part : {&dataset.train, &dataset.held_out, &dataset.test}) {
    TRY_ASSIGN(const size_t some, cut_inputs(*part, tokens, tokenizer, runtime->context().pool()));
    cut += some;
  }
  if (cut > 0) {
    dataset.said.push_back(fmt::format(
        "{} of {} {} are longer than {} tokens: their beginnings are read, and no reply is cut (--input-tokens)", cut,
        dataset.train.size() + dataset.held_out.size() + dataset.test.size(),
        job.kind == TaskKind::kSummary ? "texts" : "phrases", tokens));
  }
  return ok_status();
}

// Few phrases of a test stand in any large collection, with another sign at their ends: those are not taught.
void leave_out_few(Dataset& dataset) {
  constexpr double kFew = 0.01;  // of the test
  const size_t overlaps = find_overlaps(dataset.train, dataset.test).size();
  if (static_cast<double>(overlaps) <= kFew * static_cast<double>(dataset.test.size())) leave_out_overlaps(dataset);
}

// As the run that is gone on with began. Errors: those of RunStore::version; a run.json without the numbers.
Result<TeachingAmount> recorded_amount(const std::string& name) {
  const RunStore store = RunStore::standard();
  const std::vector<int64_t> numbers = store.numbers(name);
  if (numbers.empty())
    return not_found(fmt::format("there is no run {} to go on with", name), {}, "leave --resume out");
  TRY_ASSIGN(const RunVersion version, store.version(name, numbers.back()));
  TRY_ASSIGN(const JsonObject info, JsonObject::of(version.info, version.folder.string() + ": run.json"));
  TRY_ASSIGN(const int64_t samples, info.integer("samples", 1, int64_t{1} << 40));
  TRY_ASSIGN(const int64_t epochs, info.integer("epochs", 1, int64_t{1} << 40));
  return TeachingAmount{static_cast<size_t>(samples), epochs};
}

// How fast this machine teaches the job: a few of its samples are taught and thrown away.
Result<TeachingTime> measure_time(TuneSettings settings, const Dataset& dataset, const WritingJob& job) {
  const size_t few = job.kind == TaskKind::kSummary ? 12 : 400;
  Dataset sample{.form = dataset.form, .train = take_samples(dataset.train, few, settings.seed)};
  const auto count = static_cast<double>(sample.train.size());
  settings.epochs = 1;
  TRY_ASSIGN(const std::unique_ptr<Tuner> tuner, Tuner::prepare(settings, std::move(sample)));
  TRY_ASSIGN(const double speed, tuner->measure_speed(interrupt_token()));
  return TeachingTime{.tokens_per_second = speed,
                      .tokens_per_sample = static_cast<double>(tuner->train_set().tokens()) / count,
                      .most_epochs = job.recipe.most_epochs};
}

// What of the data is taught, and how often.
Result<TeachingAmount> choose_amount(const TuneFlags& flags, const TuneSettings& settings, const WritingJob& job,
                                     Dataset& dataset) {
  if (flags.resume) return recorded_amount(flags.name);
  const size_t all = dataset.train.size();
  const size_t wanted = flags.samples > 0 ? std::min(static_cast<size_t>(flags.samples), all) : all;
  if (!settings.minutes) return TeachingAmount{wanted, settings.epochs.value_or(job.recipe.most_epochs)};
  TRY_ASSIGN(TeachingTime time, measure_time(settings, dataset, job));
  const bool tests = !dataset.test.empty() || !dataset.held_out.empty();
  time.seconds = 60 * *settings.minutes * (tests ? kTeachingPart : kTeachingPart + kTestPart);
  if (settings.epochs) {
    time.seconds /= static_cast<double>(*settings.epochs);
    time.most_epochs = 1;
  }
  TeachingAmount amount = amount_for(time, wanted);
  if (settings.epochs) amount.epochs = *settings.epochs;
  dataset.said.push_back(
      fmt::format("{} of {} samples, {}: what {:g} minutes allow at {:.0f} tokens/s (a clock's "
                  "choice; --samples {} --epochs {} is the same without one)",
                  amount.samples, all, counted(amount.epochs, "time"), *settings.minutes, time.tokens_per_second,
                  amount.samples, amount.epochs));
  return amount;
}

std::string sentence(const Tuner& tuner, const TuneSettings& settings, const WritingJob& job) {
  const TunePlan& plan = tuner.plan();
  std::string text;
  for (const std::string& said : tuner.dataset().said) text += said + "\n";
  return text + fmt::format(
                    "{} learns to {}{}: {} samples, {} held out; {} tokens, of which {} are learned\n{} in {} "
                    "of up to {} tokens each, at a rate of {:.2g}, products in {}\nmemory: {}, {} are free\n",
                    settings.base, job.kind == TaskKind::kSummary ? "summarise" : "say phrases anew",
                    settings.system.empty() ? "" : fmt::format(", told \"{}\"", settings.system),
                    tuner.dataset().train.size(), tuner.dataset().held_out.size(), tuner.train_set().tokens(),
                    tuner.train_set().learned(), counted(plan.steps, "step"), counted(plan.epochs, "epoch"),
                    plan.rows_per_step * plan.row_length, plan.rate, plan.bfloat16 ? "bfloat16" : "float32",
                    plan.memory.to_string(), format_bytes(memory_info().available));
}

size_t median_words(const std::vector<Sample>& samples) {
  std::vector<size_t> words;
  words.reserve(samples.size());
  for (const Sample& sample : samples) words.push_back(count_words(answer_of(sample)));
  const auto middle = words.begin() + static_cast<std::ptrdiff_t>(words.size() / 2);
  std::nth_element(words.begin(), middle, words.end());
  return words.empty() ? 0 : *middle;
}

// What needs no model, from all that might have been taught.
std::vector<Written> simple_writers(const Task& task, const Dataset& dataset) {
  std::vector<Written> out;
  if (task.kind == TaskKind::kSummary) {
    const size_t words = median_words(dataset.train);
    out.push_back({"lead", fmt::format("the text's first {} words", words), false,
                   answer_all(task, [&](const std::string& text) { return lead_of(text, words); })});
    return out;
  }
  out.push_back({"copy", "the phrase itself", false, answer_all(task, [](const std::string& text) { return text; })});
  std::vector<std::string> sources, replies;
  for (const Sample& sample : dataset.train) {
    sources.push_back(phrasing_of(sample));
    replies.push_back(answer_of(sample));
  }
  const NearestPair nearest(std::move(sources), std::move(replies));
  out.push_back({"nearest", "the reply to the nearest known phrase", false,
                 answer_all(task, [&](const std::string& text) { return nearest.reply(text); })});
  return out;
}

class Test {
 public:
  Test(const TuneSettings& settings, const WritingJob& job, const Dataset& dataset)
      : settings_(settings), job_(job), dataset_(dataset) {}

  Result<WritingReport> run(const RunVersion& version) {
    const bool tests = !dataset_.test.empty();
    const std::vector<Sample>& asked = tests ? dataset_.test : dataset_.held_out;
    if (asked.empty()) return WritingReport{};
    TRY_ASSIGN(Task task, writing_task(job_, asked, settings_.seed));
    TRY_ASSIGN(task.max_tokens, longest_reply(settings_.base, dataset_.train));
    std::vector<Written> all = simple_writers(task, dataset_);
    const double seconds = settings_.minutes ? 60 * *settings_.minutes * kTestPart : 0;
    const auto began = std::chrono::steady_clock::now();
    Written taught{"taught", "the taught model", true, {}};
    TRY_ASSIGN(taught.items,
               ask(task, {.model = version.name, .system = settings_.system, .seconds = 2 * seconds / 3}));
    const double left = seconds - std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    Written untaught{"untaught", settings_.base + " untaught", true, {}};
    TRY_ASSIGN(
        untaught.items,
        ask(task, {.model = settings_.base, .instruct = true, .seconds = seconds == 0 ? 0 : std::max(left, 1.0)}));
    all.push_back(std::move(untaught));
    all.push_back(std::move(taught));
    const std::string on = tests ? kTest : kHeldOut;
    for (const Written& one : all) TRY(keep_replies(version, task, on, one.name, one.items));
    return report_writing(on, job_.kind, std::move(all));
  }

 private:
  Result<std::vector<ItemRecord>> ask(const Task& task, Asking asking) {
    asking.prompt_tokens = prompt_room(settings_.input_tokens.value_or(0), settings_.system);
    asking.frequency_penalty = settings_.frequency_penalty;
    asking.threads = settings_.threads;
    return ask_shown(task, asking);
  }

  const TuneSettings& settings_;
  const WritingJob& job_;
  const Dataset& dataset_;
};

TuneSettings settings_of(const TuneFlags& flags, const WritingJob& job) {
  TuneSettings settings = flags.settings;
  if (flags.base.empty()) {
    settings.base = job.recipe.base;
    if (!settings.rate) settings.rate = job.recipe.rate;
  }
  if (!settings.batch) settings.batch = job.recipe.batch;
  settings.frequency_penalty = job.recipe.frequency_penalty;
  settings.input_tokens = flags.input_tokens > 0 ? flags.input_tokens : job.recipe.input_tokens;
  const bool exact = flags.samples > 0 && flags.epochs > 0;
  if (!exact && flags.minutes > 0) settings.minutes = flags.minutes;
  return settings;
}

// Which of the data is taught: a place a line.
Status keep_places(const Dataset& dataset, const RunVersion& version) {
  std::string text;
  for (const Sample& sample : dataset.train) text += sample.place + "\n";
  return write_file(version.folder / "taught.txt", text);
}

}  // namespace

Status tune_writing(const TuneFlags& flags, Dataset dataset, const WritingJob& job) {
  TuneSettings settings = settings_of(flags, job);
  if (flags.base.empty()) TRY(ensure_model(settings.base));
  leave_out_few(dataset);
  TRY(refuse_overlap(dataset.train, dataset.test));
  TRY(fit_to_base(flags, job, dataset, settings));
  dataset.held_out = take_samples(std::move(dataset.held_out), kMostHeldOut, settings.seed);
  if (flags.preview) {
    dataset.train = take_samples(std::move(dataset.train), 2, settings.seed);
    TRY_ASSIGN(const std::unique_ptr<Tuner> tuner, Tuner::prepare(settings, std::move(dataset)));
    return show_preview(*tuner);
  }
  TRY_ASSIGN(const TeachingAmount amount, choose_amount(flags, settings, job, dataset));
  settings.epochs = amount.epochs;
  const RunStore store = RunStore::standard();
  if (flags.resume) take_choices_of_last(store, flags.name, settings);
  Dataset taught{.form = dataset.form,
                 .pairs = dataset.pairs,
                 .train = take_samples(dataset.train, amount.samples, settings.seed),
                 .held_out = dataset.held_out,
                 .said = dataset.said};
  TRY_ASSIGN(const std::unique_ptr<Tuner> tuner, Tuner::prepare(settings, std::move(taught)));
  TRY_ASSIGN(RunVersion version, store.open(flags.name, tuner->info(), flags.resume));
  TRY(keep_places(tuner->dataset(), version));
  if (!flags.json) TRY(print(sentence(*tuner, settings, job)));
  TRY_ASSIGN(const Tuner::Taught result, teach_shown(*tuner, tuner->plan().steps, version, flags.resume));
  TRY(store.set_current(version));
  TRY_ASSIGN(const WritingReport report, Test(settings, job, dataset).run(version));
  if (!report.on.empty()) {
    version.info["test"] = to_json(report);
    TRY(store.write_info(version));
  }
  if (flags.json) return print_json(finished_json(version.info, version, result.loop));
  return print(fmt::format(
      "{}{}{}{}: linnet generate {}{} --chat \"{}\"\n", draw(report), verdict(report),
      worse_than_untaught(settings.base, result.loop), ready_sentence(version, result.loop), version.name,
      settings.frequency_penalty > 0 ? fmt::format(" --frequency-penalty {:g}", settings.frequency_penalty) : "",
      job.kind == TaskKind::kSummary ? "$(cat notes.md)" : "a phrase"));
}

}  // namespace linnet::cli
