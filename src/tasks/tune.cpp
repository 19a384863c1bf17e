#include "tasks/tune.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/core.h>

#include "base/log.hpp"
#include "base/paths.hpp"
#include "base/system.hpp"
#include "data/preview.hpp"
#include "data/refuse.hpp"
#include "data/unusable.hpp"
#include "hub/digest.hpp"
#include "tasks/distil_lessons.hpp"
#include "tasks/memory_plan.hpp"
#include "tasks/teacher_writer.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "tasks/writing_job.hpp"

namespace linnet {

namespace {

constexpr int64_t kLongest = 2048;  // tokens of a sequence, unless told otherwise

// The rate that suits an adapter of a model of usual width (tune_plan.cpp).
constexpr double kAdapterRate = 1e-3;
// Preferences pull at whole replies: far smaller steps go as far. ORPO learns the chosen reply besides.
constexpr double kPreferenceRate = 1e-4;
constexpr double kOrpoRate = 3e-4;
// So do a model's own weights, all of which move a little.
constexpr double kWeightsRate = 1e-4;
constexpr double kBeta = 0.1;

int64_t longest_of(const TokenSet& set) {
  size_t longest = 1;
  for (const TokenSequence& sequence : set.sequences) longest = std::max(longest, sequence.tokens.size());
  return static_cast<int64_t>(longest);
}

// The most that a row holds.
StepShape shape_of(const TokenSet& set, std::span<const PackedRow> rows, bool several_rows) {
  StepShape shape{.several_rows = several_rows};
  for (const PackedRow& row : rows) {
    int64_t tokens = 0;
    int64_t learned = 0;
    for (const uint32_t i : row) {
      tokens += static_cast<int64_t>(set.sequences[i].tokens.size());
      learned += std::ranges::count(set.sequences[i].learned, 1);
    }
    shape.tokens = std::max(shape.tokens, tokens);
    shape.learned = std::max(shape.learned, learned);
  }
  return shape;
}

std::string digest_of(const TokenSet& set) {
  Digest digest(Digest::Kind::kSha256);
  for (const TokenSequence& sequence : set.sequences) {
    digest.update(std::as_bytes(std::span(sequence.tokens)));
    digest.update(std::as_bytes(std::span(sequence.learned)));
  }
  return digest.hex();
}

// Of LoRA+ the geometric mean of both rates is what plain LoRA has.
double usual_rate(const PupilSettings& pupil) {
  return pupil.learns == Learns::kAdapter ? kAdapterRate / std::sqrt(pupil.b_rate) : kWeightsRate;
}

// Plain text needs no template, and a completion stands right behind its prompt.
bool is_conversation(DataForm form) {
  return form != DataForm::kText && form != DataForm::kPromptCompletion;
}

// Conversations are written by a template: one that is asked for, the model's own, or else a plain one.
void use_template(TuneSettings& settings, Dataset& dataset, ModelHandle& model) {
  std::string& own = settings.chat_template;
  if (is_conversation(dataset.form) && !has_chat_template(model.description.files)) own = kPlainTemplate;
  if (own.empty()) return;
  model.description.files.chat_template = own;
  dataset.said.push_back(
      fmt::format("{} has no chat template: what is said, \"Reply:\" and the reply stand one after the other, and the "
                  "run keeps that",
                  model.name()));
}

// What preferences cannot be learned with.
Status check_preferences(const TuneSettings& settings) {
  if (settings.pupil.learns != Learns::kAdapter) {
    return usage_error("preferences are learned by an adapter only", "--method dpo, orpo or kto");
  }
  if (!settings.teacher.name.empty()) return usage_error("from preferences no --teacher is learned from");
  if (settings.dropout > 0) {
    return usage_error("preferences are measured beside the model as it was, without --dropout", "leave it out");
  }
  return ok_status();
}

// What a model cannot do as it is asked to.
Status check_pupil(const ModelHandle& model, const PupilSettings& pupil) {
  const int64_t layers = model.config().num_layers();
  if (pupil.learns != Learns::kLastLayers || (pupil.layers >= 1 && pupil.layers <= layers)) return ok_status();
  return usage_error(fmt::format("{} has {} layers, of which {} cannot learn", model.name(), layers, pupil.layers),
                     fmt::format("--layers from 1 to {}", layers));
}

Status check_length(const ModelHandle& model, const std::optional<int64_t>& length) {
  const int64_t context = model.config().max_positions;
  if (!length || *length <= context) return ok_status();
  return usage_error(fmt::format("--length {} is more than {}'s context of {} tokens", *length, model.name(), context),
                     fmt::format("leave --length out, or {} at most", context));
}

Result<PreferenceMethod> method_for(DataForm form, std::optional<PreferenceMethod> wanted) {
  const bool pairs = form == DataForm::kPreference;
  const PreferenceMethod method = wanted.value_or(pairs ? PreferenceMethod::kDpo : PreferenceMethod::kKto);
  if (pairs != (method == PreferenceMethod::kKto)) return method;
  return usage_error(fmt::format("{} does not learn from {}", preference_method_name(method), form_name(form)),
                     pairs ? "pairs are for --method dpo or orpo" : "single replies are for --method kto");
}

}  // namespace

Result<std::unique_ptr<Tuner>> Tuner::prepare(const TuneSettings& settings, Dataset dataset, const CancelToken* cancel,
                                              const ProgressCallback& progress) {
  TRY_ASSIGN(ModelHandle model, find_base(settings.base));
  if (!model.config().has_head) {
    return unsupported("is an encoder, which writes no answers", model.name(), "choose another --base");
  }
  TuneSettings chosen = settings;
  use_template(chosen, dataset, model);
  TRY(check_pupil(model, settings.pupil));
  TRY(check_length(model, settings.length));
  TRY_ASSIGN(Tokenizer tokenizer, load_tokenizer(model.description.files));
  TRY(check_writable(model, tokenizer, settings.pupil.learns));
  TRY_ASSIGN(std::unique_ptr<Runtime> runtime, Runtime::create(settings.threads));
  auto tuner = std::unique_ptr<Tuner>(
      new Tuner(std::move(chosen), std::move(dataset), std::move(model), std::move(tokenizer), std::move(runtime)));
  TRY(tuner->prepare_lessons(cancel, progress));
  return tuner;
}

Status Tuner::prepare_lessons(const CancelToken* cancel, const ProgressCallback& progress) {
  TRY_ASSIGN(const Renderer renderer, this->renderer());
  if (holds_preferences(dataset_.form)) {
    TRY(check_preferences(settings_));
    TRY_ASSIGN(const PreferenceMethod method, method_for(dataset_.form, settings_.preference));
    TRY(refuse_silent());
    return prepare_preferences(renderer, method);
  }
  if (settings_.preference) {
    return usage_error(fmt::format("{} data holds no preferences", form_name(dataset_.form)), "leave out --method");
  }
  TRY(ask_teacher(cancel, progress));
  TRY(refuse_silent());
  return prepare_tokens(renderer);
}

Status Tuner::ask_teacher(const CancelToken* cancel, const ProgressCallback& progress) {
  const TeacherSettings& settings = settings_.teacher;
  if (settings.name.empty()) return ok_status();
  TRY_ASSIGN(Teacher teacher, Teacher::find(settings.name, cancel));
  teacher_ = std::make_shared<const Teacher>(std::move(teacher));
  if (settings.from == DistilFrom::kLogits) return teacher_->check_vocabulary(tokenizer_, model_.name());
  if (dataset_.form == DataForm::kText) {
    return usage_error("plain text asks nothing that a teacher could answer", "leave out --distil text");
  }
  const TeacherWriting writing{.temperature = settings.temperature,
                               .seed = settings_.seed,
                               .system = settings_.system,
                               .cache = cache_dir() / "teacher"};
  const size_t before = dataset_.train.size() + dataset_.held_out.size();
  LeftOut all;
  for (std::vector<Sample>* samples : {&dataset_.train, &dataset_.held_out}) {
    TRY_ASSIGN(const LeftOut some, let_teacher_write(*teacher_, *runtime_, writing, *samples, cancel, progress));
    all.unfinished += some.unfinished;
    all.empty += some.empty;
    all.too_long += some.too_long;
  }
  const size_t left = dataset_.train.size() + dataset_.held_out.size();
  dataset_.said.push_back(fmt::format("{} wrote the answers to {} of {} prompts", settings.name, left, before));
  if (left < before) {
    dataset_.said.back() +=
        fmt::format(" (left out: {} without an end after {} tokens, {} empty, {} whose prompt is too long for it)",
                    all.unfinished, writing.most_tokens, all.empty, all.too_long);
  }
  if (!dataset_.train.empty()) return ok_status();
  return invalid(dataset_.said.back(), settings.name, "take another --teacher");
}

Result<Renderer> Tuner::renderer() {
  RenderSettings render;
  if (dataset_.form != DataForm::kText && has_chat_template(model_.description.files)) {
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
  TRY(refuse_cut(dataset_.train, rendered, length, model_.config().max_positions, settings_.allowed_cuts));
  if (dataset_.form != DataForm::kText) {
    TRY(refuse_masked_end(dataset_.train, rendered, renderer.end_ids(), tokenizer_.special().pad, length));
  }
  if (dataset_.form == DataForm::kLabels) TRY(refuse_one_label(dataset_.train));
  return refuse_overlap(dataset_.train, dataset_.test);
}

Status Tuner::refuse_silent() const {
  for (const std::vector<Sample>* samples : {&dataset_.train, &dataset_.held_out}) {
    TRY(refuse_unusable(*samples, find_unusable(*samples, dataset_.form), model_.config().max_positions));
  }
  return ok_status();
}

Result<bool> Tuner::leave_out_cut_off(std::vector<Sample>& samples, const TokenSet& rendered, bool each_reply) {
  const std::vector<Unusable> cut_off = find_cut_off(samples, rendered, each_reply);
  if (cut_off.empty()) return false;
  if (!settings_.skip_cut_off) return refuse_unusable(samples, cut_off, model_.config().max_positions).error();
  dataset_.said.push_back(leave_out_unusable(samples, cut_off));
  if (dataset_.train.empty()) return invalid("nothing is left to learn from: " + dataset_.said.back());
  return true;
}

Result<TokenSet> Tuner::render_test(const Renderer& renderer) const {
  TRY_ASSIGN(TokenSet test, renderer.render_all(dataset_.test, dataset_.form, runtime_->context().pool()));
  std::erase_if(test.sequences, [](const TokenSequence& one) { return std::ranges::count(one.learned, 1) == 0; });
  return test;
}

Status Tuner::prepare_tokens(const Renderer& renderer) {
  ThreadPool& pool = runtime_->context().pool();
  const auto render = [&](std::vector<Sample>& samples) -> Result<TokenSet> {
    TRY_ASSIGN(TokenSet all, renderer.render_all(samples, dataset_.form, pool));
    TRY_ASSIGN(const bool fewer, leave_out_cut_off(samples, all, false));
    return fewer ? renderer.render_all(samples, dataset_.form, pool) : std::move(all);
  };
  TRY_ASSIGN(TokenSet rendered, render(dataset_.train));
  TRY_ASSIGN(const TokenSet held_out, render(dataset_.held_out));
  TRY_ASSIGN(const TokenSet test, render_test(renderer));
  TRY(refuse(rendered, renderer));
  const auto tokens = static_cast<double>(rendered.tokens());
  choose(tokens, usual_rate(settings_.pupil));
  plan_.length = std::max({longest_of(rendered), longest_of(held_out), longest_of(test)});
  plan_.held_out_tokens = static_cast<int64_t>(held_out.tokens());
  const auto rows_of = [&](int64_t length) {
    return std::max<int64_t>(1, std::llround(tokens_of_a_step(tokens) / static_cast<double>(length)));
  };
  const auto shape = [&](int64_t length) {
    const auto rows = pack_epoch(rendered, static_cast<uint32_t>(length), settings_.seed, 0);
    return shape_of(rendered, rows, rows_of(length) > 1);
  };
  TRY(prepare_score(tokens, renderer));
  constexpr uint64_t kEntry = sizeof(int32_t) + sizeof(float);
  const uint64_t said = teacher_ && settings_.teacher.from == DistilFrom::kLogits
                            ? (rendered.learned() + held_out.learned()) * settings_.teacher.top * kEntry
                            : 0;
  TRY(choose_rows(plan_.length, usual_row(tokens), shape, said));
  plan_.rows_per_step = rows_of(plan_.row_length);
  data_digest_ = digest_of(rendered);
  const std::string both = data_digest_ + digest_of(held_out);
  plan_.epochs = epochs_for(rendered);
  TokenFeed feed(std::move(rendered), plan_.row_length, plan_.rows_per_step, plan_.epochs, settings_.seed,
                 static_cast<float>(settings_.dropout));
  if (teacher_ && settings_.teacher.from == DistilFrom::kLogits) {
    const int64_t vocab = model_.config().vocab_size;
    lessons_ = std::make_unique<DistilLessons>(std::move(feed), held_out, test, teacher_,
                                               DistilLessons::Settings{.row_length = plan_.row_length,
                                                                       .top = std::min(settings_.teacher.top, vocab),
                                                                       .vocab = vocab,
                                                                       .weight = settings_.teacher.weight,
                                                                       .data = both});
  } else {
    lessons_ = std::make_unique<TokenLessons>(std::move(feed), held_out, test, plan_.row_length);
  }
  choose_schedule();
  return ok_status();
}

Status Tuner::prepare_score(double tokens, const Renderer& renderer) {
  constexpr int64_t kEvaluationsOfAnEpoch = 2;
  const auto epochs = static_cast<double>(plan_.epochs);
  const JobAsking how = asking(renderer);
  if (chat_template_) {
    TRY_ASSIGN(score_,
               JobScore::prepare(dataset_, how,
                                 {.tokens = tokens * epochs, .evaluations = kEvaluationsOfAnEpoch * plan_.epochs}));
  }
  if (!score_) shown_ = ShownSample::choose(dataset_, how);
  return ok_status();
}

JobAsking Tuner::asking(const Renderer& renderer) const {
  return {.chat_template = chat_template_ ? &*chat_template_ : nullptr,
          .tokenizer = &tokenizer_,
          .end_tokens = renderer.end_ids(),
          .system = settings_.system,
          .frequency_penalty = settings_.frequency_penalty,
          .longest = model_.config().max_positions,
          .kv_dtype = kv_dtype(model_.description, runtime_->context().kernels()),
          .seed = settings_.seed};
}

Status Tuner::prepare_preferences(const Renderer& renderer, PreferenceMethod method) {
  ThreadPool& pool = runtime_->context().pool();
  const auto render = [&](std::vector<Sample>& samples) -> Result<Preferences> {
    TRY_ASSIGN(Preferences all, render_preferences(samples, method, renderer, pool));
    TRY_ASSIGN(const bool fewer, leave_out_cut_off(samples, all.replies, true));
    return fewer ? render_preferences(samples, method, renderer, pool) : std::move(all);
  };
  TRY_ASSIGN(Preferences train, render(dataset_.train));
  TRY_ASSIGN(Preferences held_out, render(dataset_.held_out));
  TRY_ASSIGN(Preferences test, render_preferences(dataset_.test, method, renderer, pool));
  TRY(refuse(train.replies, renderer));
  const auto tokens = static_cast<double>(train.replies.tokens());
  choose(tokens, method == PreferenceMethod::kOrpo ? kOrpoRate : kPreferenceRate);
  data_digest_ = digest_of(train.replies);
  plan_.method = method;
  plan_.beta = settings_.beta.value_or(kBeta);
  plan_.length = std::max({longest_of(train.replies), longest_of(held_out.replies), longest_of(test.replies)});
  plan_.held_out_tokens = static_cast<int64_t>(held_out.replies.tokens());
  const double tokens_of_a_pair = tokens / static_cast<double>(train.pairs());
  plan_.pairs_per_step = std::max<int64_t>(1, std::llround(tokens_of_a_step(tokens) / tokens_of_a_pair));
  const auto shape = [&](int64_t length) {
    const std::vector<PackedRow> rows = PreferenceFeed::all(train.replies, length);
    return shape_of(train.replies, rows, rows.size() > 1 && plan_.pairs_per_step > 1);
  };
  shown_ = ShownSample::choose(dataset_, asking(renderer));
  const auto pairs = static_cast<int64_t>(train.pairs());
  const int64_t steps_of_an_epoch = (pairs + plan_.pairs_per_step - 1) / plan_.pairs_per_step;
  if (settings_.steps) plan_.epochs = (*settings_.steps + steps_of_an_epoch - 1) / steps_of_an_epoch;
  TRY(choose_rows(2 * plan_.length, usual_row(tokens), shape, 0));
  lessons_ = std::make_unique<PreferenceLessons>(std::move(train), std::move(held_out), std::move(test),
                                                 PreferenceLessons::Settings{.method = method,
                                                                             .beta = plan_.beta,
                                                                             .row_length = plan_.row_length,
                                                                             .pairs_per_step = plan_.pairs_per_step,
                                                                             .epochs = plan_.epochs,
                                                                             .seed = settings_.seed});
  choose_schedule();
  return ok_status();
}

// Of each two sequences; KTO's second is a reply to another prompt, which only measures.
std::string Tuner::preview_preferences(size_t count, bool colour) const {
  const std::vector<TokenSequence>& all = train_set().sequences;
  std::string text;
  const auto show = [&](const TokenSequence& reply, bool wanted, std::string_view name) {
    text += fmt::format("— {}, {} —\n", dataset_.train[reply.sample].place, name);
    text += linnet::preview(reply, tokenizer_,
                            {.colour = colour, .mark = wanted ? PreviewMark::kLikelier : PreviewMark::kUnlikelier});
  };
  for (size_t i = 0; i < std::min(2 * count, all.size()); i += 2) {
    if (plan_.method == PreferenceMethod::kKto) {
      const bool desired = dataset_.train[all[i].sample].desired;
      show(all[i], desired, desired ? "good" : "bad");
    } else {
      show(all[i], true, "chosen");
      show(all[i + 1], false, "rejected");
    }
  }
  return text;
}

std::string Tuner::preview(size_t count, bool colour) const {
  if (plan_.method) return preview_preferences(count, colour);
  const std::vector<TokenSequence>& all = train_set().sequences;
  std::string text;
  for (size_t i = 0; i < std::min(count, all.size()); ++i) {
    text += fmt::format("— {} —\n", dataset_.train[all[i].sample].place);
    text += linnet::preview(all[i], tokenizer_, {.colour = colour});
  }
  return text;
}

Result<std::unique_ptr<Pupil>> Tuner::load_pupil() {
  Context& ctx = runtime_->context();
  TRY_ASSIGN(std::unique_ptr<Pupil> pupil, Pupil::load(model_, *runtime_, settings_.pupil));
  begin_teaching(ctx, pupil->transformer(), plan_.bfloat16,
                 {.room = plan_.memory.prepacked, .alone = plan_.packed_alone});
  ctx.set_recompute(plan_.recompute);
  return pupil;
}

TrainerConfig Tuner::trainer_config() const {
  TrainerConfig config;
  config.optimizer.rounding_seed = settings_.seed;
  config.optimizer.adamw.weight_decay = static_cast<float>(settings_.weight_decay);
  config.clip_norm = settings_.clip_norm;
  constexpr int64_t kDecayPart = 5;  // of a stable rate's steps, as `train` has it
  config.schedule = {.kind = settings_.schedule,
                     .rate = static_cast<float>(plan_.rate),
                     .steps = plan_.steps,
                     .warmup_steps = plan_.warmup_steps,
                     .decay_steps = std::min(plan_.steps / kDecayPart, plan_.steps - plan_.warmup_steps)};
  return config;
}

Result<double> Tuner::measure_speed(const CancelToken& cancel) {
  constexpr int64_t kMostSteps = 8;
  constexpr double kSecondsEnough = 6;
  Context& ctx = runtime_->context();
  TRY_ASSIGN(const std::unique_ptr<Pupil> pupil, load_pupil());
  Trainer trainer(ctx, pupil->parameters(), trainer_config());
  TRY(lessons_->begin(ctx, pupil->transformer()));
  double seconds = 0;
  int64_t tokens = 0;
  // The first step pays for memory that the others use again.
  for (int64_t step = 0; step < std::min(plan_.steps, kMostSteps) && seconds < kSecondsEnough; ++step) {
    TRY(cancel.check());
    if (step == 1) {
      seconds = 0;
      tokens = 0;
    }
    const auto began = std::chrono::steady_clock::now();
    TRY_ASSIGN(const std::vector<PartLoss> parts, lessons_->parts(ctx, pupil->transformer(), step));
    TRY(trainer.step(parts));
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    tokens += token_count(lessons_->batches());
  }
  return static_cast<double>(tokens) / seconds;
}

Result<JobScore::Measured> Tuner::measure_job(const Transformer& model, const TeachingHooks& hooks) {
  const CancelToken never;
  const CancelToken& cancel = hooks.cancel ? *hooks.cancel : never;
  JobScore::Measured measured;
  if (score_) {
    TRY_ASSIGN(measured, score_->measure(runtime_->context(), model, cancel));
  } else if (shown_) {
    TRY_ASSIGN(measured.sample, shown_->write(runtime_->context(), model, cancel));
  }
  if (hooks.sample && !measured.sample.empty()) hooks.sample(measured.sample);
  return measured;
}

LoopHooks Tuner::loop_hooks(const Transformer& model, RunLog& log, TeachingForecast& forecast, Taught& taught,
                            const TeachingHooks& hooks) {
  Context& ctx = runtime_->context();
  LoopHooks loop;
  if (lessons_->holds_out()) {
    loop.before = [&, this]() -> Result<Evaluation> {
      TRY_ASSIGN(const Lessons::HeldOut held_out, lessons_->held_out(ctx, model));
      TRY_ASSIGN(JobScore::Measured measured, measure_job(model, hooks));
      Evaluation evaluation{held_out.loss, std::move(measured.scores)};
      if (hooks.evaluated) hooks.evaluated("before", evaluation);
      TRY(log.before(evaluation, measured.sample));
      return evaluation;
    };
  }
  loop.parts = [&, this](int64_t step) {
    log.begin_step();
    return lessons_->parts(ctx, model, step);
  };
  loop.after = [&, this](int64_t steps) -> Result<std::vector<Score>> {
    TRY_ASSIGN(JobScore::Measured measured, measure_job(model, hooks));
    TRY(log.kept(steps, measured.scores, measured.sample));
    return std::move(measured.scores);
  };
  const auto sample = std::make_shared<std::string>();  // that the last evaluation wrote
  loop.evaluate = [&, this, sample](int64_t steps) -> Result<Evaluation> {
    log.end_step();
    TRY_ASSIGN(const Lessons::HeldOut held_out, lessons_->held_out(ctx, model));
    Evaluation evaluation{held_out.loss};
    if (held_out.right) evaluation.scores.push_back({"preferred", *held_out.right});
    sample->clear();
    if (!score_ || steps / plan_.evaluate_every % score_->every() != 0) return evaluation;
    TRY_ASSIGN(JobScore::Measured measured, measure_job(model, hooks));
    evaluation.scores = std::move(measured.scores);
    *sample = std::move(measured.sample);
    return evaluation;
  };
  loop.report = [&, this, sample](const StepReport& step, const std::optional<Evaluation>& evaluation) -> Status {
    TRY(log.step(step, evaluation, token_count(lessons_->batches())));
    if (const auto seconds = forecast.step(step.step, log.seconds())) {
      taught.forecast = seconds;
      if (hooks.forecast) hooks.forecast(*seconds);
    }
    if (hooks.report) hooks.report(step, evaluation);
    if (!evaluation) return ok_status();
    if (!sample->empty()) TRY(log.sample(step.step, *sample));
    return log.write_report();
  };
  loop.keep_batch = [&, this](const StepReport& step) {
    return log.keep_batch(step.step, lessons_->batches(), tokenizer_);
  };
  loop.cancel = hooks.cancel;
  return loop;
}

Result<Tuner::Taught> Tuner::run(const RunVersion& version, bool resume, const TeachingHooks& hooks) {
  Context& ctx = runtime_->context();
  TRY(lessons_->before_loading(*runtime_, version.folder, hooks.cancel, hooks.before));
  TRY_ASSIGN(const std::unique_ptr<Pupil> pupil, load_pupil());
  const Transformer& transformer = pupil->transformer();
  Trainer trainer(ctx, pupil->parameters(), trainer_config());
  TRY(lessons_->begin(ctx, transformer));
  RunLog log(version);
  TeachingForecast forecast(work());
  Taught taught;
  // A run that goes on has not restored its checkpoint yet.
  if (lessons_->tests()) {
    TRY_ASSIGN(taught.test_before, lessons_->test(ctx, transformer));
  }
  const LoopHooks loop = loop_hooks(transformer, log, forecast, taught, hooks);
  constexpr int64_t kCheckpoints = 10;  // at least so many in a run
  constexpr int64_t kPatience = 4;
  // Who finds all tokens equally likely loses the logarithm of their number on each. Far above it a model is broken.
  constexpr double kTimesKnowingNothing = 2;
  const auto vocab = static_cast<double>(model_.config().vocab_size);
  const LoopConfig loop_config{.folder = version.folder,
                               .steps = plan_.steps,
                               .checkpoint_every = std::max<int64_t>(1, plan_.steps / kCheckpoints),
                               .evaluate_every = plan_.evaluate_every,
                               .patience = kPatience,
                               .spike = settings_.spike,
                               .most_loss = kTimesKnowingNothing * std::log(vocab)};
  const auto began = std::chrono::steady_clock::now();
  TRY_ASSIGN(taught.loop, run_loop(trainer, loop_config, loop, resume));
  taught.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (taught.loop.held_out && hooks.evaluated) hooks.evaluated("after", {*taught.loop.held_out, taught.loop.after});
  if (lessons_->tests()) {
    TRY_ASSIGN(taught.test_after, lessons_->test(ctx, transformer));
  }
  if (plan_.method && lessons_->holds_out()) {
    TRY_ASSIGN(const Lessons::HeldOut held_out, lessons_->held_out(ctx, transformer));
    taught.right = held_out.right;
  }
  log_debug("{} in buffers, {} resident at most, {} foreseen", format_bytes(ctx.buffers().bytes_peak()),
            format_bytes(peak_resident_bytes()), format_bytes(plan_.memory.total()));
  ctx.buffers().release_free();
  TRY(pupil->write(model_, tokenizer_, version));
  TRY(log.write_report());
  return taught;
}

}  // namespace linnet
