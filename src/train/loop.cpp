#include "train/loop.hpp"

#include <cmath>
#include <fmt/core.h>
#include <limits>

#include "base/file.hpp"
#include "train/loss_watch.hpp"
#include "train/step_log.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCheckpoint = "checkpoint.safetensors";
constexpr const char* kBest = "best.safetensors";

// The best evaluation, and how long ago that was.
struct Evaluations {
  std::optional<double> best;
  int64_t since_best = 0;

  // Whether this one is the best.
  bool take(double value) {
    const bool better = value < best.value_or(std::numeric_limits<double>::infinity());
    if (better) best = value;
    since_best = better ? 0 : since_best + 1;
    return better;
  }
};

std::optional<double> number_in(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::vector<Score> scores_in(const Json& line) {
  std::vector<Score> scores;
  const auto found = line.find("scores");
  if (found == line.end() || !found->is_object()) return scores;
  for (const auto& [name, value] : found->items()) {
    if (value.is_number()) scores.push_back({name, value.get<double>()});
  }
  return scores;
}

Json line_of(int64_t step, const Evaluation& evaluation) {
  Json line = {{"step", step}, {"held_out", evaluation.loss}};
  if (!evaluation.scores.empty()) line["scores"] = scores_json(evaluation.scores);
  return line;
}

// metrics.jsonl, and what the loop must remember of it.
class Metrics {
 public:
  // The lines of `path` before step `steps`; the others are of steps that will be done again.
  static Result<Metrics> open(const fs::path& path, int64_t steps, const LoopConfig& config) {
    Memory memory{.losses = LossWatch(config.spike, config.most_loss)};
    TRY_ASSIGN(StepLog log, StepLog::open(path, steps, [&](const Json& line) { memory.take(line); }));
    return Metrics(std::move(log), std::move(memory));
  }

  Status before(const Evaluation& evaluation) {
    memory_.before = evaluation;
    return log_.write(line_of(kBeforeFirst, evaluation));
  }
  Status after(int64_t steps, const std::vector<Score>& scores) {
    Json line = line_of(steps, {evaluations().best.value_or(0), scores});
    line["kept"] = true;
    return log_.write(line);
  }
  Status step(const StepReport& report) {
    memory_.losses.take(report.loss);
    return log_.write({{"step", report.step}, {"loss", report.loss}, {"norm", report.norm}, {"rate", report.rate}});
  }
  // Whether it is the best so far.
  Result<bool> evaluation(int64_t step, const Evaluation& evaluation) {
    TRY(log_.write(line_of(step, evaluation)));
    return memory_.evaluations.take(evaluation.loss);
  }
  Status flush() { return log_.flush(); }
  const Evaluations& evaluations() const { return memory_.evaluations; }
  const std::optional<Evaluation>& before() const { return memory_.before; }
  double most_loss() const { return memory_.losses.most(); }
  // What the file told of the last step of a run that goes on, unless that was evaluated.
  const std::optional<StepReport>& unevaluated() const { return memory_.unevaluated; }

 private:
  struct Memory {
    Evaluations evaluations = {};
    LossWatch losses;
    std::optional<Evaluation> before = {};
    std::optional<StepReport> unevaluated = {};

    void take(const Json& line) {
      const auto step = line["step"].get<int64_t>();
      if (step == kBeforeFirst) {
        before = Evaluation{number_in(line, "held_out").value_or(0), scores_in(line)};
        return;
      }
      if (const auto held_out = number_in(line, "held_out")) {
        evaluations.take(*held_out);
        unevaluated.reset();
      }
      if (const auto loss = number_in(line, "loss")) {
        losses.take(*loss);
        unevaluated = {.step = step,
                       .loss = *loss,
                       .norm = number_in(line, "norm").value_or(0),
                       .rate = static_cast<float>(number_in(line, "rate").value_or(0))};
      }
    }
  };

  Metrics(StepLog log, Memory memory) : log_(std::move(log)), memory_(std::move(memory)) {}

  StepLog log_;
  Memory memory_;
};

class Loop {
 public:
  Loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, Metrics metrics)
      : trainer_(trainer), config_(config), hooks_(hooks), metrics_(std::move(metrics)) {}

  Result<LoopResult> run() {
    const Status done = all_steps();
    if (!done.ok() && done.error().code != ErrorCode::kCancelled) return done.error();
    TRY(save());
    if (!done.ok()) {
      return Error{ErrorCode::kCancelled,
                   fmt::format("stopped after {} of {} steps", trainer_.steps(), config_.steps),
                   {},
                   "go on with --resume"};
    }
    const int64_t all = trainer_.steps();
    if (fs::exists(best())) TRY(trainer_.restore(best()));
    TRY_ASSIGN(std::vector<Score> scores, after(all));
    return LoopResult{.steps = trainer_.steps(),
                      .held_out = metrics_.evaluations().best,
                      .stopped_early = stopped_early(),
                      .before = metrics_.before(),
                      .after = std::move(scores)};
  }

 private:
  // Error kCancelled: stopped where a checkpoint can be made.
  Status all_steps() {
    if (trainer_.steps() == 0 && hooks_.before) {
      TRY_ASSIGN(const Evaluation evaluation, hooks_.before());
      TRY(metrics_.before(evaluation));
    }
    // A run that was stopped in an evaluation.
    if (const auto& last = metrics_.unevaluated(); last && evaluation_is_due()) TRY(after_step(StepReport(*last)));
    while (trainer_.steps() < config_.steps && !stopped_early()) {
      if (hooks_.cancel) TRY(hooks_.cancel->check());
      TRY_ASSIGN(const StepReport report, one_step());
      TRY(after_step(report));
    }
    return ok_status();
  }

  Result<std::vector<Score>> after(int64_t steps) {
    if (!hooks_.after) return std::vector<Score>();
    TRY_ASSIGN(std::vector<Score> scores, hooks_.after(steps));
    if (!scores.empty()) TRY(metrics_.after(steps, scores));
    return scores;
  }

  bool evaluation_is_due() const {
    return config_.evaluate_every > 0 &&
           (trainer_.steps() % config_.evaluate_every == 0 || trainer_.steps() == config_.steps);
  }

  Status after_step(const StepReport& report) {
    std::optional<Evaluation> evaluation;
    if (evaluation_is_due()) {
      TRY_ASSIGN(evaluation, evaluate(report.step));
    }
    if (hooks_.report) TRY(hooks_.report(report, evaluation));
    return config_.checkpoint_every > 0 && trainer_.steps() % config_.checkpoint_every == 0 ? save() : ok_status();
  }

  fs::path checkpoint() const { return config_.folder / kCheckpoint; }
  fs::path best() const { return config_.folder / kBest; }

  bool stopped_early() const { return config_.patience > 0 && metrics_.evaluations().since_best >= config_.patience; }

  Status save() {
    TRY(metrics_.flush());  // a checkpoint's steps are told of
    return trainer_.save(checkpoint());
  }

  Result<StepReport> one_step() {
    TRY_ASSIGN(const std::vector<PartLoss> parts, hooks_.parts(trainer_.steps()));
    const double most_loss = metrics_.most_loss();
    TRY_ASSIGN(const StepReport report, trainer_.step(parts, most_loss));
    if (report.diverged) return divergence(report, most_loss);
    TRY(metrics_.step(report));
    return report;
  }

  // The checkpoint stays that of some steps before: what led here may have gone wrong before it was seen.
  Error divergence(const StepReport& report, double most_loss) const {
    Error error{
        ErrorCode::kInvalid,
        fmt::format("step {} diverged: loss {:.4g}, gradient norm {:.4g}", report.step, report.loss, report.norm),
        {},
        "begin anew with a lower --rate"};
    if (report.loss > most_loss && std::isfinite(report.loss)) {
      error.message += fmt::format("; by the steps before, no more than {:.4g} was to be expected", most_loss);
      error.hint += ", or go on over it: --resume --spike 0";
    }
    if (!hooks_.keep_batch) return error;
    const auto kept = hooks_.keep_batch(report);
    if (!kept.ok()) return kept.error();
    error.message += "; what it was to learn from stands in " + kept->string();
    return error;
  }

  // The best parameters are kept beside the last.
  Result<Evaluation> evaluate(int64_t step) {
    TRY_ASSIGN(const Evaluation evaluation, hooks_.evaluate(trainer_.steps()));
    TRY_ASSIGN(const bool better, metrics_.evaluation(step, evaluation));
    if (better) TRY(trainer_.save(best()));
    return evaluation;
  }

  Trainer& trainer_;
  const LoopConfig& config_;
  const LoopHooks& hooks_;
  Metrics metrics_;
};

}  // namespace

Json scores_json(const std::vector<Score>& scores) {
  Json json = Json::object();
  for (const Score& score : scores) json[score.name] = score.value;
  return json;
}

Result<LoopResult> run_loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, bool resume) {
  const fs::path checkpoint = config.folder / kCheckpoint;
  for (const char* name : {kCheckpoint, kBest}) AtomicFile::remove_leftovers(config.folder / name);
  if (resume && fs::exists(checkpoint)) TRY(trainer.restore(checkpoint));
  TRY_ASSIGN(Metrics metrics, Metrics::open(config.folder / "metrics.jsonl", trainer.steps(), config));
  return Loop(trainer, config, hooks, std::move(metrics)).run();
}

}  // namespace linnet
