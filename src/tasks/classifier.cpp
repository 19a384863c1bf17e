#include "tasks/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/check.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "models/text_vectors.hpp"
#include "tasks/run_store.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

constexpr const char* kAnswersBy = "answers_by";
constexpr size_t kTexts = 64;  // together: enough to use each weight often

LabelChances log_softmax(std::span<const float> logits) {
  const double highest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  LabelChances chances;
  for (const float logit : logits) chances.push_back(static_cast<double>(logit) - highest - std::log(sum));
  return chances;
}

Status check_text(const std::string& text) {
  if (!jinja::strip_space(text, true, true).empty()) return ok_status();
  return invalid("the text is empty");
}

}  // namespace

std::string_view classifier_kind_name(ClassifierKind kind) {
  switch (kind) {
    case ClassifierKind::kEncoder:
      return "encoder";
    case ClassifierKind::kUntaught:
      return "untaught";
    case ClassifierKind::kWords:
      return "words";
  }
  return "";
}

Result<ClassifierKind> answering_kind(const std::filesystem::path& folder) {
  const std::string place = (folder / kClassifierFile).string();
  TRY_ASSIGN(const Json json, read_json_file(place));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  TRY_ASSIGN(const std::string name, object.string(kAnswersBy));
  for (const ClassifierKind kind : {ClassifierKind::kEncoder, ClassifierKind::kWords}) {
    if (name == classifier_kind_name(kind)) return kind;
  }
  return invalid(fmt::format("{} is \"{}\", which is neither encoder nor words", kAnswersBy, name), place);
}

Status set_answering(const std::filesystem::path& folder, ClassifierKind kind) {
  const Json json = {{kAnswersBy, std::string(classifier_kind_name(kind))}};
  return write_file(folder / kClassifierFile, dump_json(json, 2) + "\n");
}

Result<Tensor> label_vectors(Context& ctx, const Embedder& embedder, std::span<const std::vector<int32_t>> texts) {
  TRY_ASSIGN(const Tensor means, text_vectors(ctx, embedder.transformer(), texts, ops::Pooling::kMean, false));
  return normal_rows(ctx, means);
}

Result<Tensor> label_vectors(Context& ctx, const Embedder& embedder, std::span<const std::string> texts,
                             const CancelToken* cancel) {
  const int64_t width = embedder.transformer().config().hidden_size;
  Tensor vectors = Tensor::empty(DType::kF32, {static_cast<int64_t>(texts.size()), width});
  for (size_t begin = 0; begin < texts.size(); begin += kTexts) {
    if (cancel) TRY(cancel->check());
    std::vector<std::vector<int32_t>> tokens;
    for (const std::string& text : texts.subspan(begin, std::min(kTexts, texts.size() - begin))) {
      TRY_ASSIGN(tokens.emplace_back(), embedder.encode(text, TooLong::kCut));
    }
    TRY_ASSIGN(const Tensor part, label_vectors(ctx, embedder, tokens));
    std::copy_n(part.data<float>(), part.elements(), vectors.data<float>() + static_cast<int64_t>(begin) * width);
  }
  return vectors;
}

Result<ModelHandle> classifier_encoder(const std::filesystem::path& folder, bool untaught) {
  const std::string place = (folder / "run.json").string();
  TRY_ASSIGN(const Json json, read_json_file(place));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  TRY_ASSIGN(const std::string method, object.string("method"));
  if (method == "words") return unsupported("has weighted words, and no encoder", place);
  TRY_ASSIGN(const std::string name, object.string("base"));
  TRY_ASSIGN(ModelHandle model, find_model(name));
  if (!untaught) model.adapters.push_back((folder / kClassifierEncoderFolder).string());
  return model;
}

Result<std::unique_ptr<Classifier>> Classifier::open(const std::filesystem::path& folder, int threads,
                                                     std::optional<ClassifierKind> kind) {
  if (!kind) {
    TRY_ASSIGN(kind, answering_kind(folder));
  }
  auto classifier = std::unique_ptr<Classifier>(new Classifier(*kind));  // NOLINT: private
  if (*kind == ClassifierKind::kWords) {
    TRY_ASSIGN(classifier->words_, WordClassifier::open(folder / kWordsFile));
    return classifier;
  }
  const bool untaught = *kind == ClassifierKind::kUntaught;
  TRY_ASSIGN(classifier->runtime_, Runtime::create(threads));
  TRY_ASSIGN(ModelHandle model, classifier_encoder(folder, untaught));
  TRY_ASSIGN(Embedder embedder, Embedder::load(std::move(model), *classifier->runtime_, kClassifierTokens));
  TRY_ASSIGN(classifier->head_, LabelHead::open(folder / (untaught ? kUntaughtFile : kHeadFile),
                                                embedder.transformer().config().hidden_size));
  classifier->embedder_ = std::move(embedder);
  return classifier;
}

const std::vector<std::string>& Classifier::labels() const {
  if (words_) return words_->labels();
  CHECK(head_.has_value());
  return head_->labels();
}

Result<std::vector<LabelChances>> Classifier::classify(std::span<const std::string> texts, const CancelToken* cancel,
                                                       const std::function<void(size_t)>& on_texts) const {
  std::vector<LabelChances> all;
  all.reserve(texts.size());
  for (size_t begin = 0; begin < texts.size(); begin += kTexts) {
    if (cancel) TRY(cancel->check());
    const auto part = texts.subspan(begin, std::min(kTexts, texts.size() - begin));
    for (const std::string& text : part) TRY(check_text(text));
    if (words_) {
      for (const std::string& text : part) all.push_back(words_->log_probabilities(text));
    } else {
      Context& ctx = runtime_->context();
      TRY_ASSIGN(const Tensor vectors, label_vectors(ctx, *embedder_, part, cancel));
      const Tensor logits = head_->logits(ctx, vectors);
      const auto classes = static_cast<size_t>(logits.dim(1));
      for (size_t i = 0; i < part.size(); ++i)
        all.push_back(log_softmax(logits.span<float>().subspan(i * classes, classes)));
    }
    if (on_texts) on_texts(all.size());
  }
  return all;
}

size_t likeliest(const LabelChances& chances) {
  return static_cast<size_t>(std::max_element(chances.begin(), chances.end()) - chances.begin());
}

}  // namespace linnet
