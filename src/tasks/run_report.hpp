// A run on one page, that any browser shows without a network: curves as SVG, samples, what was chosen.
// Thread safety: pure functions over the run's files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tasks/run_store.hpp"

namespace linnet {

// One line of a chart.
struct Curve {
  std::string name;
  std::string colour;                             // of CSS
  std::vector<std::pair<double, double>> points;  // (step, value), finite, steps rising
};

// An <svg> element: the curves over a common step axis. At most some hundred points a curve are drawn: of more, the
// mean of each stretch. fixed: digits behind the point of the values' axis.
std::string svg_chart(const std::string& title, const std::vector<Curve>& curves, int digits);

// The HTML page of a run from its run.json, metrics.jsonl, times.jsonl and samples.jsonl, as far as they go. Errors: a
// file that cannot be read.
Result<std::string> run_report(const RunVersion& version);

}  // namespace linnet
