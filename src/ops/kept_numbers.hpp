// Numbers of two kinds as the way back wants them: as they are, or rounded to pairs of bfloat16 where products are.
// Thread safety: any, for different numbers.
#pragma once

#include <algorithm>
#include <bit>
#include <utility>

#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

class KeptNumbers {
 public:
  // Room for so many of each, which keep() is given.
  KeptNumbers(Context& ctx, int64_t count) : narrow_(narrowing(ctx)) {
    if (narrow_) {
      pairs_ = ctx.empty(DType::kI32, {count});
    } else {
      first_ = ctx.empty({count});
      second_ = ctx.empty({count});
      copies_ = true;
    }
  }
  // The two tensors themselves, of one shape, where they are not narrowed; keep() is still to be called.
  static KeptNumbers of(Context& ctx, const Tensor& first, const Tensor& second) {
    KeptNumbers kept(narrowing(ctx));
    if (kept.narrow_) {
      kept.pairs_ = ctx.empty(DType::kI32, first.shape());
    } else {
      kept.first_ = first;
      kept.second_ = second;
    }
    return kept;
  }

  // Whether they are rounded.
  static bool narrows(const Context& ctx) { return narrowing(ctx) != nullptr; }

  // Keeps `count` numbers of each as those from number `at` on; they become what is kept.
  void keep(float* first, float* second, int64_t at, int64_t count) {
    if (narrow_) {
      narrow_(first, second, count, pairs() + at);
    } else if (copies_) {
      std::copy_n(first, count, first_.data<float>() + at);
      std::copy_n(second, count, second_.data<float>() + at);
    }
  }
  // The same of numbers that stay as they are; body(at, count, first, second) is called for pieces of what is kept.
  template <class Body>
  void keep(const float* first, const float* second, int64_t at, int64_t count, const Body& body) {
    if (!narrow_) return body(at, count, first, second);
    float kept_first[kPiece];
    float kept_second[kPiece];
    for (int64_t i = 0; i < count; i += kPiece) {
      const int64_t some = std::min(kPiece, count - i);
      std::copy_n(first + i, some, kept_first);
      std::copy_n(second + i, some, kept_second);
      narrow_(kept_first, kept_second, some, pairs() + at + i);
      body(at + i, some, kept_first, kept_second);
    }
  }

  // Calls body(at, count, first, second) for pieces of [begin, end).
  template <class Body>
  void visit(int64_t begin, int64_t end, const Body& body) const {
    if (!narrow_) return body(begin, end - begin, first_.data<float>() + begin, second_.data<float>() + begin);
    float first[kPiece];
    float second[kPiece];
    for (int64_t at = begin; at < end; at += kPiece) {
      const int64_t count = std::min(kPiece, end - at);
      const auto* pairs = reinterpret_cast<const uint32_t*>(pairs_.data<int32_t>()) + at;
      for (int64_t i = 0; i < count; ++i) {
        first[i] = std::bit_cast<float>(pairs[i] << 16);
        second[i] = std::bit_cast<float>(pairs[i] & 0xFFFF0000);
      }
      body(at, count, first, second);
    }
  }

 private:
  using Narrow = decltype(FloatProducts::keep_pairs);
  static constexpr int64_t kPiece = 1024;

  explicit KeptNumbers(Narrow narrow) : narrow_(narrow) {}
  static Narrow narrowing(const Context& ctx) {
    return ctx.compute() == DType::kBF16 ? ctx.float_products().keep_pairs : nullptr;
  }
  uint32_t* pairs() { return reinterpret_cast<uint32_t*>(pairs_.data<int32_t>()); }

  Narrow narrow_;
  Tensor pairs_{};  // the first in the low halves
  Tensor first_{};
  Tensor second_{};
  bool copies_ = false;
};

}  // namespace linnet::ops
