#include "kernels/panel_matrix.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/products.hpp"

namespace linnet::kernels {

namespace {

// The run of units that leaves the slowest of equally fast threads the least to do; the shortest such run, so that
// cores of unequal speed finish together too. A multiple of `multiple`, unless one thread takes all.
int64_t units_per_task(int64_t units, int64_t unit_bytes, int64_t n, int threads, int64_t multiple) {
  constexpr int64_t kTasksPerThread = 6;
  constexpr int64_t kWorthATask = 1 << 14;  // bytes, times rows: about half a microsecond
  const int64_t least = std::max<int64_t>(1, kWorthATask / std::max<int64_t>(1, unit_bytes * n));
  int64_t best = (units + threads - 1) / threads;
  int64_t best_load = best;
  for (int64_t tasks = 2; tasks <= kTasksPerThread; ++tasks) {
    const int64_t fair = std::max(least, (units + threads * tasks - 1) / (threads * tasks));
    const int64_t run = (fair + multiple - 1) / multiple * multiple;
    const int64_t runs = (units + run - 1) / run;
    const int64_t load = (runs + threads - 1) / threads * run;
    if (load <= best_load) {
      best = run;
      best_load = load;
    }
  }
  return best;
}

}  // namespace

void PanelMatrix::product(ThreadPool& pool, const float* x, int64_t n, float* y) const {
  const PackedProduct self{this, x, n, y};
  products_together(pool, {&self, 1});
}

Plan PanelMatrix::plan_units(int64_t n, int threads, const Units& units, const BlockOfRows& block) const {
  const int64_t row_bytes = activations().row_bytes(panels_.cols());
  const int64_t most = std::max(block.multiple, block.bytes / row_bytes / block.multiple * block.multiple);
  const int64_t for_threads = std::clamp<int64_t>(n / block.worth_a_thread, 1, threads);
  const int64_t blocks = std::max((n + most - 1) / most, for_threads);
  const int64_t even = (n + blocks - 1) / blocks;
  Plan plan;
  plan.row_block = std::min(n, (even + block.multiple - 1) / block.multiple * block.multiple);
  const auto threads_of_block = static_cast<int>((threads + blocks - 1) / blocks);
  plan.panels = units_per_task(units.count, units.bytes, plan.row_block, threads_of_block, units.multiple);
  plan.tasks_per_block = (units.count + plan.panels - 1) / plan.panels;
  plan.tasks = plan.tasks_per_block * ((n + plan.row_block - 1) / plan.row_block);
  return plan;
}

Plan PanelMatrix::plan(int64_t n, int threads) const {
  const int64_t multiple = n < kFewRows ? 1 : 2;  // where there are many rows, panels go in pairs
  return plan_units(n, threads, {panels_.count(), panels_.panel_bytes(), multiple}, block_of_rows());
}

Plan PanelMatrix::plan_pairs(int64_t n, int threads, const PanelMatrix* other) const {
  int64_t bytes = panels_.panel_bytes();
  BlockOfRows block = block_of_rows();
  if (other) {
    bytes += other->panels_.panel_bytes();
    block.multiple = std::lcm(block.multiple, other->block_of_rows().multiple);
  }
  Plan plan = plan_units(n, threads, {(panels_.count() + 1) / 2, 2 * bytes, 1}, block);
  plan.panels *= 2;
  return plan;
}

}  // namespace linnet::kernels
