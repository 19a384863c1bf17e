#include "ops/dropout.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

void DropoutMask::fill(uint64_t begin, int64_t n, float* out) const {
  constexpr float kLevels = 65536;
  const auto dropped = static_cast<uint32_t>(std::min(std::lround(rate * kLevels), 65535l));  // of the levels
  const float kept = 1 / (1 - static_cast<float>(dropped) / kLevels);
  constexpr int64_t kNumbers = 256;
  uint16_t levels[kNumbers];
  for (int64_t i = 0; i < n; i += kNumbers) {
    const int64_t count = std::min(kNumbers, n - i);
    random_levels(seed, draw, place, begin + static_cast<uint64_t>(i), count, levels);
    for (int64_t j = 0; j < count; ++j) out[i + j] = levels[j] < dropped ? 0.0f : kept;
  }
}

namespace ops {

namespace {

Tensor masked(Context& ctx, const Tensor& x, const DropoutMask& mask) {
  const OpTimer timer(ctx, "dropout");
  Tensor out = ctx.empty(x.shape());
  if (ctx.meta()) return out;
  constexpr int64_t kChunk = 1 << 12;
  constexpr int64_t kWork = 8;  // operations for a number
  const int64_t chunks = (x.elements() + kChunk - 1) / kChunk;
  const float* from = x.data<float>();
  float* to = out.data<float>();
  ctx.for_rows(chunks, kChunk * kWork, [&](int64_t first, int64_t last) {
    const int64_t end = std::min(last * kChunk, x.elements());
    const int64_t begin = first * kChunk;
    mask.fill(static_cast<uint64_t>(begin), end - begin, to + begin);
    for (int64_t i = begin; i < end; ++i) to[i] *= from[i];
  });
  return out;
}

}  // namespace

Tensor dropout(Context& ctx, const Tensor& x, const DropoutMask& mask) {
  CHECK(mask.rate >= 0 && mask.rate < 1);
  if (!mask.drops()) return x;
  Tensor out = masked(ctx, x, mask);
  ctx.record({x}, {&out}, [mask](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {masked(back, dy[0], mask)};
  });
  return out;
}

}  // namespace ops
}  // namespace linnet
