#include "tasks/training_memory.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <numeric>

#include "base/system.hpp"
#include "tasks/memory_plan.hpp"
#include "train/trainer.hpp"

namespace linnet {

namespace {

// Of a gradient, or of one of the optimiser's moments: float32, whatever the parameters are held as.
uint64_t gradient_bytes(std::span<const Parameter> parameters) {
  return std::accumulate(parameters.begin(), parameters.end(), uint64_t{0}, [](uint64_t sum, const Parameter& p) {
    return sum + static_cast<uint64_t>(p.tensor->elements()) * sizeof(float);
  });
}

}  // namespace

uint64_t TrainingMemory::total() const {
  const uint64_t teaching = prepacked + optimizer + gradients + activations;
  return program + tokenizer + caches + replies + weights + adapters + std::max(loading, teaching);
}

std::string TrainingMemory::to_string() const {
  std::string parts;
  for (const auto& [bytes, name] : {std::pair{weights, "weights"},
                                    {prepacked, "packed for teaching"},
                                    {adapters, "adapter"},
                                    {optimizer, "optimiser"},
                                    {gradients, "gradients"},
                                    {activations, "activations"},
                                    {caches, "teacher"},
                                    {replies, "replies"}}) {
    if (bytes > 0) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", format_bytes(bytes), name);
  }
  return fmt::format("{} ({})", format_bytes(total()), parts);
}

Result<TrainingPlanner> TrainingPlanner::of(const ModelHandle& model, Runtime& runtime, const PupilSettings& settings) {
  TRY_ASSIGN(std::unique_ptr<Pupil> pupil, Pupil::hollow(model, settings));
  TrainingPlanner planner(runtime, std::move(pupil));
  const int64_t layers = model.config().num_layers();
  const MemoryPlan running = plan_memory(model.description, runtime.context().kernels(), 1,
                                         [&](const TensorSpec& spec) { return learns_as(settings, layers, spec); });
  const uint64_t learned = gradient_bytes(planner.pupil_->parameters());
  planner.fixed_ = {.weights = running.weights,
                    .adapters = settings.learns == Learns::kAdapter ? learned : 0,
                    .optimizer = 2 * learned,
                    .tokenizer = running.tokenizer,
                    .program = running.program,
                    .loading = running.loading};
  return planner;
}

Context TrainingPlanner::context(bool bfloat16) const {
  Context& real = runtime_->context();
  Context ctx(real.pool(), real.kernels(), Device::kMeta);
  ctx.set_compute(bfloat16 ? DType::kBF16 : DType::kF32);
  return ctx;
}

uint64_t TrainingPlanner::prepacked_bytes(bool bfloat16) const {
  return static_cast<uint64_t>(pupil_->transformer().prepacked_bytes(context(bfloat16)));
}

uint64_t TrainingPlanner::replaced_bytes() const {
  return static_cast<uint64_t>(pupil_->transformer().replaced_bytes(runtime_->context()));
}

Result<TrainingMemory> TrainingPlanner::plan(const StepShape& shape) const {
  Context ctx = context(shape.bfloat16);
  ctx.set_recompute(shape.recompute);
  Batch batch;
  batch.tokens.assign(static_cast<size_t>(shape.tokens), 0);
  // Sequences as long as the model can read: the longer they are, the more attention takes.
  const int64_t context = pupil_->transformer().config().max_positions;
  for (int64_t begin = 0; begin < shape.tokens; begin += context) {
    batch.sequences.push_back({.row_begin = begin, .rows = std::min(context, shape.tokens - begin)});
  }
  batch.dropout.rate = shape.dropout;
  batch.logit_rows.resize(static_cast<size_t>(std::max<int64_t>(shape.learned, 1)));
  std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
  const std::vector<int32_t> targets(batch.logit_rows.size(), 0);
  const PartLoss part = [&] { return pupil_->transformer().loss(ctx, batch, targets); };
  const std::vector<PartLoss> parts(shape.several_rows ? 2 : 1, part);
  TRY(sum_gradients(ctx, pupil_->parameters(), parts));
  TrainingMemory memory = fixed_;
  memory.gradients = gradient_bytes(pupil_->parameters());
  const uint64_t buffers = ctx.buffers().bytes_peak();
  memory.activations = buffers > memory.gradients ? buffers - memory.gradients : 0;
  return memory;
}

}  // namespace linnet
