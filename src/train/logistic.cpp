#include "train/logistic.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/check.hpp"

namespace linnet {

namespace {

// In place.
void log_softmax(std::span<double> scores) {
  // Less the highest at first: beside scores of 1e20 a logarithm of the sum would vanish.
  const double highest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += std::exp(score -= highest);
  const double shift = std::log(sum);
  for (double& score : scores) score -= shift;
}

void add_scores(const TermRow& row, const float* weights, const float* bias, std::span<double> scores) {
  const size_t classes = scores.size();
  for (size_t k = 0; k < classes; ++k) scores[k] = static_cast<double>(bias[k]);
  for (const TermWeight& one : row) {
    const float* of_term = weights + one.term * classes;
    for (size_t k = 0; k < classes; ++k) scores[k] += static_cast<double>(one.weight * of_term[k]);
  }
}

using Numbers = std::vector<float>;
constexpr int64_t kChunk = 1 << 14;  // numbers that are summed by themselves, whatever the threads

double dot(ThreadPool& pool, const Numbers& x, const Numbers& y) {
  const auto count = static_cast<int64_t>(x.size());
  std::vector<double> parts(static_cast<size_t>((count + kChunk - 1) / kChunk));
  pool.parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t part = begin; part < end; ++part) {
      constexpr int64_t kLanes = 8;
      double lanes[kLanes] = {};
      const int64_t last = std::min(count, (part + 1) * kChunk);
      int64_t i = part * kChunk;
      const float* a = x.data();
      const float* b = y.data();
      for (; i + kLanes <= last; i += kLanes) {
        for (int64_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(a[i + l]) * static_cast<double>(b[i + l]);
      }
      for (; i < last; ++i) lanes[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
      for (const double lane : lanes) parts[static_cast<size_t>(part)] += lane;
    }
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

// out = x + factor * y; out may be x.
void add_scaled(ThreadPool& pool, const Numbers& x, double factor, const Numbers& y, Numbers& out) {
  const auto by = static_cast<float>(factor);
  pool.parallel_for(static_cast<int64_t>(x.size()), kChunk, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) out[i] = x[i] + by * y[i];
  });
}

// Loss and gradient, both over the number of rows.
class Objective {
 public:
  Objective(ThreadPool& pool, std::span<const TermRow> rows, std::span<const int32_t> labels, size_t features,
            size_t classes, double strength)
      : pool_(pool),
        rows_(rows),
        labels_(labels),
        features_(features),
        classes_(classes),
        row_weight_(1 / static_cast<double>(rows.size())),
        decay_(1 / (strength * static_cast<double>(rows.size()))),
        errors_(rows.size() * classes),
        losses_(rows.size()),
        rows_of_(features) {
    for (uint32_t i = 0; i < rows.size(); ++i) {
      for (const TermWeight& one : rows[i]) rows_of_[one.term].push_back({i, one.weight});
    }
  }

  // numbers: W (F, K), then b (K).
  double at(const Numbers& numbers, Numbers& gradient) {
    compute_errors(numbers);
    pool_.parallel_for(static_cast<int64_t>(features_), 64, [&](int64_t begin, int64_t end, int) {
      for (auto f = static_cast<size_t>(begin); f < static_cast<size_t>(end); ++f) {
        float* grad = gradient.data() + f * classes_;
        for (size_t k = 0; k < classes_; ++k) grad[k] = static_cast<float>(decay_) * numbers[f * classes_ + k];
        for (const auto& [row, weight] : rows_of_[f]) {
          const float* error = errors_.data() + row * classes_;
          for (size_t k = 0; k < classes_; ++k) grad[k] += weight * error[k];
        }
      }
    });
    std::vector<double> bias(classes_);
    for (size_t i = 0; i < rows_.size(); ++i) {
      for (size_t k = 0; k < classes_; ++k) bias[k] += static_cast<double>(errors_[i * classes_ + k]);
    }
    for (size_t k = 0; k < classes_; ++k) gradient[features_ * classes_ + k] = static_cast<float>(bias[k]);
    double loss = 0;
    for (const double one : losses_) loss += one;
    return loss * row_weight_ + decay_ / 2 * norm_of_weights(numbers);
  }

 private:
  // (p - [label]) / rows, for each row, and its loss.
  void compute_errors(const Numbers& numbers) {
    pool_.parallel_for(static_cast<int64_t>(rows_.size()), 16, [&](int64_t begin, int64_t end, int) {
      std::vector<double> scores(classes_);
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        add_scores(rows_[i], numbers.data(), numbers.data() + features_ * classes_, scores);
        log_softmax(scores);
        const auto label = static_cast<size_t>(labels_[i]);
        losses_[i] = -scores[label];
        for (size_t k = 0; k < classes_; ++k) {
          errors_[i * classes_ + k] = static_cast<float>((std::exp(scores[k]) - (k == label ? 1 : 0)) * row_weight_);
        }
      }
    });
  }

  double norm_of_weights(const Numbers& numbers) {
    double all = dot(pool_, numbers, numbers);
    for (size_t k = 0; k < classes_; ++k) {
      const auto b = static_cast<double>(numbers[features_ * classes_ + k]);
      all -= b * b;
    }
    return std::max(all, 0.0);
  }

  ThreadPool& pool_;
  std::span<const TermRow> rows_;
  std::span<const int32_t> labels_;
  size_t features_;
  size_t classes_;
  double row_weight_;
  double decay_;
  Numbers errors_;  // (rows, K)
  std::vector<double> losses_;
  std::vector<std::vector<std::pair<uint32_t, float>>> rows_of_;  // of each feature: rows with their weights
};

// Steps and the changes of the gradient over them, the oldest first.
class History {
 public:
  explicit History(ThreadPool& pool) : pool_(pool) {}

  void add(Numbers step, Numbers change) {
    const double product = dot(pool_, step, change);
    const double lengths = std::sqrt(dot(pool_, step, step) * dot(pool_, change, change));
    constexpr double kLeastCurvature = 1e-10;  // or the direction would not lead down
    if (!(product > kLeastCurvature * lengths)) return;
    if (pairs_.size() == kPairs) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), product});
  }

  bool empty() const { return pairs_.empty(); }
  void forget() { pairs_.clear(); }

  // -H · gradient, by the two loops of the paper.
  Numbers direction(const Numbers& gradient) const {
    Numbers q = gradient;
    std::vector<double> shares(pairs_.size());
    for (size_t i = pairs_.size(); i-- > 0;) {
      shares[i] = dot(pool_, pairs_[i].step, q) / pairs_[i].product;
      add_scaled(pool_, q, -shares[i], pairs_[i].change, q);
    }
    if (!empty()) {
      const Pair& last = pairs_.back();
      const auto scale = static_cast<float>(last.product / dot(pool_, last.change, last.change));
      for (float& x : q) x *= scale;
    }
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const double share = dot(pool_, pairs_[i].change, q) / pairs_[i].product;
      add_scaled(pool_, q, shares[i] - share, pairs_[i].step, q);
    }
    for (float& x : q) x = -x;
    return q;
  }

 private:
  static constexpr size_t kPairs = 4;
  struct Pair {
    Numbers step, change;
    double product;
  };
  ThreadPool& pool_;
  std::deque<Pair> pairs_;
};

double largest(const Numbers& numbers) {
  float most = 0;
  for (const float x : numbers) most = std::max(most, std::abs(x));
  return static_cast<double>(most);
}

Status minimise(ThreadPool& pool, Objective& objective, const LogisticSettings& settings, Numbers& numbers) {
  Numbers gradient(numbers.size()), tried(numbers.size()), tried_gradient(numbers.size());
  double loss = objective.at(numbers, gradient);
  History history(pool);
  for (int step = 0; step < settings.most_steps && largest(gradient) > settings.tolerance; ++step) {
    if (settings.cancel) TRY(settings.cancel->check());
    const Numbers direction = history.direction(gradient);
    const double slope = dot(pool, direction, gradient);
    double length = history.empty() ? 1 / std::max(std::sqrt(-slope), 1e-12) : 1;
    // Halved until the loss falls by a part of what the slope promises (Armijo 1966).
    constexpr double kPart = 1e-4;
    constexpr int kHalvings = 30;
    double tried_loss = 0;
    int halvings = 0;
    for (; halvings < kHalvings; ++halvings, length /= 2) {
      add_scaled(pool, numbers, length, direction, tried);
      tried_loss = objective.at(tried, tried_gradient);
      if (tried_loss <= loss + kPart * length * slope) break;
    }
    if (halvings == kHalvings) {
      if (history.empty()) break;  // as low as float32 tells
      history.forget();
      continue;
    }
    Numbers moved(numbers.size()), change(numbers.size());
    add_scaled(pool, tried, -1, numbers, moved);
    add_scaled(pool, tried_gradient, -1, gradient, change);
    history.add(std::move(moved), std::move(change));
    std::swap(numbers, tried);
    std::swap(gradient, tried_gradient);
    loss = tried_loss;
  }
  return ok_status();
}

}  // namespace

std::vector<double> LogisticModel::log_probabilities(const TermRow& row) const {
  std::vector<double> scores(classes);
  add_scores(row, weights.data(), bias.data(), scores);
  log_softmax(scores);
  return scores;
}

Result<LogisticModel> fit_logistic(ThreadPool& pool, std::span<const TermRow> rows, std::span<const int32_t> labels,
                                   size_t features, size_t classes, const LogisticSettings& settings) {
  CHECK(!rows.empty() && rows.size() == labels.size() && classes > 0 && settings.strength > 0);
  Objective objective(pool, rows, labels, features, classes, settings.strength);
  Numbers numbers((features + 1) * classes);
  TRY(minimise(pool, objective, settings, numbers));
  const auto bias = numbers.begin() + static_cast<std::ptrdiff_t>(features * classes);
  return LogisticModel{features, classes, {numbers.begin(), bias}, {bias, numbers.end()}};
}

}  // namespace linnet
