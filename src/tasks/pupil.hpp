// The model that a run teaches, and what of it learns: an adapter beside weights that stay as they are in the file
// (LoRA, arXiv:2106.09685; QLoRA, arXiv:2305.14314), its last layers, or all of it. Weights that learn are decoded to
// float32 or bfloat16, whatever the file holds.
// Ownership: a Pupil owns the weights. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tasks/model_handle.hpp"
#include "tasks/run_store.hpp"
#include "train/parameters.hpp"

namespace linnet {

enum class Learns : uint8_t { kAdapter, kLastLayers, kEverything };
std::string_view learns_name(Learns learns);  // "adapter", "last layers", "everything"

struct PupilSettings {
  Learns learns = Learns::kAdapter;
  NewAdapter adapter = {};      // kAdapter
  double b_rate = 1;            // kAdapter: of LoRA+ (train/parameters.hpp)
  int64_t layers = 0;           // kLastLayers: how many, with the final norm and a head of its own; 1 to the model's
  DType weights = DType::kF32;  // of the model's own that learn: what matrices are held as (train/parameters.hpp)
};

class Pupil {
 public:
  // Reads the weights, and packs those that stay. Errors: those of new_adapter; weights that cannot be read.
  static Result<std::unique_ptr<Pupil>> load(const ModelHandle& model, Runtime& runtime, const PupilSettings& settings);
  // The same without the model's numbers, for Device::kMeta.
  static Result<std::unique_ptr<Pupil>> hollow(const ModelHandle& model, const PupilSettings& settings);

  Transformer& transformer() { return transformer_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  // What was learned into the version's folder, as a whole: adapter/, or model/ as transformers reads it, of float32.
  // Errors: as write_adapter; a full disk.
  Status write(const ModelHandle& model, const Tokenizer& tokenizer, const RunVersion& version) const;

 private:
  explicit Pupil(Transformer transformer) : transformer_(std::move(transformer)) {}

  Status choose(const std::string& base, const PupilSettings& settings);

  Transformer transformer_;
  std::optional<Adapter> adapter_;
  std::vector<Parameter> parameters_;
};

// What a tensor of a model of so many layers is held as to learn; nothing: it does not learn.
std::optional<DType> learns_as(const PupilSettings& settings, int64_t layers, const TensorSpec& spec);

// Whether what such a pupil learns can be written: known before it learns. Errors: as hugging_face_config.
Status check_writable(const ModelHandle& model, const Tokenizer& tokenizer, Learns learns);

}  // namespace linnet
