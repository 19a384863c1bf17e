// What a taught model's writing is beside what needs no model, and beside the model as it was: a table, and in words
// which is best. Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "eval/task_score.hpp"

namespace linnet::cli {

// One way of writing, at items of the test.
struct Written {
  std::string name;               // "taught", "nearest": as scores and logs call it
  std::string said;               // in words: "the taught model", "the translation of the nearest phrase"
  bool model = true;              // one writes it
  std::vector<ItemRecord> items;  // by rising number
};

// "taught" beside another, at the items that both have, by the deciding score.
struct WritingComparison {
  std::string name;
  std::string said;
  bool model = true;
  size_t items = 0;
  PairedDifference difference;  // of the taught from the other
};

struct WritingReport {
  std::string on = {};  // "test", "held out"; empty: there was nothing to ask
  TaskKind kind = TaskKind::kTranslation;
  std::string decides = {};                         // the score
  std::vector<Written> all = {};                    // "taught" is the last
  std::vector<std::vector<Metric>> metrics = {};    // of each
  std::vector<WritingComparison> comparisons = {};  // of all but the last
};

// `all`: not empty, "taught" its last. Errors: a summary that is too long for ROUGE.
Result<WritingReport> report_writing(const std::string& on, TaskKind kind, std::vector<Written> all);

std::string draw(const WritingReport& report);
// A line or more: what taught is better than, what it is not, and what is recommended then.
std::string verdict(const WritingReport& report);
// The name of what is recommended: "taught", or what is no worse and needs no model or no teaching.
std::string recommended(const WritingReport& report);
Json to_json(const WritingReport& report);

}  // namespace linnet::cli
