#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/random.hpp"
#include "train/adamw.hpp"
#include "train/muon.hpp"
#include "train/sgd.hpp"
#include "train/stochastic_rounding.hpp"

namespace linnet {

std::unique_ptr<Optimizer> make_optimizer(std::vector<Parameter> parameters, const OptimizerConfig& config) {
  switch (config.kind) {
    case OptimizerKind::kMuon:
      return std::make_unique<Muon>(std::move(parameters), config.muon, config.adamw, config.rounding_seed);
    case OptimizerKind::kSgd:
      return std::make_unique<Sgd>(std::move(parameters), config.sgd, config.rounding_seed);
    case OptimizerKind::kAdamW:
      break;
  }
  return std::make_unique<AdamW>(std::move(parameters), config.adamw, config.rounding_seed);
}

void Optimizer::update(Context& ctx, size_t i,
                       const std::function<void(int64_t begin, int64_t end, float* x)>& change) {
  Tensor& tensor = *parameters_[i].tensor;
  if (tensor.dtype() == DType::kF32) {
    float* x = tensor.data<float>();
    ctx.pool().parallel_for(tensor.elements(), kOptimizerChunk,
                            [&](int64_t begin, int64_t end, int) { change(begin, end, x + begin); });
    return;
  }
  constexpr int64_t kPiece = 1024;  // numbers that are float32 at a time
  static_assert(kOptimizerChunk % kPiece == 0 && kPiece % kLevelGroup == 0);
  BFloat16* held = tensor.data<BFloat16>();
  const StochasticRounding rounding{rounding_seed_, static_cast<uint32_t>(steps_), parameters_[i].number};
  ctx.pool().parallel_for(tensor.elements(), kOptimizerChunk, [&](int64_t first, int64_t last, int) {
    float x[kPiece];
    for (int64_t begin = first; begin < last; begin += kPiece) {
      const int64_t end = std::min(begin + kPiece, last);
      std::transform(held + begin, held + end, x, [](BFloat16 number) { return to_float(number); });
      change(begin, end, x);
      rounding.round(static_cast<uint64_t>(begin), end - begin, x, held + begin);
    }
  });
}

double global_norm(ThreadPool& pool, std::span<const Tensor> grads) {
  double total = 0;
  for (const Tensor& grad : grads) {
    if (!grad.defined()) continue;
    const int64_t chunks = (grad.elements() + kOptimizerChunk - 1) / kOptimizerChunk;
    std::vector<double> sums(static_cast<size_t>(chunks));
    pool.parallel_for(chunks, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t c = first; c < last; ++c) {
        const int64_t end = std::min((c + 1) * kOptimizerChunk, grad.elements());
        double sum = 0;
        for (int64_t i = c * kOptimizerChunk; i < end; ++i)
          sum += double{grad.data<float>()[i]} * grad.data<float>()[i];
        sums[static_cast<size_t>(c)] = sum;
      }
    });
    for (const double sum : sums) total += sum;
  }
  return std::sqrt(total);
}

float clip_scale(double norm, double most) {
  CHECK(most > 0);
  constexpr double kSoft = 1e-6;  // PyTorch's, against a division by zero
  return static_cast<float>(std::min(1.0, most / (norm + kSoft)));
}

}  // namespace linnet
