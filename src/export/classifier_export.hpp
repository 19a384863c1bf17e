// A classifier on an encoder's mean (train/label_head.hpp) out into the world: the folder of a
// *ForSequenceClassification that transformers loads. Thread safety: pure functions.
#pragma once

#include <span>
#include <string>

#include "export/export.hpp"

namespace linnet {

// Logits are LayerNorm(mean of the last hidden states) · weightᵀ + bias.
struct LinearClassifier {
  std::span<const std::string> labels;  // K
  Tensor weight;                        // (K, C)
  Tensor bias;                          // (K)
};

// Writes into `folder`, which must not exist or be empty. transformers' BertForSequenceClassification reads the first
// token's state through a tanh, and not the mean; so the model gets one more layer, whose attention, alike for all
// tokens, takes the mean to every token, and a pooler that is straight where it is used. Logits agree to about 1e-5 of
// their size. Errors: an encoder that is not BERT; half precision, whose numbers the layer leaves.
Result<ExportWarnings> export_classifier(const ModelDescription& model, const Transformer& weights,
                                         const LinearClassifier& classifier, const Tokenizer* tokenizer,
                                         const std::filesystem::path& folder, const ExportOptions& options);

}  // namespace linnet
