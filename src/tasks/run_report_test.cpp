#include "tasks/run_report.hpp"

#include <fstream>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "models/reference_testing.hpp"
#include "tasks/run_log.hpp"

namespace linnet {
namespace {

class RunReportTest : public FolderTest {
 protected:
  RunVersion version() const {
    return {"shop",
            2,
            folder_,
            {{"kind", "model"}, {"prompt", "<script>alert(1)</script>"}, {"optimizer", {{"beta1", 0.9}}}}};
  }
  void metrics(const std::string& text) const { std::ofstream(folder_ / "metrics.jsonl") << text; }
  static int count(const std::string& text, const std::string& what) {
    int n = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  }
};

TEST_F(RunReportTest, HoldsCurvesSamplesAndSettingsAndNothingFromElsewhere) {
  RunLog log(version());
  const Evaluation before{4.5, {{"f1", 0.1}, {"exact_match", 0}}};
  ASSERT_TRUE(log.before(before, "what it wrote first").ok());
  std::string lines =
      dump_json({{"step", -1}, {"held_out", before.loss}, {"scores", scores_json(before.scores)}}) + "\n";
  for (int64_t step = 0; step < 1000; ++step) {
    const double loss = 4.0 / static_cast<double>(step + 1);
    lines += dump_json({{"step", step}, {"loss", loss}, {"norm", 1}, {"rate", 0.1}}) + "\n";
    if (step % 500 == 499)
      lines += dump_json({{"step", step}, {"held_out", loss + 0.5}, {"scores", {{"f1", 0.7}}}}) + "\n";
    log.begin_step();
    ASSERT_TRUE(log.step({.step = step, .loss = loss, .norm = 1, .rate = 0.1f}, std::nullopt, 64).ok());
  }
  metrics(lines);
  ASSERT_TRUE(log.sample(999, "a <b>sample</b> & more").ok());
  ASSERT_TRUE(log.kept(1000, {{"f1", 0.7}}, "what stays writes").ok());
  ASSERT_TRUE(log.write_report().ok());
  const std::string html = value(read_file(folder_ / "report.html"));
  EXPECT_EQ(count(html, "<svg"), 5);
  EXPECT_EQ(count(html, "</svg>"), 5);
  EXPECT_EQ(count(html, "<path d="), 7);  // two of losses, two of scores
  EXPECT_NE(html.find("Scores of what was held out"), std::string::npos);
  EXPECT_LT(html.find("before the first step</h3>\n<pre>what it wrote first"), html.find("after step 1000</h3>"));
  EXPECT_NE(html.find("at the end</h3>\n<pre>what stays writes"), std::string::npos);
  const std::string events = value(read_file(folder_ / "tensorboard/events.out.tfevents.0.linnet"));
  EXPECT_NE(events.find("score/f1"), std::string::npos);
  EXPECT_NE(html.find("held out 0.5040, at best 0.5040"), std::string::npos);
  EXPECT_NE(html.find("a &lt;b&gt;sample&lt;/b&gt; &amp; more"), std::string::npos);
  EXPECT_NE(html.find("optimizer.beta1"), std::string::npos);
  for (const char* foreign : {"<script", "http:", "https:", "src=", "@import", "url("}) {
    EXPECT_EQ(html.find(foreign), std::string::npos) << foreign;
  }
  EXPECT_EQ(html.find("nan"), std::string::npos);
  EXPECT_LT(html.size(), 60'000u);  // however many steps there were
}

TEST_F(RunReportTest, ARunThatHasJustBegunHasAReportToo) {
  const std::string html = value(run_report(version()));
  EXPECT_EQ(count(html, "<svg"), 0);
  metrics("{\"step\":0,\"loss\":2.5}\n");
  EXPECT_EQ(count(value(run_report(version())), "<svg"), 1);  // one point
  metrics("not json\n");
  EXPECT_FALSE(run_report(version()).ok());
}

TEST_F(RunReportTest, WhatGoesOnForgetsTheStepsThatAreDoneAgain) {
  const auto steps = [&](RunLog& log, int64_t begin, int64_t end) {
    for (int64_t step = begin; step < end; ++step) {
      ASSERT_TRUE(log.step({.step = step, .loss = 1, .norm = 1, .rate = 0.1f}, std::nullopt, 8).ok());
    }
  };
  RunLog killed(version());
  steps(killed, 0, 10);
  ASSERT_TRUE(killed.sample(9, "of the killed run").ok());
  RunLog again(version());
  steps(again, 6, 12);
  const std::vector<Json> times = value(read_step_log(folder_ / "times.jsonl"));
  ASSERT_EQ(times.size(), 12u);
  for (size_t i = 0; i < times.size(); ++i) EXPECT_EQ(times[i]["step"], i);
  EXPECT_TRUE(value(read_step_log(folder_ / "samples.jsonl")).empty());
}

}  // namespace
}  // namespace linnet
