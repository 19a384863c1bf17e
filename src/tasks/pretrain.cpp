#include "tasks/pretrain.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/part_file.hpp"
#include "base/system.hpp"
#include "engine/generate.hpp"
#include "formats/safetensors_writer.hpp"
#include "models/initial_weights.hpp"
#include "models/weights_to_write.hpp"
#include "train/parameters.hpp"

namespace linnet {

namespace {

// A small model learns little from what stands far away, and its attention would cost more than all else: a sixteenth
// of the root of its parameters, as a power of two. 64 of 1m, 256 of 10m, 512 of 124m.
constexpr double kContextPerRoot = 1.0 / 16;
constexpr double kLeastContext = 64;
constexpr double kMostContext = 1024;
constexpr int64_t kMostHeldOut = 1 << 17;  // tokens that are looked at: their loss is known to a hundredth by then

// How much is learned where nothing else is asked: 20 tokens a parameter (Hoffmann et al. 2022, arXiv:2203.15556), but
// a text no more often than it teaches nearly as much as a new one would (Muennighoff et al. 2023, arXiv:2305.16264).
constexpr double kTokensPerParameter = 20;
constexpr double kMostEpochs = 4;

int64_t context_for(double parameters) {
  const double wanted = std::exp2(std::round(std::log2(kContextPerRoot * std::sqrt(parameters))));
  return static_cast<int64_t>(std::clamp(wanted, kLeastContext, kMostContext));
}

int64_t count_parameters(const std::vector<TensorSpec>& table) {
  int64_t count = 0;
  for (const TensorSpec& spec : table) count += spec.shape.elements();
  return count;
}

// Of the matrices that each token meets, three times (forward, and two products back); causal attention sees half of
// the context on average.
double flops_per_token(const TransformerConfig& config, const std::vector<TensorSpec>& table, int64_t context) {
  double matrices = static_cast<double>(config.vocab_size * config.hidden_size);  // the head
  for (const TensorSpec& spec : table) {
    if (spec.layer >= 0 && spec.shape.rank() == 2) matrices += static_cast<double>(spec.shape.elements());
  }
  const auto attention = static_cast<double>(config.num_layers() * config.num_heads * config.head_dim * context);
  return 6 * matrices + 6 * attention;
}

// The shortest decimal of a float: 0.9, not 0.8999999761581421.
double decimal(float x) {
  return std::stod(fmt::format("{}", x));
}

Json info_of(const OptimizerConfig& optimizer) {
  const AdamWConfig& adamw = optimizer.adamw;
  const Json of_adamw = {{"beta1", decimal(adamw.beta1)},
                         {"beta2", decimal(adamw.beta2)},
                         {"eps", decimal(adamw.eps)},
                         {"weight_decay", decimal(adamw.weight_decay)}};
  switch (optimizer.kind) {
    case OptimizerKind::kAdamW:
      return {{"kind", "adamw"}, {"adamw", of_adamw}};
    case OptimizerKind::kMuon:
      return {{"kind", "muon"},
              {"momentum", decimal(optimizer.muon.momentum)},
              {"weight_decay", decimal(optimizer.muon.weight_decay)},
              {"adamw", of_adamw}};
    case OptimizerKind::kSgd:
      return {{"kind", "sgd"},
              {"momentum", decimal(optimizer.sgd.momentum)},
              {"nesterov", optimizer.sgd.nesterov},
              {"weight_decay", decimal(optimizer.sgd.weight_decay)}};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Pretrainer>> Pretrainer::prepare(const TrainSettings& settings, const CancelToken& cancel,
                                                        const ProgressCallback& progress) {
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  TRY_ASSIGN(TrainingText text, TrainingText::prepare(settings.text, *runtime, cancel, progress));
  auto pretrainer = std::unique_ptr<Pretrainer>(new Pretrainer(settings, std::move(runtime), std::move(text)));
  TRY(pretrainer->choose());
  TRY(pretrainer->check_memory());
  return pretrainer;
}

Status Pretrainer::choose() {
  plan_.vocab = text_.tokenizer.vocab_size();
  TRY_ASSIGN(plan_.size, choose_size(settings_.size, plan_.vocab));
  TRY_ASSIGN(const int64_t asked, parse_size(settings_.size.size));
  plan_.context = settings_.context.value_or(
      std::min(context_for(static_cast<double>(asked)), std::max<int64_t>(text_.train.size() / 8, 8)));
  config_ = config_of(plan_.size, plan_.vocab, plan_.context, text_.tokenizer.special().eos, !settings_.untied_head);
  TRY_ASSIGN(family_, find_family(config_["model_type"].get<std::string>(), "config.json"));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(config_, "config.json"));
  TRY_ASSIGN(transformer_, family_->read_config(object));
  const std::vector<TensorSpec> table = family_->tensors(transformer_);
  plan_.parameters = count_parameters(table);
  plan_.flops_per_token = flops_per_token(transformer_, table, plan_.context);
  plan_.bfloat16 = !settings_.float32 && runtime_->context().kernels().bf16.matmul != nullptr;
  TRY(choose_ranges());
  choose_steps();
  return ok_status();
}

Status Pretrainer::choose_ranges() {
  const int64_t size = text_.train.size();
  plan_.train = {0, size};
  if (text_.held_out) {
    plan_.held_out = {0, text_.held_out->size()};
  } else if (settings_.held_out > 0) {
    const auto part = static_cast<int64_t>(std::llround(settings_.held_out * static_cast<double>(size)));
    plan_.train.end = plan_.held_out.begin = size - part;
    plan_.held_out.end = size;
  }
  plan_.held_out.end = std::min(plan_.held_out.end, plan_.held_out.begin + kMostHeldOut);
  if (plan_.train.size() <= plan_.context) {
    return invalid(fmt::format("{} tokens are too few for a context of {}", plan_.train.size(), plan_.context), {},
                   "give more text, or a shorter --context");
  }
  const bool measured = plan_.held_out.size() > plan_.context;
  if (!measured && (text_.held_out || settings_.held_out > 0)) {
    return invalid(
        fmt::format("{} tokens held out are too few for a context of {}", plan_.held_out.size(), plan_.context), {},
        "give more text, a shorter --context, or --held-out 0");
  }
  if (!measured) plan_.held_out = {};
  return ok_status();
}

void Pretrainer::choose_steps() {
  // Small models learn most from many steps, large ones bear large batches: about the root of the parameters.
  constexpr double kBatchPerRoot = 1;
  constexpr double kLeastBatch = 1024;
  constexpr double kMostBatch = 1 << 17;
  // What is computed of a row stays in a near cache while there are few; for each part all weights and the sums of
  // their gradients pass by. Measured with 10 and 124 million parameters.
  constexpr int64_t kFewRows = 512;
  constexpr int64_t kManyRows = 1024;
  constexpr int64_t kManyParameters = 50'000'000;
  const auto parameters = static_cast<double>(plan_.parameters);
  const double tokens = settings_.batch ? static_cast<double>(*settings_.batch)
                                        : std::clamp(kBatchPerRoot * std::sqrt(parameters), kLeastBatch, kMostBatch);
  const auto context = static_cast<double>(plan_.context);
  plan_.windows_per_step = std::max<int64_t>(1, std::llround(tokens / context));
  const int64_t together = plan_.parameters < kManyParameters ? kFewRows : kManyRows;
  const int64_t fit = std::max<int64_t>(1, together / plan_.context);
  const int64_t parts = (plan_.windows_per_step + fit - 1) / fit;
  plan_.windows_per_part = (plan_.windows_per_step + parts - 1) / parts;
  const WindowFeed feed(text_.train, {.range = plan_.train,
                                      .length = plan_.context,
                                      .windows_per_step = plan_.windows_per_step,
                                      .windows_per_part = plan_.windows_per_part});
  plan_.steps_per_epoch = feed.steps_per_epoch();
  const double epoch = static_cast<double>(plan_.steps_per_epoch);
  const double enough = kTokensPerParameter * parameters / static_cast<double>(plan_.train.size());
  const double epochs = settings_.epochs.value_or(std::clamp(enough, 0.0, kMostEpochs));
  plan_.steps = settings_.steps.value_or(std::max<int64_t>(1, std::llround(epochs * epoch)));
  const auto steps = static_cast<double>(plan_.steps);
  constexpr double kRepeats = 2;  // from here on a text is learned by heart
  plan_.dropout = settings_.dropout.value_or(steps / epoch > kRepeats ? 0.1 : 0.0);
  constexpr double kRateAtWidth = 1e-3;
  constexpr double kWidth = 384;
  plan_.rate = settings_.rate.value_or(kRateAtWidth * std::sqrt(kWidth / static_cast<double>(plan_.size.width)));
  plan_.schedule = {.kind = settings_.schedule,
                    .rate = static_cast<float>(plan_.rate),
                    .steps = plan_.steps,
                    .warmup_steps = settings_.warmup_steps.value_or(std::clamp<int64_t>(plan_.steps / 20, 1, 200)),
                    .decay_steps = settings_.decay_steps.value_or(plan_.steps / 5),
                    .final_fraction = static_cast<float>(settings_.final_fraction)};
  plan_.schedule.decay_steps = std::min(plan_.schedule.decay_steps, plan_.steps - plan_.schedule.warmup_steps);
  constexpr int64_t kEvaluations = 20;
  plan_.evaluate_every =
      plan_.held_out.size() > 0
          ? settings_.evaluate_every.value_or(std::max<int64_t>(1, (plan_.steps + kEvaluations - 1) / kEvaluations))
          : 0;
}

Status Pretrainer::check_memory() const {
  // Gradients, their sum, two moments; weights, and the copy that samples come from; of each row what the way back
  // needs.
  const double bytes_per_parameter = 4 * sizeof(float) + 2 * static_cast<double>(dtype_bytes(settings_.weights));
  constexpr double kNumbersPerRow = 28;  // of each layer, in widths
  const double rows = static_cast<double>(plan_.windows_per_part * plan_.context);
  const double activations =
      rows * static_cast<double>(plan_.size.width * plan_.size.layers) * kNumbersPerRow * sizeof(float);
  const auto needed = static_cast<uint64_t>(bytes_per_parameter * static_cast<double>(plan_.parameters) + activations);
  const uint64_t available = memory_info().available;
  if (needed <= available) return ok_status();
  return out_of_memory(
      fmt::format("training needs about {}, and {} are free", format_bytes(needed), format_bytes(available)),
      fmt::format("take {}a smaller --size or a shorter --context",
                  settings_.weights == DType::kF32 ? "--weights bf16, " : ""));
}

Json Pretrainer::info() const {
  const ModelSize& size = plan_.size;
  return {{"kind", "model"},
          {"data_sha256", text_.digest},
          {"data_bytes", text_.bytes},
          {"tokens", plan_.train.size()},
          {"held_out_tokens", plan_.held_out.size()},
          {"tokenizer", settings_.text.tokenizer},
          {"shape", size.shape == ModelShape::kGpt2 ? "gpt2" : "llama"},
          {"parameters", plan_.parameters},
          {"layers", size.layers},
          {"width", size.width},
          {"heads", size.heads},
          {"kv_heads", size.kv_heads},
          {"inner", size.inner},
          {"vocab_size", plan_.vocab},
          {"tied_head", !settings_.untied_head},
          {"context", plan_.context},
          {"windows_per_step", plan_.windows_per_step},
          {"windows_per_part", plan_.windows_per_part},
          {"steps", plan_.steps},
          {"steps_per_epoch", plan_.steps_per_epoch},
          {"schedule", std::string(schedule_name(plan_.schedule.kind))},
          {"rate", plan_.rate},
          {"warmup_steps", plan_.schedule.warmup_steps},
          {"decay_steps", plan_.schedule.kind == ScheduleKind::kStable ? plan_.schedule.decay_steps : 0},
          {"final_fraction", settings_.final_fraction},
          {"optimizer", info_of(settings_.optimizer)},
          {"clip_norm", settings_.clip_norm},
          {"dropout", plan_.dropout},
          {"evaluate_every", plan_.evaluate_every},
          {"prompt", settings_.prompt},
          {"seed", settings_.seed},
          {"instruction_set", std::string(runtime_->isa())},
          {"products", plan_.bfloat16 ? "bfloat16" : "float32"},
          {"weights", settings_.weights == DType::kBF16 ? "bfloat16" : "float32"}};
}

Result<LoopResult> Pretrainer::run(const RunVersion& version, bool resume, const Hooks& hooks) {
  Context& ctx = runtime_->context();
  TRY_ASSIGN(Transformer model, initial_transformer(transformer_, family_->tensors(transformer_), settings_.seed));
  ctx.set_compute(plan_.bfloat16 ? DType::kBF16 : DType::kF32);
  TrainerConfig config{.optimizer = settings_.optimizer, .schedule = plan_.schedule, .clip_norm = settings_.clip_norm};
  config.optimizer.rounding_seed = settings_.seed;
  Trainer trainer(ctx, train_all(model, settings_.weights), config);
  WindowFeed feed(text_.train, {.range = plan_.train,
                                .length = plan_.context,
                                .windows_per_step = plan_.windows_per_step,
                                .windows_per_part = plan_.windows_per_part,
                                .dropout = static_cast<float>(plan_.dropout),
                                .seed = settings_.seed});
  const std::vector<TokenBatch> held_out = WindowFeed::all(text_.held_out ? *text_.held_out : text_.train,
                                                           plan_.held_out, plan_.context, plan_.windows_per_part);
  RunLog log(version);
  std::vector<TokenBatch> batches;  // of the step that runs
  LoopHooks loop;
  loop.parts = [&](int64_t step) -> Result<std::vector<PartLoss>> {
    log.begin_step();
    batches = feed.batches(step);
    return token_losses(ctx, model, batches);
  };
  loop.evaluate = [&](int64_t) -> Result<Evaluation> {
    log.end_step();
    TRY_ASSIGN(const double loss, mean_token_loss(ctx, model, held_out));
    return Evaluation{loss};
  };
  loop.report = [&](const StepReport& step, const std::optional<Evaluation>& held) -> Status {
    TRY(log.step(step, held, token_count(batches)));
    if (hooks.report) hooks.report(step, held);
    if (!held) return ok_status();
    TRY_ASSIGN(const std::string text, sample(model, step.step));
    TRY(log.sample(step.step, text));
    if (hooks.sample) hooks.sample(text);
    return log.write_report();
  };
  loop.keep_batch = [&](const StepReport& step) { return log.keep_batch(step.step, batches, text_.tokenizer); };
  loop.cancel = hooks.cancel;
  constexpr int64_t kCheckpoints = 20;  // at least so many in a run
  const LoopConfig loop_config{.folder = version.folder,
                               .steps = plan_.steps,
                               .checkpoint_every = std::max<int64_t>(1, plan_.steps / kCheckpoints),
                               .evaluate_every = plan_.evaluate_every,
                               .spike = settings_.spike};
  TRY_ASSIGN(const LoopResult result, run_loop(trainer, loop_config, loop, resume));
  TRY(write_model(model, version));
  TRY(log.write_report());
  return result;
}

Result<std::string> Pretrainer::sample(const Transformer& model, int64_t step) {
  constexpr int64_t kTokens = 120;
  constexpr float kTemperature = 0.8f;
  const std::string prompt = settings_.prompt.empty() ? "\n" : settings_.prompt;
  TRY_ASSIGN(std::vector<int32_t> tokens, text_.tokenizer.encode(prompt));
  if (tokens.empty()) tokens.push_back(std::max(text_.tokenizer.special().eos, 0));
  if (static_cast<int64_t>(tokens.size()) >= plan_.context) return prompt;  // no room to go on
  GenerateParams params;
  params.sampling.temperature = kTemperature;
  params.sampling.seed = settings_.seed + static_cast<uint64_t>(step);
  params.max_tokens = std::min(kTokens, plan_.context - static_cast<int64_t>(tokens.size()));
  params.end_tokens = text_.tokenizer.end_ids();
  // Token by token, weights that lie as in training would be packed anew for each.
  Transformer packed = model;
  packed.pack(runtime_->context(), {});
  Session session(packed, runtime_->context(), plan_.context, DType::kF32);
  TRY_ASSIGN(const Generated generated, generate(session, text_.tokenizer, tokens, params, {}));
  return settings_.prompt + generated.text;
}

Status Pretrainer::write_model(const Transformer& model, const RunVersion& version) const {
  std::error_code error;
  std::filesystem::remove_all(version.folder / kModelFolder,
                              error);  // of a run that ended here before, and was killed after
  TRY_ASSIGN(TemporaryFolder fresh, TemporaryFolder::create(version.folder, "model"));
  TRY(write_safetensors(fresh.path() / "model.safetensors", weights_to_write(model, DType::kF32)));
  TRY(write_file(fresh.path() / "tokenizer.json", text_.tokenizer_json));
  if (!text_.tokenizer_config.empty()) {
    TRY(write_file(fresh.path() / "tokenizer_config.json", text_.tokenizer_config));
  }
  TRY(write_file(fresh.path() / "config.json", dump_json(config_, 2) + "\n"));
  return fresh.commit(version.folder / kModelFolder);
}

}  // namespace linnet
