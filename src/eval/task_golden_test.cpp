// Tasks beside lm-evaluation-harness: the same requests, and from the same answers the same results.
// tests/golden/make_eval.py asked it.
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "eval/run_task.hpp"
#include "eval/task_score.hpp"

namespace linnet {
namespace {

constexpr const char* kFolder = LINNET_SOURCE_DIR "/tests/golden/eval/";

// The task's log as if the model had told what the recording says; checks every request on the way.
TaskLog replay(const Task& task, const Json& recorded) {
  TaskLog log{task.name, task.kind, {}, {}};
  const std::string prefix = plain_prefix(task, {});
  size_t at = 0;
  for (const TaskItem& item : task.items) {
    ItemRecord record{.item = item.number, .choices = item.choices, .gold = item.gold, .references = item.references};
    if (is_generated(task.kind)) {
      EXPECT_EQ(prefix + item.question, recorded["requests"][at].get<std::string>());
      record.output = recorded["told"][at++].get<std::string>();
    }
    for (const std::string& choice : item.choices) {
      EXPECT_EQ(prefix + item.question, recorded["requests"][at][0].get<std::string>());
      EXPECT_EQ(task.delimiter + choice, recorded["requests"][at][1].get<std::string>());
      record.log_likelihoods.push_back(recorded["told"][at][0]);
      record.greedy.push_back(recorded["told"][at++][1]);
    }
    log.items.push_back(std::move(record));
  }
  EXPECT_EQ(at, recorded["requests"].size());
  return log;
}

TEST(TaskGolden, RequestsAndResultsAreTheHarness) {
  auto read = read_json_file(std::string(kFolder) + "replay.json");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const std::map<std::string, std::string> theirs{{"acc", "acc,none"},
                                                  {"acc_norm", "acc_norm,none"},
                                                  {"perplexity", "perplexity,none"},
                                                  {"exact_match", "exact_match,strict-match"},
                                                  {"exact_match_flexible", "exact_match,flexible-extract"}};
  ASSERT_EQ(read->size(), 4u);
  for (const auto& [name, recorded] : read->items()) {
    SCOPED_TRACE(name);
    const auto task = read_task({kFolder + recorded["file"].get<std::string>()}, {.shots = recorded["shots"]});
    ASSERT_TRUE(task.ok()) << task.error().to_string();
    EXPECT_EQ(task->name, name);
    const auto metrics = task_metrics(replay(*task, recorded), {});
    ASSERT_TRUE(metrics.ok());
    for (const Metric& metric : *metrics) {
      const std::string& key = theirs.at(metric.name());
      const Estimate told = estimate(metric, 0);
      EXPECT_NEAR(told.value / recorded["results"][key].get<double>(), 1, 1e-9) << key;
      if (told.kind == ErrorKind::kBootstrap) continue;
      const std::string error_key = key.substr(0, key.find(',')) + "_stderr" + key.substr(key.find(','));
      EXPECT_NEAR(told.standard_error, recorded["results"][error_key].get<double>(), 1e-9) << error_key;
    }
  }
}

}  // namespace
}  // namespace linnet
