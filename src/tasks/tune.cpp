#include "tasks/tune.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/file.hpp"
#include "data/preview.hpp"
#include "data/refuse.hpp"
#include "hub/digest.hpp"
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
constexpr double kRateAtWidth = 1e-3;
constexpr double kWidth = 576;

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
  TRY_ASSIGN(TokenSet rendered, tuner->render());
  tuner->choose(std::move(rendered));
  return tuner;
}

Result<TokenSet> Tuner::render() {
  if (dataset_.form == DataForm::kPreference || dataset_.form == DataForm::kUnpairedPreference) {
    return unsupported(fmt::format("{} data is read, but not yet taught from", form_name(dataset_.form)), {},
                       "give conversations, questions with answers, or text");
  }
  RenderSettings render;
  std::optional<ChatTemplate> chat_template;
  if (dataset_.form != DataForm::kText) {
    TRY_ASSIGN(chat_template, load_chat_template(model_, tokenizer_));
    render.chat_template = &*chat_template;
  }
  render.tokenizer = &tokenizer_;
  render.end_ids = end_tokens(model_, tokenizer_);
  render.system = settings_.system;
  render.max_length = std::min(settings_.length.value_or(kLongest), model_.config().max_positions);
  const Renderer renderer(render);
  TRY_ASSIGN(TokenSet rendered, renderer.render_all(dataset_.train, dataset_.form, runtime_->context().pool()));
  TRY_ASSIGN(held_out_, renderer.render_all(dataset_.held_out, dataset_.form, runtime_->context().pool()));
  TRY(refuse_nothing_to_learn(dataset_.train, rendered));
  TRY(refuse_cut(dataset_.train, rendered, render.max_length, settings_.allowed_cuts));
  if (dataset_.form != DataForm::kText) {
    TRY(refuse_masked_end(dataset_.train, rendered, renderer.end_ids(), tokenizer_.special().pad, render.max_length));
  }
  TRY(refuse_overlap(dataset_.train, dataset_.test));
  return rendered;
}

void Tuner::choose(TokenSet rendered) {
  const auto tokens = static_cast<double>(rendered.tokens());
  plan_.length = std::max(longest_of(rendered), longest_of(held_out_));
  plan_.row_length = std::max(plan_.length, kLeastRow);
  plan_.rate =
      settings_.rate.value_or(kRateAtWidth * std::sqrt(kWidth / static_cast<double>(model_.config().hidden_size)));
  plan_.epochs = settings_.epochs.value_or(std::clamp<int64_t>(std::llround(kTokensOfARun / tokens), 1, kMostEpochs));
  // A step of about a twentieth of an epoch, up to 4096 tokens.
  constexpr double kStepsOfAnEpoch = 20;
  constexpr double kMostTokensOfAStep = 4096;
  const double batch =
      settings_.batch ? static_cast<double>(*settings_.batch) : std::min(tokens / kStepsOfAnEpoch, kMostTokensOfAStep);
  plan_.rows_per_step = std::max<int64_t>(1, std::llround(batch / static_cast<double>(plan_.row_length)));
  plan_.bfloat16 = runtime_->context().kernels().matmul_bf16 != nullptr;
  feed_ = std::make_unique<TokenFeed>(std::move(rendered), plan_.row_length, plan_.rows_per_step, plan_.epochs,
                                      settings_.seed);
  plan_.steps = feed_->steps();
  constexpr int64_t kWarmupPart = 20;
  plan_.warmup_steps = std::max<int64_t>(1, plan_.steps / kWarmupPart);
  if (!held_out_.sequences.empty())
    plan_.evaluate_every = std::max<int64_t>(1, (feed_->steps_of_first_epoch() + 1) / 2);
}

Json Tuner::info() const {
  return {{"kind", "adapter"},
          {"base", lasting_name(model_)},
          {"base_file", model_.stored.path.string()},
          {"form", form_name(dataset_.form)},
          {"samples", dataset_.train.size()},
          {"held_out_samples", dataset_.held_out.size()},
          {"tokens", feed_->set().tokens()},
          {"learned_tokens", feed_->set().learned()},
          {"data_sha256", digest_of(feed_->set())},
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
}

std::string Tuner::preview(size_t count, bool colour) const {
  const std::vector<TokenSequence>& all = feed_->set().sequences;
  std::string text;
  for (size_t i = 0; i < std::min(count, all.size()); ++i) {
    text += fmt::format("— {} —\n", dataset_.train[all[i].sample].place);
    text += linnet::preview(all[i], tokenizer_, colour);
  }
  return text;
}

Result<LoopResult> Tuner::run(const RunVersion& version, bool resume, const Hooks& hooks) {
  Context& ctx = runtime_->context();
  TRY_ASSIGN(Transformer transformer, load_weights(model_, *runtime_, plan_.row_length));
  TRY_ASSIGN(Adapter adapter, new_adapter(transformer, settings_.adapter));
  adapter.base = model_.name();
  TRY(attach_adapter(transformer, adapter));
  ctx.set_compute(plan_.bfloat16 ? DType::kBF16 : DType::kF32);
  TrainerConfig config;
  config.schedule = {.kind = ScheduleKind::kCosine,
                     .rate = static_cast<float>(plan_.rate),
                     .steps = plan_.steps,
                     .warmup_steps = plan_.warmup_steps};
  Trainer trainer(ctx, train_adapters(transformer), config);
  const std::vector<TokenBatch> held_out = TokenFeed::all(held_out_, plan_.row_length);
  std::vector<TokenBatch> batches;  // of the step that runs
  LoopHooks loop;
  loop.parts = [&](int64_t step) -> Result<std::vector<PartLoss>> {
    batches = feed_->batches(step);
    return token_losses(ctx, transformer, batches);
  };
  loop.evaluate = [&] { return mean_token_loss(ctx, transformer, held_out); };
  loop.report = hooks.report;
  loop.cancel = hooks.cancel;
  constexpr int64_t kCheckpoints = 10;  // at least so many in a run
  constexpr int64_t kPatience = 4;
  const LoopConfig loop_config{.folder = version.folder,
                               .steps = plan_.steps,
                               .checkpoint_every = std::max<int64_t>(1, plan_.steps / kCheckpoints),
                               .evaluate_every = plan_.evaluate_every,
                               .patience = kPatience};
  TRY_ASSIGN(const LoopResult result, run_loop(trainer, loop_config, loop, resume));
  TRY(write_adapter(adapter, transformer.table(), "CAUSAL_LM", version.folder / kAdapterFolder));
  return result;
}

}  // namespace linnet
