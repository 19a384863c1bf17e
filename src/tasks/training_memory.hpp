// How much memory a run of `tune` needs, computed before any of it is taken: its step is run on Device::kMeta, with
// every buffer counted and none filled. Within 15% of what a run has resident (tests/peers/memory.py). Thread safety:
// one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "tasks/pupil.hpp"

namespace linnet {

// The largest part of a step that is computed at once.
struct StepShape {
  int64_t tokens = 0;         // of a row, at most
  int64_t learned = 0;        // of them
  bool several_rows = false;  // in a step, one after the other
  bool bfloat16 = false;
  bool recompute = false;  // Context::recompute
  float dropout = 0;
};

// All in bytes.
struct TrainingMemory {
  uint64_t weights = 0;    // as they are held
  uint64_t prepacked = 0;  // beside frozen weights, to be faster (Transformer::prepack): 0 where there is no room
  uint64_t adapters = 0;
  uint64_t optimizer = 0;
  uint64_t gradients = 0;
  uint64_t activations = 0;  // of a row, and what the way back takes
  uint64_t caches = 0;       // what a teacher said
  uint64_t replies = 0;      // the cache that replies are written with, to be scored
  uint64_t tokenizer = 0;
  uint64_t program = 0;
  uint64_t loading = 0;  // beyond weights, while they are read

  uint64_t total() const;
  // "2.2 GB (538 MB weights, …)".
  std::string to_string() const;
};

class TrainingPlanner {
 public:
  // Errors: as Pupil::hollow.
  static Result<TrainingPlanner> of(const ModelHandle& model, Runtime& runtime, const PupilSettings& settings);

  // With nothing prepacked.
  Result<TrainingMemory> plan(const StepShape& shape) const;
  // Without its numbers.
  const Transformer& model() const { return pupil_->transformer(); }
  // What prepacking would take besides, and what of the weights it could take the place of.
  uint64_t prepacked_bytes(bool bfloat16) const;
  uint64_t replaced_bytes() const;

 private:
  // For the meta device.
  Context context(bool bfloat16) const;

  TrainingPlanner(Runtime& runtime, std::unique_ptr<Pupil> pupil) : runtime_(&runtime), pupil_(std::move(pupil)) {}

  Runtime* runtime_;
  std::unique_ptr<Pupil> pupil_;
  TrainingMemory fixed_;  // what does not hang on the step
};

}  // namespace linnet
