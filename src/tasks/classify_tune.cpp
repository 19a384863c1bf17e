#include "tasks/classify_tune.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/core.h>
#include <set>

#include "base/check.hpp"
#include "base/json.hpp"
#include "data/refuse.hpp"
#include "eval/classification.hpp"
#include "hub/digest.hpp"
#include "ops/loss.hpp"
#include "text/jinja/pystr.hpp"
#include "train/parameters.hpp"

namespace linnet {

namespace {

constexpr int64_t kTextsPerStep = 32;
// Few texts are seen often, many a few times: about this many in all.
constexpr double kTextsOfARun = 40'000;
constexpr int64_t kLeastEpochs = 3;
constexpr int64_t kMostEpochs = 20;
constexpr int64_t kWarmupPart = 10;  // of the steps
constexpr int64_t kEvaluationsPerEpoch = 2;
constexpr double kRate = 1e-3;
constexpr float kFirstScale = 10;  // of the cosines to the centroids, which are the first logits

std::string stripped(std::string_view text) {
  return std::string(jinja::strip_space(text, true, true));
}

std::string digest_of(const std::vector<std::string>& labels, const LabelledTexts& train,
                      const LabelledTexts& held_out) {
  Digest digest(Digest::Kind::kSha256);
  const Json all = {labels, train.texts, train.classes, held_out.texts, held_out.classes};
  const std::string text = dump_json(all);
  digest.update(std::as_bytes(std::span(text)));
  return digest.hex();
}

Result<LabelledTexts> labelled_texts(const std::vector<Sample>& samples, const std::vector<std::string>& labels) {
  LabelledTexts out;
  for (const Sample& sample : samples) {
    if (stripped(sample.text).empty()) return invalid("the text is empty", sample.place);
    if (stripped(sample.label).empty()) return invalid("the label is empty", sample.place);
    const auto found = std::lower_bound(labels.begin(), labels.end(), stripped(sample.label));
    if (found == labels.end() || *found != stripped(sample.label)) {
      return invalid(fmt::format("the label \"{}\" does not stand in what is learned from", stripped(sample.label)),
                     sample.place, "a test has the labels of the training data");
    }
    out.texts.push_back(sample.text);
    out.classes.push_back(static_cast<int32_t>(found - labels.begin()));
  }
  return out;
}

// The texts of a step, by its number alone: each once in an epoch, in another order each time. What does not fill a
// step is left out of that epoch.
std::vector<uint32_t> texts_of_step(const LabelledTexts& train, int64_t texts_per_step, int64_t step, uint64_t seed) {
  const int64_t steps_of_an_epoch = static_cast<int64_t>(train.size()) / texts_per_step;
  const std::vector<uint32_t> order = shuffled(train.size(), seed, static_cast<uint64_t>(step / steps_of_an_epoch));
  const auto begin = order.begin() + step % steps_of_an_epoch * texts_per_step;
  return {begin, begin + texts_per_step};
}

// What an encoder and a head are taught with.
class LabelLosses {
 public:
  LabelLosses(Context& ctx, const Embedder& embedder, const LabelHead& head)
      : ctx_(ctx), embedder_(embedder), head_(head) {}

  Result<Tensor> loss(const std::vector<std::vector<int32_t>>& tokens, std::span<const int32_t> classes) const {
    TRY_ASSIGN(const Tensor logits, logits_of(tokens));
    return ops::cross_entropy(ctx_, logits, classes);
  }

  // Nats a text over all of them, accuracy and macro F1.
  Result<Evaluation> evaluate(const std::vector<std::vector<int32_t>>& tokens, std::span<const int32_t> classes,
                              const CancelToken* cancel) const {
    constexpr size_t kTexts = 64;
    double sum = 0;
    std::vector<Labelled> labelled;
    for (size_t begin = 0; begin < tokens.size(); begin += kTexts) {
      if (cancel) TRY(cancel->check());
      const size_t end = std::min(tokens.size(), begin + kTexts);
      const std::span<const int32_t> gold = classes.subspan(begin, end - begin);
      TRY_ASSIGN(const Tensor logits, logits_of(std::span(tokens).subspan(begin, end - begin)));
      const Tensor part = ops::cross_entropy(ctx_, logits, gold);
      sum += static_cast<double>(part.data<float>()[0]) * static_cast<double>(end - begin);
      for (size_t i = 0; i < gold.size(); ++i) labelled.push_back({gold[i], likeliest_of(logits, i)});
    }
    const auto labels = static_cast<size_t>(head_.labels().size());
    return Evaluation{
        sum / static_cast<double>(tokens.size()),
        {{"accuracy", accuracy_metric(labelled).value()}, {"macro_f1", macro_f1_metric(labelled, labels).value()}}};
  }

 private:
  // (S, labels)
  Result<Tensor> logits_of(std::span<const std::vector<int32_t>> tokens) const {
    TRY_ASSIGN(const Tensor vectors, label_vectors(ctx_, embedder_, tokens));
    return head_.logits(ctx_, vectors);
  }

  static int32_t likeliest_of(const Tensor& logits, size_t row) {
    const auto labels = static_cast<size_t>(logits.dim(1));
    const std::span<const float> of_row = logits.span<float>().subspan(row * labels, labels);
    return static_cast<int32_t>(std::ranges::max_element(of_row) - of_row.begin());
  }

  Context& ctx_;
  const Embedder& embedder_;
  const LabelHead& head_;
};

}  // namespace

bool is_classification(const Dataset& dataset) {
  return dataset.form == DataForm::kLabels;
}

Status check_classification(const Dataset& dataset) {
  if (is_classification(dataset)) return ok_status();
  return usage_error(fmt::format("{} are not sorted into classes", form_name(dataset.form)),
                     "labelled texts have the columns text and label");
}

Result<std::unique_ptr<ClassifyTuner>> ClassifyTuner::prepare(const ClassifySettings& settings,
                                                              const Dataset& dataset) {
  TRY(check_classification(dataset));
  TRY(refuse_overlap(dataset.train, dataset.test));
  TRY(refuse_overlap(dataset.held_out, dataset.test));
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  auto tuner = std::unique_ptr<ClassifyTuner>(new ClassifyTuner(settings, std::move(runtime)));
  TRY(tuner->read(dataset));
  if (!settings.words_only) {
    TRY_ASSIGN(ModelHandle encoder, find_base(settings.encoder));
    if (encoder.config().has_head) {
      return unsupported("writes text, and does not encode it", encoder.name(), "choose another --encoder");
    }
    tuner->encoder_ = std::move(encoder);
    tuner->choose();
  }
  return tuner;
}

Status ClassifyTuner::read(const Dataset& dataset) {
  TRY(refuse_one_label(dataset.train));
  std::set<std::string> labels;
  for (const Sample& sample : dataset.train) labels.insert(stripped(sample.label));
  for (const Sample& sample : dataset.held_out) labels.insert(stripped(sample.label));
  if (labels.size() < 2 || labels.size() > kMostLabels) {
    return invalid(fmt::format("there are {} different labels", labels.size()), {},
                   fmt::format("texts are sorted into 2 to {} classes", kMostLabels));
  }
  labels_.assign(labels.begin(), labels.end());
  TRY_ASSIGN(train_, labelled_texts(dataset.train, labels_));
  TRY_ASSIGN(held_out_, labelled_texts(dataset.held_out, labels_));
  TRY_ASSIGN(test_, labelled_texts(dataset.test, labels_));
  return ok_status();
}

void ClassifyTuner::choose() {
  const auto count = static_cast<int64_t>(train_.size());
  plan_.rate = settings_.rate.value_or(kRate);
  plan_.epochs = settings_.epochs.value_or(std::clamp(
      static_cast<int64_t>(std::llround(kTextsOfARun / static_cast<double>(count))), kLeastEpochs, kMostEpochs));
  plan_.texts_per_step = std::min(count, kTextsPerStep);
  const int64_t steps_of_an_epoch = count / plan_.texts_per_step;
  plan_.steps = plan_.epochs * steps_of_an_epoch;
  plan_.warmup_steps = plan_.steps / kWarmupPart;
  plan_.evaluate_every = held_out_.texts.empty() ? 0 : std::max<int64_t>(1, steps_of_an_epoch / kEvaluationsPerEpoch);
  bfloat16_ = runtime_->context().kernels().bf16.matmul != nullptr;
}

int32_t ClassifyTuner::most_frequent() const {
  std::vector<size_t> counts(labels_.size());
  for (const int32_t label : train_.classes) ++counts[static_cast<size_t>(label)];
  return static_cast<int32_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

Json ClassifyTuner::info() const {
  Json info = {{"kind", "classifier"},
               {"method", settings_.words_only ? "words" : "encoder"},
               {"base", encoder_ ? lasting_name(*encoder_) : "words"},
               {"labels", labels_.size()},
               {"texts", train_.size()},
               {"held_out", held_out_.size()},
               {"data_sha256", digest_of(labels_, train_, held_out_)},
               {"seed", settings_.seed},
               {"instruction_set", std::string(runtime_->isa())}};
  if (!encoder_) return info;
  info["rank"] = settings_.adapter.rank;
  info["alpha"] = settings_.adapter.alpha;
  info["rank_stabilised"] = settings_.adapter.rank_stabilised;
  info["dora"] = settings_.adapter.dora;
  info["targets"] = settings_.adapter.targets;
  info["rate"] = plan_.rate;
  info["epochs"] = plan_.epochs;
  info["steps"] = plan_.steps;
  info["texts_per_step"] = plan_.texts_per_step;
  info["products"] = bfloat16_ ? "bfloat16" : "float32";
  return info;
}

Result<LoopResult> ClassifyTuner::run(const RunVersion& version, bool resume, const TeachingHooks& hooks) {
  LoopResult result;
  if (encoder_) {
    TRY_ASSIGN(result, teach(version, resume, hooks));
  }
  TRY_ASSIGN(const WordClassifier words,
             WordClassifier::fit(runtime_->context().pool(), train_.texts, train_.classes, labels_, hooks.cancel));
  TRY(words.save(version.folder / kWordsFile));
  return result;
}

Result<LoopResult> ClassifyTuner::teach(const RunVersion& version, bool resume, const TeachingHooks& hooks) {
  CHECK(encoder_.has_value());
  Context& ctx = runtime_->context();
  TRY_ASSIGN(Embedder embedder, Embedder::load(*encoder_, *runtime_, kClassifierTokens));
  TRY_ASSIGN(const Tensor vectors, label_vectors(ctx, embedder, train_.texts, hooks.cancel));
  LabelHead head = LabelHead::nearest_centroid(labels_, vectors, train_.classes, kFirstScale);
  TRY(head.save(version.folder / kUntaughtFile));
  TRY_ASSIGN(Adapter adapter, new_adapter(embedder.transformer(), settings_.adapter));
  adapter.base = encoder_->name();
  TRY(attach_adapter(embedder.transformer(), adapter));
  std::vector<Parameter> parameters = train_adapters(embedder.transformer());
  for (Parameter& parameter : head.parameters()) parameters.push_back(std::move(parameter));
  TRY_ASSIGN(const auto tokens, embedder.encode(train_.texts, TooLong::kCut));
  TRY_ASSIGN(const auto held_out_tokens, embedder.encode(held_out_.texts, TooLong::kCut));
  const LabelLosses losses(ctx, embedder, head);
  EncoderLesson lesson;
  lesson.schedule = {.kind = ScheduleKind::kLinear,
                     .rate = static_cast<float>(plan_.rate),
                     .steps = plan_.steps,
                     .warmup_steps = plan_.warmup_steps};
  lesson.bfloat16 = bfloat16_;
  lesson.loss = [&](int64_t step) {
    std::vector<std::vector<int32_t>> texts;
    std::vector<int32_t> classes;
    for (const uint32_t i : texts_of_step(train_, plan_.texts_per_step, step, settings_.seed)) {
      texts.push_back(tokens[i]);
      classes.push_back(train_.classes[i]);
    }
    return losses.loss(texts, classes);
  };
  lesson.held_out = [&] { return losses.evaluate(held_out_tokens, held_out_.classes, hooks.cancel); };
  lesson.evaluate_every = plan_.evaluate_every;
  lesson.evaluation_in_steps = static_cast<double>(held_out_.size()) / static_cast<double>(plan_.texts_per_step);
  TRY_ASSIGN(const LoopResult result,
             teach_encoder(ctx, embedder.transformer(), std::move(parameters), lesson, version, resume, hooks));
  TRY(head.save(version.folder / kHeadFile));
  // A run that was killed after this was written, and goes on.
  std::error_code ignored;
  std::filesystem::remove_all(version.folder / kClassifierEncoderFolder, ignored);
  TRY(write_adapter(adapter, embedder.transformer().table(), "FEATURE_EXTRACTION",
                    version.folder / kClassifierEncoderFolder));
  return result;
}

}  // namespace linnet
