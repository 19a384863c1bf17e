// Rows and columns picked out and put back.
#pragma once

#include <span>
#include <vector>

#include "ops/context.hpp"

namespace linnet::ops {

// table: (V, C), float32 or bfloat16; ids: one row each, in [0, V) -> (N, C). Also an embedding.
Tensor gather_rows(Context& ctx, const Tensor& table, std::span<const int32_t> ids);

// x: (N, C) -> (N, sizes[i]) each: its columns, from the first on, in parts that are all of them.
std::vector<Tensor> split(Context& ctx, const Tensor& x, std::span<const int64_t> sizes);

// x: (N, C) -> (N, count): columns begin, begin + 1, ..., or with `stride` > 1 every stride-th.
Tensor columns(Context& ctx, const Tensor& x, int64_t begin, int64_t count, int64_t stride = 1);

}  // namespace linnet::ops
