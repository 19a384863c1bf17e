#include "train/contrastive.hpp"

#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "models/text_vectors.hpp"
#include "ops/kernel_table.hpp"
#include "train/trainer.hpp"

namespace linnet {
namespace {

const std::vector<std::vector<int32_t>> kQuestions{{1, 5, 9, 2}, {1, 7, 2}, {1, 11, 12, 13, 2}};
const std::vector<std::vector<int32_t>> kAnswers{{1, 20, 21, 2}, {1, 30, 31, 32, 2}, {1, 40, 2}};
const std::vector<int32_t> kPartners{0, 1, 2};

struct Pupil {
  ThreadPool pool{2};
  Context ctx{pool, reference_kernels()};
  Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models/bert"))));

  Result<Tensor> loss() {
    TRY_ASSIGN(const Tensor questions, text_vectors(ctx, model, kQuestions, ops::Pooling::kMean, true));
    TRY_ASSIGN(const Tensor answers, text_vectors(ctx, model, kAnswers, ops::Pooling::kMean, true));
    return contrastive_loss(ctx, questions, answers, kPartners, 0.05f);
  }
};

TEST(ContrastiveTest, AnEncoderLearnsWhichTextsBelongTogether) {
  Pupil pupil;
  Trainer trainer(pupil.ctx, train_all(pupil.model),
                  {.optimizer = {}, .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-3f}});
  const std::vector<PartLoss> parts{[&] { return pupil.loss(); }};
  const double before = value(trainer.step(parts)).loss;
  for (int i = 0; i < 30; ++i) (void)value(trainer.step(parts));
  EXPECT_LT(value(trainer.step(parts)).loss, before / 4);
}

TEST(ContrastiveTest, ATextHasTheSameVectorBesideOthers) {
  Pupil pupil;
  const Tensor all = value(text_vectors(pupil.ctx, pupil.model, kQuestions, ops::Pooling::kMean, true));
  for (size_t i = 0; i < kQuestions.size(); ++i) {
    const Tensor alone = value(text_vectors(pupil.ctx, pupil.model, {&kQuestions[i], 1}, ops::Pooling::kMean, true));
    for (int64_t d = 0; d < all.dim(1); ++d) {
      ASSERT_EQ(all.data<float>()[static_cast<int64_t>(i) * all.dim(1) + d], alone.data<float>()[d]);
    }
  }
  const std::vector<std::vector<int32_t>> empty(1);
  EXPECT_FALSE(text_vectors(pupil.ctx, pupil.model, empty, ops::Pooling::kMean, true).ok());
}

}  // namespace
}  // namespace linnet
