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

// The last evaluation, the best one, and how long ago that was.
struct Evaluations {
  std::optional<double> last;
  double best = std::numeric_limits<double>::infinity();
  int64_t since_best = 0;

  // Whether this one is the best.
  bool take(double value) {
    const bool better = value < best;
    if (better) best = value;
    since_best = better ? 0 : since_best + 1;
    last = value;
    return better;
  }
};

// metrics.jsonl, and what the loop must remember of it.
class Metrics {
 public:
  // The lines of `path` before step `steps`; the others are of steps that will be done again.
  static Result<Metrics> open(const fs::path& path, int64_t steps, double spike) {
    Evaluations evaluations;
    LossWatch losses(spike);
    TRY_ASSIGN(StepLog log, StepLog::open(path, steps, [&](const Json& line) {
                 if (const auto held_out = line.find("held_out"); held_out != line.end() && held_out->is_number()) {
                   evaluations.take(held_out->get<double>());
                 }
                 if (const auto loss = line.find("loss"); loss != line.end() && loss->is_number()) {
                   losses.take(loss->get<double>());
                 }
               }));
    return Metrics(std::move(log), evaluations, std::move(losses));
  }

  Status step(const StepReport& report) {
    losses_.take(report.loss);
    return log_.write({{"step", report.step}, {"loss", report.loss}, {"norm", report.norm}, {"rate", report.rate}});
  }
  // Whether it is the best so far.
  Result<bool> evaluation(int64_t step, double held_out) {
    TRY(log_.write({{"step", step}, {"held_out", held_out}}));
    return evaluations_.take(held_out);
  }
  Status flush() { return log_.flush(); }
  const Evaluations& evaluations() const { return evaluations_; }
  double most_loss() const { return losses_.most(); }

 private:
  Metrics(StepLog log, const Evaluations& evaluations, LossWatch losses)
      : log_(std::move(log)), evaluations_(evaluations), losses_(std::move(losses)) {}

  StepLog log_;
  Evaluations evaluations_;
  LossWatch losses_;
};

class Loop {
 public:
  Loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, Metrics metrics)
      : trainer_(trainer), config_(config), hooks_(hooks), metrics_(std::move(metrics)) {}

  Result<LoopResult> run() {
    while (trainer_.steps() < config_.steps && !stopped_early()) {
      if (hooks_.cancel && hooks_.cancel->cancelled()) {
        TRY(save());
        return Error{ErrorCode::kCancelled,
                     fmt::format("stopped after {} of {} steps", trainer_.steps(), config_.steps),
                     {},
                     "go on with --resume"};
      }
      TRY_ASSIGN(const StepReport report, one_step());
      std::optional<double> held_out;
      if (config_.evaluate_every > 0 &&
          (trainer_.steps() % config_.evaluate_every == 0 || trainer_.steps() == config_.steps)) {
        TRY_ASSIGN(held_out, evaluate(report.step));
      }
      if (hooks_.report) TRY(hooks_.report(report, held_out));
      if (config_.checkpoint_every > 0 && trainer_.steps() % config_.checkpoint_every == 0) TRY(save());
    }
    TRY(save());
    if (fs::exists(best())) TRY(trainer_.restore(best()));
    return LoopResult{
        .steps = trainer_.steps(), .held_out = metrics_.evaluations().last, .stopped_early = stopped_early()};
  }

 private:
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
  Result<double> evaluate(int64_t step) {
    TRY_ASSIGN(const double held_out, hooks_.evaluate());
    TRY_ASSIGN(const bool better, metrics_.evaluation(step, held_out));
    if (better) TRY(trainer_.save(best()));
    return held_out;
  }

  Trainer& trainer_;
  const LoopConfig& config_;
  const LoopHooks& hooks_;
  Metrics metrics_;
};

}  // namespace

Result<LoopResult> run_loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, bool resume) {
  const fs::path checkpoint = config.folder / kCheckpoint;
  for (const char* name : {kCheckpoint, kBest}) AtomicFile::remove_leftovers(config.folder / name);
  if (resume && fs::exists(checkpoint)) TRY(trainer.restore(checkpoint));
  TRY_ASSIGN(Metrics metrics, Metrics::open(config.folder / "metrics.jsonl", trainer.steps(), config.spike));
  return Loop(trainer, config, hooks, std::move(metrics)).run();
}

}  // namespace linnet
