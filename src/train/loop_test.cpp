#include "train/loop.hpp"

#include <chrono>
#include <cmath>
#include <csignal>
#include <set>
#include <sstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "models/reference_testing.hpp"
#include "ops/elementwise.hpp"
#include "ops/kernel_table.hpp"
#include "ops/loss.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

// Fits a row of numbers to targets that hang on the step: small, and every step differs.
struct Pupil {
  explicit Pupil(int threads) : pool(threads) {}

  LoopHooks hooks() {
    LoopHooks hooks;
    hooks.parts = [this](int64_t step) -> Result<std::vector<PartLoss>> {
      return std::vector<PartLoss>{[this, step]() -> Result<Tensor> {
        Random random(7, static_cast<uint64_t>(step));
        const std::vector<int32_t> target{static_cast<int32_t>(random.below(5))};
        return ops::cross_entropy(ctx, ops::scale(ctx, numbers, 1.5f), target);
      }};
    };
    hooks.before = [this]() -> Result<Evaluation> { return evaluation(); };
    hooks.evaluate = [this](int64_t) -> Result<Evaluation> { return evaluation(); };
    hooks.after = [this](int64_t) -> Result<std::vector<Score>> { return scores(); };
    return hooks;
  }

  Evaluation evaluation() const { return {std::abs(double{numbers.data<float>()[0]} - 0.2), scores()}; }

  std::vector<Score> scores() const { return {{"second", double{numbers.data<float>()[1]}}, {"first", 0.5}}; }

  ThreadPool pool;
  Context ctx{pool, reference_kernels()};
  Tensor numbers = Tensor::zeros(DType::kF32, {1, 5});
  Trainer trainer{ctx,
                  {{"numbers", &numbers, true}},
                  {.optimizer = {}, .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-2f}}};
};

class LoopTest : public FolderTest {
 protected:
  LoopConfig config(const std::string& run) const {
    return {.folder = folder_ / run, .steps = 60, .checkpoint_every = 7, .evaluate_every = 5, .patience = 0};
  }
  // A run in a process of its own, killed after `microseconds` unless they are 0, whose files may have so many bytes.
  // Returns the signal that ended it, else its exit status: 1 where the run failed.
  int run_in_child(const std::string& run, useconds_t microseconds, uint64_t room = RLIM_INFINITY) {
    fs::create_directories(folder_ / run);
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGXFSZ, SIG_IGN);  // writes beyond the limit fail instead
      const rlimit limit{room, room};
      setrlimit(RLIMIT_FSIZE, &limit);
      Pupil pupil(1);
      _exit(run_loop(pupil.trainer, config(run), pupil.hooks(), false).ok() ? 0 : 1);
    }
    if (microseconds > 0) {
      usleep(microseconds);
      kill(child, SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  }
  void go_on(const std::string& run) {
    Pupil again(1);
    (void)value(run_loop(again.trainer, config(run), again.hooks(), true));
  }
  // A power cut takes any part of what no checkpoint has made sure of.
  void lose_what_was_not_flushed(const std::string& run, Random& random) {
    const fs::path metrics = folder_ / run / "metrics.jsonl";
    if (!fs::exists(metrics)) return;
    uint64_t sure = 0;
    if (fs::exists(folder_ / run / "checkpoint.safetensors")) {
      Pupil pupil(1);
      (void)value(pupil.trainer.restore(folder_ / run / "checkpoint.safetensors"));
      for (std::istringstream lines(value(read_file(metrics))); !lines.eof();) {
        std::string line;
        std::getline(lines, line);
        if (line.empty() || Json::parse(line)["step"].get<int64_t>() >= pupil.trainer.steps()) break;
        sure += line.size() + 1;
      }
    }
    fs::resize_file(metrics, sure + random.below(fs::file_size(metrics) - sure + 1));
  }
  std::set<std::string> names_in(const std::string& run) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / run)) names.insert(entry.path().filename().string());
    return names;
  }
  // Everything that a run leaves.
  std::vector<std::string> left_by(const std::string& run) const {
    std::vector<std::string> files;
    for (const char* name : {"checkpoint.safetensors", "best.safetensors", "metrics.jsonl"}) {
      files.push_back(value(read_file(folder_ / run / name)));
    }
    return files;
  }
};

TEST_F(LoopTest, KilledAtFiftyMomentsItEndsWithTheSameBytes) {
  const auto began = std::chrono::steady_clock::now();
  run_in_child("straight", 0);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began);
  auto whole = static_cast<uint64_t>(took.count());
  Random random(1);
  int stopped = 0;
  for (int trial = 0; trial < 50; ++trial) {
    const std::string run = "killed" + std::to_string(trial);
    const auto when = static_cast<useconds_t>(1 + random.below(whole));
    if (run_in_child(run, when) == SIGKILL) {
      ++stopped;
    } else {
      whole = when;  // the machine did other work when the first run was timed
    }
    lose_what_was_not_flushed(run, random);
    go_on(run);
    EXPECT_EQ(left_by(run), left_by("straight")) << "killed after " << when << " us";
    EXPECT_EQ(names_in(run), names_in("straight"));
  }
  EXPECT_GT(stopped, 25);
}

TEST_F(LoopTest, OfAFullDiskItSaysSoAndLaterGoesOnToTheSameBytes) {
  run_in_child("straight", 0);
  const uint64_t checkpoint = fs::file_size(folder_ / "straight/checkpoint.safetensors");
  const uint64_t metrics = fs::file_size(folder_ / "straight/metrics.jsonl");
  Random random(2);
  for (int trial = 0; trial < 50; ++trial) {
    const std::string run = "full" + std::to_string(trial);
    const uint64_t room = random.below(std::max(checkpoint, metrics));  // no file grows beyond it
    EXPECT_NE(run_in_child(run, 0, room), 0) << room;
    go_on(run);
    EXPECT_EQ(left_by(run), left_by("straight")) << "with room for " << room << " bytes";
    EXPECT_EQ(names_in(run), names_in("straight"));
  }
}

TEST_F(LoopTest, AStopSavesAndResumes) {
  fs::create_directories(folder_ / "whole");
  fs::create_directories(folder_ / "stopped");
  Pupil whole(1);
  (void)value(run_loop(whole.trainer, config("whole"), whole.hooks(), false));
  Pupil stopped(2);
  CancelToken cancel;
  LoopHooks hooks = stopped.hooks();
  hooks.cancel = &cancel;
  hooks.report = [&](const StepReport& report, const std::optional<Evaluation>&) {
    if (report.step == 22) cancel.cancel();
    return ok_status();
  };
  const auto result = run_loop(stopped.trainer, config("stopped"), hooks, false);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  Pupil again(2);
  (void)value(run_loop(again.trainer, config("stopped"), again.hooks(), true));
  EXPECT_EQ(left_by("stopped"), left_by("whole"));
}

TEST_F(LoopTest, AStopInAnEvaluationSavesAndEvaluatesAgain) {
  fs::create_directories(folder_ / "whole");
  Pupil whole(1);
  std::vector<int64_t> told;
  LoopHooks telling = whole.hooks();
  telling.report = [&](const StepReport& report, const std::optional<Evaluation>& evaluation) {
    if (evaluation) told.push_back(report.step);
    return ok_status();
  };
  (void)value(run_loop(whole.trainer, config("whole"), telling, false));
  for (const int64_t when : {0, 5, 35, 60}) {  // 0: before the first step; 60: after the last
    const std::string run = "stopped" + std::to_string(when);
    fs::create_directories(folder_ / run);
    Pupil stopped(2);
    LoopHooks hooks = stopped.hooks();
    const auto cancelled = [] { return Error{ErrorCode::kCancelled, "stopped", {}, {}}; };
    if (when == 0) hooks.before = [&]() -> Result<Evaluation> { return cancelled(); };
    hooks.evaluate = [&, evaluate = hooks.evaluate](int64_t steps) -> Result<Evaluation> {
      if (steps == when) return cancelled();
      return evaluate(steps);
    };
    std::vector<int64_t> told_here;
    const auto tell = [&](const StepReport& report, const std::optional<Evaluation>& evaluation) {
      if (evaluation) told_here.push_back(report.step);
      return ok_status();
    };
    hooks.report = tell;
    const auto result = run_loop(stopped.trainer, config(run), hooks, false);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(stopped.trainer.steps(), when) << "no step is lost";
    Pupil again(2);
    LoopHooks rest = again.hooks();
    rest.report = tell;
    const LoopResult done = value(run_loop(again.trainer, config(run), rest, true));
    EXPECT_EQ(left_by(run), left_by("whole"));
    EXPECT_EQ(told_here, told);
    ASSERT_TRUE(done.before.has_value());
    EXPECT_EQ(done.before->loss, 0.2);
    ASSERT_EQ(done.before->scores.size(), 2u);
    EXPECT_EQ(done.before->scores[1].value, 0.5);
  }
}

TEST_F(LoopTest, ScoresChangeNoBitOfWhatIsLearned) {
  for (const char* run : {"scored", "plain"}) fs::create_directories(folder_ / run);
  Pupil scored(1);
  (void)value(run_loop(scored.trainer, config("scored"), scored.hooks(), false));
  Pupil plain(1);
  LoopHooks hooks = plain.hooks();
  hooks.before = nullptr;
  hooks.after = nullptr;
  hooks.evaluate = [&, evaluate = hooks.evaluate](int64_t steps) -> Result<Evaluation> {
    TRY_ASSIGN(const Evaluation evaluation, evaluate(steps));
    return Evaluation{evaluation.loss};
  };
  (void)value(run_loop(plain.trainer, config("plain"), hooks, false));
  for (const char* file : {"checkpoint.safetensors", "best.safetensors"}) {
    EXPECT_EQ(value(read_file(folder_ / "scored" / file)), value(read_file(folder_ / "plain" / file)));
  }
  const std::string metrics = value(read_file(folder_ / "scored/metrics.jsonl"));
  EXPECT_EQ(metrics.find("{\"step\":-1,\"held_out\":0.2,\"scores\":{\"second\":0.0,\"first\":0.5}}\n"), 0u)
      << metrics.substr(0, 100);
  const std::string last = metrics.substr(metrics.rfind('\n', metrics.size() - 2) + 1);
  EXPECT_EQ(last.find("{\"step\":60,\"held_out\":"), 0u) << last;
  EXPECT_NE(last.find("\"first\":0.5},\"kept\":true}"), std::string::npos) << last;
}

TEST_F(LoopTest, WithoutABetterEvaluationItEndsAtTheBest) {
  LoopConfig early = config("early");
  early.patience = 2;
  fs::create_directories(early.folder);
  Pupil pupil(1);
  LoopHooks hooks = pupil.hooks();
  double score = 0;
  hooks.evaluate = [&](int64_t) -> Result<Evaluation> { return Evaluation{score += 1}; };
  const LoopResult result = value(run_loop(pupil.trainer, early, hooks, false));
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.held_out, 1);  // of the parameters that stay
  EXPECT_EQ(result.steps, 5);     // of the first evaluation
  Pupil again(1);
  LoopHooks none = again.hooks();
  none.evaluate = [](int64_t) -> Result<Evaluation> { return invalid("it had ended"); };
  const LoopResult same = value(run_loop(again.trainer, early, none, true));
  EXPECT_TRUE(same.stopped_early);
  EXPECT_EQ(same.held_out, 1);
}

// What is wrong with the loss of step 55: nothing, so much too high, or no number.
Result<LoopResult> run_with_loss_of(Pupil& pupil, const LoopConfig& config, float wrong, bool resume) {
  LoopHooks hooks = pupil.hooks();
  const auto parts = hooks.parts;
  hooks.parts = [&pupil, parts, wrong](int64_t step) -> Result<std::vector<PartLoss>> {
    TRY_ASSIGN(const std::vector<PartLoss> right, parts(step));
    return std::vector<PartLoss>{[&pupil, right, step, wrong]() -> Result<Tensor> {
      TRY_ASSIGN(const Tensor loss, right[0]());
      return step == 55 ? ops::scale(pupil.ctx, loss, wrong) : loss;
    }};
  };
  hooks.keep_batch = [](const StepReport& step) { return fs::path("batch of " + std::to_string(step.step)); };
  return run_loop(pupil.trainer, config, hooks, resume);
}

TEST_F(LoopTest, StopsAtAStepThatDivergesAndGoesOnOverASpikeWhereAsked) {
  LoopConfig watched = config("watched");
  watched.spike = 10;
  fs::create_directories(watched.folder);
  for (const float wrong : {NAN, 40.0f}) {
    Pupil pupil(1);
    const auto result = run_with_loss_of(pupil, watched, wrong, false);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().to_string().find("step 55 diverged"), std::string::npos) << result.error().to_string();
    EXPECT_NE(result.error().to_string().find("batch of 55"), std::string::npos);
    EXPECT_EQ(result.error().to_string().find("--spike") != std::string::npos, wrong > 1);
    EXPECT_EQ(pupil.trainer.steps(), 55);
  }
  watched.spike = 0;
  Pupil over(1);
  EXPECT_EQ(value(run_with_loss_of(over, watched, 40, true)).held_out.has_value(), true);
  EXPECT_EQ(value(read_file(watched.folder / "metrics.jsonl")).find("\"step\":59") != std::string::npos, true);
}

TEST_F(LoopTest, ALossAboveTheCeilingDivergesHoweverFewWereSeen) {
  LoopConfig watched = config("watched");
  watched.spike = 10;
  watched.most_loss = 5;
  fs::create_directories(watched.folder);
  Pupil pupil(1);
  LoopHooks hooks = pupil.hooks();
  hooks.parts = [&pupil, parts = hooks.parts](int64_t step) -> Result<std::vector<PartLoss>> {
    TRY_ASSIGN(const std::vector<PartLoss> right, parts(step));
    return std::vector<PartLoss>{[&pupil, right, step]() -> Result<Tensor> {
      TRY_ASSIGN(const Tensor loss, right[0]());
      return step == 3 ? ops::scale(pupil.ctx, loss, 40.0f) : loss;
    }};
  };
  const auto result = run_loop(pupil.trainer, watched, hooks, false);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().to_string().find("step 3 diverged"), std::string::npos) << result.error().to_string();
}

}  // namespace
}  // namespace linnet
