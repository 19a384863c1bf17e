#include "tasks/teaching.hpp"

#include "base/system.hpp"

namespace linnet {

void begin_teaching(Context& ctx, Transformer& model, bool bfloat16) {
  ctx.set_compute(bfloat16 ? DType::kBF16 : DType::kF32);
  if (bfloat16) model.prepack(ctx, static_cast<int64_t>(memory_info().available / 4));
}

}  // namespace linnet
