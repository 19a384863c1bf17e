// One row per op: its forward against a naive double-precision formula, and its vjp against finite differences.
#include <algorithm>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>

#include "autograd/tape.hpp"
#include "base/random.hpp"
#include "ops/activation.hpp"
#include "ops/dropout.hpp"
#include "ops/elementwise.hpp"
#include "ops/kernel_table.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"
#include "ops/norm.hpp"
#include "ops/pool.hpp"
#include "ops/rope.hpp"
#include "ops/router.hpp"
#include "ops/select.hpp"

namespace linnet {
namespace {

using Inputs = std::vector<Tensor>;
using Numbers = std::vector<double>;

struct Row {
  std::string name;
  std::vector<Shape> shapes;  // of the differentiable inputs
  std::function<Tensor(Context&, const Inputs&)> op;
  std::function<Numbers(const std::vector<Numbers>&)> naive;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.name;
}

Tensor random_tensor(Shape shape, uint64_t seed) {
  Random random(seed);
  Tensor tensor = Tensor::empty(DType::kF32, shape);
  for (float& x : tensor.span<float>()) x = random.normal();
  return tensor;
}

Numbers numbers_of(const Tensor& tensor) {
  const auto span = tensor.span<float>();
  return {span.begin(), span.end()};
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// What the weights of row `row` of a segment and one head are multiplied by, key by key. Of the mask each head has room
// for all rows and keys; a segment's part begins with its first row, and has sixteen queries together, key by key.
std::vector<float> naive_mask(const DropoutMask& dropout, int64_t all_rows, int64_t head, const ops::Segment& segment,
                              int64_t row) {
  std::vector<float> mask(static_cast<size_t>(segment.rows), 1.0f);
  for (int64_t j = 0; dropout.drops() && j < segment.rows; ++j) {
    const int64_t begin = (head * all_rows + segment.row_begin) * (all_rows / 16 + 1) * 16;
    uint16_t levels[16];
    dropout.levels(static_cast<uint64_t>(begin + (row / 16 * segment.rows + j) * 16), 16, levels);
    mask[static_cast<size_t>(j)] = dropout.factor(levels[row % 16]);
  }
  return mask;
}

// Softmax attention by its definition, with a window, a cap and sinks. q: (N, H, D), k, v: (N, K, D).
Numbers naive_attention(const std::vector<Numbers>& in, int64_t heads, int64_t kv_heads, int64_t dim,
                        const std::vector<ops::Segment>& segments, const AttentionParams& params) {
  Numbers out(in[0].size());
  const int64_t all_rows = static_cast<int64_t>(in[0].size()) / heads / dim;
  for (const auto& segment : segments) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t kv = h / (heads / kv_heads);
      for (int64_t i = 0; i < segment.rows; ++i) {
        Numbers weights;
        double sum = in.size() > 3 ? std::exp(in[3][h]) : 0;
        for (int64_t j = 0; j < segment.rows; ++j) {
          const bool seen = (!params.causal || j <= i) && (params.window == 0 || j > i - params.window);
          double dot = 0;
          for (int64_t d = 0; d < dim; ++d) {
            dot += in[0][((segment.row_begin + i) * heads + h) * dim + d] *
                   in[1][((segment.row_begin + j) * kv_heads + kv) * dim + d];
          }
          dot *= params.scale;
          if (params.bias.defined()) dot += ops::bias_of(params.bias, h, i)[j];
          if (params.softcap > 0) dot = params.softcap * std::tanh(dot / params.softcap);
          weights.push_back(seen ? std::exp(dot) : 0);
          sum += weights.back();
        }
        const std::vector<float> mask = naive_mask(params.dropout, all_rows, h, segment, i);
        for (int64_t j = 0; j < segment.rows; ++j) {
          for (int64_t d = 0; d < dim; ++d) {
            out[((segment.row_begin + i) * heads + h) * dim + d] +=
                mask[j] * weights[j] / sum * in[2][((segment.row_begin + j) * kv_heads + kv) * dim + d];
          }
        }
      }
    }
  }
  return out;
}

Row attention_row(std::string name, const AttentionParams& params, bool sinks,
                  const std::vector<ops::Segment>& segments, int64_t rows) {
  std::vector<Shape> shapes{{rows, 4, 6}, {rows, 2, 6}, {rows, 2, 6}};
  if (sinks) shapes.push_back({4});
  return {std::move(name), shapes,
          [=](Context& ctx, const Inputs& in) {
            AttentionParams p = params;
            if (sinks) p.sinks = in[3];
            return ops::attention(ctx, in[0], in[1], in[2], segments, p);
          },
          [=](const std::vector<Numbers>& in) { return naive_attention(in, 4, 2, 6, segments, params); }};
}

// With a bias for each offset: the last input, (15, 4), for at most 8 keys.
Row biased_attention_row(std::string name, const AttentionParams& params) {
  const std::vector<ops::Segment> segments{{0, 5}, {5, 8}};
  const std::vector<Shape> shapes{{13, 4, 6}, {13, 2, 6}, {13, 2, 6}, {15, 4}};
  return {std::move(name), shapes,
          [=](Context& ctx, const Inputs& in) {
            AttentionParams p = params;
            p.bias = ops::bias_by_head(ctx, in[3]);
            return ops::attention(ctx, in[0], in[1], in[2], segments, p);
          },
          [=](std::vector<Numbers> in) {
            Tensor by_head = Tensor::empty(DType::kF32, {4, 14 + kBlockTokens});
            for (int64_t h = 0; h < 4; ++h) {
              for (int64_t i = 0; i < 15; ++i) {
                by_head.data<float>()[h * by_head.dim(1) + i] = static_cast<float>(in[3][i * 4 + h]);
              }
            }
            in.pop_back();
            AttentionParams p = params;
            p.bias = by_head;
            return naive_attention(in, 4, 2, 6, segments, p);
          }};
}

Row unary(std::string name, const std::function<Tensor(Context&, const Tensor&)>& op,
          const std::function<double(double)>& f) {
  return {std::move(name),
          {{3, 5}},
          [op](Context& ctx, const Inputs& in) { return op(ctx, in[0]); },
          [f](const std::vector<Numbers>& in) {
            Numbers out = in[0];
            for (double& x : out) x = f(x);
            return out;
          }};
}

Numbers naive_norm(const Numbers& x, const Numbers& w, const Numbers* b, bool centred, double eps, double offset) {
  Numbers out(x.size());
  const size_t dim = w.size();
  for (size_t r = 0; r < x.size() / dim; ++r) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < dim; ++i) mean += centred ? x[r * dim + i] / static_cast<double>(dim) : 0;
    for (size_t i = 0; i < dim; ++i) square += std::pow(x[r * dim + i] - mean, 2) / static_cast<double>(dim);
    for (size_t i = 0; i < dim; ++i) {
      out[r * dim + i] = (x[r * dim + i] - mean) / std::sqrt(square + eps) * (w[i] + offset) + (b ? (*b)[i] : 0);
    }
  }
  return out;
}

std::vector<Row> norm_rows() {
  return {{"rms_norm",
           {{3, 7}, {7}},
           [](Context& ctx, const Inputs& in) { return ops::rms_norm(ctx, in[0], in[1], 1e-5f, 1.0f); },
           [](const std::vector<Numbers>& in) { return naive_norm(in[0], in[1], nullptr, false, 1e-5, 1); }},
          {"layer_norm",
           {{3, 7}, {7}, {7}},
           [](Context& ctx, const Inputs& in) { return ops::layer_norm(ctx, in[0], in[1], in[2], 1e-5f); },
           [](const std::vector<Numbers>& in) { return naive_norm(in[0], in[1], &in[2], true, 1e-5, 0); }}};
}

Row gated_row(std::string name, ops::Activation activation, const std::function<double(double)>& f) {
  return {std::move(name),
          {{3, 5}, {3, 5}},
          [=](Context& ctx, const Inputs& in) { return ops::gated(ctx, activation, in[0], in[1]); },
          [f](const std::vector<Numbers>& in) {
            Numbers out = in[0];
            for (size_t i = 0; i < out.size(); ++i) out[i] = f(out[i]) * in[1][i];
            return out;
          }};
}

double gelu(double x) {
  return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
}
double gelu_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

std::vector<Row> elementwise_rows() {
  using ops::Activation;
  const auto act = [](Activation a) { return [a](Context& ctx, const Tensor& x) { return ops::activate(ctx, a, x); }; };
  return {unary(
              "scale", [](Context& ctx, const Tensor& x) { return ops::scale(ctx, x, -2.5f); },
              [](double x) { return -2.5 * x; }),
          unary(
              "softcap", [](Context& ctx, const Tensor& x) { return ops::softcap(ctx, x, 0.7f); },
              [](double x) { return 0.7 * std::tanh(x / 0.7); }),
          unary("silu", act(Activation::kSilu), [](double x) { return x * sigmoid(x); }),
          unary("gelu", act(Activation::kGelu), gelu),
          unary("gelu_tanh", act(Activation::kGeluTanh), gelu_tanh),
          unary("relu", act(Activation::kRelu), [](double x) { return std::max(x, 0.0); }),
          gated_row("gated_silu", Activation::kSilu, [](double x) { return x * sigmoid(x); }),
          gated_row("gated_gelu_tanh", Activation::kGeluTanh, gelu_tanh),
          {"gated_clamped",
           {{3, 5}, {3, 5}},
           [](Context& ctx, const Inputs& in) { return ops::gated_clamped(ctx, in[0], in[1], 1.7f, 0.8f); },
           [](const std::vector<Numbers>& in) {
             Numbers out = in[0];
             for (size_t i = 0; i < out.size(); ++i) {
               const double g = std::min(in[0][i], 0.8);
               out[i] = (std::clamp(in[1][i], -0.8, 0.8) + 1) * g * sigmoid(1.7 * g);
             }
             return out;
           }},
          {"add_broadcast",
           {{3, 5}, {5}},
           [](Context& ctx, const Inputs& in) { return ops::add(ctx, in[0], in[1]); },
           [](const std::vector<Numbers>& in) {
             Numbers out = in[0];
             for (size_t i = 0; i < out.size(); ++i) out[i] += in[1][i % 5];
             return out;
           }},
          {"scale_columns",
           {{3, 5}, {5}},
           [](Context& ctx, const Inputs& in) { return ops::scale_columns(ctx, in[0], in[1]); },
           [](const std::vector<Numbers>& in) {
             Numbers out = in[0];
             for (size_t i = 0; i < out.size(); ++i) out[i] *= in[1][i % 5];
             return out;
           }}};
}

Row dropout_row() {
  const DropoutMask mask{.rate = 0.4f, .seed = 3, .draw = 1, .place = 6};
  return {"dropout",
          {{5, 7}},
          [=](Context& ctx, const Inputs& in) { return ops::dropout(ctx, in[0], mask); },
          [=](const std::vector<Numbers>& in) {
            std::vector<uint16_t> levels(in[0].size());
            mask.levels(0, static_cast<int64_t>(levels.size()), levels.data());
            Numbers out = in[0];
            for (size_t i = 0; i < out.size(); ++i) out[i] *= mask.factor(levels[i]);
            return out;
          }};
}

Numbers naive_matmul(const Numbers& x, const Numbers& w, size_t rows, size_t outs, size_t cols) {
  Numbers out(rows * outs);
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t c = 0; c < cols; ++c) out[i] += x[i / outs * cols + c] * w[i % outs * cols + c];
  }
  return out;
}

std::vector<Row> selection_rows() {
  static const std::vector<int32_t> ids{2, 0, 2};
  static const std::vector<int32_t> targets{1, ops::kIgnoreTarget, 3};
  static const std::vector<int32_t> teacher_ids{4, 1, 0, 1, 3, 0};
  static const std::vector<float> teacher_probabilities{0.5f, 0.3f, 0.2f, 0.1f, 0.6f, 0.35f};
  return {{"matmul_transposed",
           {{3, 37}, {4, 37}},
           [](Context& ctx, const Inputs& in) { return ops::matmul_transposed(ctx, in[0], in[1]); },
           [](const std::vector<Numbers>& in) { return naive_matmul(in[0], in[1], 3, 4, 37); }},
          {"add_matmul_transposed",
           {{3, 4}, {3, 37}, {4, 37}},
           [](Context& ctx, const Inputs& in) {
             const Tensor y = ops::scale(ctx, in[0], 2);  // its memory is taken
             return ops::add_matmul_transposed(ctx, y, in[1], in[2]);
           },
           [](const std::vector<Numbers>& in) {
             Numbers out = naive_matmul(in[1], in[2], 3, 4, 37);
             for (size_t i = 0; i < out.size(); ++i) out[i] += 2 * in[0][i];
             return out;
           }},
          {"gather_rows",
           {{4, 3}},
           [](Context& ctx, const Inputs& in) { return ops::gather_rows(ctx, in[0], ids); },
           [](const std::vector<Numbers>& in) {
             Numbers out;
             for (const int32_t id : ids)
               out.insert(out.end(), in[0].begin() + int64_t{3} * id, in[0].begin() + int64_t{3} * id + 3);
             return out;
           }},
          {"add_expert",
           {{3, 2}, {2, 2}, {3, 2}},
           [](Context& ctx, const Inputs& in) {
             const Tensor y = ops::scale(ctx, in[0], 2);  // its memory is taken
             static const std::vector<int32_t> picks{1, 4};
             return ops::add_expert(ctx, y, in[1], picks, in[2]);
           },
           [](const std::vector<Numbers>& in) {
             Numbers out;
             for (const double y : in[0]) out.push_back(2 * y);
             for (size_t c = 0; c < 2; ++c) {
               out[c] += in[2][1] * in[1][c];
               out[4 + c] += in[2][4] * in[1][2 + c];
             }
             return out;
           }},
          {"split",
           {{3, 9}},
           [](Context& ctx, const Inputs& in) {  // the last part is of no use to anybody
             const std::vector<Tensor> parts = ops::split(ctx, in[0], std::vector<int64_t>{4, 4, 1});
             return ops::add(ctx, ops::scale(ctx, parts[0], 2.0f), parts[1]);
           },
           [](const std::vector<Numbers>& in) {
             Numbers out;
             for (size_t i = 0; i < 12; ++i) {
               const size_t at = i / 4 * 9 + i % 4;
               out.push_back(2 * in[0][at] + in[0][at + 4]);
             }
             return out;
           }},
          {"columns",
           {{3, 9}},
           [](Context& ctx, const Inputs& in) { return ops::columns(ctx, in[0], 1, 4, 2); },
           [](const std::vector<Numbers>& in) {
             Numbers out;
             for (size_t i = 0; i < 12; ++i) out.push_back(in[0][i / 4 * 9 + 1 + i % 4 * 2]);
             return out;
           }},
          {"cross_entropy",
           {{3, 5}},
           [](Context& ctx, const Inputs& in) { return ops::cross_entropy(ctx, in[0], targets); },
           [](const std::vector<Numbers>& in) {
             double sum = 0;
             for (const size_t r : {0, 2}) {
               double z = 0;
               for (size_t v = 0; v < 5; ++v) z += std::exp(in[0][r * 5 + v]);
               sum += std::log(z) - in[0][r * 5 + targets[r]];
             }
             return Numbers{sum / 2};
           }},
          {"cross_entropy_beside_a_teacher",
           {{3, 5}},
           [](Context& ctx, const Inputs& in) {
             return ops::cross_entropy(ctx, in[0], targets, 0, {2, teacher_ids, teacher_probabilities, 0.7f});
           },
           [](const std::vector<Numbers>& in) {
             double sum = 0;
             for (const size_t r : {0, 2}) {
               Numbers q(5);
               double z = 0;
               for (size_t v = 0; v < 5; ++v) z += std::exp(in[0][r * 5 + v]);
               for (size_t v = 0; v < 5; ++v) q[v] = std::exp(in[0][r * 5 + v]) / z;
               double kl = 0;
               double p_rest = 1;
               double q_rest = 1;
               for (size_t i = 2 * r; i < 2 * r + 2; ++i) {
                 const double p = teacher_probabilities[i];
                 kl += p * std::log(p / q[teacher_ids[i]]);
                 p_rest -= p;
                 q_rest -= q[teacher_ids[i]];
               }
               kl += p_rest * std::log(p_rest / q_rest);
               sum += 0.7 * kl - 0.3 * std::log(q[targets[r]]);
             }
             return Numbers{sum / 2};
           }},
          {"log_probs",
           {{3, 5}},
           [](Context& ctx, const Inputs& in) {
             return ops::log_probs(ctx, in[0], std::vector<int32_t>{4, 0, 2});
           },
           [](const std::vector<Numbers>& in) {
             Numbers out;
             for (size_t r = 0; r < 3; ++r) {
               double z = 0;
               for (size_t v = 0; v < 5; ++v) z += std::exp(in[0][r * 5 + v]);
               out.push_back(in[0][r * 5 + std::array{4, 0, 2}[r]] - std::log(z));
             }
             return out;
           }}};
}

Row router_row(std::string name, ops::RouterWeights mode) {
  return {std::move(name),
          {{3, 5}},
          [=](Context& ctx, const Inputs& in) { return ops::route(ctx, in[0], 2, mode).weights; },
          [=](const std::vector<Numbers>& in) {
            Numbers out;
            for (size_t r = 0; r < 3; ++r) {
              Numbers row(in[0].begin() + r * 5, in[0].begin() + r * 5 + 5);
              double all = 0;
              for (const double x : row) all += std::exp(x);
              std::sort(row.rbegin(), row.rend());
              const double top = std::exp(row[0]) + std::exp(row[1]);
              const double z = mode == ops::RouterWeights::kSoftmaxThenTop ? all : top;
              out.insert(out.end(), {std::exp(row[0]) / z, std::exp(row[1]) / z});
            }
            return out;
          }};
}

Row rope_row() {
  return {"rope",
          {{3, 2, 6}},
          [](Context& ctx, const Inputs& in) {
            Tensor cos = Tensor::empty(DType::kF32, {3, 2});
            Tensor sin = Tensor::empty(DType::kF32, {3, 2});
            for (int i = 0; i < 6; ++i) {
              cos.data<float>()[i] = std::cos(0.3f * static_cast<float>(i));
              sin.data<float>()[i] = std::sin(0.3f * static_cast<float>(i));
            }
            return ops::rope(ctx, in[0], cos, sin);
          },
          [](const std::vector<Numbers>& in) {
            Numbers out = in[0];
            for (size_t n = 0; n < 3; ++n) {
              for (size_t h = 0; h < 2; ++h) {
                for (size_t i = 0; i < 2; ++i) {
                  const double angle = 0.3f * static_cast<float>(n * 2 + i);
                  const size_t a = (n * 2 + h) * 6 + i;
                  out[a] = in[0][a] * std::cos(angle) - in[0][a + 2] * std::sin(angle);
                  out[a + 2] = in[0][a + 2] * std::cos(angle) + in[0][a] * std::sin(angle);
                }
              }
            }
            return out;
          }};
}

// x: (7, 4) in segments of 1, 4 and 2 rows.
Row pool_row(std::string name, ops::Pooling pooling, const std::function<double(const Numbers&)>& of_column) {
  const std::vector<ops::Segment> segments{{0, 1}, {1, 4}, {5, 2}};
  return {std::move(name),
          {{7, 4}},
          [=](Context& ctx, const Inputs& in) { return ops::pool(ctx, in[0], segments, pooling); },
          [=](const std::vector<Numbers>& in) {
            Numbers out;
            for (const ops::Segment& segment : segments) {
              for (int64_t d = 0; d < 4; ++d) {
                Numbers column;
                for (int64_t r = 0; r < segment.rows; ++r) column.push_back(in[0][(segment.row_begin + r) * 4 + d]);
                out.push_back(of_column(column));
              }
            }
            return out;
          }};
}

std::vector<Row> pool_rows() {
  const Row unit{"unit_rows",
                 {{3, 5}},
                 [](Context& ctx, const Inputs& in) { return ops::unit_rows(ctx, in[0]); },
                 [](const std::vector<Numbers>& in) {
                   Numbers out = in[0];
                   for (size_t r = 0; r < 3; ++r) {
                     double squares = 0;
                     for (size_t d = 0; d < 5; ++d) squares += out[r * 5 + d] * out[r * 5 + d];
                     for (size_t d = 0; d < 5; ++d) out[r * 5 + d] /= std::sqrt(squares);
                   }
                   return out;
                 }};
  const auto mean = [](const Numbers& x) {
    double sum = 0;
    for (const double value : x) sum += value;
    return sum / static_cast<double>(x.size());
  };
  return {
      pool_row("pool_mean", ops::Pooling::kMean, mean),
      pool_row("pool_cls", ops::Pooling::kCls, [](const Numbers& x) { return x.front(); }),
      pool_row("pool_max", ops::Pooling::kMax, [](const Numbers& x) { return *std::max_element(x.begin(), x.end()); }),
      pool_row("pool_last", ops::Pooling::kLastToken, [](const Numbers& x) { return x.back(); }), unit};
}

std::vector<Row> all_rows() {
  std::vector<Row> rows = elementwise_rows();
  for (auto part : {norm_rows(), selection_rows(), pool_rows()}) rows.insert(rows.end(), part.begin(), part.end());
  rows.push_back(dropout_row());
  rows.push_back(rope_row());
  rows.push_back(router_row("route_all", ops::RouterWeights::kSoftmaxThenTop));
  rows.push_back(router_row("route_scaled", ops::RouterWeights::kSoftmaxThenTopScaled));
  rows.push_back(router_row("route_top", ops::RouterWeights::kTopThenSoftmax));
  rows.push_back(attention_row("attention", {.scale = 0.4f}, false, {{0, 5}, {5, 3}}, 8));
  rows.push_back(
      attention_row("attention_window_cap", {.scale = 0.9f, .softcap = 1.5f, .window = 3}, false, {{0, 8}}, 8));
  rows.push_back(attention_row("attention_sinks", {.scale = 0.4f, .window = 4}, true, {{0, 7}}, 7));
  rows.push_back(attention_row("attention_both_ways", {.scale = 0.4f, .causal = false}, false, {{0, 6}}, 6));
  rows.push_back(attention_row("attention_many_blocks", {.scale = 0.4f}, false, {{0, 150}}, 150));
  rows.push_back(biased_attention_row("attention_bias", {.scale = 0.4f, .causal = false}));
  rows.push_back(biased_attention_row("attention_bias_cap_window", {.scale = 0.9f, .softcap = 1.5f, .window = 3}));
  const DropoutMask mask{.rate = 0.3f, .seed = 5, .draw = 2, .place = 9};
  rows.push_back(attention_row("attention_dropout", {.scale = 0.4f, .dropout = mask}, false, {{0, 5}, {5, 3}}, 8));
  rows.push_back(attention_row("attention_dropout_window_cap_sinks",
                               {.scale = 0.9f, .softcap = 1.5f, .window = 13, .dropout = mask}, true, {{0, 30}}, 30));
  rows.push_back(
      attention_row("attention_dropout_many_blocks", {.scale = 0.4f, .dropout = mask}, false, {{0, 150}}, 150));
  return rows;
}

class Conformance : public testing::TestWithParam<Row> {
 protected:
  Conformance() {
    for (size_t i = 0; i < GetParam().shapes.size(); ++i)
      inputs_.push_back(random_tensor(GetParam().shapes[i], 11 + i));
  }
  ThreadPool pool_{2};
  Context ctx_{pool_, reference_kernels()};
  Inputs inputs_;
};

TEST_P(Conformance, ForwardEqualsTheNaiveFormula) {
  const Tensor out = GetParam().op(ctx_, inputs_);
  std::vector<Numbers> numbers;
  for (const Tensor& input : inputs_) numbers.push_back(numbers_of(input));
  const Numbers expected = GetParam().naive(numbers);
  ASSERT_EQ(static_cast<size_t>(out.elements()), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(out.data<float>()[i], expected[i], 2e-6 * std::max(1.0, std::abs(expected[i]))) << "at " << i;
  }
}

TEST_P(Conformance, MetaDeviceGivesTheSameShape) {
  Context meta(pool_, reference_kernels(), Device::kMeta);
  Inputs hollow;
  for (const Tensor& input : inputs_) hollow.push_back(Tensor::empty(DType::kF32, input.shape(), Device::kMeta));
  EXPECT_EQ(GetParam().op(meta, hollow).shape(), GetParam().op(ctx_, inputs_).shape());
}

TEST_P(Conformance, MetaDeviceGivesGradientsOfTheSameShape) {
  Context meta(pool_, reference_kernels(), Device::kMeta);
  Inputs hollow;
  for (const Tensor& input : inputs_) hollow.push_back(Tensor::empty(DType::kF32, input.shape(), Device::kMeta));
  Tape tape;
  const RecorderScope recording(meta, &tape);
  for (Tensor& input : hollow) tape.watch(input);
  const Tensor out = GetParam().op(meta, hollow);
  tape.backward(meta, out, Tensor::empty(DType::kF32, out.shape(), Device::kMeta));
  for (const Tensor& input : hollow) EXPECT_EQ(tape.grad(input).shape(), input.shape());
}

// Σ out * direction, in double.
double probe(const Tensor& out, const Tensor& direction) {
  double sum = 0;
  for (int64_t i = 0; i < out.elements(); ++i) sum += double{out.data<float>()[i]} * direction.data<float>()[i];
  return sum;
}

TEST_P(Conformance, VjpEqualsFiniteDifferences) {
  Tape tape;
  ctx_.set_recorder(&tape);
  for (Tensor& input : inputs_) tape.watch(input);
  const Tensor out = GetParam().op(ctx_, inputs_);
  const Tensor direction = random_tensor(out.shape(), 99);
  tape.backward(ctx_, out, direction);
  ctx_.set_recorder(nullptr);
  Random pick(3);
  for (size_t which = 0; which < inputs_.size(); ++which) {
    const Tensor grad = tape.grad(inputs_[which]);
    ASSERT_TRUE(grad.defined());
    ASSERT_EQ(grad.shape(), inputs_[which].shape());
    for (int trial = 0; trial < 40; ++trial) {
      const auto i = static_cast<int64_t>(pick.below(static_cast<uint64_t>(grad.elements())));
      Inputs moved = inputs_;
      moved[which] = inputs_[which].clone();
      const float x = inputs_[which].data<float>()[i];
      const float step = 4e-3f;
      moved[which].data<float>()[i] = x + step;
      const double above = probe(GetParam().op(ctx_, moved), direction);
      moved[which].data<float>()[i] = x - step;
      const double below = probe(GetParam().op(ctx_, moved), direction);
      const double expected = (above - below) / (double{x + step} - double{x - step});
      ASSERT_NEAR(grad.data<float>()[i], expected, 4e-3 * std::max(1.0, std::abs(expected)))
          << "input " << which << " at " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Conformance, testing::ValuesIn(all_rows()),
                         [](const auto& row_info) { return row_info.param.name; });

}  // namespace
}  // namespace linnet
