// How fast a model reads and writes on this machine, and where the time goes.
// Thread safety: one thread at a time, as the Context.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/cancel.hpp"
#include "models/transformer.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

struct BenchCase {
  enum class Kind { kPrefill, kDecode };
  Kind kind = Kind::kPrefill;
  int64_t tokens = 512;   // of each sequence: read in steps of kPrefillRows, or written one by one
  int64_t depth = 0;      // tokens that each sequence holds before
  int64_t sequences = 1;  // that decode together

  int64_t all_tokens() const { return tokens * sequences; }
};

// What one repetition of a case must do at least.
struct BenchWork {
  double operations = 0;  // multiplications and additions of matrix products and attention
  double bytes = 0;       // of weights, once a step, and of cached keys and values, once a token
};
BenchWork work_of(const Transformer& model, DType kv_dtype, const BenchCase& what);

struct BenchResult {
  BenchCase what;
  BenchWork work;
  std::vector<double> seconds;  // of each repetition
  std::vector<OpTime> ops;      // of one more, which the clock makes a little slower
};

// Runs each case once to warm up, then all of them in turn `repeats` times, so that a busy moment meets every case.
// Tokens are random: what they are does not change the arithmetic. `progress` hears how many of how many runs are done.
// Errors: a case that does not fit the model's context, no memory for its cache, cancelled.
Result<std::vector<BenchResult>> run_bench(const Transformer& model, Context& ctx, DType kv_dtype,
                                           std::span<const BenchCase> cases, int repeats, const CancelToken& cancel,
                                           const std::function<void(int64_t, int64_t)>& progress);

}  // namespace linnet
