#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

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

namespace {

// Of n numbers, in lanes that a compiler can add side by side: one sum would wait for itself.
double sum_of_squares(const float* x, int64_t n) {
  constexpr int64_t kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += double{x[i + lane]} * x[i + lane];
  }
  for (; i < n; ++i) lanes[i % kLanes] += double{x[i]} * x[i];
  return std::accumulate(std::begin(lanes), std::end(lanes), 0.0);
}

}  // namespace

double global_norm(ThreadPool& pool, std::span<const Tensor> grads) {
  double total = 0;
  for (const Tensor& grad : grads) {
    if (!grad.defined()) continue;
    const int64_t chunks = (grad.elements() + kOptimizerChunk - 1) / kOptimizerChunk;
    std::vector<double> sums(static_cast<size_t>(chunks));
    pool.parallel_for(chunks, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t c = first; c < last; ++c) {
        const int64_t begin = c * kOptimizerChunk;
        const int64_t count = std::min(kOptimizerChunk, grad.elements() - begin);
        sums[static_cast<size_t>(c)] = sum_of_squares(grad.data<float>() + begin, count);
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
