// The scores of a task from what a model did with its items. Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/classification.hpp"
#include "eval/item_log.hpp"
#include "eval/reply_score.hpp"
#include "eval/statistics.hpp"

namespace linnet {

struct ScoreOptions {
  bool stem = false;  // ROUGE's words by their stems
};

// Every score of the task, the one that is usually reported first. By kind:
//   choice        acc, acc_norm
//   continuation  acc (written as given), perplexity of the continuation
//   label         accuracy, macro_f1
//   number        exact_match (strict), exact_match_flexible
//   answer        of a test list those of reply_metrics(), then exact_match, f1
//   summary       rouge1, rouge2, rougeL, rougeLsum (F)
//   translation   bleu, chrf
// Errors: a summary that is too long for ROUGE. No items: scores of no items.
Result<std::vector<Metric>> task_metrics(const TaskLog& log, const ScoreOptions& options);

// What is said beside the numbers: signatures of BLEU and chrF, whether ROUGE stems; empty for most.
// `metrics` are the log's task_metrics().
std::vector<std::string> score_notes(const TaskLog& log, std::span<const Metric> metrics, const ScoreOptions& options);

// Of a label task: gold and predicted, and the labels that they are places of.
std::vector<Labelled> labelled(const TaskLog& log);

// Of a task whose items are those of a test list; empty for others.
std::vector<ReplyScore> reply_scores(const TaskLog& log);

}  // namespace linnet
