#include "tasks/teaching.hpp"

#include <algorithm>

#include "base/system.hpp"
#include "tasks/run_log.hpp"
#include "tasks/teaching_forecast.hpp"

namespace linnet {

uint64_t Prepacking::usual_room() {
  return memory_info().available / 4;
}

void begin_teaching(Context& ctx, Transformer& model, bool bfloat16, const Prepacking& prepacking) {
  ctx.set_compute(bfloat16 ? DType::kBF16 : DType::kF32);
  if (static_cast<uint64_t>(model.prepacked_bytes(ctx)) > prepacking.room) return;
  model.prepack(ctx, prepacking.alone);
}

Result<LoopResult> teach_encoder(Context& ctx, Transformer& encoder, std::vector<Parameter> parameters,
                                 const EncoderLesson& lesson, const RunVersion& version, bool resume,
                                 const TeachingHooks& hooks) {
  TrainerConfig config;
  config.schedule = lesson.schedule;
  Trainer trainer(ctx, std::move(parameters), config);
  RunLog log(version);
  TeachingForecast forecast({.steps = lesson.schedule.steps,
                             .tokens_per_step = 1,
                             .evaluate_every = lesson.evaluate_every,
                             .tokens_per_evaluation = lesson.evaluation_in_steps});
  LoopHooks loop;
  loop.parts = [&](int64_t step) -> Result<std::vector<PartLoss>> {
    log.begin_step();
    return std::vector<PartLoss>{[&lesson, step] { return lesson.loss(step); }};
  };
  loop.evaluate = [&](int64_t) {
    log.end_step();
    return lesson.held_out();
  };
  loop.report = [&](const StepReport& step, const std::optional<Evaluation>& evaluation) -> Status {
    TRY(log.step(step, evaluation));
    const auto seconds = forecast.step(step.step, log.seconds());
    if (seconds && hooks.forecast) hooks.forecast(*seconds);
    if (hooks.report) hooks.report(step, evaluation);
    return ok_status();
  };
  loop.cancel = hooks.cancel;
  constexpr int64_t kPatience = 4;          // evaluations
  constexpr int64_t kLeastCheckpoint = 50;  // steps between two checkpoints, at least
  begin_teaching(ctx, encoder, lesson.bfloat16);
  TRY_ASSIGN(const LoopResult result, run_loop(trainer,
                                               {.folder = version.folder,
                                                .steps = lesson.schedule.steps,
                                                .checkpoint_every = std::max(lesson.evaluate_every, kLeastCheckpoint),
                                                .evaluate_every = lesson.held_out ? lesson.evaluate_every : 0,
                                                .patience = kPatience},
                                               loop, resume));
  ctx.set_compute(std::nullopt);
  TRY(log.write_report());
  return result;
}

}  // namespace linnet
