// What every way of teaching on top of a frozen model begins with. Thread safety: one thread at a time.
#pragma once

#include "models/transformer.hpp"

namespace linnet {

// From now on products are computed in bfloat16, or in float32, and the frozen matrices of `model` are ready for many
// of them, where a quarter of the free memory holds that. The numbers do not hang on whether it does.
void begin_teaching(Context& ctx, Transformer& model, bool bfloat16);

}  // namespace linnet
