#include "train/trainer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <optional>

#include "formats/safetensors.hpp"
#include "formats/safetensors_writer.hpp"
#include "ops/packed_weights.hpp"

namespace linnet {

namespace {

constexpr std::string_view kStepNote = "step";
constexpr std::string_view kFormatNote = "linnet";  // what the file is, and its version
constexpr std::string_view kFormat = "checkpoint 1";

// Everything that a checkpoint holds; the tensors are those in use.
std::vector<Optimizer::State> state_of(const Optimizer& optimizer) {
  std::vector<Optimizer::State> all = optimizer.state();
  for (const Parameter& parameter : optimizer.parameters()) all.push_back({parameter.name, *parameter.tensor});
  return all;
}

}  // namespace

Result<Gradients> sum_gradients(Context& ctx, std::span<const Parameter> parameters, std::span<const PartLoss> parts) {
  Gradients all{.sums = std::vector<Tensor>(parameters.size())};
  std::optional<PackedWeights> packed;
  if (parts.size() > 1) packed.emplace(ctx);
  for (const PartLoss& part : parts) {
    Tape tape;
    watch(tape, parameters, std::move(all.sums));
    const RecorderScope recording(ctx, &tape);
    TRY_ASSIGN(const Tensor loss, part());
    if (!ctx.meta()) all.loss += loss.data<float>()[0];
    if (wants_grad(loss)) tape.backward(ctx, loss);
    all.sums = gradients(tape, parameters);
  }
  if (std::ranges::none_of(all.sums, &Tensor::defined)) all.sums.clear();
  return all;
}

Trainer::Trainer(Context& ctx, std::vector<Parameter> parameters, const TrainerConfig& config)
    : ctx_(ctx), optimizer_(make_optimizer(std::move(parameters), config.optimizer)), config_(config) {}

Result<StepReport> Trainer::step(std::span<const PartLoss> parts, double most_loss) {
  StepReport report{.step = steps(), .rate = rate_at(config_.schedule, steps())};
  TRY_ASSIGN(const Gradients all, sum_gradients(ctx_, optimizer_->parameters(), parts));
  const std::vector<Tensor>& grads = all.sums;
  report.loss = all.loss;
  if (grads.empty()) return invalid(fmt::format("step {} has nothing to learn from", report.step));
  report.norm = global_norm(ctx_.pool(), grads);
  report.diverged = !std::isfinite(report.loss) || !std::isfinite(report.norm) || report.loss > most_loss;
  if (report.diverged) return report;
  optimizer_->step(ctx_, grads, report.rate, clip_scale(report.norm, config_.clip_norm));
  return report;
}

Status Trainer::save(const std::filesystem::path& file, const std::map<std::string, std::string>& notes) const {
  std::vector<TensorToWrite> tensors;
  for (const Optimizer::State& named : state_of(*optimizer_))
    tensors.push_back(TensorToWrite::of(named.name, named.tensor));
  SafetensorsOptions options;
  options.max_shard_bytes = UINT64_MAX;
  options.metadata = notes;
  options.metadata[std::string(kStepNote)] = std::to_string(steps());
  options.metadata[std::string(kFormatNote)] = kFormat;
  return write_safetensors(file, std::move(tensors), options);
}

Result<std::map<std::string, std::string>> Trainer::restore(const std::filesystem::path& file) {
  TRY_ASSIGN(SafetensorsFile stored, open_safetensors(file));
  std::map<std::string, std::string> notes = std::move(stored.metadata);
  const auto format = notes.find(std::string(kFormatNote));
  if (format == notes.end() || format->second != kFormat) return invalid("is not a checkpoint of a run", file.string());
  const std::string step = notes[std::string(kStepNote)];
  int64_t steps = -1;
  const auto parsed = std::from_chars(step.data(), step.data() + step.size(), steps);
  if (parsed.ec != std::errc() || parsed.ptr != step.data() + step.size() || steps < 0) {
    return invalid(fmt::format("\"{}\" is not a step", step), file.string());
  }
  TRY_ASSIGN(const TensorSource source, TensorSource::of(std::move(stored.tensors)));
  std::vector<Optimizer::State> state = state_of(*optimizer_);
  if (source.all().size() != state.size()) {
    return invalid(fmt::format("holds {} tensors, where this run has {}", source.all().size(), state.size()),
                   file.string(), "it belongs to another run");
  }
  for (const Optimizer::State& named : state) {
    TRY_ASSIGN(const StoredTensor* tensor, source.get(named.name));
    if (tensor->dtype != named.tensor.dtype() || tensor->shape != named.tensor.shape()) {
      return invalid(
          fmt::format("{} is {} {}, where this run has {} {}", named.name, tensor->type_name(),
                      tensor->shape.to_string(), dtype_name(named.tensor.dtype()), named.tensor.shape().to_string()),
          tensor->place(), "it belongs to another run");
    }
  }
  for (Optimizer::State& named : state) {
    const StoredTensor& tensor = *source.find(named.name);
    std::copy_n(as_tensor(tensor).raw(), named.tensor.bytes(), named.tensor.raw());
    for (const auto& mapped : stored.files) mapped->drop_pages_of(tensor.bytes);  // or the file stands beside all of it
  }
  optimizer_->set_steps(steps);
  notes.erase(std::string(kStepNote));
  notes.erase(std::string(kFormatNote));
  return notes;
}

}  // namespace linnet
