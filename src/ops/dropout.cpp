#include "ops/dropout.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

namespace {

constexpr float kLevels = 65536;

}  // namespace

uint32_t DropoutMask::dropped() const {
  return static_cast<uint32_t>(std::min(std::lround(rate * kLevels), 65535l));
}

float DropoutMask::kept() const {
  return 1 / (1 - static_cast<float>(dropped()) / kLevels);
}

namespace ops {

namespace {

void drop_reference(const float* x, const uint16_t* levels, int64_t n, uint32_t dropped, float kept, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = levels[i] < dropped ? 0.0f : x[i] * kept;
}

Tensor masked(Context& ctx, const Tensor& x, const DropoutMask& mask) {
  const OpTimer timer(ctx, "dropout");
  Tensor out = ctx.empty(x.shape());
  if (ctx.meta()) return out;
  constexpr int64_t kChunk = 1 << 12;
  constexpr int64_t kWork = 8;  // operations for a number
  const int64_t chunks = (x.elements() + kChunk - 1) / kChunk;
  const float* from = x.data<float>();
  float* to = out.data<float>();
  const auto kernel = ctx.kernels().drop ? ctx.kernels().drop : drop_reference;
  const uint32_t dropped = mask.dropped();
  const float kept = mask.kept();
  ctx.for_rows(chunks, kChunk * kWork, [&](int64_t first, int64_t last) {
    uint16_t levels[kChunk];
    for (int64_t begin = first * kChunk; begin < std::min(last * kChunk, x.elements()); begin += kChunk) {
      const int64_t count = std::min(kChunk, x.elements() - begin);
      mask.levels(static_cast<uint64_t>(begin), count, levels);
      kernel(from + begin, levels, count, dropped, kept, to + begin);
    }
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
