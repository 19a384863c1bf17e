// Attention of one head as teaching has it, forth and back, from products of packed panels: flash attention
// (arXiv:2205.14135), in blocks of keys and queries that stay in the first caches. Thread safety: calls on different
// workspaces are independent.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "ops/attention_head_call.hpp"

namespace linnet::kernels {

// Bytes for either way, whatever the kernels; whole lines.
int64_t attention_head_workspace(int64_t rows, int64_t dim);
void attention_head(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHeadCall& call,
                    std::byte* workspace);
void attention_head_back(const MatmulKernels& products, const ScoreKernels& scores, const AttentionHeadBackCall& call,
                         std::byte* workspace);

}  // namespace linnet::kernels
