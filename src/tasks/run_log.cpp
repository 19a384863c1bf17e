#include "tasks/run_log.hpp"

#include <map>

#include "base/file.hpp"
#include "tasks/run_report.hpp"

namespace linnet {

namespace {

double wall_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double number_in(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<double>() : 0;
}

// What one line of metrics.jsonl or times.jsonl adds to the event file.
std::vector<Scalar> scalars_of(const Json& line) {
  std::vector<Scalar> scalars;
  const auto add = [&](const char* key, const char* tag) {
    if (const auto found = line.find(key); found != line.end() && found->is_number()) {
      scalars.push_back({tag, found->get<double>()});
    }
  };
  add("loss", "loss/train");
  add("held_out", "loss/held_out");
  add("rate", "learning_rate");
  add("norm", "gradient_norm");
  if (const auto scores = line.find("scores"); scores != line.end() && scores->is_object()) {
    for (const auto& [name, value] : scores->items()) {
      if (value.is_number()) scalars.push_back({"score/" + name, value.get<double>()});
    }
  }
  const double tokens = number_in(line, "tokens");
  const double seconds = number_in(line, "seconds");
  if (tokens > 0 && seconds > 0) scalars.push_back({"tokens_per_second", tokens / seconds});
  return scalars;
}

}  // namespace

void RunLog::begin_step() {
  began_ = std::chrono::steady_clock::now();
}

void RunLog::end_step() {
  if (!began_) return;
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - *began_).count();
  began_.reset();
}

Status RunLog::before(const Evaluation& evaluation, const std::string& text) {
  TRY(open(0));
  const Json line = {{"held_out", evaluation.loss}, {"scores", scores_json(evaluation.scores)}};
  TRY(files_->events.scalars(kBeforeFirst, wall_now(), scalars_of(line)));
  return text.empty() ? ok_status() : sample(kBeforeFirst, text);
}

Status RunLog::open(int64_t steps) {
  TRY_ASSIGN(StepLog times, StepLog::open(version_.folder / "times.jsonl", steps));
  TRY_ASSIGN(StepLog samples, StepLog::open(version_.folder / "samples.jsonl", steps));
  TRY_ASSIGN(EventFile events,
             EventFile::create(version_.folder / "tensorboard" / "events.out.tfevents.0.linnet", wall_now()));
  files_ = std::make_unique<Files>(Files{std::move(times), std::move(samples), std::move(events)});
  return refill_events(steps);
}

Status RunLog::refill_events(int64_t steps) {
  std::map<int64_t, double> walls;
  TRY_ASSIGN(const std::vector<Json> times, read_step_log(version_.folder / "times.jsonl"));
  for (const Json& line : times) walls[static_cast<int64_t>(number_in(line, "step"))] = number_in(line, "time");
  if (!walls.empty()) walls.try_emplace(kBeforeFirst, walls.begin()->second);  // about then
  TRY_ASSIGN(const std::vector<Json> metrics, read_step_log(version_.folder / "metrics.jsonl"));
  for (const std::vector<Json>* lines : {&metrics, &times}) {
    for (const Json& line : *lines) {
      const auto step = static_cast<int64_t>(number_in(line, "step"));
      if (step >= steps) continue;  // of the step that is told of next
      TRY(files_->events.scalars(step, walls[step], scalars_of(line)));
    }
  }
  TRY_ASSIGN(const std::vector<Json> samples, read_step_log(version_.folder / "samples.jsonl"));
  for (const Json& line : samples) {
    const auto step = static_cast<int64_t>(number_in(line, "step"));
    const auto text = line.find("text");
    if (text == line.end() || !text->is_string()) continue;
    TRY(files_->events.text(step, walls[step], "sample", text->get<std::string>()));
  }
  return ok_status();
}

Status RunLog::step(const StepReport& report, const std::optional<Evaluation>& evaluation, int64_t tokens) {
  end_step();
  if (!files_) TRY(open(report.step));
  const Json time = {{"step", report.step}, {"time", wall_now()}, {"seconds", seconds_}, {"tokens", tokens}};
  TRY(files_->times.write(time));
  Json line = time;
  line.update({{"loss", report.loss}, {"norm", report.norm}, {"rate", report.rate}});
  if (evaluation) line.update({{"held_out", evaluation->loss}, {"scores", scores_json(evaluation->scores)}});
  return files_->events.scalars(report.step, wall_now(), scalars_of(line));
}

Status RunLog::sample(int64_t step, const std::string& text) {
  TRY(files_->samples.write({{"step", step}, {"text", text}}));
  return files_->events.text(step, wall_now(), "sample", text);
}

Status RunLog::kept(int64_t steps, const std::vector<Score>& scores, const std::string& text) {
  if (scores.empty() && text.empty()) return ok_status();
  if (!files_) TRY(open(steps));
  TRY(files_->events.scalars(steps, wall_now(), scalars_of({{"scores", scores_json(scores)}})));
  if (text.empty()) return ok_status();
  TRY(files_->samples.write({{"step", steps}, {"text", text}, {"kept", true}}));
  return files_->events.text(steps, wall_now(), "sample", text);
}

Result<std::filesystem::path> RunLog::keep_batch(int64_t step, std::span<const TokenBatch> batches,
                                                 const Tokenizer& tokenizer) const {
  const std::filesystem::path path = version_.folder / "diverged.jsonl";
  std::string lines;
  for (const TokenBatch& batch : batches) {
    for (const BatchSequence& sequence : batch.batch.sequences) {
      const auto tokens = std::span(batch.batch.tokens)
                              .subspan(static_cast<size_t>(sequence.row_begin), static_cast<size_t>(sequence.rows));
      lines += dump_json({{"step", step}, {"text", tokenizer.decode(tokens, {.skip_special = false})}}) + "\n";
    }
  }
  TRY(write_file(path, lines));
  return path;
}

Status RunLog::write_report() const {
  TRY_ASSIGN(const std::string html, run_report(version_));
  return write_file(version_.folder / "report.html", html);
}

}  // namespace linnet
