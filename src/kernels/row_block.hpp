// Some rows of products, in one thread: they are packed, and taken past all of b, product after product.
#pragma once

#include <array>
#include <optional>

#include "kernels/matmul_parts.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

constexpr int64_t kMostRows = 256;  // of a block, or up to a tile more
// What is added to a product has so much of k at most: one part for any kernels.
constexpr int64_t kMostDepthAdded = kLeastDepth;

// The b of a product, packed, and that of what it adds, or null.
using PackedPair = std::array<const std::byte*, 2>;

// Bytes of what a block takes beside what it reads and writes; whole lines.
struct BlockBytes {
  // See JoinedProducts.
  BlockBytes(MatmulCalls before, MatmulCalls inner, std::array<MatmulCalls, 2> after);
  int64_t all() const { return product + added + 3 * strip + result[0] + result[1]; }

  int64_t product = 0;  // of an a that is packed
  int64_t added = 0;    // of that of what is added
  int64_t strip = 0;    // of each of three
  std::array<int64_t, 2> result{};
};

class RowBlock {
 public:
  // room: bytes.all(), on a cache line.
  RowBlock(const MatmulKernels& kernels, int64_t row, int64_t rows, std::byte* room, const BlockBytes& bytes);

  // following: the b of the call that comes next, or null.
  void run(const MatmulCall& call, const PackedPair& b, const std::byte* following);
  // inner, after: the b of joined's products, after those of `before`.
  void join(const JoinedProducts& joined, std::span<const PackedPair> inner, std::span<const PackedPair> after);

 private:
  // One product that is a term of c.
  struct Term;
  // Of k.
  struct Range {
    int64_t begin;
    int64_t end;
  };
  // What of a lies packed: part number p of k lies in the place of number p % parts.
  struct Room {
    std::byte* bytes = nullptr;
    int64_t parts = 1;
    const float* a = nullptr;
    int64_t row_stride = 0;
    int64_t begin = 0;
    int64_t end = 0;
  };
  // Panels of b that are multiplied together.
  struct Group {
    int64_t first;
    int64_t last;
    const std::byte* following;  // where those of the next group begin, or null
  };
  // Where the block's rows of some columns of c lie.
  struct Sums {
    float* at;
    int64_t stride;
    int64_t cols;  // from there on
    bool turned = false;
    bool is_strip = false;  // of the block
  };

  void run_range(const MatmulCall& call, const PackedPair& b, const Room& room, const Range& range,
                 const std::byte* following);
  void run_after(const JoinedProducts& joined, std::span<const PackedPair> b, const Range& range);
  void pack(const Term& term, int64_t begin, int64_t end, Room& room) const;
  std::optional<Term> added_term(const MatmulCall& call, const std::byte* b);
  void multiply(const Term& term, const Room& room, const Range& range, const std::optional<Term>& more,
                const Group& group, const Sums& sums, bool add) const;
  void multiply_strip(const MatmulCall& call, const Term& term, const std::byte* added, const Strips& strips,
                      float* sums, const std::byte* following);
  TileFactors added_factors(const Term& more, int64_t tile, int64_t panel) const;
  void pack_strip(const OperandLayout& layout, const Strips& strips, const float* numbers, Room& room) const;
  void keep_strip(const Strips& strips, const float* numbers, PackedOperand& out) const;
  void scale(const MatmulCall& call) const;

  const MatmulKernels& kernels_;
  int64_t row_;
  int64_t rows_;
  int64_t tiles_;
  std::array<Room, 2> rooms_;    // of a product, and of what is added
  std::array<Room, 2> results_;  // of join()
  std::array<float*, 3> strips_;
};

}  // namespace linnet::kernels
