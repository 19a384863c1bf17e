// A loop whose counter is a constant in each round, so that what it indexes stays in registers.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Calls f.template operator()<I>() for I in [kBegin, kEnd).
template <int kBegin, int kEnd, class F>
LINNET_INLINE void unroll(const F& f) {
  if constexpr (kBegin < kEnd) {
    f.template operator()<kBegin>();
    unroll<kBegin + 1, kEnd>(f);
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
