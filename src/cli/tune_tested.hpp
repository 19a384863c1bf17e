// What a run of an explicit method makes of the data that tests, beside its base. Thread safety: one thread.
#pragma once

#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "eval/statistics.hpp"
#include "tasks/tune.hpp"

namespace linnet::cli {

struct TestReport {
  std::optional<Lessons::HeldOut> before, after;  // the losses
  // Of the replies, where the form has a score: the base's, and the run's, over the same items.
  size_t items = 0;
  size_t skipped = 0;  // do not fit the context
  std::vector<Metric> untaught = {}, taught = {};
};

// Asks both for the replies, and keeps them beside the run, which its name means by now. Nothing to ask: losses alone.
// Errors: those of ask_model.
Result<TestReport> test_run(const Tuner& tuner, const TuneSettings& settings, const Tuner::Taught& taught,
                            const RunVersion& version);

// A line for each number; empty where there was no test.
std::string draw(const TestReport& report);
// {"on": "test", "loss": {"before", "after"}, "scores": {"untaught": {…}, "taught": {…}}}
Json to_json(const TestReport& report);

}  // namespace linnet::cli
