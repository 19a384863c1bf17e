#include "eval/task_score.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>
#include <set>

#include "eval/answer_score.hpp"
#include "eval/rouge.hpp"
#include "eval/translation_score.hpp"
#include "eval/words.hpp"

namespace linnet {

namespace {

template <class Score>
Metric mean_of(const char* name, const TaskLog& log, const Score& score) {
  std::vector<double> values;
  values.reserve(log.items.size());
  for (const ItemRecord& item : log.items) values.push_back(score(item));
  return mean_metric(name, std::move(values));
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
  Metric perplexity{"perplexity", 2, {}, [](std::span<const double> sums, size_t) {
                      return sums[1] > 0 ? std::exp(-sums[0] / sums[1]) : 0;
                    }};
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
  std::vector<Metric> out{
      mean_of("exact_match", log, [](const ItemRecord& item) { return exact_match(item.output, item.references); }),
      mean_of("f1", log, [](const ItemRecord& item) { return answer_f1(item.output, item.references); })};
  const bool has_facts =
      std::any_of(log.items.begin(), log.items.end(), [](const ItemRecord& item) { return item.facts.has_value(); });
  if (!has_facts) return out;
  std::vector<double> facts, declined;
  for (const ItemRecord& item : log.items) {
    if (item.references.empty()) {
      declined.push_back(declines(item.output) ? 1 : 0);
    } else {
      facts.push_back(facts_found(item.output, parse_key_facts(item.facts.value_or(""))));
    }
  }
  out.insert(out.begin(), mean_metric("correct", correct_answers(log)));
  if (!facts.empty()) out.push_back(mean_metric("facts", std::move(facts)));
  if (!declined.empty()) out.push_back(mean_metric("declined", std::move(declined)));
  return out;
}

Result<std::vector<Metric>> summary_metrics(const TaskLog& log, bool stem) {
  std::array<std::vector<double>, kRougeNames.size()> values;
  for (const ItemRecord& item : log.items) {
    TRY_ASSIGN(const RougeScores scores, rouge(item.output, item.references, stem));
    for (size_t k = 0; k < scores.size(); ++k) values[k].push_back(scores[k].f);
  }
  std::vector<Metric> out;
  for (size_t k = 0; k < values.size(); ++k) out.push_back(mean_metric(kRougeNames[k], std::move(values[k])));
  return out;
}

std::vector<Translation> translations(const TaskLog& log) {
  std::vector<Translation> out;
  for (const ItemRecord& item : log.items) out.push_back({item.output, item.references});
  return out;
}

// Another item's answer fits the reply this well, and better than its own.
constexpr double kAnothersAnswer = 0.8;

}  // namespace

std::vector<Labelled> labelled(const TaskLog& log) {
  std::vector<Labelled> out;
  for (const ItemRecord& item : log.items) out.push_back({item.gold, item.likeliest(false)});
  return out;
}

std::vector<double> correct_answers(const TaskLog& log) {
  std::set<std::vector<std::string>> all;
  for (const ItemRecord& item : log.items) {
    for (const std::string& reference : item.references) all.insert(sorted_answer_words(reference));
  }
  const auto is_anothers = [&](const ItemRecord& item) {
    const std::vector<std::string> words = sorted_answer_words(item.output);
    const double own = answer_f1(item.output, item.references);
    return std::any_of(all.begin(), all.end(), [&](const std::vector<std::string>& other) {
      const double theirs = words_f1(words, other);
      return theirs >= kAnothersAnswer && theirs > own;
    });
  };
  std::vector<double> out;
  for (const ItemRecord& item : log.items) {
    if (item.references.empty()) {
      out.push_back(declines(item.output) ? 1 : 0);
      continue;
    }
    const bool may_decline = std::any_of(item.references.begin(), item.references.end(),
                                         [](const std::string& reference) { return declines(reference); });
    const bool good = facts_found(item.output, parse_key_facts(item.facts.value_or(""))) == 1 &&
                      (may_decline || !declines(item.output)) && !is_anothers(item);
    out.push_back(good ? 1 : 0);
  }
  return out;
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

std::vector<std::string> score_notes(const TaskLog& log, const ScoreOptions& options) {
  if (log.kind == TaskKind::kSummary) return {options.stem ? "ROUGE with stemmed words" : "ROUGE without a stemmer"};
  if (log.kind != TaskKind::kTranslation || log.items.empty()) return {};
  const std::vector<Translation> segments = translations(log);
  const Metric counts = bleu_metric(segments);
  std::vector<double> sums(counts.width);
  for (size_t i = 0; i < counts.items.size(); ++i) sums[i % counts.width] += counts.items[i];
  return {"BLEU|" + bleu_signature(segments) + " = " + bleu(sums).to_string(),
          fmt::format("chrF2|{} = {:.2f}", chrf_signature(segments), chrf_metric(segments).value())};
}

}  // namespace linnet
