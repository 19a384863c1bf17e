// What every way of teaching on top of a frozen model begins with. Thread safety: one thread at a time.
#pragma once

#include "models/transformer.hpp"

namespace linnet {

// What frozen matrices may take at most to be ready for many products, in bytes.
uint64_t usual_room_for_prepacking();

// From now on products are computed in bfloat16, or in float32, and the frozen matrices of `model` are ready for many
// of them, where that takes `room` bytes at most. The numbers do not hang on whether it does.
void begin_teaching(Context& ctx, Transformer& model, bool bfloat16, uint64_t room = usual_room_for_prepacking());

}  // namespace linnet
