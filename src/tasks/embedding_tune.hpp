// `linnet tune --method contrastive`: a model learns which texts belong together, a question and its answer or a
// sentence and its translation, so that their vectors (`linnet embed`) lie near each other and far from all others. The
// loss is InfoNCE both ways, with the other pairs of a step as negatives (train/contrastive.hpp). An encoder such as
// MiniLM learns it, or a model that writes, whose last token's hidden state is the vector (as sentence-transformers and
// arXiv:2401.00368 take it).
// Ownership: owns the data. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "tasks/embedder.hpp"
#include "tasks/teaching.hpp"

namespace linnet {

struct EmbeddingSettings {
  std::string base = "minilm";
  NewAdapter adapter;
  // What is not set is chosen from the data.
  std::optional<double> rate;
  std::optional<int64_t> epochs;
  std::optional<int64_t> length;  // tokens that are read of a text
  std::optional<int64_t> pairs;   // of a step
  uint64_t seed = 0;
  int threads = 0;
};

struct EmbeddingPlan {
  double rate = 0;  // the highest
  int64_t epochs = 0;
  int64_t length = 0;          // tokens
  int64_t pairs_per_step = 0;  // at most: of pairs that share a text, a step takes one
  int64_t steps = 0;
  int64_t warmup_steps = 0;
  int64_t evaluate_every = 0;  // steps; 0: nothing is held out
};

struct TextPairs {
  std::vector<std::string> first, second;  // as many
  size_t size() const { return first.size(); }
};

// Errors: data of a form that has no pairs of texts.
Status check_has_pairs(const Dataset& dataset);
// The pairs of `samples`, what is said and what answers it. Errors, with the place: one of them is empty.
Result<TextPairs> text_pairs(const std::vector<Sample>& samples);

// How well vectors find a text's partner among all partners.
struct Retrieval {
  int64_t texts = 0;
  double first = 0;       // part of the texts whose partner is the nearest (recall at 1)
  double among_ten = 0;   // or among the ten nearest (recall at 10)
  double reciprocal = 0;  // mean of 1/rank (MRR)
};
// Texts that pairs share count as one partner. Errors: Embedder's; cancelled.
Result<Retrieval> measure_retrieval(const TextPairs& pairs, const Embedder& embedder, const CancelToken* cancel);

class EmbeddingTuner {
 public:
  // Loads no weights. Errors: data that holds no pairs; fewer than two pairs; test pairs that are learned from; a model
  // that is not there.
  static Result<std::unique_ptr<EmbeddingTuner>> prepare(const EmbeddingSettings& settings, const Dataset& dataset);

  const TextPairs& train() const { return train_; }
  const TextPairs& held_out() const { return held_out_; }
  const TextPairs& test() const { return test_; }
  const EmbeddingPlan& plan() const { return plan_; }
  // All that decides what is learned, for run.json.
  Json info() const;

  struct Taught {
    LoopResult loop;
    Retrieval before, after;  // on the test, else on what was held out; zero where there is neither
  };
  // Teaches and writes the adapter to version.folder/adapter. Errors: those of load_weights and run_loop.
  Result<Taught> run(const RunVersion& version, bool resume, const TeachingHooks& hooks);

 private:
  EmbeddingTuner(EmbeddingSettings settings, ModelHandle model, std::unique_ptr<Runtime> runtime)
      : settings_(std::move(settings)), model_(std::move(model)), runtime_(std::move(runtime)) {}

  Status read(const Dataset& dataset);
  void choose();
  Result<LoopResult> teach(Embedder& embedder, const RunVersion& version, bool resume, const TeachingHooks& hooks);
  const TextPairs& measured() const { return test_.size() > 0 ? test_ : held_out_; }

  EmbeddingSettings settings_;
  ModelHandle model_;
  std::unique_ptr<Runtime> runtime_;
  TextPairs train_, held_out_, test_;
  EmbeddingPlan plan_;
  bool bfloat16_ = false;
};

}  // namespace linnet
