#include "kernels/products.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/check.hpp"
#include "kernels/activations.hpp"
#include "kernels/added_product.hpp"
#include "kernels/line_buffer.hpp"

namespace linnet::kernels {

namespace {

static_assert(AddedProduct::kColumnUnit == 2 * kPanelRows);

const PanelMatrix& panels_of(const PackedMatrix* matrix) {
  return static_cast<const PanelMatrix&>(*matrix);  // every one is made in packed_matrix.cpp
}

// A product of n rows, cut into tasks.
struct Job {
  const PanelMatrix* matrix;
  const std::byte* x;  // of the kind that the matrix asks for
  int64_t n;
  Plan plan;
};

// Rows and panels of one task.
struct Part {
  int64_t row;
  int64_t rows;
  int64_t begin;
  int64_t end;
};

Part part_of(const Job& job, int64_t task) {
  const int64_t row = task / job.plan.tasks_per_block * job.plan.row_block;
  const int64_t begin = task % job.plan.tasks_per_block * job.plan.panels;
  return {row, std::min(job.plan.row_block, job.n - row), begin,
          std::min(begin + job.plan.panels, job.matrix->panels().count())};
}

const std::byte* row_of(const PanelMatrix& matrix, const std::byte* x, int64_t row) {
  return x + row * matrix.activations().row_bytes(matrix.panels().cols());
}

// Calls run(job, part) for all parts of all jobs (which have a member `job`), on the pool.
template <class Jobs, class Run>
void run_jobs(ThreadPool& pool, const Jobs& jobs, const Run& run) {
  std::vector<int64_t> first_task;
  int64_t tasks = 0;
  for (const auto& one : jobs) {
    first_task.push_back(tasks);
    tasks += one.job.plan.tasks;
  }
  pool.parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      size_t i = jobs.size() - 1;
      while (first_task[i] > task) --i;
      run(jobs[i], part_of(jobs[i].job, task - first_task[i]));
    }
  });
}

struct PlainJob {
  Job job;
  float* y;
  bool add = false;
  const MatmulCall* plus = nullptr;
};

// How many pairs of panels at a time leave their outputs for so many rows in the second cache.
int64_t panels_in_strip(int64_t rows) {
  constexpr int64_t kStripBytes = 1 << 16;
  const int64_t pair_bytes = rows * kGroup * static_cast<int64_t>(sizeof(float));
  return 2 * std::max<int64_t>(1, kStripBytes / pair_bytes);
}

// Panels [begin, end) of a part, whose outputs are added to y by way of `memory`.
void add_panels(const PlainJob& one, const Part& part, std::byte* memory) {
  const PanelMatrix& matrix = *one.job.matrix;
  const int64_t stride = matrix.panels().rows();
  const int64_t width = (part.end - part.begin) * kPanelRows;
  const int64_t col = part.begin * kPanelRows;
  const int64_t cols = std::min(width, stride - col);
  auto* out = reinterpret_cast<float*>(memory);
  matrix.run(row_of(matrix, one.job.x, part.row), part.rows, part.begin, part.end, {out, width});
  for (int64_t r = 0; r < part.rows; ++r) {
    float* y = one.y + (part.row + r) * stride + col;
    matrix.kernels().floats->add(y, out + r * width, cols, y);
  }
}

void run_panels(const PlainJob& one, const Part& part) {
  const PanelMatrix& matrix = *one.job.matrix;
  const int64_t stride = matrix.panels().rows();
  const Strip y = Strip{one.y + part.row * stride, stride}.panel(part.begin);
  matrix.run(row_of(matrix, one.job.x, part.row), part.rows, part.begin, part.end, y);
}

// What is added meets the outputs of some panels at a time in the second cache.
void run_strips(const PlainJob& one, const Part& part) {
  const PanelMatrix& matrix = *one.job.matrix;
  const int64_t stride = matrix.panels().rows();
  const int64_t at_once = std::min(part.end - part.begin, panels_in_strip(part.rows));
  LineBuffer memory(one.add ? part.rows * at_once * kPanelRows * static_cast<int64_t>(sizeof(float)) : 0);
  std::optional<AddedProduct> plus;
  if (one.plus) plus.emplace(matrix.kernels(), *one.plus, part.row, part.rows);
  for (Part strip = part; strip.begin < part.end; strip.begin += at_once) {
    strip.end = std::min(strip.begin + at_once, part.end);
    if (one.add) {
      add_panels(one, strip, memory.data());
    } else {
      run_panels(one, strip);
    }
    if (!plus) continue;
    const int64_t col = strip.begin * kPanelRows;
    const int64_t cols = std::min(strip.end * kPanelRows, stride) - col;
    plus->add_to(one.y + part.row * stride + col, stride, col, cols);
  }
}

void run_plain(ThreadPool& pool, std::span<const PlainJob> jobs) {
  run_jobs(pool, jobs, [](const PlainJob& one, const Part& part) {
    if (one.add || one.plus) {
      run_strips(one, part);
    } else {
      run_panels(one, part);
    }
  });
}

struct GatedJob {
  Job job;  // of the gate
  const PanelMatrix* up;
  const std::byte* up_x;
  ActivationRows inner;  // what the last product reads
};

// Some panels of gate and up at a time, as many as leave their outputs in the second cache, where they meet.
void run_gated(const GatedJob& one, const Part& part, GateKernel gate) {
  const PanelMatrix& gates = *one.job.matrix;
  const int64_t at_once = std::min(part.end - part.begin, panels_in_strip(part.rows));
  const int64_t numbers = part.rows * at_once * kPanelRows;
  LineBuffer memory(2 * numbers * static_cast<int64_t>(sizeof(float)));
  auto* gate_out = reinterpret_cast<float*>(memory.data());
  float* up_out = gate_out + numbers;
  for (int64_t p = part.begin; p < part.end; p += at_once) {
    const int64_t end = std::min(p + at_once, part.end);
    const int64_t cols = (end - p) * kPanelRows;
    gates.run(row_of(gates, one.job.x, part.row), part.rows, p, end, {gate_out, cols});
    one.up->run(row_of(*one.up, one.up_x, part.row), part.rows, p, end, {up_out, cols});
    gate(gate_out, up_out, part.rows * cols, gate_out);
    one.inner.put(gate_out, cols, part.row, part.rows, p * kPanelRows, cols);
  }
}

}  // namespace

void products_together(ThreadPool& pool, std::span<const PackedProduct> products) {
  int64_t bytes = 0;
  for (const PackedProduct& one : products) bytes += Activations::bytes_to_want(panels_of(one.matrix), one.n);
  Activations activations(bytes);
  std::vector<PlainJob> jobs;
  for (const PackedProduct& one : products) {
    const PanelMatrix& matrix = panels_of(one.matrix);
    if (one.n == 0) continue;
    const std::byte* x =
        activations.want(matrix, one.x, one.x_stride > 0 ? one.x_stride : matrix.panels().cols(), one.n);
    // AddedProduct::kColumnUnit is as wide as a pair.
    const Plan plan = one.plus ? matrix.plan_pairs(one.n, pool.size()) : matrix.plan(one.n, pool.size());
    jobs.push_back({{&matrix, x, one.n, plan}, one.y, one.add, one.plus});
  }
  activations.make(pool);
  run_plain(pool, jobs);
}

void gated_products(ThreadPool& pool, std::span<const GatedProduct> products, GateKernel gate) {
  int64_t bytes = 0;
  for (const GatedProduct& one : products) {
    bytes += Activations::bytes_to_want(panels_of(one.gate), one.n);
    bytes += Activations::bytes_to_want(panels_of(one.up), one.n);
    bytes += Activations::bytes_of_room(panels_of(one.down), one.n);
  }
  Activations activations(bytes);
  std::vector<GatedJob> inner;
  std::vector<PlainJob> outer;
  for (const auto& [gate_matrix, up_matrix, down_matrix, x, n, y] : products) {
    const PanelMatrix& gates = panels_of(gate_matrix);
    const PanelMatrix& up = panels_of(up_matrix);
    const PanelMatrix& down = panels_of(down_matrix);
    CHECK(gates.panels().rows() == down.panels().cols() && up.panels().rows() == down.panels().cols());
    CHECK(gates.panels().cols() == up.panels().cols() && down.panels().cols() % kGroup == 0);
    if (n == 0) continue;
    const ActivationRows rows = activations.room(down, n);
    inner.push_back(
        {{&gates, activations.want(gates, x, gates.panels().cols(), n), n, gates.plan_pairs(n, pool.size(), &up)},
         &up,
         activations.want(up, x, up.panels().cols(), n),
         rows});
    outer.push_back({{&down, rows.at, n, down.plan(n, pool.size())}, y});
  }
  activations.make(pool);
  run_jobs(pool, inner, [gate](const GatedJob& one, const Part& part) { run_gated(one, part, gate); });
  run_plain(pool, outer);
}

}  // namespace linnet::kernels
