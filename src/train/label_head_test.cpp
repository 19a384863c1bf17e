#include "train/label_head.hpp"

#include <cmath>

#include "base/folder_testing.hpp"
#include "base/random.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "models/text_vectors.hpp"
#include "ops/kernel_table.hpp"
#include "ops/loss.hpp"
#include "train/trainer.hpp"

namespace linnet {
namespace {

const std::vector<std::vector<int32_t>> kTexts{{1, 5, 9, 2}, {1, 7, 2}, {1, 11, 12, 13, 2}, {1, 20, 21, 2}, {1, 8, 2}};
const std::vector<int32_t> kClasses{0, 1, 2, 1, 0};
const std::vector<std::string> kLabels{"x", "y", "z"};

struct Pupil {
  ThreadPool pool{2};
  Context ctx{pool, reference_kernels()};
  Transformer model = value(load_transformer(value(describe_model(golden_dir() / "models/bert"))));

  Tensor vectors() { return normal_rows(ctx, value(text_vectors(ctx, model, kTexts, ops::Pooling::kMean, false))); }
  float loss(const LabelHead& head) {
    return ops::cross_entropy(ctx, head.logits(ctx, vectors()), kClasses).data<float>()[0];
  }
};

TEST(LabelHeadTest, BeginsAsTheNearestCentroid) {
  Pupil pupil;
  const Tensor vectors = pupil.vectors();
  const LabelHead head = LabelHead::nearest_centroid(kLabels, vectors, kClasses, 10);
  const Tensor logits = head.logits(pupil.ctx, vectors);
  const int64_t width = vectors.dim(1);
  for (int64_t i = 0; i < vectors.dim(0); ++i) {
    for (int64_t k = 0; k < 3; ++k) {
      std::vector<double> centroid(static_cast<size_t>(width));
      for (int64_t j = 0; j < vectors.dim(0); ++j) {
        if (kClasses[static_cast<size_t>(j)] != k) continue;
        for (int64_t c = 0; c < width; ++c) centroid[static_cast<size_t>(c)] += vectors.data<float>()[j * width + c];
      }
      double dot = 0, a = 0, b = 0;
      for (int64_t c = 0; c < width; ++c) {
        const double x = vectors.data<float>()[i * width + c], y = centroid[static_cast<size_t>(c)];
        dot += x * y, a += x * x, b += y * y;
      }
      EXPECT_NEAR(logits.data<float>()[i * 3 + k], 10 * dot / std::sqrt(a * b), 1e-4);
    }
  }
}

TEST(LabelHeadTest, GradientsAreThoseOfFiniteDifferences) {
  Pupil pupil;
  LabelHead head = LabelHead::nearest_centroid(kLabels, pupil.vectors(), kClasses, 2);
  std::vector<Parameter> parameters = train_all(pupil.model);
  const size_t of_model = parameters.size();
  for (Parameter& parameter : head.parameters()) parameters.push_back(parameter);
  Tape tape;
  watch(tape, parameters);
  std::vector<Tensor> grads;
  {
    const RecorderScope recording(pupil.ctx, &tape);
    tape.backward(pupil.ctx, ops::cross_entropy(pupil.ctx, head.logits(pupil.ctx, pupil.vectors()), kClasses));
    grads = gradients(tape, parameters);
  }
  Random random(4);
  size_t checked = 0;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (!grads[p].defined()) continue;
    const bool of_head = p >= of_model;
    for (int n = 0; n < (of_head ? 6 : 2); ++n) {
      Tensor& tensor = *parameters[p].tensor;
      float& x = tensor.data<float>()[random.below(static_cast<uint64_t>(tensor.elements()))];
      const auto at = static_cast<int64_t>(&x - tensor.data<float>());
      const float before = x;
      constexpr float kStep = 5e-3f;
      x = before + kStep;
      const double up = static_cast<double>(pupil.loss(head));
      x = before - kStep;
      const double down = static_cast<double>(pupil.loss(head));
      x = before;
      const double want = (up - down) / (2 * static_cast<double>(kStep));
      EXPECT_NEAR(grads[p].data<float>()[at], want, 1e-3 + 0.02 * std::abs(want)) << parameters[p].name << " " << at;
      ++checked;
    }
  }
  EXPECT_GT(checked, 40U);
}

TEST(LabelHeadTest, AnEncoderLearnsLabels) {
  Pupil pupil;
  const std::vector<int32_t> wrong{0, 1, 2, 2, 1};  // where it begins is not where it ends
  LabelHead head = LabelHead::nearest_centroid(kLabels, pupil.vectors(), wrong, 2);
  std::vector<Parameter> parameters = train_all(pupil.model);
  for (Parameter& parameter : head.parameters()) parameters.push_back(parameter);
  Trainer trainer(pupil.ctx, parameters,
                  {.optimizer = {}, .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-3f}});
  const std::vector<PartLoss> parts{[&]() -> Result<Tensor> {
    return ops::cross_entropy(pupil.ctx, head.logits(pupil.ctx, pupil.vectors()), kClasses);
  }};
  const double before = value(trainer.step(parts)).loss;
  for (int i = 0; i < 40; ++i) (void)value(trainer.step(parts));
  EXPECT_LT(value(trainer.step(parts)).loss, before / 4);
}

class LabelHeadFile : public FolderTest {};

TEST_F(LabelHeadFile, WhatIsSavedIsReadAgainAndOtherFilesAreRefused) {
  Pupil pupil;
  const LabelHead head = LabelHead::nearest_centroid(kLabels, pupil.vectors(), kClasses, 2);
  const auto path = folder_ / "head.safetensors";
  ASSERT_TRUE(head.save(path).ok());
  const int64_t width = head.weight().dim(1);
  const LabelHead read = value(LabelHead::open(path, width));
  EXPECT_EQ(read.labels(), kLabels);
  EXPECT_EQ(std::vector<float>(read.weight().span<float>().begin(), read.weight().span<float>().end()),
            std::vector<float>(head.weight().span<float>().begin(), head.weight().span<float>().end()));
  EXPECT_FALSE(LabelHead::open(path, width + 1).ok());
  EXPECT_FALSE(LabelHead::open(golden_dir() / "word_encoder/model.safetensors", width).ok());
}

}  // namespace
}  // namespace linnet
