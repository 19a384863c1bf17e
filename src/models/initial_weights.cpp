#include "models/initial_weights.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "formats/tensor_writer.hpp"

namespace linnet {

namespace {

constexpr double kDeviation = 0.02;

bool adds_to_residual(Role role) {
  return role == Role::kAttentionOutput || role == Role::kDown || role == Role::kExpertDown;
}

void fill(const TransformerConfig& config, const TensorSpec& spec, Random random, std::span<float> numbers) {
  if (spec.shape.rank() == 1) {
    std::fill(numbers.begin(), numbers.end(), spec.bias ? 0.0f : 1.0f - spec.gguf_offset);
    return;
  }
  const double layers = adds_to_residual(spec.role) ? 2.0 * static_cast<double>(config.num_layers()) : 1.0;
  const auto deviation = static_cast<float>(kDeviation / std::sqrt(layers));
  for (float& x : numbers) x = random.normal() * deviation;
}

}  // namespace

Result<Transformer> initial_transformer(const TransformerConfig& config, const std::vector<TensorSpec>& table,
                                        uint64_t seed) {
  std::vector<StoredTensor> tensors;
  for (const TensorSpec& spec : table) {
    const int64_t parts = spec.stacked ? 1 : std::max<int64_t>(spec.experts, 1);
    for (int64_t part = 0; part < parts; ++part) {
      Tensor numbers = Tensor::empty(DType::kF32, stored_shape(spec));
      fill(config, spec, Random(seed, tensors.size()), numbers.span<float>());
      StoredTensor stored;
      static_cast<ElementType&>(stored) = ElementType::of(DType::kF32);
      stored.name = name_of_expert(spec.name, part);
      stored.shape = numbers.shape();
      TensorBytes bytes = TensorBytes::of(numbers);
      stored.bytes = bytes.bytes;
      stored.owner = std::move(bytes.owner);
      stored.file = "initial weights";
      tensors.push_back(std::move(stored));
    }
  }
  TRY_ASSIGN(const TensorSource source, TensorSource::of(std::move(tensors)));
  return Transformer::load(config, table, source, false);
}

}  // namespace linnet
