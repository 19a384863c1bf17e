// linnet tune on a list of questions.
#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <optional>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/strings.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/tune_common.hpp"
#include "tasks/faq_score.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

constexpr const char* kTestFile = "test.jsonl";
constexpr const char* kOpinionsFile = "opinions.json";

std::string percent(int64_t part, int64_t whole) {
  return fmt::format("{:.0f}%", 100.0 * static_cast<double>(part) / static_cast<double>(std::max<int64_t>(whole, 1)));
}

std::string sentence(const FaqTuner& tuner, const Dataset& dataset, const FaqSettings& settings) {
  std::string text;
  for (const std::string& said : dataset.said) text += said + "\n";
  text += fmt::format(
      "{} questions for {} answers: {} learns which question means which answer ({}), {} chooses among "
      "the likeliest\n",
      tuner.list().questions.size(), tuner.list().answers.size(), settings.encoder,
      counted(tuner.encoder_steps(), "step"), settings.base);
  return text;
}

// What was learned, beside the encoder as it was, which takes the nearest question. All zero where there is no test.
struct Tested {
  FaqTestResult taught, untaught;

  bool done() const { return taught.answerable + taught.unanswerable > 0; }
};

std::string sentence(const Tested& tested) {
  const FaqTestResult& result = tested.taught;
  const FaqTestResult& before = tested.untaught;
  std::string text;
  if (result.answerable > 0) {
    text +=
        fmt::format("{} of {} unseen questions answered rightly ({}; untaught {}), {} declined ({})\n", result.right,
                    result.answerable, percent(result.right, result.answerable),
                    percent(before.right, before.answerable), result.missed, percent(result.missed, result.answerable));
  }
  if (result.unanswerable > 0) {
    text += fmt::format("{} of {} questions without an answer declined ({}; untaught {})\n", result.declined,
                        result.unanswerable, percent(result.declined, result.unanswerable),
                        percent(before.declined, before.unanswerable));
  }
  return text;
}

Json to_json(const FaqTestResult& result) {
  return {{"answerable", result.answerable},
          {"right", result.right},
          {"missed", result.missed},
          {"unanswerable", result.unanswerable},
          {"declined", result.declined}};
}

// Which questions of a test log were answered rightly. Lines that are no such log count as none: it only compares.
std::map<std::string, bool> rights_of(const std::filesystem::path& log) {
  std::map<std::string, bool> rights;
  const auto text = read_file(log);
  if (!text.ok()) return rights;
  for (const std::string_view line : lines_of(*text)) {
    const auto json = parse_json(line, log.string());
    if (!json.ok()) continue;
    const auto item = JsonObject::of(*json, log.string());
    if (!item.ok()) continue;
    const auto question = item->string("question");
    const auto right = item->boolean_or("right", false);
    if (question.ok() && right.ok()) rights[*question] = *right;
  }
  return rights;
}

// What the name of the run means so far; of the number 0 where it means nothing yet.
Result<RunVersion> version_before(const RunStore& store, const std::string& name) {
  TRY_ASSIGN(std::optional<RunVersion> found, store.find(name));
  return std::move(found).value_or(RunVersion());
}

// What a person wants to know who edited an answer: did anything else change? Empty where the version before was not
// tested with these questions, or there is none.
std::string beside(const RunVersion& before, const RunVersion& now) {
  if (before.number == 0) return "";
  const std::map<std::string, bool> old_rights = rights_of(before.folder / kTestFile);
  int64_t same = 0;
  int64_t won = 0;
  int64_t lost = 0;
  for (const auto& [question, right] : rights_of(now.folder / kTestFile)) {
    const auto old = old_rights.find(question);
    if (old == old_rights.end()) continue;
    same += old->second == right ? 1 : 0;
    won += right && !old->second ? 1 : 0;
    lost += old->second && !right ? 1 : 0;
  }
  if (same + won + lost == 0) return std::string();
  return fmt::format("beside version {}: {} questions answered rightly that were not, {} no longer, {} as before\n",
                     before.number, won, lost, same);
}

Result<FaqTestResult> test_untaught(const FaqTuner& tuner, const FaqSettings& settings, Runtime& runtime,
                                    const std::vector<Sample>& test) {
  TRY_ASSIGN(ModelHandle encoder, find_model(settings.encoder));
  TRY_ASSIGN(Embedder embedder, Embedder::load(std::move(encoder), runtime, kFaqTokens));
  const auto assistant = FaqAssistant::create(std::move(embedder), tuner.untaught(), settings.declining);
  return test_faq(
      *assistant, test, [](const FaqTestItem&) { return ok_status(); }, interrupt_token());
}

// All that an opinion depends on, beside the prompt.
std::string thinker_name(const ModelHandle& model, const Runtime& runtime) {
  std::error_code code;  // of a folder there is no such size: its name must do
  const auto size = std::filesystem::file_size(model.stored.path, code);
  return fmt::format("{}, {} bytes, {}", lasting_name(model), code ? 0 : size, runtime.isa());
}

// Asks the finished run as anybody would, and writes what it said beside it. What was thought of questions that the
// version before was tested with holds still.
Result<FaqTestResult> test_taught(const RunVersion& version, const RunVersion& before, Runtime& runtime,
                                  const std::vector<Sample>& test) {
  TRY_ASSIGN(const ModelHandle chooser, find_model(version.base()));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(chooser.description.files));
  TRY_ASSIGN(std::optional<ChatTemplate> form, find_chat_template(chooser, tokenizer));
  TRY_ASSIGN(const Transformer transformer, load_weights(chooser, runtime, kFaqContext));
  TRY_ASSIGN(const std::unique_ptr<FaqAssistant> assistant, FaqAssistant::open(version.folder, runtime));
  FaqOpinions opinions(thinker_name(chooser, runtime));
  if (before.number > 0) opinions.load(before.folder / kOpinionsFile);
  assistant->set_chooser({transformer, tokenizer, runtime.context(), std::move(form), &opinions});
  auto printer = ProgressPrinter::for_stderr();
  RateMeter meter;
  Progress progress{.stage = "testing", .item = {}, .total = test.size(), .unit = ProgressUnit::kCount};
  std::string log;
  const auto on_item = [&](const FaqTestItem& item) {
    log += dump_json(linnet::to_json(item)) + "\n";
    meter.add(++progress.done, RateMeter::Clock::now());
    meter.fill(progress, RateMeter::Clock::now());
    printer.update(progress);
    return ok_status();
  };
  TRY_ASSIGN(const FaqTestResult result, test_faq(*assistant, test, on_item, interrupt_token()));
  TRY(write_file(version.folder / kTestFile, log));
  TRY(opinions.save(version.folder / kOpinionsFile));
  return result;
}

Result<Tested> test_run(const RunVersion& version, const RunVersion& before, const FaqTuner& tuner,
                        const FaqSettings& settings, const std::vector<Sample>& test) {
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  Tested tested;
  if (test.empty()) return tested;
  TRY_ASSIGN(tested.untaught, test_untaught(tuner, settings, *runtime, test));
  TRY_ASSIGN(tested.taught, test_taught(version, before, *runtime, test));
  return tested;
}

Json to_json(const FaqTuner& tuner, const RunVersion& version, const Tested& tested) {
  Json json = finished_json(tuner.info(), version);
  json["test"] = tested.done() ? to_json(tested.taught) : Json();
  json["untaught"] = tested.done() ? to_json(tested.untaught) : Json();
  return json;
}

}  // namespace

Status tune_faq(const TuneFlags& flags, const Dataset& dataset) {
  if (flags.encoder.empty()) TRY(ensure_model(flags.faq.encoder));
  if (flags.base.empty()) TRY(ensure_model(kFaqChooser));
  TRY_ASSIGN(const std::unique_ptr<FaqTuner> tuner, FaqTuner::prepare(flags.faq, dataset));
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const RunVersion version, store.open(flags.name, tuner->info(), flags.resume));
  if (!flags.json) TRY(print(sentence(*tuner, dataset, flags.faq)));
  TeachingScreen screen({.stage = "teaching", .steps = tuner->encoder_steps()});
  TRY(tuner->run(version, flags.resume, screen.hooks()));
  TRY_ASSIGN(const RunVersion before, version_before(store, flags.name));
  TRY(store.set_current(version));  // before the test, which may be stopped
  TRY_ASSIGN(const Tested tested, test_run(version, before, *tuner, flags.faq, dataset.test));
  const std::string compared = beside(before, version);
  if (flags.json) return print_json(to_json(*tuner, version, tested));
  return print(fmt::format("{}{}{} is ready (version {}): linnet chat {}\n", sentence(tested), compared, version.name,
                           version.number, version.name));
}

}  // namespace linnet::cli
