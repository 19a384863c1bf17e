#include "tasks/faq_tune.hpp"

#include "base/json.hpp"
#include "data/refuse.hpp"
#include "hub/digest.hpp"
#include "tasks/faq_lessons.hpp"
#include "train/parameters.hpp"

namespace linnet {

namespace {

constexpr size_t kMostAnswers = 2000;
constexpr size_t kLongestAnswer = 600;  // characters, on average
constexpr size_t kLongestQuestion = 200;
// The adapter of the encoder. Found on the development lists of bench/faq_lists.
constexpr int64_t kRank = 16;
constexpr double kAlpha = 32;
constexpr float kRate = 6e-4f;

std::string digest_of(const FaqList& list) {
  Digest digest(Digest::Kind::kSha256);
  const std::string text = dump_json(to_json(list));
  digest.update(std::as_bytes(std::span(text)));
  return digest.hex();
}

}  // namespace

bool is_faq(const Dataset& dataset) {
  if (dataset.form != DataForm::kQuestionAnswer) return false;
  const FaqList list = faq_of(dataset.train);
  if (list.answers.size() < 2 || list.answers.size() > kMostAnswers) return false;
  size_t answers = 0;
  for (const std::string& answer : list.answers) answers += answer.size();
  size_t questions = 0;
  for (const FaqList::Question& question : list.questions) questions += question.text.size();
  return answers <= kLongestAnswer * list.answers.size() && questions <= kLongestQuestion * list.questions.size();
}

Result<std::unique_ptr<FaqTuner>> FaqTuner::prepare(const FaqSettings& settings, const Dataset& dataset) {
  TRY(refuse_overlap(dataset.train, dataset.test));
  TRY_ASSIGN(ModelHandle encoder, find_base(settings.encoder));
  if (encoder.config().has_head) {
    return unsupported("writes text, and does not encode it", encoder.name(), "choose another --encoder");
  }
  TRY_ASSIGN(ModelHandle base, find_base(settings.base));
  if (!base.config().has_head) {
    return unsupported("is an encoder, which cannot choose among answers", base.name(), "choose another --base");
  }
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  auto tuner =
      std::unique_ptr<FaqTuner>(new FaqTuner(settings, std::move(encoder), std::move(base), std::move(runtime)));
  // Every question is wanted: an answer that was held out could not be given.
  std::vector<Sample> samples = dataset.train;
  samples.insert(samples.end(), dataset.held_out.begin(), dataset.held_out.end());
  tuner->list_ = faq_of(samples);
  if (tuner->list_.answers.empty()) {
    return invalid("no question has an answer", samples.empty() ? "" : samples.front().place,
                   "give each question its answer");
  }
  tuner->encoder_steps_ = FaqLessons(tuner->list_, {}, settings.seed).steps();
  tuner->bfloat16_ = tuner->runtime_->context().kernels().bf16.matmul != nullptr;
  return tuner;
}

Json FaqTuner::info() const {
  return {{"kind", "faq"},
          {"base", lasting_name(base_)},
          {"encoder", lasting_name(encoder_)},
          {"declining", settings_.declining},
          {"answers", list_.answers.size()},
          {"questions", list_.questions.size()},
          {"data_sha256", digest_of(list_)},
          {"rank", kRank},
          {"alpha", kAlpha},
          {"rate", kRate},
          {"steps", encoder_steps_},
          {"seed", settings_.seed},
          {"instruction_set", std::string(runtime_->isa())},
          {"products", bfloat16_ ? "bfloat16" : "float32"}};
}

Status FaqTuner::teach_encoder(Embedder& embedder, const std::vector<std::string>& others, const RunVersion& version,
                               bool resume, const TeachingHooks& hooks) {
  Context& ctx = runtime_->context();
  constexpr int64_t kWarmupPart = 10;
  const FaqLessons lessons(list_, others, settings_.seed);
  EncoderLesson lesson;
  lesson.schedule = {.kind = ScheduleKind::kLinear,
                     .rate = kRate,
                     .steps = encoder_steps_,
                     .warmup_steps = encoder_steps_ / kWarmupPart,
                     .final_fraction = 0.1f};
  lesson.bfloat16 = bfloat16_;
  lesson.loss = [&](int64_t step) { return lessons.loss(ctx, embedder, step); };
  TRY(linnet::teach_encoder(ctx, embedder.transformer(), train_adapters(embedder.transformer()), lesson, version,
                            resume, hooks));
  return ok_status();
}

Status FaqTuner::run(const RunVersion& version, bool resume, const TeachingHooks& hooks) {
  TRY_ASSIGN(Embedder embedder, Embedder::load(encoder_, *runtime_, kFaqTokens));
  // The texts of the list are embedded by the quicker products, too.
  begin_teaching(runtime_->context(), embedder.transformer(), bfloat16_);
  std::vector<std::string> others = common_questions();
  TRY_ASSIGN(untaught_, FaqIndex::build_untaught(list_, others, embedder));
  TRY_ASSIGN(Adapter adapter,
             new_adapter(embedder.transformer(), {.rank = kRank, .alpha = kAlpha, .seed = settings_.seed}));
  adapter.base = encoder_.name();
  TRY(attach_adapter(embedder.transformer(), adapter));
  TRY(teach_encoder(embedder, others, version, resume, hooks));
  TRY_ASSIGN(const FaqIndex index, FaqIndex::build(list_, others, embedder));
  TRY(index.save(version.folder));
  // Written last: by it the run is whole.
  return write_adapter(adapter, embedder.transformer().table(), "FEATURE_EXTRACTION",
                       version.folder / kFaqEncoderFolder);
}

}  // namespace linnet
