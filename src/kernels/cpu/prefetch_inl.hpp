// What will be read, where no processor foresees it.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

template <class T>
LINNET_INLINE void prefetch_row(const T* row, int64_t count) {
  constexpr int64_t kPerLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < count; i += kPerLine) __builtin_prefetch(row + i);
}

// One line.
LINNET_INLINE void fetch_to_write(float* at) {
  __builtin_prefetch(at, 1);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
