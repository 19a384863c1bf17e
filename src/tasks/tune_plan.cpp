// What a run of `tune` chooses by itself: rate, epochs, rows, schedule; and what run.json says of it.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/system.hpp"
#include "tasks/tune.hpp"

namespace linnet {

namespace {

// Tokens that make a product worth its threads; memory grows with them. Beside weights that all learn, their gradients
// and moments that is little, and each row costs a pass over all of these.
constexpr int64_t kUsualRow = 512;
constexpr int64_t kRowWhereAllLearns = 1024;

// Few tokens are seen often, many once: about this many in all.
constexpr double kTokensOfARun = 150'000;
constexpr int64_t kMostEpochs = 6;
// A rate that suits this width falls with its root.
constexpr double kWidth = 576;

Json info_of(const PupilSettings& pupil) {
  if (pupil.learns != Learns::kAdapter) {
    Json info = {{"learns", learns_name(pupil.learns)},
                 {"weights", pupil.weights == DType::kBF16 ? "bfloat16" : "float32"}};
    if (pupil.learns == Learns::kLastLayers) info["last_layers"] = pupil.layers;
    return info;
  }
  const NewAdapter& adapter = pupil.adapter;
  Json info = {{"rank", adapter.rank}, {"alpha", adapter.alpha},     {"rank_stabilised", adapter.rank_stabilised},
               {"dora", adapter.dora}, {"targets", adapter.targets}, {"seed", adapter.seed}};
  if (pupil.b_rate != 1) info["lora_plus"] = pupil.b_rate;
  return {{"adapter", std::move(info)}};
}

Json info_of(const Teacher& teacher, const TeacherSettings& settings) {
  const StoredModel& stored = teacher.model().stored;
  const bool named = stored.origin != StoredModel::Origin::kPath;
  Json info = {{"name", named ? teacher.model().name() : stored.path.filename().string()},
               {"sha256", teacher.digest()},
               {"distil", settings.from == DistilFrom::kLogits ? "logits" : "text"}};
  if (settings.from == DistilFrom::kLogits) {
    info.update({{"top", settings.top}, {"weight", settings.weight}});
  } else {
    info["temperature"] = settings.temperature;
  }
  return info;
}

}  // namespace

int64_t Tuner::usual_row(double tokens) const {
  const bool all = settings_.pupil.learns == Learns::kEverything;
  return all && tokens_of_a_step(tokens) >= kRowWhereAllLearns ? kRowWhereAllLearns : kUsualRow;
}

Status Tuner::choose_rows(int64_t least, int64_t usual_row, const std::function<StepShape(int64_t)>& shape_of,
                          uint64_t caches) {
  TRY_ASSIGN(const TrainingPlanner planner, TrainingPlanner::of(model_, *runtime_, settings_.pupil));
  const uint64_t free = settings_.memory > 0 ? settings_.memory : memory_info().available;
  const int64_t usual = settings_.row_length.value_or(std::max(least, usual_row));
  plan_.recompute = settings_.recompute;
  for (plan_.row_length = usual;;) {
    StepShape shape = shape_of(plan_.row_length);
    shape.bfloat16 = plan_.bfloat16;
    shape.recompute = plan_.recompute;
    shape.dropout = static_cast<float>(settings_.dropout);
    TRY_ASSIGN(plan_.memory, planner.plan(shape));
    plan_.memory.caches = caches;
    if (score_) plan_.memory.replies = static_cast<uint64_t>(score_->cache_bytes(planner.model()));
    if (shown_) plan_.memory.replies = static_cast<uint64_t>(shown_->cache_bytes(planner.model()));
    if (plan_.memory.total() <= free) break;
    if (plan_.row_length > least && !settings_.row_length) {
      plan_.row_length = std::max(plan_.row_length / 2, least);
      continue;
    }
    if (!plan_.recompute) {
      plan_.recompute = true;
      continue;
    }
    return out_of_memory(
        fmt::format("teaching {} needs {} of memory in rows of {} tokens, and {} are free", model_.name(),
                    plan_.memory.to_string(), plan_.row_length, format_bytes(free)),
        settings_.pupil.learns == Learns::kAdapter
            ? "close other programs, cut samples with --length and --allow-cuts, or take a smaller --base"
            : fmt::format("close other programs, take {}--method lora, or --method last with few --layers, cut samples "
                          "with --length and --allow-cuts, or take a smaller --base",
                          settings_.pupil.weights == DType::kF32 ? "--weights bf16, " : ""));
  }
  const uint64_t prepacked = planner.prepacked_bytes(plan_.bfloat16);
  const bool fits = prepacked <= (free - plan_.memory.total()) / 2;
  const uint64_t replaced = settings_.pupil.learns == Learns::kAdapter ? planner.replaced_bytes() : 0;
  plan_.packed_alone = settings_.packed_alone.value_or(fits && prepacked > 0 && replaced > 0);
  if (fits || plan_.packed_alone) plan_.memory.prepacked = prepacked;
  if (plan_.packed_alone) {
    plan_.memory.weights -= std::min(replaced, plan_.memory.weights);
    plan_.memory.loading += replaced;
  }
  if (plan_.memory.total() > free) {
    return out_of_memory(fmt::format("teaching {} needs {} of memory as its run began, and {} are free", model_.name(),
                                     plan_.memory.to_string(), format_bytes(free)),
                         "close other programs, or begin the run anew");
  }
  if (plan_.row_length < usual) {
    dataset_.said.push_back(fmt::format("rows of {} tokens are computed at once instead of {}: {} of memory are free",
                                        plan_.row_length, usual, format_bytes(free)));
  }
  if (plan_.recompute && !settings_.recompute) {
    dataset_.said.push_back(
        fmt::format("layers are computed again on the way back: {} of memory are free", format_bytes(free)));
  }
  return ok_status();
}

double Tuner::tokens_of_a_step(double tokens) const {
  // About a twentieth of an epoch, up to 4096 tokens.
  constexpr double kStepsOfAnEpoch = 20;
  constexpr double kMostTokensOfAStep = 4096;
  return settings_.batch ? static_cast<double>(*settings_.batch)
                         : std::min(tokens / kStepsOfAnEpoch, kMostTokensOfAStep);
}

void Tuner::choose(double tokens, double usual_rate) {
  const double width = static_cast<double>(model_.config().hidden_size);
  plan_.rate = settings_.rate.value_or(usual_rate * std::sqrt(kWidth / width));
  plan_.epochs = settings_.epochs.value_or(std::clamp<int64_t>(std::llround(kTokensOfARun / tokens), 1, kMostEpochs));
  if (settings_.steps) {  // about, for what is planned before the rows are known
    const double seen = static_cast<double>(*settings_.steps) * tokens_of_a_step(tokens);
    plan_.epochs = std::max<int64_t>(1, std::llround(std::ceil(seen / tokens)));
  }
  plan_.bfloat16 = runtime_->context().kernels().bf16.matmul != nullptr;
}

int64_t Tuner::epochs_for(const TokenSet& set) const {
  if (!settings_.steps) return plan_.epochs;
  const auto length = static_cast<uint32_t>(plan_.row_length);
  int64_t epochs = 0;
  for (int64_t steps = 0; steps < *settings_.steps; ++epochs) {
    const auto rows =
        static_cast<int64_t>(pack_epoch(set, length, settings_.seed, static_cast<uint64_t>(epochs)).size());
    steps += (rows + plan_.rows_per_step - 1) / plan_.rows_per_step;
  }
  return epochs;
}

void Tuner::choose_schedule() {
  plan_.steps = settings_.steps.value_or(lessons_->steps());
  constexpr int64_t kWarmupPart = 20;
  plan_.warmup_steps = settings_.warmup_steps.value_or(std::max<int64_t>(1, plan_.steps / kWarmupPart));
  if (lessons_->holds_out()) plan_.evaluate_every = std::max<int64_t>(1, (lessons_->steps_of_first_epoch() + 1) / 2);
}

TeachingForecast::Work Tuner::work() const {
  const auto seen = static_cast<double>(train_set().tokens()) * static_cast<double>(plan_.epochs);
  // The forecast takes a token that is evaluated for a third of one that is taught.
  const double scoring = score_ ? 3 * score_->cost() / static_cast<double>(score_->every()) : 0;
  return {.steps = plan_.steps,
          .tokens_per_step = seen / static_cast<double>(std::max<int64_t>(plan_.steps, 1)),
          .evaluate_every = plan_.evaluate_every,
          .tokens_per_evaluation = static_cast<double>(plan_.held_out_tokens) + scoring};
}

Json Tuner::info() const {
  Json info = {{"kind", settings_.pupil.learns == Learns::kAdapter ? "adapter" : "model"},
               {"base", lasting_name(model_)},
               {"base_file", model_.stored.path.string()},
               {"form", form_name(dataset_.form)},
               {"samples", dataset_.train.size()},
               {"held_out_samples", dataset_.held_out.size()},
               {"tokens", train_set().tokens()},
               {"learned_tokens", train_set().learned()},
               {"data_sha256", data_digest_},
               {"system", settings_.system}};
  info.update(info_of(settings_.pupil));
  if (teacher_) info["teacher"] = info_of(*teacher_, settings_.teacher);
  info.update({{"rate", plan_.rate},
               {"epochs", plan_.epochs},
               {"row_length", plan_.row_length},
               {"rows_per_step", plan_.rows_per_step},
               {"steps", plan_.steps},
               {"warmup_steps", plan_.warmup_steps},
               {"schedule", std::string(schedule_name(settings_.schedule))},
               {"weight_decay", settings_.weight_decay},
               {"clip_norm", settings_.clip_norm},
               {"dropout", settings_.dropout},
               {"evaluate_every", plan_.evaluate_every},
               {"scored_samples", score_ ? score_->items() : 0},
               {"seed", settings_.seed},
               {"instruction_set", std::string(runtime_->isa())},
               {"products", plan_.bfloat16 ? "bfloat16" : "float32"}});
  if (plan_.packed_alone) info["base_weights"] = plan_.bfloat16 ? "bfloat16" : "float32";
  if (!settings_.chat_template.empty()) info["chat_template"] = settings_.chat_template;
  if (settings_.input_tokens) info["input_tokens"] = *settings_.input_tokens;
  if (settings_.frequency_penalty > 0) info["frequency_penalty"] = settings_.frequency_penalty;
  if (settings_.minutes) info["minutes"] = *settings_.minutes;
  if (plan_.method) {
    info["preference"] = preference_method_name(*plan_.method);
    info["pairs_per_step"] = plan_.pairs_per_step;
    info["beta"] = plan_.beta;
  }
  return info;
}

}  // namespace linnet
