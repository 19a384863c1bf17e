#include "export/importance.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <numeric>
#include <unordered_map>

#include "base/check.hpp"

namespace linnet {

namespace {

// Sums of squares over the rows that one matrix saw.
struct ColumnSums {
  std::vector<double> squares;  // (C)
  int64_t rows = 0;
};

void add_rows(ThreadPool& pool, const Tensor& x, ColumnSums& sums) {
  const int64_t cols = x.dim(-1);
  const int64_t rows = x.elements() / cols;
  const float* values = x.data<float>();
  constexpr int64_t kGrain = 64;  // columns: each is summed in the order of the rows, whatever the threads
  pool.parallel_for(cols, kGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = begin; c < end; ++c) {
        const double value = values[row * cols + c];
        sums.squares[static_cast<size_t>(c)] += value * value;
      }
    }
  });
  sums.rows += rows;
}

class ActivationSums : public ProductObserver {
 public:
  ActivationSums(const Transformer& model, Context& ctx) : ctx_(ctx) {
    for (const TensorSpec& spec : model.table()) {
      if (spec.bias || spec.shape.rank() != 2) continue;
      for (const Linear& part : model.slot_of(spec).parts) {
        if (part.defined()) {
          sums_[&part.weight].squares.resize(static_cast<size_t>(part.weight.cols()));
        }
      }
    }
    ctx_.set_observer(this);
  }
  ~ActivationSums() override { ctx_.set_observer(nullptr); }
  ActivationSums(const ActivationSums&) = delete;
  ActivationSums& operator=(const ActivationSums&) = delete;

  void observe(const Weight& weight, const Tensor& x) override {
    const auto found = sums_.find(&weight);
    if (found != sums_.end()) add_rows(ctx_.pool(), x, found->second);
  }

  const ColumnSums& of(const Weight& weight) const { return sums_.at(&weight); }

 private:
  Context& ctx_;
  std::unordered_map<const Weight*, ColumnSums> sums_;
};

// The head's matrix. The model has one.
const Weight& head_of(const Transformer& model) {
  const Role role = model.config().tied_head ? Role::kEmbedding : Role::kHead;
  const auto spec = std::find_if(model.table().begin(), model.table().end(),
                                 [&](const TensorSpec& s) { return s.role == role && !s.bias; });
  CHECK(spec != model.table().end());
  return model.slot_of(*spec).only().weight;
}

Status read_window(const Transformer& model, Context& ctx, ActivationSums& sums, std::vector<int32_t> tokens) {
  Batch batch = whole_sequence(std::move(tokens));
  batch.logit_rows.clear();  // the head would take as long as all else, and what enters it is known without
  TRY_ASSIGN(const ForwardOutput output, model.forward(ctx, batch, nullptr));
  if (model.config().has_head) sums.observe(head_of(model), output.last_hidden);
  return ok_status();
}

// Appends a matrix's mean squares, over their mean, to `out`.
Status append_relative(const ColumnSums& sums, const std::string& name, std::vector<float>& out) {
  constexpr double kLeast = 1e-6;
  const double mean =
      std::accumulate(sums.squares.begin(), sums.squares.end(), 0.0) / static_cast<double>(sums.squares.size());
  if (!std::isfinite(mean)) return invalid(fmt::format("the activations that enter {} are not finite", name));
  for (const double square : sums.squares) {
    out.push_back(mean > 0 ? static_cast<float>(std::max(square / mean, kLeast)) : 1.0f);
  }
  return ok_status();
}

Status add_matrix(const Transformer& model, const ActivationSums& sums, const TensorSpec& spec, Importance& out) {
  std::vector<float> columns;
  int64_t rows = 0;
  for (const Linear& part : model.slot_of(spec).parts) {
    if (!part.defined()) return ok_status();
    const ColumnSums& of_part = sums.of(part.weight);
    rows += of_part.rows;
    TRY(append_relative(of_part, spec.gguf, columns));
  }
  if (rows == 0) return ok_status();  // an embedding that is not the head
  if (!spec.interleaved) {
    out.add(spec.gguf, std::move(columns));
    return ok_status();
  }
  for (const char* half : {"gate", "up"}) {
    std::string name = spec.gguf;
    out.add(name.replace(name.find("{}"), 2, half), columns);
  }
  return ok_status();
}

}  // namespace

std::span<const float> Importance::of(std::string_view name) const {
  const auto found = columns_.find(name);
  return found == columns_.end() ? std::span<const float>() : found->second;
}

Result<Importance> measure_importance(const Transformer& model, Context& ctx, std::span<const int32_t> tokens,
                                      const CalibrationWindow& window, const CancelToken& cancel,
                                      const std::function<void(int64_t, int64_t)>& progress) {
  CHECK(!tokens.empty() && window.window >= 1 && !ctx.observer());
  ActivationSums sums(model, ctx);
  const auto size = static_cast<int64_t>(tokens.size());
  for (int64_t begin = 0; begin < size; begin += window.window) {
    TRY(cancel.check());
    const int64_t end = std::min(begin + window.window, size);
    std::vector<int32_t> rows;
    if (window.bos >= 0) rows.push_back(window.bos);
    rows.insert(rows.end(), tokens.begin() + begin, tokens.begin() + end);
    TRY(read_window(model, ctx, sums, std::move(rows)));
    if (progress) progress(end, size);
  }
  Importance out;
  for (const TensorSpec& spec : model.table()) {
    if (!spec.bias && spec.shape.rank() == 2 && !spec.gguf.empty()) TRY(add_matrix(model, sums, spec, out));
  }
  return out;
}

}  // namespace linnet
