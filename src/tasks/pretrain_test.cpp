// `linnet train` from a text to a model, in small: what it leaves, and that a run which stops goes on to the same
// bytes.
#include "tasks/pretrain.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "formats/safetensors.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

class PretrainTest : public FolderTest {
 public:
  ~PretrainTest() override { unsetenv("XDG_CACHE_HOME"); }

 protected:
  PretrainTest() {
    setenv("XDG_CACHE_HOME", (folder_ / "cache").c_str(), 1);
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 300; ++i) text << "the " << (i % 3 == 0 ? "cat" : "dog") << " sat on mat " << i % 10 << "\n";
  }
  TrainSettings settings(int threads) const {
    TrainSettings settings;
    settings.text.paths = {(folder_ / "text.txt").string()};
    settings.size = {.size = "20k", .layers = 2, .width = 32, .heads = 2};
    settings.context = 16;
    settings.batch = 128;
    settings.steps = 24;
    settings.rate = 1e-2;
    settings.dropout = 0.1;
    settings.evaluate_every = 6;
    settings.seed = 3;
    settings.threads = threads;
    return settings;
  }
  std::unique_ptr<Pretrainer> prepare(const TrainSettings& settings) {
    return value(Pretrainer::prepare(settings, cancel_, [](const Progress&) {}));
  }
  RunVersion version(const std::string& name) const {
    RunVersion version{name, 1, folder_ / name, {{"kind", "model"}}};
    fs::create_directories(version.folder);
    return version;
  }
  static std::vector<std::string> left_by(const RunVersion& version) {
    std::vector<std::string> files;
    for (const char* name : {"metrics.jsonl", "checkpoint.safetensors", "samples.jsonl", "model/model.safetensors"}) {
      files.push_back(value(read_file(version.folder / name)));
    }
    return files;
  }

  CancelToken cancel_;
};

TEST_F(PretrainTest, LearnsAndLeavesAModel) {
  for (const ModelShape shape : {ModelShape::kLlama, ModelShape::kGpt2}) {
    for (const OptimizerKind kind : {OptimizerKind::kAdamW, OptimizerKind::kMuon}) {
      const RunVersion run = version("learns" + std::to_string(int(shape)) + std::to_string(int(kind)));
      TrainSettings chosen = settings(2);
      chosen.size.shape = shape;
      chosen.optimizer.kind = kind;
      const std::unique_ptr<Pretrainer> pretrainer = prepare(chosen);
      const LoopResult result = value(pretrainer->run(run, false, {}));
      EXPECT_LT(*result.held_out, 2.2) << run.name;  // it begins near log(21) = 3.04
      const ModelDescription model = value(describe_model(run.folder / kModelFolder));
      EXPECT_EQ(model.transformer.num_layers(), 2);
      EXPECT_TRUE(load_transformer(model).ok());
      const Tokenizer tokenizer = value(load_tokenizer(model.files));
      EXPECT_EQ(tokenizer.vocab_size(), model.transformer.vocab_size);
      for (const char* file :
           {"report.html", "metrics.jsonl", "times.jsonl", "tensorboard/events.out.tfevents.0.linnet"}) {
        EXPECT_GT(fs::file_size(run.folder / file), 100u) << file;
      }
    }
  }
}

TEST_F(PretrainTest, AStopOrAnotherNumberOfThreadsChangesNotABit) {
  for (const DType weights : {DType::kF32, DType::kBF16}) {
    const auto held = [&](int threads) {
      TrainSettings chosen = settings(threads);
      chosen.weights = weights;
      return chosen;
    };
    const std::string name(dtype_name(weights));
    const RunVersion straight = version("straight" + name);
    (void)value(prepare(held(1))->run(straight, false, {}));
    const RunVersion stopped = version("stopped" + name);
    for (const int64_t stop_after : {4, 13, -1}) {
      CancelToken cancel;
      const Pretrainer::Hooks hooks{.report =
                                        [&](const StepReport& report, const std::optional<Evaluation>&) {
                                          if (report.step == stop_after) cancel.cancel();
                                        },
                                    .sample = nullptr,
                                    .cancel = &cancel};
      const auto result = prepare(held(3))->run(stopped, true, hooks);
      EXPECT_EQ(result.ok(), stop_after < 0);
    }
    EXPECT_EQ(left_by(stopped), left_by(straight));
  }
}

TEST_F(PretrainTest, WeightsHeldInBFloat16LearnAsOthersDo) {
  for (const OptimizerKind kind : {OptimizerKind::kAdamW, OptimizerKind::kMuon}) {
    TrainSettings chosen = settings(2);
    chosen.optimizer.kind = kind;
    const std::string name = "held" + std::to_string(int(kind));
    const double want = *value(prepare(chosen)->run(version(name + "f32"), false, {})).held_out;
    chosen.weights = DType::kBF16;
    const auto pretrainer = prepare(chosen);
    EXPECT_EQ(pretrainer->info()["weights"], "bfloat16");
    const RunVersion run = version(name + "bf16");
    EXPECT_NEAR(*value(pretrainer->run(run, false, {})).held_out / want, 1, 0.03);
    const auto checkpoint = value(open_safetensors(run.folder / "checkpoint.safetensors"));
    for (const StoredTensor& tensor : checkpoint.tensors) {
      const bool matrix = tensor.shape.rank() == 2 && tensor.name.ends_with(".weight");
      EXPECT_EQ(tensor.dtype, matrix ? DType::kBF16 : DType::kF32) << tensor.name;
    }
  }
}

TEST_F(PretrainTest, AStepThatDivergesIsNamedAndItsTextKept) {
  TrainSettings wild = settings(1);
  wild.optimizer.kind = OptimizerKind::kSgd;
  wild.optimizer.sgd.weight_decay = 1;
  wild.schedule = ScheduleKind::kConstant;
  wild.rate = 1000;  // what decays grows a thousandfold with each step
  wild.clip_norm = 1e30;
  const RunVersion run = version("wild");
  const auto result = prepare(wild)->run(run, false, {});
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find("diverged"), std::string::npos) << result.error().to_string();
  const std::vector<Json> pieces = value(read_step_log(run.folder / "diverged.jsonl"));
  EXPECT_EQ(pieces.size(), 8u);  // windows of a step
  const std::string text = value(read_file(folder_ / "text.txt"));
  for (const Json& piece : pieces) {
    const auto written = piece["text"].get<std::string>();
    EXPECT_EQ(written.size(), 16u);
    EXPECT_NE(text.find(written), std::string::npos) << written;
  }
  EXPECT_FALSE(fs::exists(run.folder / kModelFolder));
}

TEST_F(PretrainTest, TokensAreCutOnceAndAgainWhereTheyAreDamaged) {
  (void)prepare(settings(1));
  const auto entries = [&] {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache/linnet/training")) found.push_back(entry.path());
    return found;
  };
  ASSERT_EQ(entries().size(), 1u);
  const fs::path tokens = entries()[0] / "train.tokens";
  const auto made = fs::last_write_time(tokens);
  const std::string good = value(read_file(tokens));
  (void)prepare(settings(1));
  EXPECT_EQ(fs::last_write_time(tokens), made);
  std::ofstream(tokens) << "damaged";
  const int64_t count = prepare(settings(1))->text().train.size();
  EXPECT_EQ(value(read_file(tokens)), good);
  EXPECT_EQ(entries().size(), 1u);
  std::ofstream(folder_ / "text.txt", std::ios::app) << "more\n";
  EXPECT_EQ(prepare(settings(1))->text().train.size(), count + 5);
  EXPECT_EQ(entries().size(), 2u);
}

TEST_F(PretrainTest, ChoosesWhatIsNotGivenAndRefusesWhatDoesNotFit) {
  TrainSettings chosen = settings(1);
  chosen.steps.reset();
  chosen.dropout.reset();
  const std::unique_ptr<Pretrainer> pretrainer = prepare(chosen);
  const TrainPlan& plan = pretrainer->plan();
  EXPECT_EQ(plan.steps, 4 * plan.steps_per_epoch);  // a small text, as often as it teaches
  EXPECT_GT(plan.dropout, 0);
  EXPECT_NEAR(static_cast<double>(plan.held_out.size()) / static_cast<double>(pretrainer->text().train.size()), 0.1,
              0.01);
  EXPECT_EQ(plan.train.end, plan.held_out.begin);
  EXPECT_EQ(pretrainer->info()["steps"], plan.steps);
  const auto error = [&](const TrainSettings& bad) {
    const auto result = Pretrainer::prepare(bad, cancel_, [](const Progress&) {});
    return result.ok() ? "" : result.error().to_string();
  };
  TrainSettings bad = settings(1);
  bad.context = 1 << 20;
  EXPECT_NE(error(bad).find("too few for a context"), std::string::npos);
  bad = settings(1);
  bad.text.tokenizer = "bpe:x";
  EXPECT_NE(error(bad).find("size of a vocabulary"), std::string::npos);
  bad = settings(1);
  bad.size.width = 8192;
  bad.size.layers = 100;
  EXPECT_NE(error(bad).find("training needs about"), std::string::npos);
  bad = settings(1);
  std::ofstream(folder_ / "empty.txt") << "";
  bad.text.paths = {(folder_ / "empty.txt").string()};
  EXPECT_NE(error(bad).find("no text"), std::string::npos);
}

}  // namespace
}  // namespace linnet
