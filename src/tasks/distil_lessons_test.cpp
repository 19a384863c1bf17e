// A small model comes near a teacher's probabilities; what the teacher said is kept, and learned the same after a
// restart; a teacher's own answers take the place of the data's.
#include "tasks/distil_lessons.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "kernels/registry.hpp"
#include "models/initial_weights.hpp"
#include "models/reference_testing.hpp"
#include "tasks/teacher_writer.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "text/tokenizer_json.hpp"
#include "train/parameters.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

Sample sample(const std::string& question, const std::string& answer) {
  return {.place = question,
          .messages = Json::array(
              {Json{{"role", "user"}, {"content", question}}, Json{{"role", "assistant"}, {"content", answer}}})};
}

const std::vector<Sample> kSamples{sample("Hello", "Le ciel."), sample("Who are you?", "one two three four"),
                                   sample("Count", "Hello Eve."), sample("Hello there", "two")};

class DistilTest : public FolderTest {
 protected:
  static std::shared_ptr<const Teacher> teacher() {
    return std::make_shared<const Teacher>(value(Teacher::find((golden_dir() / "tiny_chat").string())));
  }

  TokenSet render(const std::vector<Sample>& samples) {
    const ChatTemplate chat_template = value(load_chat_template(teacher_->model(), teacher_->tokenizer()));
    RenderSettings settings;
    settings.tokenizer = &teacher_->tokenizer();
    settings.chat_template = &chat_template;
    return value(Renderer(settings).render_all(samples, DataForm::kMessages, runtime_->context().pool()));
  }

  // Of the teacher's shape, but it has learned nothing yet.
  Transformer pupil() {
    const ModelDescription& description = teacher_->model().description;
    return value(initial_transformer(description.transformer, description.family->tensors(description.transformer), 3));
  }

  std::unique_ptr<DistilLessons> lessons(int64_t top, double weight, int64_t row_length = 128) {
    auto lessons = std::make_unique<DistilLessons>(
        TokenFeed(render(kSamples), row_length, 2, 400, 0), render(kSamples), render(kSamples), teacher_,
        DistilLessons::Settings{.row_length = row_length, .top = top, .vocab = 448, .weight = weight, .data = "these"});
    const Status asked = lessons->before_loading(*runtime_, folder_, nullptr, {});
    EXPECT_TRUE(asked.ok()) << asked.error().to_string();
    return lessons;
  }

  std::unique_ptr<Runtime> runtime_ = value(Runtime::create(2));
  std::shared_ptr<const Teacher> teacher_ = teacher();
};

// All probabilities of a row, one way or the other.
std::vector<double> softmax(const float* logits, int64_t n) {
  std::vector<double> out(static_cast<size_t>(n));
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += out[static_cast<size_t>(i)] = std::exp(double{logits[i]});
  for (double& p : out) p /= sum;
  return out;
}

TEST_F(DistilTest, TableHoldsTheLikeliestTokensOfEachPlace) {
  Context& ctx = runtime_->context();
  const Transformer model = value(teacher_->load(*runtime_, 128));
  const TokenSet set = render(kSamples);
  const TeacherTable table = value(TeacherTable::make(ctx, model, set, 60, 5, 448, nullptr, {}));
  for (uint32_t s = 0; s < set.sequences.size(); ++s) {
    const TokenBatch alone = batch_of(set, {s});
    const Tensor logits = value(model.forward(ctx, alone.batch, nullptr)).logits;
    const TeacherRows rows = table.rows_of({s}, 0.5f);
    ASSERT_EQ(rows.ids.size(), 5 * alone.targets.size());
    for (size_t r = 0; r < alone.targets.size(); ++r) {
      const std::vector<double> p = softmax(logits.data<float>() + static_cast<int64_t>(r) * 448, 448);
      std::vector<double> sorted = p;
      std::ranges::sort(sorted, std::greater());
      for (size_t i = 0; i < 5; ++i) {
        EXPECT_NEAR(rows.probabilities[5 * r + i], sorted[i], 1e-5);
        EXPECT_NEAR(p[static_cast<size_t>(rows.ids[5 * r + i])], sorted[i], 1e-5);
      }
    }
  }
}

TEST_F(DistilTest, TableIsReadBackAndNothingElseIs) {
  const Transformer model = value(teacher_->load(*runtime_, 128));
  const TokenSet set = render(kSamples);
  const fs::path path = folder_ / "table.safetensors";
  const TeacherTable made = value(TeacherTable::make(runtime_->context(), model, set, 60, 5, 448, nullptr, {}));
  ASSERT_TRUE(made.save(path, "key").ok());
  const TeacherTable read = value(TeacherTable::open(path, "key", set, 5, 448));
  EXPECT_EQ(read.rows_of({2, 0}, 0.5f).ids, made.rows_of({2, 0}, 0.5f).ids);
  EXPECT_EQ(read.rows_of({2, 0}, 0.5f).probabilities, made.rows_of({2, 0}, 0.5f).probabilities);
  EXPECT_FALSE(TeacherTable::open(path, "other key", set, 5, 448).ok());
  EXPECT_FALSE(TeacherTable::open(path, "key", set, 6, 448).ok());
  EXPECT_FALSE(TeacherTable::open(path, "key", set, 5, 40).ok());  // tokens beyond
  TokenSet longer = set;
  longer.sequences.push_back(longer.sequences[0]);
  EXPECT_FALSE(TeacherTable::open(path, "key", longer, 5, 448).ok());
  std::string bytes = value(read_file(path));
  const float too_likely = 1.5f;
  std::memcpy(bytes.data() + bytes.size() - sizeof(float), &too_likely, sizeof(float));
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_FALSE(TeacherTable::open(path, "key", set, 5, 448).ok());
}

// The teacher itself has nothing to learn, and whoever has learned nothing comes near it.
TEST_F(DistilTest, PupilComesNearTheTeacher) {
  Context& ctx = runtime_->context();
  const auto lessons = this->lessons(16, 1);
  const Transformer same = value(load_transformer(teacher_->model().description));
  EXPECT_NEAR(value(lessons->held_out(ctx, same)).loss, 0, 1e-3);
  ASSERT_TRUE(lessons->tests());
  EXPECT_GT(value(lessons->test(ctx, same)).loss, 0.01) << "a test is measured by its own tokens, without the teacher";
  Transformer model = pupil();
  Trainer trainer(ctx, train_all(model), {.optimizer = {}, .schedule = {.rate = 3e-3f, .steps = 120}});
  const double before = value(lessons->held_out(ctx, model)).loss;
  for (int64_t step = 0; step < 120; ++step) {
    const std::vector<PartLoss> parts = value(lessons->parts(ctx, model, step));
    ASSERT_FALSE(value(trainer.step(parts)).diverged);
  }
  const double after = value(lessons->held_out(ctx, model)).loss;
  EXPECT_GT(before, 2);
  EXPECT_LT(after, 0.05);
}

// Without any weight of the teacher's, it is the loss of the data's own tokens.
TEST_F(DistilTest, WeightlessTeacherChangesNothing) {
  Context& ctx = runtime_->context();
  const Transformer model = pupil();
  const double plain = value(mean_token_loss(ctx, model, TokenFeed::all(render(kSamples), 128)));
  EXPECT_NEAR(value(lessons(16, 0)->held_out(ctx, model)).loss, plain, 1e-5);
}

// The head's rows piece by piece, and all logits at once where an adapter changes the head; with Gemma's soft cap.
TEST_F(DistilTest, HeadsLossIsThatOfItsLogits) {
  Context& ctx = runtime_->context();
  const std::vector<int32_t> targets{4, 5, 6, 7};
  const std::vector<int32_t> ids{1, 9, 4, 2, 8, 6, 7, 0};
  const std::vector<float> probabilities{0.5f, 0.25f, 0.9f, 0.05f, 0.125f, 0.5f, 0.3f, 0.2f};
  const ops::TeacherTargets said{2, ids, probabilities, 0.6f};
  for (const char* name : {"llama", "llama-tied", "gemma2"}) {
    Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models" / name))));
    const std::vector<Parameter> parameters = train_all(model);
    Batch batch = whole_sequence({3, 4, 5, 6, 7});
    batch.logit_rows = {0, 1, 2, 3};
    const auto teach = [&](bool all_logits) {
      Tape tape;
      watch(tape, parameters);
      const RecorderScope recording(ctx, &tape);
      const Tensor loss =
          all_logits ? ops::cross_entropy(ctx, value(model.forward(ctx, batch, nullptr)).logits, targets, 3, said)
                     : value(model.loss(ctx, batch, targets, 3, said));
      tape.backward(ctx, loss);
      std::vector<Tensor> grads = gradients(tape, parameters);
      grads.push_back(loss);
      return grads;
    };
    const std::vector<Tensor> want = teach(true);
    const std::vector<Tensor> got = teach(false);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(got[i].defined(), want[i].defined()) << name << " " << i;
      if (want[i].defined()) {
        EXPECT_LT(distance(got[i], want[i]), 1e-5) << name << " " << i;
      }
    }
  }
}

TEST_F(DistilTest, OtherVocabularyIsRefusedByItsFirstToken) {
  EXPECT_TRUE(teacher_->check_vocabulary(teacher_->tokenizer(), "itself").ok());
  const std::string path = (golden_dir() / "word_encoder/tokenizer.json").string();
  const Tokenizer other = value(load_tokenizer_json(value(read_file(path)), "", path));
  const Status refused = teacher_->check_vocabulary(other, "word_encoder");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("token 0 is"), std::string::npos) << refused.error().to_string();
  EXPECT_NE(refused.error().hint.find("--distil text"), std::string::npos);
}

Json with_a_turn_before(const Json& messages) {
  Json all = Json::array(
      {Json{{"role", "user"}, {"content", "Hello"}}, Json{{"role", "assistant"}, {"content", "Hello. I am Linnet."}}});
  all.insert(all.end(), messages.begin(), messages.end());
  return all;
}

TEST_F(DistilTest, TeacherWritesTheAnswersOnce) {
  const TeacherWriting writing{.most_tokens = 16, .cache = folder_};
  std::vector<Sample> samples{sample("Hello", "not this"), sample("My name is Eve.", "nor this")};
  samples[1].messages = with_a_turn_before(samples[1].messages);
  const LeftOut left_out = value(let_teacher_write(*teacher_, *runtime_, writing, samples, nullptr, {}));
  EXPECT_EQ(left_out.unfinished + left_out.empty + left_out.too_long, 2 - samples.size());
  ASSERT_GE(samples.size(), 1u);
  EXPECT_EQ(answer_of(samples[0]), "Hello. I am Linnet.");
  for (const Sample& one : samples) {
    for (size_t i = 0; i + 1 < one.messages.size(); ++i) {
      if (one.messages[i]["role"] == "assistant") {
        EXPECT_EQ(one.messages[i]["weight"], 0);
      }
    }
  }
  // Once more, with what was kept: another answer in the file is taken, and a torn line is written anew.
  fs::path kept;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() == ".jsonl") kept = entry.path();
  }
  std::ofstream(kept) << "{\"n\": 0, \"text\": \"From the file.\", \"whole\": true}\n{\"n\": 1, \"te";
  std::vector<Sample> again{sample("Hello", "not this"), sample("My name is Eve.", "nor this")};
  again[1].messages = with_a_turn_before(again[1].messages);
  size_t asked = 0;
  value(let_teacher_write(*teacher_, *runtime_, writing, again, nullptr, [&](const Progress&) { ++asked; }));
  EXPECT_EQ(asked, 1u);
  EXPECT_EQ(answer_of(again[0]), "From the file.");
}

// An answer that does not end is none.
TEST_F(DistilTest, AnswersThatDoNotEndAreLeftOut) {
  const TeacherWriting writing{.most_tokens = 2, .cache = folder_};
  std::vector<Sample> samples{sample("Hello", "not this")};
  EXPECT_EQ(value(let_teacher_write(*teacher_, *runtime_, writing, samples, nullptr, {})).unfinished, 1u);
  EXPECT_TRUE(samples.empty());
}

}  // namespace
}  // namespace linnet
