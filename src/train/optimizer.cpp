#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "base/check.hpp"
#include "train/adamw.hpp"
#include "train/muon.hpp"
#include "train/sgd.hpp"

namespace linnet {

std::unique_ptr<Optimizer> make_optimizer(std::vector<Parameter> parameters, const OptimizerConfig& config) {
  switch (config.kind) {
    case OptimizerKind::kMuon:
      return std::make_unique<Muon>(std::move(parameters), config.muon, config.adamw);
    case OptimizerKind::kSgd:
      return std::make_unique<Sgd>(std::move(parameters), config.sgd);
    case OptimizerKind::kAdamW:
      break;
  }
  return std::make_unique<AdamW>(std::move(parameters), config.adamw);
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
