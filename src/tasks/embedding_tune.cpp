#include "tasks/embedding_tune.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/json.hpp"
#include "data/refuse.hpp"
#include "hub/digest.hpp"
#include "tasks/pair_lessons.hpp"
#include "text/jinja/pystr.hpp"
#include "train/parameters.hpp"

namespace linnet {

namespace {

constexpr int64_t kPairsPerStep = 32;
constexpr int64_t kLongestText = 128;    // tokens: what stands behind them says little about which is meant
constexpr double kPairsOfARun = 40'000;  // that are shown in all, about
constexpr int64_t kMostEpochs = 10;
constexpr int64_t kWarmupPart = 10;  // of the steps
constexpr int64_t kEvaluationsPerEpoch = 2;
constexpr double kEncoderRate = 3e-4;
constexpr double kWriterRate = 1e-4;  // of models that write: they have more to unlearn

std::string digest_of(const TextPairs& pairs) {
  Digest digest(Digest::Kind::kSha256);
  const std::string text = dump_json(Json{pairs.first, pairs.second});
  digest.update(std::as_bytes(std::span(text)));
  return digest.hex();
}

bool has_pairs(DataForm form) {
  switch (form) {
    case DataForm::kQuestionAnswer:
    case DataForm::kTestList:
    case DataForm::kPromptCompletion:
    case DataForm::kSummary:
      return true;
    default:
      return false;
  }
}

// Nats of a pair, in the steps that one epoch would make.
Result<double> mean_loss(Context& ctx, const Embedder& embedder, const TokenPairs& pairs, int64_t pairs_per_step,
                         uint64_t seed, const CancelToken* cancel) {
  const int64_t size = std::min(pairs_per_step, static_cast<int64_t>(pairs.size()));
  const int64_t steps = static_cast<int64_t>(pairs.size()) / size;
  double sum = 0;
  for (int64_t step = 0; step < steps; ++step) {
    if (cancel) TRY(cancel->check());
    TRY_ASSIGN(const Tensor loss, pair_loss(ctx, embedder, pairs, pairs_of_step(pairs, size, step, seed)));
    sum += static_cast<double>(loss.data<float>()[0]);
  }
  return sum / static_cast<double>(steps);
}

float dot(std::span<const float> a, std::span<const float> b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

Result<TextPairs> text_pairs(const std::vector<Sample>& samples) {
  TextPairs pairs;
  for (const Sample& sample : samples) {
    if (!sample.has_answer) continue;
    pairs.first.emplace_back(jinja::strip_space(phrasing_of(sample), true, true));
    pairs.second.emplace_back(jinja::strip_space(answer_of(sample), true, true));
    if (pairs.first.back().empty() || pairs.second.back().empty()) {
      return invalid("one of the two texts is empty", sample.place, "a pair is two texts that belong together");
    }
  }
  return pairs;
}

Result<Retrieval> measure_retrieval(const TextPairs& pairs, const Embedder& embedder, const CancelToken* cancel) {
  Retrieval result;
  if (pairs.size() == 0) return result;
  std::vector<std::string> partners = pairs.second;
  std::sort(partners.begin(), partners.end());
  partners.erase(std::unique(partners.begin(), partners.end()), partners.end());
  TRY_ASSIGN(const Tensor queries, embedder.embed(pairs.first, TooLong::kCut));
  if (cancel) TRY(cancel->check());
  TRY_ASSIGN(const Tensor candidates, embedder.embed(partners, TooLong::kCut));
  const auto width = static_cast<size_t>(queries.dim(1));
  const auto row = [&](const Tensor& x, size_t i) { return x.span<float>().subspan(i * width, width); };
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (cancel) TRY(cancel->check());
    const auto right =
        static_cast<size_t>(std::lower_bound(partners.begin(), partners.end(), pairs.second[i]) - partners.begin());
    const float nearness = dot(row(queries, i), row(candidates, right));
    int64_t rank = 1;
    for (size_t k = 0; k < partners.size(); ++k) {
      if (k != right && dot(row(queries, i), row(candidates, k)) >= nearness) ++rank;
    }
    result.first += rank == 1 ? 1 : 0;
    result.among_ten += rank <= 10 ? 1 : 0;
    result.reciprocal += 1.0 / static_cast<double>(rank);
  }
  result.texts = static_cast<int64_t>(pairs.size());
  for (double* share : {&result.first, &result.among_ten, &result.reciprocal}) {
    *share /= static_cast<double>(result.texts);
  }
  return result;
}

Status check_has_pairs(const Dataset& dataset) {
  if (has_pairs(dataset.form)) return ok_status();
  return usage_error(
      fmt::format("{} are no pairs of texts", form_name(dataset.form)),
      "--method contrastive learns from question and answer, prompt and completion, document and summary");
}

Result<std::unique_ptr<EmbeddingTuner>> EmbeddingTuner::prepare(const EmbeddingSettings& settings,
                                                                const Dataset& dataset) {
  TRY(check_has_pairs(dataset));
  TRY(refuse_overlap(dataset.train, dataset.test));
  TRY_ASSIGN(ModelHandle model, find_base(settings.base));
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  auto tuner = std::unique_ptr<EmbeddingTuner>(new EmbeddingTuner(settings, std::move(model), std::move(runtime)));
  TRY(tuner->read(dataset));
  tuner->choose();
  return tuner;
}

Status EmbeddingTuner::read(const Dataset& dataset) {
  TRY_ASSIGN(train_, text_pairs(dataset.train));
  TRY_ASSIGN(held_out_, text_pairs(dataset.held_out));
  TRY_ASSIGN(test_, text_pairs(dataset.test));
  if (train_.size() >= 2) return ok_status();
  return invalid(fmt::format("{} pairs to learn from are too few", train_.size()), {},
                 "each is told from the others, so there must be some");
}

void EmbeddingTuner::choose() {
  const auto count = static_cast<int64_t>(train_.size());
  plan_.rate = settings_.rate.value_or(model_.config().has_head ? kWriterRate : kEncoderRate);
  plan_.epochs = settings_.epochs.value_or(std::clamp<int64_t>(
      static_cast<int64_t>(std::llround(kPairsOfARun / static_cast<double>(count))), 1, kMostEpochs));
  plan_.length = std::min(settings_.length.value_or(kLongestText), model_.config().max_positions);
  plan_.pairs_per_step = std::clamp<int64_t>(settings_.pairs.value_or(kPairsPerStep), 2, count);
  const int64_t steps_of_an_epoch = count / plan_.pairs_per_step;
  plan_.steps = plan_.epochs * steps_of_an_epoch;
  plan_.warmup_steps = plan_.steps / kWarmupPart;
  plan_.evaluate_every = held_out_.size() < 2 ? 0 : std::max<int64_t>(1, steps_of_an_epoch / kEvaluationsPerEpoch);
  bfloat16_ = runtime_->context().kernels().bf16.matmul != nullptr;
}

Json EmbeddingTuner::info() const {
  return {{"kind", "embedding"},
          {"base", lasting_name(model_)},
          {"pairs", train_.size()},
          {"held_out", held_out_.size()},
          {"data_sha256", digest_of(train_)},
          {"rank", settings_.adapter.rank},
          {"alpha", settings_.adapter.alpha},
          {"rank_stabilised", settings_.adapter.rank_stabilised},
          {"dora", settings_.adapter.dora},
          {"targets", settings_.adapter.targets},
          {"rate", plan_.rate},
          {"epochs", plan_.epochs},
          {"length", plan_.length},
          {"pairs_per_step", plan_.pairs_per_step},
          {"steps", plan_.steps},
          {"seed", settings_.seed},
          {"instruction_set", std::string(runtime_->isa())},
          {"products", bfloat16_ ? "bfloat16" : "float32"}};
}

Result<EmbeddingTuner::Taught> EmbeddingTuner::run(const RunVersion& version, bool resume, const TeachingHooks& hooks) {
  TRY_ASSIGN(Embedder embedder, Embedder::load(model_, *runtime_, plan_.length));
  Taught taught;
  TRY_ASSIGN(taught.before, measure_retrieval(measured(), embedder, hooks.cancel));
  TRY_ASSIGN(Adapter adapter, new_adapter(embedder.transformer(), settings_.adapter));
  adapter.base = model_.name();
  TRY(attach_adapter(embedder.transformer(), adapter));
  TRY_ASSIGN(taught.loop, teach(embedder, version, resume, hooks));
  TRY_ASSIGN(taught.after, measure_retrieval(measured(), embedder, hooks.cancel));
  TRY(write_adapter(adapter, embedder.transformer().table(), "FEATURE_EXTRACTION", version.folder / kAdapterFolder));
  return taught;
}

Result<LoopResult> EmbeddingTuner::teach(Embedder& embedder, const RunVersion& version, bool resume,
                                         const TeachingHooks& hooks) {
  Context& ctx = runtime_->context();
  TRY_ASSIGN(const TokenPairs train, token_pairs(embedder, train_.first, train_.second));
  TRY_ASSIGN(const TokenPairs held_out, token_pairs(embedder, held_out_.first, held_out_.second));
  EncoderLesson lesson;
  lesson.schedule = {.kind = ScheduleKind::kLinear,
                     .rate = static_cast<float>(plan_.rate),
                     .steps = plan_.steps,
                     .warmup_steps = plan_.warmup_steps};
  lesson.bfloat16 = bfloat16_;
  lesson.loss = [&](int64_t step) {
    return pair_loss(ctx, embedder, train, pairs_of_step(train, plan_.pairs_per_step, step, settings_.seed));
  };
  lesson.held_out = [&]() -> Result<Evaluation> {
    TRY_ASSIGN(const double loss,
               mean_loss(ctx, embedder, held_out, plan_.pairs_per_step, settings_.seed, hooks.cancel));
    return Evaluation{loss};
  };
  lesson.evaluate_every = plan_.evaluate_every;
  lesson.evaluation_in_steps = static_cast<double>(held_out_.size()) / static_cast<double>(plan_.pairs_per_step);
  return teach_encoder(ctx, embedder.transformer(), train_adapters(embedder.transformer()), lesson, version, resume,
                       hooks);
}

}  // namespace linnet
