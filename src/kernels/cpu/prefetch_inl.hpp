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

// Lines that the second cache shall hold.
LINNET_INLINE void fetch_to_second(const std::byte* lines, int64_t count) {
  for (int64_t i = 0; i < count; ++i) __builtin_prefetch(lines + i * 64, 0, 2);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
