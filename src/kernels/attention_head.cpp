#include "kernels/attention_head.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>

#include "kernels/matmul_parts.hpp"

namespace linnet::kernels {

namespace {

// Of a block: multiples of every tile's height, and of every unit of depth.
constexpr int64_t kKeysForth = 192;
constexpr int64_t kKeysBack = 96;
constexpr int64_t kMostQueries = 96;
// Whose part of the keys' gradients is summed before it is added to them: a multiple of every block of queries.
constexpr int64_t kQueriesSummed = 192;
constexpr int64_t kMostDepthUnit = 32;
static_assert(kKeysForth <= kLeastDepth && kQueriesSummed <= kLeastDepth && kMostHeadDim <= kLeastDepth);

// One side of products, packed: panels over all of k, one every panel_bytes.
struct Side {
  std::byte* at;
  int64_t panel_bytes;
  int64_t depth_bytes;  // of one number of k in a panel

  Side from(int64_t k) const { return {at + k * depth_bytes, panel_bytes, depth_bytes}; }
  Side from_panel(int64_t number) const { return {panel(number), panel_bytes, depth_bytes}; }
  std::byte* panel(int64_t number) const { return at + number * panel_bytes; }
};

// Hands out pieces of a workspace.
class Pieces {
 public:
  explicit Pieces(std::byte* at) : at_(at) {}
  std::byte* bytes(int64_t count) {
    std::byte* piece = at_;
    at_ += whole(count, kLineBytes) * kLineBytes;
    return piece;
  }
  float* floats(int64_t count) { return reinterpret_cast<float*>(bytes(count * static_cast<int64_t>(sizeof(float)))); }

 private:
  std::byte* at_;
};

// Bytes that no side exceeds.
constexpr int64_t side_bytes(int64_t k, int64_t n) {
  const int64_t panels = whole(n, kFewestTileRows) + 1;
  const int64_t depth = whole(k, kMostDepthUnit) * kMostDepthUnit;
  const int64_t numbers = depth * (n + kMostTileRows);
  return whole(numbers * static_cast<int64_t>(sizeof(float)) + panels * 2 * kLineBytes, kLineBytes) * kLineBytes;
}

// Keys [first, last) that some of queries [begin, end) see.
struct KeyRange {
  int64_t first;
  int64_t last;
};
KeyRange seen_by(const AttentionHead& head, int64_t begin, int64_t end) {
  const int64_t first = head.window > 0 ? std::max<int64_t>(0, begin - head.window + 1) : 0;
  return {first, head.causal ? end : head.rows};
}

// What both ways share.
class HeadBase {
 public:
  HeadBase(const HeadBase&) = delete;
  HeadBase& operator=(const HeadBase&) = delete;

 protected:
  HeadBase(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHead& head, std::byte* workspace,
           int64_t keys)
      : products_(products),
        scores_(scores),
        head_(head),
        pieces_(workspace),
        queries_(std::lcm(static_cast<int64_t>(products.rows), static_cast<int64_t>(products.cols))),
        s_(pieces_.floats(keys * queries_)),
        mask_{.levels = nullptr, .dropped = head.dropout.dropped(), .kept = head.dropout.kept()} {
    if (head.dropout.drops()) {
      levels_ = reinterpret_cast<uint16_t*>(pieces_.bytes(keys * queries_ * static_cast<int64_t>(sizeof(uint16_t))));
      mask_.levels = levels_;
    }
    if (products_.enter) products_.enter();
  }
  ~HeadBase() {
    if (products_.leave) products_.leave();
  }

  Side side(int64_t k, int64_t n, int64_t width) {
    const int64_t unit = products_.depth_unit;
    const int64_t bytes = whole(k, unit) * unit * width * products_.number_bytes;
    const int64_t panel_bytes = (whole(bytes, kLineBytes) + 1) * kLineBytes;  // see OperandLayout::panel_stride
    return {pieces_.bytes(whole(n, width) * panel_bytes), panel_bytes, width * products_.number_bytes};
  }
  // Rows as what stands left, or right: the products' k are the dimensions.
  Side rows_left(const float* from, int64_t stride, int64_t rows) {
    const Side to = side(head_.dim, rows, products_.rows);
    products_.pack_a(from, 1, stride, head_.dim, rows, products_.rows, to.panel_bytes, to.at);
    return to;
  }
  Side rows_right(const float* from, int64_t stride, int64_t rows) {
    const Side to = side(head_.dim, rows, products_.cols);
    pack_right(from, stride, rows, to);
    return to;
  }
  void pack_right(const float* from, int64_t stride, int64_t rows, const Side& to) const {
    products_.pack_b(from, 1, stride, head_.dim, rows, products_.cols, to.panel_bytes, to.at);
  }
  // Rows as what stands right of weights: the products' k are the rows.
  Side rows_below(const float* from, int64_t stride, int64_t rows) {
    const Side to = side(rows, head_.dim, products_.cols);
    products_.pack_b(from, stride, 1, rows, head_.dim, products_.cols, to.panel_bytes, to.at);
    return to;
  }
  // Numbers (keys, queries_) as what stands left: the products' k are the keys, or the queries.
  void pack_over_keys(const float* numbers, int64_t keys, int64_t queries, const Side& to) const {
    products_.pack_a(numbers, queries_, 1, keys, queries, products_.rows, to.panel_bytes, to.at);
  }
  void pack_over_queries(const float* numbers, int64_t keys, int64_t queries, const Side& to) const {
    products_.pack_a(numbers, 1, queries_, queries, keys, products_.rows, to.panel_bytes, to.at);
  }

  // c (rows, cols), a row every stride, (+)= a · b over depth.
  void multiply(const Side& a, int64_t rows, const Side& b, int64_t cols, int64_t depth, float* c, int64_t stride,
                bool add) const {
    for (int64_t i = 0; i < rows; i += products_.rows) {
      for (int64_t j = 0; j < cols; j += products_.cols) {
        float* at = c + i * stride + j;
        multiply_tile(products_, {a.panel(i / products_.rows), b.panel(j / products_.cols), depth}, {},
                      {.c = at, .stride = stride, .rows = rows - i, .cols = cols - j, .ahead = {.c = at}}, add);
      }
    }
  }
  // s (keys, queries_) = the products of keys, or values, from `key` on with `count` queries, or what belongs to them.
  void score(const Side& left, int64_t key, int64_t keys, const Side& right, int64_t count, float* s) const {
    const int64_t rows = products_.rows;
    multiply(left.from_panel(key / rows), whole(keys, rows) * rows, right,
             whole(count, products_.cols) * products_.cols, head_.dim, s, queries_, false);
  }

  // Scores of what a query of the block from `row` on does not see become -infinity.
  void hide_unseen(int64_t row, int64_t key, int64_t keys) const {
    if (head_.window == 0 && (!head_.causal || key + keys <= row + 1)) return;
    for (int64_t j = 0; j < keys; ++j) {
      const int64_t begin = head_.causal ? std::clamp<int64_t>(key + j - row, 0, queries_) : 0;
      const int64_t end =
          head_.window > 0 ? std::clamp<int64_t>(key + j + head_.window - row, begin, queries_) : queries_;
      std::fill(s_ + j * queries_, s_ + j * queries_ + begin, -INFINITY);
      std::fill(s_ + j * queries_ + end, s_ + (j + 1) * queries_, -INFINITY);
    }
  }
  void draw_levels(int64_t row, int64_t key, int64_t keys) const {
    for (int64_t i = 0; levels_ && i < queries_; i += kMaskQueries) {
      const int64_t at = ((row + i) / kMaskQueries * head_.rows + key) * kMaskQueries;
      head_.dropout.levels(head_.mask_begin + static_cast<uint64_t>(at), keys * kMaskQueries, levels_ + i * keys);
    }
  }

  const MatmulKernels& products_;
  const ScoreKernels& scores_;
  const AttentionHead& head_;
  Pieces pieces_;
  int64_t queries_;  // of a block
  float* s_;         // (keys of a block, queries_)
  uint16_t* levels_ = nullptr;
  ScoreMask mask_;  // of a block
};

class HeadForth : HeadBase {
 public:
  HeadForth(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHeadCall& call,
            std::byte* workspace)
      : HeadBase(products, scores, call.head, workspace, kKeysForth),
        call_(call),
        keys_(rows_left(head_.k, head_.kv_stride, head_.rows)),
        values_(rows_below(head_.v, head_.kv_stride, head_.rows)),
        block_(side(head_.dim, queries_, products.cols)),
        weights_(side(kKeysForth, queries_, products.rows)),
        sums_(pieces_.floats(queries_ * head_.dim)) {}

  void run() {
    for (int64_t row = 0; row < head_.rows; row += queries_) attend(row, std::min(queries_, head_.rows - row));
  }

 private:
  void attend(int64_t row, int64_t count) {
    pack_right(head_.q + row * head_.q_stride, head_.q_stride, count, block_);
    const bool sink = head_.sink > -INFINITY;
    // Not -infinity, from which nothing can be taken away.
    std::fill_n(highest_, queries_, sink ? head_.sink : -FLT_MAX);
    std::fill_n(totals_, queries_, sink ? 1.0f : 0.0f);
    const KeyRange seen = seen_by(head_, row, row + count);
    const int64_t first = seen.first / kKeysForth * kKeysForth;
    for (int64_t key = first; key < seen.last; key += kKeysForth) {
      const int64_t keys = std::min(kKeysForth, seen.last - key);
      weigh(row, count, key, keys, key > first);
      pack_over_keys(s_, keys, count, weights_);
      multiply(weights_, count, values_.from(key), head_.dim, keys, sums_, head_.dim, key > first);
    }
    write(row, count);
  }

  // s_ = the weights of keys [key, key + keys). summed: whether there are sums of earlier keys.
  void weigh(int64_t row, int64_t count, int64_t key, int64_t keys, bool summed) {
    score(keys_, key, keys, block_, count, s_);
    hide_unseen(row, key, keys);
    const ScoreBlock block{s_, keys, queries_, head_.scale};
    float before[kMostQueries];
    std::copy_n(highest_, queries_, before);
    scores_.raise(block, highest_);
    for (int64_t i = 0; i < count; ++i) {
      if (before[i] == highest_[i]) continue;
      const float factor = std::exp(before[i] - highest_[i]);
      totals_[i] *= factor;
      for (int64_t d = 0; summed && d < head_.dim; ++d) sums_[i * head_.dim + d] *= factor;
    }
    draw_levels(row, key, keys);
    scores_.weigh(block, mask_, highest_, totals_);
  }

  void write(int64_t row, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const float inverse = 1 / totals_[i];
      float* out = call_.out + (row + i) * head_.q_stride;
      for (int64_t d = 0; d < head_.dim; ++d) out[d] = sums_[i * head_.dim + d] * inverse;
      call_.log_sums[row + i] = highest_[i] + std::log(totals_[i]);
    }
  }

  const AttentionHeadCall& call_;
  Side keys_;
  Side values_;
  Side block_;    // of queries
  Side weights_;  // of the block, over the keys of one
  float* sums_;   // (queries_, D): of values
  float highest_[kMostQueries];
  float totals_[kMostQueries];
};

class HeadBack : HeadBase {
 public:
  HeadBack(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHeadBackCall& call,
           std::byte* workspace)
      : HeadBase(products, scores, call.head, workspace, kKeysBack),
        call_(call),
        k_left_(rows_left(head_.k, head_.kv_stride, head_.rows)),
        v_left_(rows_left(head_.v, head_.kv_stride, head_.rows)),
        q_right_(rows_right(head_.q, head_.q_stride, head_.rows)),
        dout_right_(rows_right(call.dout, head_.q_stride, head_.rows)),
        k_below_(rows_below(head_.k, head_.kv_stride, head_.rows)),
        q_below_(rows_below(head_.q, head_.q_stride, head_.rows)),
        dout_below_(rows_below(call.dout, head_.q_stride, head_.rows)),
        weights_(side(kQueriesSummed, kKeysBack, products.rows)),
        grads_(side(kQueriesSummed, kKeysBack, products.rows)),
        grads_of_block_(side(kKeysBack, queries_, products.rows)),
        dp_(pieces_.floats(kKeysBack * queries_)),
        log_sums_(pieces_.floats(head_.rows + queries_)),
        means_(pieces_.floats(head_.rows + queries_)) {}

  void run() {
    fill_means();
    for (int64_t key = 0; key < head_.rows; key += kKeysBack) keys_back(key, std::min(kKeysBack, head_.rows - key));
  }

 private:
  // The sum of a row's weights times their gradients is dout · out. Behind the rows: of no weight.
  void fill_means() {
    for (int64_t i = 0; i < head_.rows; ++i) means_[i] = mean_of(i);
    std::copy_n(call_.log_sums, head_.rows, log_sums_);
    std::fill_n(means_ + head_.rows, queries_, 0.0f);
    std::fill_n(log_sums_ + head_.rows, queries_, INFINITY);
    for (int64_t i = 0; call_.dsink && i < head_.rows; ++i) {
      *call_.dsink -= std::exp(head_.sink - log_sums_[i]) * means_[i];
    }
  }
  float mean_of(int64_t row) const {
    constexpr int64_t kChains = 8;
    const float* out = call_.out + row * head_.q_stride;
    const float* dout = call_.dout + row * head_.q_stride;
    float sums[kChains] = {};
    for (int64_t d = 0; d < head_.dim; d += kChains) {
      const int64_t some = std::min(kChains, head_.dim - d);
      for (int64_t i = 0; i < some; ++i) sums[i] += out[d + i] * dout[d + i];
    }
    return std::accumulate(sums, sums + kChains, 0.0f);
  }

  // What keys [key, key + keys) give to all gradients.
  void keys_back(int64_t key, int64_t keys) const {
    const int64_t first = head_.causal ? key / queries_ * queries_ : 0;
    const int64_t last = head_.window > 0 ? std::min(head_.rows, key + keys - 1 + head_.window) : head_.rows;
    for (int64_t chunk = first; chunk < last; chunk += kQueriesSummed) {
      int64_t depth = 0;  // queries of the chunk so far
      for (int64_t row = chunk; row < std::min(chunk + kQueriesSummed, last); row += queries_) {
        const int64_t count = std::min(queries_, head_.rows - row);
        block_back(key, keys, row, count, depth);
        depth += count;
      }
      const int64_t at = key * call_.dk_stride;
      const bool add = chunk > first;
      multiply(weights_, keys, dout_below_.from(chunk), head_.dim, depth, call_.dv + at, call_.dk_stride, add);
      multiply(grads_, keys, q_below_.from(chunk), head_.dim, depth, call_.dk + at, call_.dk_stride, add);
    }
  }

  // Of `count` queries from `row` on: dq, and their weights and gradients from `depth` on of what is summed for keys.
  void block_back(int64_t key, int64_t keys, int64_t row, int64_t count, int64_t depth) const {
    const KeyRange range = seen_by(head_, row, row + count);
    const int64_t seen = std::min(keys, range.last - key);
    const int64_t panel = row / products_.cols;
    score(k_left_, key, seen, q_right_.from_panel(panel), count, s_);
    score(v_left_, key, seen, dout_right_.from_panel(panel), count, dp_);
    hide_unseen(row, key, seen);
    draw_levels(row, key, seen);
    scores_.back({s_, seen, queries_, head_.scale}, dp_, mask_, log_sums_ + row, means_ + row);
    for (float* numbers : {s_, dp_}) std::fill(numbers + seen * queries_, numbers + keys * queries_, 0.0f);
    pack_over_queries(s_, keys, count, weights_.from(depth));
    pack_over_queries(dp_, keys, count, grads_.from(depth));
    pack_over_keys(dp_, seen, count, grads_of_block_);
    const bool add = key > range.first / kKeysBack * kKeysBack;
    multiply(grads_of_block_, count, k_below_.from(key), head_.dim, seen, call_.dq + row * head_.q_stride,
             head_.q_stride, add);
  }

  const AttentionHeadBackCall& call_;
  Side k_left_, v_left_, q_right_, dout_right_;  // over dimensions
  Side k_below_, q_below_, dout_below_;          // over rows
  Side weights_, grads_;                         // of a block of keys, over queries
  Side grads_of_block_;                          // of a block of queries, over keys
  float* dp_;                                    // as s_
  float* log_sums_;                              // (rows + queries_), as means_
  float* means_;
};

}  // namespace

int64_t attention_head_workspace(int64_t rows, int64_t dim) {
  const int64_t all = rows + kMostQueries;
  const int64_t numbers = 3 * kKeysForth * kMostQueries + kMostQueries * dim + 2 * all;
  return 4 * side_bytes(dim, rows) + 3 * side_bytes(rows, dim) + 2 * side_bytes(kQueriesSummed, kKeysBack) +
         side_bytes(kKeysForth, kMostQueries) + side_bytes(dim, kMostQueries) +
         whole(numbers * static_cast<int64_t>(sizeof(float)), kLineBytes) * kLineBytes + 16 * kLineBytes;
}

void attention_head(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHeadCall& call,
                    std::byte* workspace) {
  HeadForth(products, scores, call, workspace).run();
}

void attention_head_back(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHeadBackCall& call,
                         std::byte* workspace) {
  HeadBack(products, scores, call, workspace).run();
}

}  // namespace linnet::kernels
