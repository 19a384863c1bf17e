#include "kernels/matmul_by_rows.hpp"

#include <algorithm>
#include <optional>

#include "kernels/matmul_parts.hpp"

namespace linnet::kernels {

namespace {

constexpr int64_t kMostRows = 256;  // of a block, or up to a tile more
// Of k, of a that is packed at once: the second cache holds it beside panels of b and a strip of c.
constexpr int64_t kDepthAtOnce = 1536;
constexpr int64_t kPanelsTogether = 2;  // of b: neighbours in c's rows

// For `depth` of k of a block's a.
constexpr int64_t room_bytes(int64_t depth) {
  constexpr int64_t kRows = kMostRows + 2 * kMostTileRows;
  constexpr int64_t kMostUnit = 32;                       // that depths are made whole to
  constexpr int64_t kRoundings = 2 * kLineBytes * kRows;  // more than there are panels
  return kRows * (depth + kMostUnit) * static_cast<int64_t>(sizeof(float)) + kRoundings;
}
// What is added has so much of k at most: one part for any kernels.
constexpr int64_t kMostDepthAdded = kLeastDepth;

// What a thread takes for the a of all calls, and for that of what they add.
struct RoomBytes {
  explicit RoomBytes(MatmulCalls calls) {
    for (const MatmulCall& call : calls) {
      product = std::max(product, room_bytes(std::min(call.k, kDepthAtOnce)));
      if (call.plus) added = std::max(added, room_bytes(call.plus->k));
    }
  }
  int64_t all() const { return product + added; }

  int64_t product = 0;
  int64_t added = 0;
};

// One product that is a term of c.
struct Term {
  Term(const MatmulKernels& kernels, const MatmulCall& call, int64_t m, int64_t n, const std::byte* packed)
      : a(call.a),
        k(call.k),
        k_stride(call.a_transposed ? m : 1),
        row_stride(call.a_transposed ? 1 : call.k),
        b(packed),
        layout(kernels, k, n),
        a_panel_bytes(layout.panel_stride(kernels.rows)) {}
  const float* a;
  int64_t k;
  int64_t k_stride;  // of a
  int64_t row_stride;
  const std::byte* b;
  OperandLayout layout;
  int64_t a_panel_bytes;
};

// A block of rows, in one thread.
class RowBlock {
 public:
  RowBlock(const MatmulKernels& kernels, int64_t row, int64_t rows, std::byte* room, const RoomBytes& bytes)
      : kernels_(kernels),
        row_(row),
        rows_(rows),
        tiles_(whole(rows, kernels.rows)),
        rooms_{{{.bytes = room}, {.bytes = room + bytes.product}}} {}

  // following: the b of the call that comes next, or null.
  void run(const MatmulCall& call, const PackedPair& b, const std::byte* following) {
    const Term term(kernels_, call, call.m, call.n, b[0]);
    const int64_t part = term.layout.part();
    const int64_t depth = std::max(kDepthAtOnce / part, int64_t{1}) * part;
    for (int64_t k = 0; k < call.k; k += depth) {
      const int64_t end = std::min(k + depth, call.k);
      const bool last = end == call.k;
      const std::byte* next = last ? following : term.b + term.layout.place(end, 0, 0);
      run_depth(call, term, k, end, last ? b[1] : nullptr, next);
    }
    if (call.scale != 1) scale(call);
    for (Room& room : rooms_) {
      if (room.a == call.c) room.a = nullptr;  // overwritten
    }
  }

 private:
  // What of a lies packed.
  struct Room {
    std::byte* bytes;
    const float* a = nullptr;
    int64_t row_stride = 0;
    int64_t begin = 0;
    int64_t end = 0;
  };

  // The product over [begin, end) of k, and all of what is added, where there is a b for that.
  void run_depth(const MatmulCall& call, const Term& term, int64_t begin, int64_t end, const std::byte* added,
                 const std::byte* following) {
    pack(term, begin, end, rooms_[0]);
    std::optional<Term> more;
    if (added) {
      more.emplace(kernels_, *call.plus, call.m, call.n, added);
      pack(*more, 0, more->k, rooms_[1]);
    }
    const int64_t panels = term.layout.panels();
    const int64_t first_depth = std::min(term.layout.part(), end - begin);
    for (int64_t p = 0; p < panels; p += kPanelsTogether) {
      const int64_t last = std::min(p + kPanelsTogether, panels);
      const std::byte* next = last < panels ? term.b + term.layout.place(begin, first_depth, last) : following;
      multiply(call, term, more, {p, last, next}, call.add || begin > 0);
    }
  }

  // Rows of a, over [begin, end) of k, into the room; unless they lie there.
  void pack(const Term& term, int64_t begin, int64_t end, Room& room) const {
    if (room.a == term.a && room.row_stride == term.row_stride && room.begin == begin && room.end == end) return;
    room = {.bytes = room.bytes, .a = term.a, .row_stride = term.row_stride, .begin = begin, .end = end};
    std::byte* to = room.bytes;
    for (int64_t k = begin; k < end; k += term.layout.part(), to += tiles_ * term.a_panel_bytes) {
      kernels_.pack_a(term.a + row_ * term.row_stride + k * term.k_stride, term.k_stride, term.row_stride,
                      std::min(term.layout.part(), end - k), rows_, kernels_.rows, term.a_panel_bytes, to);
    }
  }

  // Panels of b that are multiplied together.
  struct Group {
    int64_t first;
    int64_t last;
    const std::byte* following;  // where those of the next group begin, or null
  };

  // A group with all that lies in the room. While one part of k is multiplied, the group's next, or what follows the
  // group, is fetched: a thread reads each b once, from a far cache or memory.
  // With the last part, `more` is multiplied, if that is there.
  void multiply(const MatmulCall& call, const Term& term, const std::optional<Term>& more, const Group& group,
                bool add) const {
    const Room& room = rooms_[0];
    const std::byte* a = room.bytes;
    const auto depth_from = [&](int64_t k) { return std::min(term.layout.part(), room.end - k); };
    const auto panel = [&](int64_t k, int64_t p) { return term.b + term.layout.place(k, depth_from(k), p); };
    for (int64_t k = room.begin; k < room.end; k += term.layout.part(), add = true) {
      const int64_t end = k + depth_from(k);
      TileAhead ahead{.c = nullptr, .b = end < room.end ? panel(end, group.first) : group.following};
      const int64_t lines = whole(panel(k, group.last) - panel(k, group.first), TileAhead::kPlaces * kLineBytes);
      if (ahead.b) {
        ahead.b_stride = lines * kLineBytes;
        ahead.b_lines = whole(lines, tiles_ * (group.last - group.first));
      }
      for (int64_t t = 0; t < tiles_; ++t, a += term.a_panel_bytes) {
        for (int64_t p = group.first; p < group.last; ++p, ahead.b += ahead.b_lines * kLineBytes) {
          ahead.c = p + 1 < group.last ? place(call, t, p + 1) : place(call, std::min(t + 1, tiles_ - 1), group.first);
          const TileFactors plus = more && end == room.end ? added_factors(*more, t, p) : TileFactors();
          multiply_tile(kernels_, {a, panel(k, p), end - k}, plus,
                        {.c = place(call, t, p),
                         .stride = call.n,
                         .rows = rows_ - t * kernels_.rows,
                         .cols = call.n - p * kernels_.cols,
                         .ahead = ahead},
                        add);
        }
      }
    }
  }

  TileFactors added_factors(const Term& more, int64_t tile, int64_t panel) const {
    return {rooms_[1].bytes + tile * more.a_panel_bytes, more.b + more.layout.place(0, more.k, panel), more.k};
  }

  float* place(const MatmulCall& call, int64_t tile, int64_t panel) const {
    return call.c + (row_ + tile * kernels_.rows) * call.n + panel * kernels_.cols;
  }

  void scale(const MatmulCall& call) const {
    float* c = call.c + row_ * call.n;
    for (int64_t i = 0; i < rows_ * call.n; ++i) c[i] *= call.scale;
  }

  const MatmulKernels& kernels_;
  int64_t row_;
  int64_t rows_;
  int64_t tiles_;
  std::array<Room, 2> rooms_;  // of a product, and of what is added
};

}  // namespace

bool goes_by_rows(int threads, MatmulCalls calls) {
  constexpr int64_t kWorthAThread = 128;  // rows: with fewer, b would pass by too often
  constexpr int64_t kMostOfB = int64_t{1} << 24;
  constexpr int64_t kWorthPacking = 64;  // columns: with fewer, to pack a's columns takes longest
  const auto fits = [](const MatmulCall& call, int64_t n) {
    return (!call.a_transposed || n >= kWorthPacking) && call.k > 0 && (call.packed || n * call.k <= kMostOfB);
  };
  return !calls.empty() && std::ranges::all_of(calls, [&](const MatmulCall& call) {
    const MatmulCall* plus = call.plus;
    return call.m >= kWorthAThread * threads && call.n > 0 && fits(call, call.n) &&
           (!plus || (plus->k <= kMostDepthAdded && fits(*plus, call.n)));
  });
}

int64_t workspace_by_rows(int threads, MatmulCalls calls) {
  return threads * RoomBytes(calls).all();
}

void matmul_by_rows(const MatmulKernels& kernels, ThreadPool& pool, MatmulCalls calls,
                    std::span<const PackedPair> packed, std::byte* workspace) {
  const int64_t m = calls[0].m;
  const int64_t blocks = whole(m, pool.size() * kMostRows) * pool.size();
  const int64_t rows = whole(whole(m, blocks), kernels.rows) * kernels.rows;
  const RoomBytes room(calls);
  pool.parallel_for(whole(m, rows), 1, [&](int64_t begin, int64_t end, int thread) {
    if (kernels.enter) kernels.enter();
    for (int64_t row = begin * rows; row < std::min(end * rows, m); row += rows) {
      RowBlock block(kernels, row, std::min(rows, m - row), workspace + thread * room.all(), room);
      for (size_t i = 0; i < calls.size(); ++i) {
        block.run(calls[i], packed[i], i + 1 < calls.size() ? packed[i + 1][0] : nullptr);
      }
    }
    if (kernels.leave) kernels.leave();
  });
}

}  // namespace linnet::kernels
