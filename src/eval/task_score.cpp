#include "eval/task_score.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>

#include "base/check.hpp"
#include "eval/gsm8k_score.hpp"
#include "eval/rouge.hpp"
#include "eval/squad_score.hpp"
#include "eval/translation_score.hpp"

namespace linnet {

namespace {

template <class Score>
Metric mean_of(const char* name, const TaskLog& log, const Score& score) {
  std::vector<double> values;
  values.reserve(log.items.size());
  for (const ItemRecord& item : log.items) values.push_back(score(item));
  return mean_metric(name, values);
}

double right(int32_t chosen, const ItemRecord& item) {
  return chosen == item.gold ? 1 : 0;
}

std::vector<Metric> choice_metrics(const TaskLog& log) {
  return {mean_of("acc", log, [](const ItemRecord& item) { return right(item.likeliest(false), item); }),
          mean_of("acc_norm", log, [](const ItemRecord& item) { return right(item.likeliest(true), item); })};
}

std::vector<Metric> continuation_metrics(const TaskLog& log) {
  // lm-evaluation-harness's perplexity of such tasks: of the whole continuation, not of a token.
  Metric perplexity("perplexity", 2, [](std::span<const double> sums, size_t) { return std::exp(-sums[0] / sums[1]); });
  for (const ItemRecord& item : log.items) perplexity.add(std::array{item.log_likelihoods[0], 1.0});
  return {mean_of("acc", log, [](const ItemRecord& item) { return item.greedy[0] ? 1.0 : 0.0; }),
          std::move(perplexity)};
}

std::vector<Metric> number_metrics(const TaskLog& log) {
  const auto matches = [](const ItemRecord& item, const std::string& found) {
    return std::any_of(item.references.begin(), item.references.end(),
                       [&](const std::string& reference) { return same_number(found, reference); })
               ? 1.0
               : 0.0;
  };
  return {
      mean_of("exact_match", log, [&](const ItemRecord& item) { return matches(item, strict_number(item.output)); }),
      mean_of("exact_match_flexible", log,
              [&](const ItemRecord& item) { return matches(item, flexible_number(item.output)); })};
}

std::vector<Metric> answer_metrics(const TaskLog& log) {
  std::vector<Metric> out = reply_metrics(reply_scores(log));
  out.push_back(
      mean_of("exact_match", log, [](const ItemRecord& item) { return exact_match(item.output, item.references); }));
  out.push_back(mean_of("f1", log, [](const ItemRecord& item) { return answer_f1(item.output, item.references); }));
  return out;
}

Result<std::vector<Metric>> summary_metrics(const TaskLog& log, bool stem) {
  std::array<std::vector<double>, kRougeNames.size()> values;
  for (const ItemRecord& item : log.items) {
    TRY_ASSIGN(const RougeScores scores, rouge(item.output, item.references, stem));
    for (size_t k = 0; k < scores.size(); ++k) values[k].push_back(scores[k].f);
  }
  std::vector<Metric> out;
  for (size_t k = 0; k < values.size(); ++k) out.push_back(mean_metric(kRougeNames[k], values[k]));
  return out;
}

std::vector<Translation> translations(const TaskLog& log) {
  std::vector<Translation> out;
  for (const ItemRecord& item : log.items) out.push_back({item.output, item.references});
  return out;
}

}  // namespace

std::vector<Labelled> labelled(const TaskLog& log) {
  std::vector<Labelled> out;
  for (const ItemRecord& item : log.items) out.push_back({item.gold, item.likeliest(false)});
  return out;
}

std::vector<ReplyScore> reply_scores(const TaskLog& log) {
  const bool is_list =
      std::all_of(log.items.begin(), log.items.end(), [](const ItemRecord& item) { return item.facts.has_value(); });
  if (!is_list) return {};
  std::vector<ListedAnswer> answers;
  for (const ItemRecord& item : log.items) {
    answers.push_back({item.references.empty() ? "" : item.references[0], *item.facts});
  }
  const ReplyScorer scorer(answers);
  std::vector<ReplyScore> scores;
  for (size_t i = 0; i < answers.size(); ++i) scores.push_back(scorer.score(log.items[i].output, answers[i]));
  return scores;
}

Result<std::vector<Metric>> task_metrics(const TaskLog& log, const ScoreOptions& options) {
  switch (log.kind) {
    case TaskKind::kChoice:
      return choice_metrics(log);
    case TaskKind::kContinuation:
      return continuation_metrics(log);
    case TaskKind::kLabel: {
      const std::vector<Labelled> items = labelled(log);
      const size_t classes = log.items.empty() ? 1 : log.items[0].choices.size();
      return std::vector<Metric>{accuracy_metric(items), macro_f1_metric(items, classes)};
    }
    case TaskKind::kNumber:
      return number_metrics(log);
    case TaskKind::kAnswer:
      return answer_metrics(log);
    case TaskKind::kSummary:
      return summary_metrics(log, options.stem);
    case TaskKind::kTranslation: {
      const std::vector<Translation> segments = translations(log);
      return std::vector<Metric>{bleu_metric(segments), chrf_metric(segments)};
    }
  }
  return std::vector<Metric>{};
}

std::vector<std::string> score_notes(const TaskLog& log, std::span<const Metric> metrics, const ScoreOptions& options) {
  if (log.kind == TaskKind::kSummary) return {options.stem ? "ROUGE with stemmed words" : "ROUGE without a stemmer"};
  if (log.kind != TaskKind::kTranslation || log.items.empty()) return {};
  const std::vector<Translation> segments = translations(log);
  CHECK(metrics.size() == 2);
  return {"BLEU|" + bleu_signature(segments) + " = " + bleu(metrics[0].sums()).to_string(),
          fmt::format("chrF2|{} = {:.2f}", chrf_signature(segments), metrics[1].value())};
}

}  // namespace linnet
