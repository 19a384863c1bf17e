#include "train/loop.hpp"

#include <fmt/core.h>
#include <limits>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/part_file.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

// The best evaluation so far, and how long ago it was.
struct Best {
  double held_out = std::numeric_limits<double>::infinity();
  int64_t evaluations_since = 0;

  // Whether this one is the best.
  bool take(double value) {
    const bool better = value < held_out;
    if (better) held_out = value;
    evaluations_since = better ? 0 : evaluations_since + 1;
    return better;
  }
};

// metrics.jsonl, and what the loop must remember of it.
class Metrics {
 public:
  // The lines of `path` before step `steps`; the others are of steps that will be done again.
  static Result<Metrics> open(const fs::path& path, int64_t steps) {
    std::string kept;
    Best best;
    if (steps > 0 && fs::exists(path)) {
      TRY_ASSIGN(const std::string text, read_file(path));
      for (size_t at = 0; at < text.size();) {
        const size_t end = text.find('\n', at);
        if (end == std::string::npos) break;  // cut in the middle
        const std::string line = text.substr(at, end - at);
        TRY_ASSIGN(const Json json, parse_json(line, path.string()));
        const auto step = json.find("step");
        if (step == json.end() || !step->is_number_integer() || step->get<int64_t>() >= steps) break;
        const auto held_out = json.find("held_out");
        if (held_out != json.end() && held_out->is_number()) best.take(held_out->get<double>());
        kept += line + '\n';
        at = end + 1;
      }
    }
    TRY(write_file(path, kept));
    TRY_ASSIGN(PartFile file, PartFile::open(path));
    return Metrics(std::move(file), best);
  }

  Status step(const StepReport& report) {
    return write({{"step", report.step}, {"loss", report.loss}, {"norm", report.norm}, {"rate", report.rate}});
  }
  // Whether it is the best so far.
  Result<bool> evaluation(int64_t step, double held_out) {
    TRY(write({{"step", step}, {"held_out", held_out}}));
    return best_.take(held_out);
  }
  int64_t evaluations_since_best() const { return best_.evaluations_since; }

 private:
  Metrics(PartFile file, const Best& best) : file_(std::move(file)), best_(best) {}

  Status write(const Json& json) {
    const std::string line = dump_json(json) + '\n';
    return file_.append(std::as_bytes(std::span(line)));
  }

  PartFile file_;
  Best best_;
};

class Loop {
 public:
  Loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, Metrics metrics)
      : trainer_(trainer), config_(config), hooks_(hooks), metrics_(std::move(metrics)) {}

  Result<LoopResult> run() {
    LoopResult result;
    while (trainer_.steps() < config_.steps && !result.stopped_early) {
      if (hooks_.cancel && hooks_.cancel->cancelled()) {
        TRY(trainer_.save(checkpoint()));
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
        result.held_out = held_out;
        result.stopped_early = config_.patience > 0 && metrics_.evaluations_since_best() >= config_.patience;
      }
      if (hooks_.report) hooks_.report(report, held_out);
      if (config_.checkpoint_every > 0 && trainer_.steps() % config_.checkpoint_every == 0) {
        TRY(trainer_.save(checkpoint()));
      }
    }
    TRY(trainer_.save(checkpoint()));
    if (fs::exists(best())) TRY(trainer_.restore(best()));
    result.steps = trainer_.steps();
    return result;
  }

 private:
  fs::path checkpoint() const { return config_.folder / "checkpoint.safetensors"; }
  fs::path best() const { return config_.folder / "best.safetensors"; }

  Result<StepReport> one_step() {
    TRY_ASSIGN(const std::vector<PartLoss> parts, hooks_.parts(trainer_.steps()));
    TRY_ASSIGN(const StepReport report, trainer_.step(parts));
    TRY(metrics_.step(report));
    return report;
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
  const fs::path checkpoint = config.folder / "checkpoint.safetensors";
  if (resume && fs::exists(checkpoint)) TRY(trainer.restore(checkpoint));
  TRY_ASSIGN(Metrics metrics, Metrics::open(config.folder / "metrics.jsonl", trainer.steps()));
  return Loop(trainer, config, hooks, std::move(metrics)).run();
}

}  // namespace linnet
