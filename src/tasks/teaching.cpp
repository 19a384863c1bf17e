#include "tasks/teaching.hpp"

#include "base/system.hpp"

namespace linnet {

uint64_t usual_room_for_prepacking() {
  return memory_info().available / 4;
}

void begin_teaching(Context& ctx, Transformer& model, bool bfloat16, uint64_t room) {
  ctx.set_compute(bfloat16 ? DType::kBF16 : DType::kF32);
  if (bfloat16 && static_cast<uint64_t>(model.prepacked_bytes(ctx)) <= room) model.prepack(ctx);
}

}  // namespace linnet
