// Codes of a group as spread() leaves them: its eight quads, a line each. Or see wide_row_pairs_inl.hpp.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

struct WideCodes {
  const std::byte* at;
  template <int kQuad>
  LINNET_INLINE U8 quad() const {
    return load_line(at + kLine * kQuad);
  }
};

template <class Codes>
LINNET_INLINE void store_wide(const Codes& codes, std::byte* wide) {
  unroll<0, kQuads>([&]<int kQuad>() __attribute__((always_inline)) {
    store_line(wide + kLine * kQuad, codes.template quad<kQuad>());
  });
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
