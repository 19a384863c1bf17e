#include "kernels/packed_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.hpp"
#include "kernels/line_buffer.hpp"
#include "kernels/panel_matrix.hpp"
#include "kernels/turned_panels.hpp"

namespace linnet::kernels {

namespace {

class QuantMatrix final : public PanelMatrix {
 public:
  QuantMatrix(const CpuKernels& kernels, const QuantKernels& quant, Panels panels, ActivationBits bits)
      : PanelMatrix(kernels, std::move(panels)), quant_(&quant), terms_(bits == ActivationBits::k16 ? 2 : 1) {}

  ActivationKind activations() const override {
    return {ActivationKind::Form::kGroups, terms_, quant_->offset, quant_->scales};
  }

  void run(const std::byte* activations, int64_t rows, int64_t begin, int64_t end, Strip y) const override {
    const auto* x = reinterpret_cast<const ActGroup*>(activations);
    if (rows < kFewRows) return few_rows(x, rows, begin, end, y);
    const int64_t groups = panels().cols() / kGroup;
    const bool as_packed = rows <= quant_->most_rows_as_packed;
    const int64_t wide_bytes = groups * quant_->wide_group_bytes;
    LineBuffer wide(as_packed ? 0 : 2 * wide_bytes);
    for (int64_t p = begin; p < end; p += 2) {
      const int64_t count = std::min<int64_t>(2, end - p);
      for (int64_t i = 0; i < count && !as_packed; ++i) {
        quant_->spread(panels().panel(p + i), groups, wide.data() + i * wide_bytes);
      }
      PanelOutput out(panels(), p, count, y.panel(p - begin), rows);
      const int64_t next = std::clamp<int64_t>(end - p - count, 0, 2);
      const auto multiply = (as_packed ? quant_->some_rows : quant_->many_rows)[terms_ - 1][count - 1];
      multiply(as_packed ? panels().panel(p) : wide.data(), groups, x, rows, out.data(), out.stride(),
               {panels().panel(p + count), next * panels().panel_bytes()});
      out.finish();
    }
  }

 private:
  void few_rows(const ActGroup* x, int64_t rows, int64_t begin, int64_t end, Strip y) const {
    const int64_t groups = panels().cols() / kGroup;
    const auto one_row = quant_->one_row[terms_ - 1];
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t r = 0; r < rows; ++r) {
        alignas(64) float out[kPanelRows];
        one_row(panels().panel(p), groups, x + r * groups * terms_, out);
        std::copy_n(out, panels().rows_in(p), y.panel(p - begin).at + r * y.stride);
      }
    }
  }

  const QuantKernels* quant_;
  int terms_;  // of the activations
};

// By tiles of bfloat16, whatever the activations' bits.
class TileMatrix final : public PanelMatrix {
 public:
  TileMatrix(const CpuKernels& kernels, const TileQuantKernels& quant, Panels of, ThreadPool& pool)
      : PanelMatrix(kernels, std::move(of)), quant_(&quant), exponents_(static_cast<size_t>(panels().count())) {
    constexpr int64_t kPanelsWorthAThread = 16;
    pool.parallel_for(panels().count(), kPanelsWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) {
        exponents_[static_cast<size_t>(p)] = exponent_for(quant_->largest(panels().panel(p), groups()));
      }
    });
  }

  ActivationKind activations() const override { return {.form = ActivationKind::Form::kTiles}; }
  // Tiles are soon multiplied beside what decoding a panel takes, so the block is as large as the cache allows.
  BlockOfRows block_of_rows() const override { return {1 << 20, kFewTileRows, 64}; }

  void run(const std::byte* x, int64_t rows, int64_t begin, int64_t end, Strip y) const override {
    if (rows <= kFewTileRows) {
      // The last panel may have rows that the matrix lacks.
      const int64_t whole = panels().rows_in(end - 1) == kPanelRows ? end : end - 1;
      few_rows(x, rows, begin, whole, y);
      few_rows(x, rows, whole, end, y.panel(whole - begin));
      return;
    }
    // A piece of the depth at a time, whose tiles stay in the first cache while rows pass by.
    const int64_t depth = groups() <= kMostGroups ? groups() : kPieceGroups;
    LineBuffer tiles(2 * depth * kTileBytes);
    LineBuffer sums(depth < groups() ? 2 * (rows + kTileHeight - 1) / kTileHeight * kTileBytes : 0);
    for (int64_t p = begin; p < end; p += 2) {
      const int64_t count = std::min<int64_t>(2, end - p);
      const int8_t* exponents = exponents_.data() + p;
      PanelOutput out(panels(), p, count, y.panel(p - begin), rows);
      for (int64_t first = 0; first < groups(); first += depth) {
        const DepthPiece piece{first, std::min(first + depth, groups()), groups()};
        for (int64_t i = 0; i < count; ++i) spread(p + i, piece, tiles.data() + i * kTileBytes, count * kTileBytes);
        kernels().tiles->many_rows[count - 1](tiles.data(), piece, exponents, x, rows, sums.data(), out.data(),
                                              out.stride());
      }
      out.finish();
    }
  }

 private:
  void few_rows(const std::byte* x, int64_t rows, int64_t begin, int64_t end, Strip y) const {
    if (begin == end) return;
    PanelOutput out(panels(), begin, end - begin, y, rows);
    quant_->few_rows(panels().panel(begin), end - begin, groups(), exponents_.data() + begin, x, rows, out.data(),
                     out.stride());
    out.finish();
  }

  // Two panels of so many groups fit the first cache; more are cut into pieces of whole super-groups.
  static constexpr int64_t kMostGroups = 20;
  static constexpr int64_t kPieceGroups = 16;
  static_assert(kPieceGroups % kGroupsInSuper == 0);

  void spread(int64_t p, const DepthPiece& piece, std::byte* tiles, int64_t tile_stride) const {
    const std::byte* from = panels().panel(p) + panels().panel_bytes() * piece.begin / groups();
    quant_->spread(from, piece.end - piece.begin, exponents_[static_cast<size_t>(p)], tiles, tile_stride);
  }

  int64_t groups() const { return panels().cols() / kGroup; }

  // The usual one where half precision then holds the panel's weights, down to 2^-18 of the largest at least; else what
  // brings the largest just below 2^15.
  static int8_t exponent_for(float largest) {
    constexpr int kMost = 126;  // both ways, a power of two that float32 has
    constexpr int kLeast = -70;
    if (!(largest > 0) || !std::isfinite(largest)) return kUsualExponent;
    const int exponent = kUsualExponent - std::ilogb(largest);
    const bool usual = exponent >= kUsualExponent && exponent <= kUsualExponent + 10;
    return usual ? kUsualExponent : static_cast<int8_t>(std::clamp(exponent, kLeast, kMost));
  }

  const TileQuantKernels* quant_;
  std::vector<int8_t> exponents_;  // of the panels
};

class FloatMatrix final : public PanelMatrix {
 public:
  FloatMatrix(const CpuKernels& kernels, FloatProduct kernel, Panels panels)
      : PanelMatrix(kernels, std::move(panels)), kernel_(kernel) {}

  ActivationKind activations() const override { return {}; }

  void run(const std::byte* x, int64_t rows, int64_t begin, int64_t end, Strip y) const override {
    for (int64_t p = begin; p < end; ++p) {
      PanelOutput out(panels(), p, 1, y.panel(p - begin), rows);
      kernel_(panels().panel(p), panels().cols(), reinterpret_cast<const float*>(x), rows, out.data(), out.stride());
      out.finish();
    }
  }

 private:
  FloatProduct kernel_;
};

// Those of one format, of IntegerKernels or TileKernels; null where there are none.
template <class Kernels>
auto kernels_of(const Kernels& kernels, QuantType type) -> decltype(&kernels.q4_0) {
  switch (type) {
    case QuantType::kQ4_0:
      return &kernels.q4_0;
    case QuantType::kQ4_1:
      return &kernels.q4_1;
    case QuantType::kQ5_0:
      return &kernels.q5_0;
    case QuantType::kQ5_1:
      return &kernels.q5_1;
    case QuantType::kQ8_0:
      return &kernels.q8_0;
    case QuantType::kQ2_K:
      return &kernels.q2_k;
    case QuantType::kQ3_K:
      return &kernels.q3_k;
    case QuantType::kQ4_K:
      return &kernels.q4_k;
    case QuantType::kQ5_K:
      return &kernels.q5_k;
    case QuantType::kQ6_K:
      return &kernels.q6_k;
    case QuantType::kIQ4_NL:
      return &kernels.iq4_nl;
    case QuantType::kIQ4_XS:
      return &kernels.iq4_xs;
    case QuantType::kMXFP4:
      return &kernels.mxfp4;
    default:
      return nullptr;
  }
}

FloatProduct float_kernel(const FloatKernels& floats, QuantType type) {
  switch (type) {
    case QuantType::kF32:
      return floats.f32;
    case QuantType::kF16:
      return floats.f16;
    case QuantType::kBF16:
      return floats.bf16;
    default:
      return nullptr;
  }
}

}  // namespace

int64_t packed_bytes(QuantType type, int64_t rows, int64_t cols) {
  const PanelCoder* coder = panel_coder(type);
  if (!coder || cols % coder->super_columns != 0) return 0;
  return (rows + kPanelRows - 1) / kPanelRows * (cols / coder->super_columns * coder->super_bytes);
}

std::unique_ptr<PackedMatrix> pack_matrix(const CpuKernels& kernels, ThreadPool& pool, const MatrixView& matrix,
                                          ActivationBits bits, const ReleaseBytes& release) {
  CHECK(matrix.format != nullptr && matrix.rows >= 0 && matrix.cols >= 0);
  const QuantType type = matrix.format->type;
  if (packed_bytes(type, matrix.rows, matrix.cols) == 0) return nullptr;
  Panels panels(*panel_coder(type), pool, matrix, release);
  if (const TileQuantKernels* quant = kernels.tiles ? kernels_of(*kernels.tiles, type) : nullptr) {
    return std::make_unique<TileMatrix>(kernels, *quant, std::move(panels), pool);
  }
  if (const QuantKernels* quant = kernels_of(*kernels.integers, type)) {
    return std::make_unique<QuantMatrix>(kernels, *quant, std::move(panels), bits);
  }
  return std::make_unique<FloatMatrix>(kernels, float_kernel(*kernels.floats, type), std::move(panels));
}

std::unique_ptr<PackedMatrix> pack_turned(const CpuKernels& kernels, ThreadPool& pool, const RowsToTurn& rows) {
  const IntegerKernels& integers = *kernels.integers;
  return std::make_unique<QuantMatrix>(kernels, integers.turned, turned_panels(pool, rows, integers.turned_offset),
                                       ActivationBits::k8);
}

}  // namespace linnet::kernels
