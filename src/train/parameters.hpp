// What a run trains, in the order of the model's table: the optimiser and checkpoints go by it.
// Ownership: borrows the model, which must outlive the list and stay where it is. Thread safety: values.
#pragma once

#include <string>
#include <vector>

#include "autograd/tape.hpp"
#include "models/transformer.hpp"

namespace linnet {

struct Parameter {
  std::string name;     // in safetensors; of one expert, with its number where experts are stacked: NAME.3
  Tensor* tensor;       // in the model, in memory of its own: float32, or of a matrix bfloat16
  bool decays;          // takes part in weight decay: a matrix. Norms and biases do not
  bool hidden = false;  // a matrix between hidden states: neither embedding nor head
  float rate = 1;       // its learning rate is so many times the optimiser's
  uint32_t number = 0;  // in the list, where it is bfloat16: its steps are rounded by it (StochasticRounding::tensor)
};

// What a weight is held as while it is trained, where matrices are held as `matrices`: F32 or BF16. Norms and biases,
// a thousandth of the numbers, are float32 always.
DType trained_dtype(const TensorSpec& spec, DType matrices);

// Gives every weight of `model` memory of its own, as trained_dtype() of `matrices`, rounded to nearest, and lists
// them: full fine-tuning. A tied head is the embedding, and stands there once. Requires a model that is not packed.
std::vector<Parameter> train_all(Transformer& model, DType matrices = DType::kF32);

// Whether a tensor is of layer `first` or a later one, or is read after all of them: the final norm, and a head of its
// own (one that is the embedding is read before).
bool is_from_layer(const TensorSpec& spec, int64_t first);
// The same of those tensors alone; no gradient flows below layer `first`. Requires that those are not packed.
std::vector<Parameter> train_from(Transformer& model, int64_t first, DType matrices = DType::kF32);

// The pairs of every adapter of `model`, which stays frozen beside: NAME.lora_A.weight, then NAME.lora_B.weight, then
// of DoRA NAME.lora_magnitude_vector; with a number where a layer has several adapters. Requires adapters that were
// attached to be trained (models/adapter.hpp).
// b_rate: how many times as fast as A and the magnitudes B learns. LoRA+ (Hayou et al. 2024, arXiv:2402.12354), where
// the paper finds 16 to serve; 1: plain.
std::vector<Parameter> train_adapters(Transformer& model, float b_rate = 1);

// From now on `tape` keeps their gradients, added to `sums`, of which there is one a parameter, or none at all.
void watch(Tape& tape, std::span<const Parameter> parameters, std::vector<Tensor> sums = {});

// Their gradients after Tape::backward; undefined where the loss does not depend on one.
std::vector<Tensor> gradients(const Tape& tape, std::span<const Parameter> parameters);

}  // namespace linnet
