// What the ways of `linnet tune` share.
#pragma once

#include <string>

#include "tasks/classify_tune.hpp"
#include "tasks/embedding_tune.hpp"
#include "tasks/faq_tune.hpp"
#include "tasks/tune.hpp"

namespace linnet::cli {

struct TuneFlags {
  DatasetSettings data;
  TuneSettings settings;
  FaqSettings faq;
  ClassifySettings classify;
  EmbeddingSettings embedding;
  std::string encoder = kFaqEncoder;
  std::string name;
  std::string method = "auto";
  std::string distil = "logits";
  int64_t memory = 0;    // MB; 0: what is free
  double lora_plus = 0;  // 0: not asked for
  std::string base;      // empty: what suits the method
  double rate = 0;
  int64_t epochs = 0;
  int64_t length = 0;
  int64_t batch = 0;
  double beta = 0;
  bool allow_cuts = false;
  bool leave_out_overlap = false;
  bool resume = false;
  bool preview = false;
  bool undo = false;
  bool json = false;
};

// Questions that are looked up: tasks/faq_tune.hpp.
Status tune_faq(const TuneFlags& flags, const Dataset& dataset);
// Labelled texts: tasks/classify_tune.hpp.
Status tune_classifier(const TuneFlags& flags, const Dataset& dataset);
// Pairs of texts, for their vectors: tasks/embedding_tune.hpp.
Status tune_embedding(const TuneFlags& flags, const Dataset& dataset);

}  // namespace linnet::cli
