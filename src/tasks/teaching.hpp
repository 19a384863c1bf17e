// What every way of teaching on top of a frozen model shares. Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/progress.hpp"
#include "models/transformer.hpp"
#include "tasks/run_store.hpp"
#include "train/loop.hpp"
#include "train/schedule.hpp"

namespace linnet {

// Who is told while a model is taught, and who may stop it.
struct TeachingHooks {
  std::function<void(const StepReport&, const std::optional<Evaluation>&)> report;
  std::function<void(double seconds)> forecast;  // TeachingForecast, once
  ProgressCallback before;                       // of what is done before the first step
  // Of what was held out: what was measured before or after all steps, and what was written at any measurement.
  std::function<void(const std::string& when, const Evaluation&)> evaluated;
  std::function<void(const std::string& text)> sample;
  const CancelToken* cancel = nullptr;
};

// How frozen matrices are made ready for many products.
struct Prepacking {
  uint64_t room = usual_room();  // bytes that they may take for it at most, or they stay as they are
  bool alone = false;            // see Weight::prepack

  static uint64_t usual_room();
};

// From now on products are computed in bfloat16, or in float32, and the frozen matrices of `model` are ready for many
// of them. The numbers do not hang on the room, unless matrices shall stand alone.
void begin_teaching(Context& ctx, Transformer& model, bool bfloat16, const Prepacking& prepacking = {});

// How an encoder is taught.
struct EncoderLesson {
  Schedule schedule;  // with all its steps
  bool bfloat16 = false;
  std::function<Result<Tensor>(int64_t step)> loss;
  std::function<Result<Evaluation>()> held_out = nullptr;  // nullptr: nothing is held out
  int64_t evaluate_every = 0;                              // steps; 0: never
  double evaluation_in_steps = 0;                          // how much is held out, beside what a step learns from
};

// Teaches `parameters` of `encoder`, or beside it, into version.folder, with what a run shows of itself (RunLog); stops
// early where what was held out gets no better. Products are in float32 again afterwards. Errors: those of run_loop.
Result<LoopResult> teach_encoder(Context& ctx, Transformer& encoder, std::vector<Parameter> parameters,
                                 const EncoderLesson& lesson, const RunVersion& version, bool resume,
                                 const TeachingHooks& hooks);

}  // namespace linnet
