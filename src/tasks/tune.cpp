#include "tasks/tune.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/file.hpp"
#include "data/preview.hpp"
#include "data/refuse.hpp"
#include "hub/digest.hpp"
#include "tasks/run_log.hpp"
#include "tasks/teaching.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "train/parameters.hpp"

namespace linnet {

namespace {

constexpr int64_t kLongest = 2048;  // tokens of a sequence, unless told otherwise
constexpr int64_t kLeastRow = 512;  // tokens that make a product worth its threads; memory grows with them

// Few tokens are seen often, many once: about this many in all.
constexpr double kTokensOfARun = 150'000;
constexpr int64_t kMostEpochs = 6;
// The rate that suits adapters of a small model falls with the root of its width.
constexpr double kWidth = 576;
constexpr double kRateAtWidth = 1e-3;
// Preferences pull at whole replies: far smaller steps go as far. ORPO learns the chosen reply besides.
constexpr double kPreferenceRateAtWidth = 1e-4;
constexpr double kOrpoRateAtWidth = 3e-4;
constexpr double kBeta = 0.1;

int64_t longest_of(const TokenSet& set) {
  size_t longest = 1;
  for (const TokenSequence& sequence : set.sequences) longest = std::max(longest, sequence.tokens.size());
  return static_cast<int64_t>(longest);
}

std::string digest_of(const TokenSet& set) {
  Digest digest(Digest::Kind::kSha256);
  for (const TokenSequence& sequence : set.sequences) {
    digest.update(std::as_bytes(std::span(sequence.tokens)));
    digest.update(std::as_bytes(std::span(sequence.learned)));
  }
  return digest.hex();
}

Json info_of(const NewAdapter& adapter) {
  return {{"rank", adapter.rank}, {"alpha", adapter.alpha},     {"rank_stabilised", adapter.rank_stabilised},
          {"dora", adapter.dora}, {"targets", adapter.targets}, {"seed", adapter.seed}};
}

Result<PreferenceMethod> method_for(DataForm form, std::optional<PreferenceMethod> wanted) {
  const bool pairs = form == DataForm::kPreference;
  const PreferenceMethod method = wanted.value_or(pairs ? PreferenceMethod::kDpo : PreferenceMethod::kKto);
  if (pairs != (method == PreferenceMethod::kKto)) return method;
  return usage_error(fmt::format("{} does not learn from {}", preference_method_name(method), form_name(form)),
                     pairs ? "pairs are for --method dpo or orpo" : "single replies are for --method kto");
}

}  // namespace

Result<std::unique_ptr<Tuner>> Tuner::prepare(const TuneSettings& settings, Dataset dataset) {
  TRY_ASSIGN(ModelHandle model, find_base(settings.base));
  if (!model.config().has_head) {
    return unsupported("is an encoder, which writes no answers", model.name(), "choose another --base");
  }
  TRY_ASSIGN(Tokenizer tokenizer, load_tokenizer(model.description.files));
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  auto tuner = std::unique_ptr<Tuner>(
      new Tuner(settings, std::move(dataset), std::move(model), std::move(tokenizer), std::move(runtime)));
  TRY_ASSIGN(const Renderer renderer, tuner->renderer());
  const DataForm form = tuner->dataset_.form;
  if (form == DataForm::kPreference || form == DataForm::kUnpairedPreference) {
    TRY_ASSIGN(const PreferenceMethod method, method_for(form, settings.preference));
    TRY(tuner->prepare_preferences(renderer, method));
  } else {
    if (settings.preference) {
      return usage_error(fmt::format("{} data holds no preferences", form_name(form)), "leave out --method");
    }
    TRY(tuner->prepare_tokens(renderer));
  }
  return tuner;
}

Result<Renderer> Tuner::renderer() {
  RenderSettings render;
  if (dataset_.form != DataForm::kText) {
    TRY_ASSIGN(chat_template_, load_chat_template(model_, tokenizer_));
    render.chat_template = &*chat_template_;
  }
  render.tokenizer = &tokenizer_;
  render.end_ids = end_tokens(model_, tokenizer_);
  render.system = settings_.system;
  render.max_length = std::min(settings_.length.value_or(kLongest), model_.config().max_positions);
  return Renderer(render);
}

Status Tuner::refuse(const TokenSet& rendered, const Renderer& renderer) const {
  const int64_t length = renderer.settings().max_length;
  TRY(refuse_nothing_to_learn(dataset_.train, rendered));
  TRY(refuse_cut(dataset_.train, rendered, length, settings_.allowed_cuts));
  if (dataset_.form != DataForm::kText) {
    TRY(refuse_masked_end(dataset_.train, rendered, renderer.end_ids(), tokenizer_.special().pad, length));
  }
  return refuse_overlap(dataset_.train, dataset_.test);
}

Status Tuner::prepare_tokens(const Renderer& renderer) {
  ThreadPool& pool = runtime_->context().pool();
  TRY_ASSIGN(TokenSet rendered, renderer.render_all(dataset_.train, dataset_.form, pool));
  TRY_ASSIGN(const TokenSet held_out, renderer.render_all(dataset_.held_out, dataset_.form, pool));
  TRY(refuse(rendered, renderer));
  const auto tokens = static_cast<double>(rendered.tokens());
  choose(tokens, kRateAtWidth);
  plan_.length = std::max(longest_of(rendered), longest_of(held_out));
  plan_.row_length = std::max(plan_.length, kLeastRow);
  plan_.rows_per_step =
      std::max<int64_t>(1, std::llround(tokens_of_a_step(tokens) / static_cast<double>(plan_.row_length)));
  lessons_ = std::make_unique<TokenLessons>(
      TokenFeed(std::move(rendered), plan_.row_length, plan_.rows_per_step, plan_.epochs, settings_.seed), held_out,
      plan_.row_length);
  choose_schedule();
  return ok_status();
}

Status Tuner::prepare_preferences(const Renderer& renderer, PreferenceMethod method) {
  ThreadPool& pool = runtime_->context().pool();
  TRY_ASSIGN(Preferences train, render_preferences(dataset_.train, method, renderer, pool));
  TRY_ASSIGN(Preferences held_out, render_preferences(dataset_.held_out, method, renderer, pool));
  TRY(refuse(train.replies, renderer));
  const auto tokens = static_cast<double>(train.replies.tokens());
  choose(tokens, method == PreferenceMethod::kOrpo ? kOrpoRateAtWidth : kPreferenceRateAtWidth);
  plan_.method = method;
  plan_.beta = settings_.beta.value_or(kBeta);
  plan_.length = std::max(longest_of(train.replies), longest_of(held_out.replies));
  plan_.row_length = std::max(2 * plan_.length, kLeastRow);
  const double tokens_of_a_pair = tokens / static_cast<double>(train.pairs());
  plan_.pairs_per_step = std::max<int64_t>(1, std::llround(tokens_of_a_step(tokens) / tokens_of_a_pair));
  lessons_ = std::make_unique<PreferenceLessons>(std::move(train), std::move(held_out),
                                                 PreferenceLessons::Settings{.method = method,
                                                                             .beta = plan_.beta,
                                                                             .row_length = plan_.row_length,
                                                                             .pairs_per_step = plan_.pairs_per_step,
                                                                             .epochs = plan_.epochs,
                                                                             .seed = settings_.seed});
  choose_schedule();
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
  plan_.bfloat16 = runtime_->context().kernels().matmul_bf16 != nullptr;
}

void Tuner::choose_schedule() {
  plan_.steps = lessons_->steps();
  constexpr int64_t kWarmupPart = 20;
  plan_.warmup_steps = std::max<int64_t>(1, plan_.steps / kWarmupPart);
  if (lessons_->holds_out()) plan_.evaluate_every = std::max<int64_t>(1, (lessons_->steps_of_first_epoch() + 1) / 2);
}

Json Tuner::info() const {
  Json info = {{"kind", "adapter"},
               {"base", lasting_name(model_)},
               {"base_file", model_.stored.path.string()},
               {"form", form_name(dataset_.form)},
               {"samples", dataset_.train.size()},
               {"held_out_samples", dataset_.held_out.size()},
               {"tokens", train_set().tokens()},
               {"learned_tokens", train_set().learned()},
               {"data_sha256", digest_of(train_set())},
               {"system", settings_.system},
               {"adapter", info_of(settings_.adapter)},
               {"rate", plan_.rate},
               {"epochs", plan_.epochs},
               {"row_length", plan_.row_length},
               {"rows_per_step", plan_.rows_per_step},
               {"steps", plan_.steps},
               {"warmup_steps", plan_.warmup_steps},
               {"evaluate_every", plan_.evaluate_every},
               {"seed", settings_.seed},
               {"instruction_set", std::string(runtime_->isa())},
               {"products", plan_.bfloat16 ? "bfloat16" : "float32"}};
  if (plan_.method) {
    info["preference"] = preference_method_name(*plan_.method);
    info["pairs_per_step"] = plan_.pairs_per_step;
    info["beta"] = plan_.beta;
  }
  return info;
}

std::string Tuner::preview(size_t count, bool colour) const {
  const std::vector<TokenSequence>& all = train_set().sequences;
  std::string text;
  for (size_t i = 0; i < std::min(count, all.size()); ++i) {
    text += fmt::format("— {} —\n", dataset_.train[all[i].sample].place);
    text += linnet::preview(all[i], tokenizer_, colour);
  }
  return text;
}

Result<Tuner::Taught> Tuner::run(const RunVersion& version, bool resume, const Hooks& hooks) {
  Context& ctx = runtime_->context();
  TRY_ASSIGN(Transformer transformer, load_weights(model_, *runtime_, plan_.row_length));
  TRY_ASSIGN(Adapter adapter, new_adapter(transformer, settings_.adapter));
  adapter.base = model_.name();
  TRY(attach_adapter(transformer, adapter));
  begin_teaching(ctx, transformer, plan_.bfloat16);
  TrainerConfig config;
  config.schedule = {.kind = ScheduleKind::kCosine,
                     .rate = static_cast<float>(plan_.rate),
                     .steps = plan_.steps,
                     .warmup_steps = plan_.warmup_steps};
  Trainer trainer(ctx, train_adapters(transformer), config);
  TRY(lessons_->begin(ctx, transformer));
  RunLog log(version);
  LoopHooks loop;
  loop.parts = [&](int64_t step) {
    log.begin_step();
    return lessons_->parts(ctx, transformer, step);
  };
  loop.evaluate = [&]() -> Result<double> {
    log.end_step();
    TRY_ASSIGN(const Lessons::HeldOut held_out, lessons_->held_out(ctx, transformer));
    return held_out.loss;
  };
  loop.report = [&](const StepReport& step, std::optional<double> held) -> Status {
    TRY(log.step(step, held, token_count(lessons_->batches())));
    if (hooks.report) hooks.report(step, held);
    return held ? log.write_report() : ok_status();
  };
  loop.keep_batch = [&](const StepReport& step) { return log.keep_batch(step.step, lessons_->batches(), tokenizer_); };
  loop.cancel = hooks.cancel;
  constexpr int64_t kCheckpoints = 10;  // at least so many in a run
  constexpr int64_t kPatience = 4;
  const LoopConfig loop_config{.folder = version.folder,
                               .steps = plan_.steps,
                               .checkpoint_every = std::max<int64_t>(1, plan_.steps / kCheckpoints),
                               .evaluate_every = plan_.evaluate_every,
                               .patience = kPatience};
  Taught taught;
  TRY_ASSIGN(taught.loop, run_loop(trainer, loop_config, loop, resume));
  if (plan_.method && lessons_->holds_out()) {
    TRY_ASSIGN(const Lessons::HeldOut held_out, lessons_->held_out(ctx, transformer));
    taught.right = held_out.right;
  }
  TRY(write_adapter(adapter, transformer.table(), "CAUSAL_LM", version.folder / kAdapterFolder));
  TRY(log.write_report());
  return taught;
}

}  // namespace linnet
