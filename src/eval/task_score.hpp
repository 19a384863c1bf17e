// The scores of a task from what a model did with its items. Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "eval/classification.hpp"
#include "eval/item_log.hpp"
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
//   answer        exact_match, f1; with facts also: correct, facts, declined (of those without an answer)
//   summary       rouge1, rouge2, rougeL, rougeLsum (F)
//   translation   bleu, chrf
// Errors: a summary that is too long for ROUGE. No items: scores of no items.
Result<std::vector<Metric>> task_metrics(const TaskLog& log, const ScoreOptions& options);

// What is said beside the numbers: signatures of BLEU and chrF, whether ROUGE stems; empty for most.
std::vector<std::string> score_notes(const TaskLog& log, const ScoreOptions& options);

// Of a label task: gold and predicted, and the labels that they are places of.
std::vector<Labelled> labelled(const TaskLog& log);

// Whether an answer is right, where the task has facts (docs/evaluation.md): all facts are in it, it does not decline,
// and it is not another item's answer instead. Without references: it declines.
std::vector<double> correct_answers(const TaskLog& log);

}  // namespace linnet
