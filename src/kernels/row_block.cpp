#include "kernels/row_block.hpp"

#include <algorithm>
#include <vector>

namespace linnet::kernels {

namespace {

// Of k, of a that is packed at once: the second cache holds it beside panels of b and a strip of c.
constexpr int64_t kDepthAtOnce = 1536;
// Of what is joined, which is packed beside all of a product's k: the product's sums are taken up again after so much.
constexpr int64_t kJoinedDepth = 1280;
constexpr int64_t kPanelsTogether = 2;  // of b: neighbours in c's rows
constexpr int64_t kMostCols = 32;       // of a panel of any kernels
constexpr int64_t kRowsOfRoom = kMostRows + 2 * kMostTileRows;

// For `depth` of k of a block's a.
constexpr int64_t room_bytes(int64_t depth) {
  constexpr int64_t kMostUnit = 32;                             // that depths are made whole to
  constexpr int64_t kRoundings = 2 * kLineBytes * kRowsOfRoom;  // more than there are panels of a part
  const int64_t parts = whole(depth, kLeastDepth / 2);          // of two parts that are as long as can be, the shorter
  return kRowsOfRoom * (depth + kMostUnit) * static_cast<int64_t>(sizeof(float)) + parts * kRoundings;
}

// So much of k at once, in whole parts.
int64_t whole_parts(int64_t depth, int64_t part) {
  return std::max(depth / part, int64_t{1}) * part;
}

}  // namespace

BlockBytes::BlockBytes(MatmulCalls before, MatmulCalls inner, std::array<MatmulCalls, 2> after) {
  const auto take = [&](const MatmulCall& call, int64_t depth) {
    product = std::max(product, room_bytes(depth));
    if (call.plus) added = std::max(added, room_bytes(call.plus->k));
  };
  for (const MatmulCall& call : before) take(call, std::min(call.k, kDepthAtOnce));
  for (const MatmulCall& call : inner) take(call, call.k);
  if (inner.empty()) return;
  strip = kRowsOfRoom * kPanelsTogether * kMostCols * static_cast<int64_t>(sizeof(float));
  for (size_t i = 0; i < after.size(); ++i) {
    for (const MatmulCall& call : after[i]) take(call, 0);
    if (!after[i].empty()) result[i] = room_bytes(std::min(inner[0].n, kJoinedDepth + kMostDepth));
  }
}

struct RowBlock::Term {
  Term(const MatmulKernels& kernels, const MatmulCall& call, int64_t m, int64_t n, const std::byte* packed)
      : a(call.a),
        k(call.k),
        k_stride(call.a_transposed ? m : 1),
        row_stride(call.a_transposed ? 1 : call.k),
        b(packed),
        layout(kernels, k, n),
        a_panel_bytes(layout.panel_stride(kernels.rows)) {}

  int64_t depth_from(int64_t at, int64_t end) const { return std::min(layout.part(), end - at); }
  // Of b, in the part where the range begins.
  const std::byte* panel(const Range& range, int64_t number) const {
    return b + layout.place(range.begin, depth_from(range.begin, range.end), number);
  }

  const float* a;
  int64_t k;
  int64_t k_stride;  // of a
  int64_t row_stride;
  const std::byte* b;
  OperandLayout layout;
  int64_t a_panel_bytes;
};

RowBlock::RowBlock(const MatmulKernels& kernels, int64_t row, int64_t rows, std::byte* room, const BlockBytes& bytes)
    : kernels_(kernels), row_(row), rows_(rows), tiles_(whole(rows, kernels.rows)) {
  const auto take = [&](int64_t size) {
    std::byte* const at = room;
    room += size;
    return at;
  };
  rooms_[0].bytes = take(bytes.product);
  rooms_[1].bytes = take(bytes.added);
  for (float*& strip : strips_) strip = reinterpret_cast<float*>(take(bytes.strip));
  for (size_t i = 0; i < results_.size(); ++i) results_[i].bytes = take(bytes.result[i]);
}

void RowBlock::run(const MatmulCall& call, const PackedPair& b, const std::byte* following) {
  const Term term(kernels_, call, call.m, call.n, b[0]);
  const int64_t depth = whole_parts(kDepthAtOnce, term.layout.part());
  for (int64_t k = 0; k < call.k; k += depth) {
    const int64_t end = std::min(k + depth, call.k);
    pack(term, k, end, rooms_[0]);
    run_range(call, b, rooms_[0], {k, end}, end < call.k ? term.b + term.layout.place(end, 0, 0) : following);
  }
}

// Over a range of k that lies in the room; with its end, what is added is multiplied.
void RowBlock::run_range(const MatmulCall& call, const PackedPair& b, const Room& room, const Range& range,
                         const std::byte* following) {
  const Term term(kernels_, call, call.m, call.n, b[0]);
  const bool last = range.end == call.k;
  const std::optional<Term> more = added_term(call, last ? b[1] : nullptr);
  const int64_t panels = term.layout.panels();
  for (int64_t p = 0; p < panels; p += kPanelsTogether) {
    const int64_t next = std::min(p + kPanelsTogether, panels);
    const int64_t col = p * kernels_.cols;
    multiply(term, room, range, more, {p, next, next < panels ? term.panel(range, next) : following},
             {.at = place_in_c(call, row_, col),
              .stride = c_stride(call),
              .cols = call.n - col,
              .turned = call.c_transposed},
             call.add || range.begin > 0);
  }
  if (last && call.scale != 1) scale(call);
  for (Room& one : rooms_) {
    if (one.a == call.c) one.a = nullptr;  // overwritten
  }
}

void RowBlock::join(const JoinedProducts& joined, std::span<const PackedPair> inner,
                    std::span<const PackedPair> after) {
  const MatmulCalls calls = joined.inner;
  const int64_t n = calls[0].n;
  std::vector<Term> terms;
  for (size_t i = 0; i < calls.size(); ++i) terms.emplace_back(kernels_, calls[i], calls[i].m, n, inner[i][0]);
  const OperandLayout layout(kernels_, n, 1);  // of what is made
  const int64_t depth = whole_parts(kJoinedDepth, layout.part());
  // Where a strip lies in two parts, the second waits for the rest of it.
  const bool splits = layout.part() % (kPanelsTogether * kernels_.cols) > 0;
  for (Room& room : results_) room.parts = depth / layout.part() + (splits ? 1 : 0);
  Strips strips{.row = row_, .rows = rows_, .col = 0, .cols = 0, .numbers = strips_};
  for (int64_t done = 0; strips.col < n; strips.col += strips.cols) {
    strips.cols = std::min(kPanelsTogether * kernels_.cols, n - strips.col);
    const int64_t end = strips.col + strips.cols;
    for (size_t i = 0; i < calls.size(); ++i) {
      const bool is_last = i + 1 == calls.size();
      const Term& next = terms[is_last ? 0 : i + 1];
      const int64_t panel = (is_last ? end : strips.col) / kernels_.cols;
      multiply_strip(calls[i], terms[i], inner[i][1], strips, strips_[i],
                     is_last && end == n ? nullptr : next.panel({0, next.k}, panel));
    }
    joined.join(strips);
    for (size_t i = 0; i < strips_.size(); ++i) {
      if (i < results_.size() && !joined.after[i].empty()) pack_strip(layout, strips, strips_[i], results_[i]);
      if (joined.kept[i]) keep_strip(strips, strips_[i], *joined.kept[i]);
    }
    const int64_t ready = end == n ? n : end / layout.part() * layout.part();
    if (ready < n && ready - done < depth) continue;
    run_after(joined, after, {done, ready});
    done = ready;
  }
}

void RowBlock::multiply_strip(const MatmulCall& call, const Term& term, const std::byte* added, const Strips& strips,
                              float* sums, const std::byte* following) {
  pack(term, 0, term.k, rooms_[0]);
  const int64_t first = strips.col / kernels_.cols;
  const int64_t last = first + whole(strips.cols, kernels_.cols);
  multiply(term, rooms_[0], {0, term.k}, added_term(call, added), {first, last, following},
           {.at = sums, .stride = strips.cols, .cols = strips.cols, .is_strip = true}, false);
}

void RowBlock::run_after(const JoinedProducts& joined, std::span<const PackedPair> b, const Range& range) {
  for (size_t i = 0; i < results_.size(); ++i) {
    for (const MatmulCall& call : joined.after[i]) {
      run_range(call, b[0], results_[i], range, nullptr);
      b = b.subspan(1);
    }
  }
}

// Columns of a, which may lie in two parts of k.
void RowBlock::pack_strip(const OperandLayout& layout, const Strips& strips, const float* numbers, Room& room) const {
  const int64_t panel_bytes = layout.panel_stride(kernels_.rows);
  const int64_t end = strips.col + strips.cols;
  for (int64_t k = strips.col; k < end;) {
    const int64_t part = k / layout.part();
    const int64_t in_part = k - part * layout.part();
    const int64_t count = std::min(end - k, layout.part() - in_part);
    std::byte* to = room.bytes + part % room.parts * tiles_ * panel_bytes;
    to += in_part * kernels_.rows * kernels_.number_bytes;
    kernels_.pack_a(numbers + (k - strips.col), 1, strips.cols, count, rows_, kernels_.rows, panel_bytes, to);
    k += count;
  }
}

// Rows of b, which may lie in two parts of k.
void RowBlock::keep_strip(const Strips& strips, const float* numbers, PackedOperand& out) const {
  const OperandLayout layout(kernels_, out.k, out.n);
  const int64_t end = strips.row + strips.rows;
  for (int64_t k = strips.row; k < end;) {
    const int64_t part = k / layout.part() * layout.part();
    const int64_t depth = std::min(layout.part(), out.k - part);
    const int64_t count = std::min(end, part + depth) - k;
    const int64_t panel = strips.col / kernels_.cols;
    const int64_t at = layout.place(part, depth, panel);
    std::byte* to = out.bytes.raw() + at + (k - part) * kernels_.cols * kernels_.number_bytes;
    kernels_.pack_b(numbers + (k - strips.row) * strips.cols, strips.cols, 1, count, strips.cols, kernels_.cols,
                    layout.place(part, depth, panel + 1) - at, to);
    k += count;
  }
}

// Rows of a, over [begin, end) of k, into the room; unless they lie there.
void RowBlock::pack(const Term& term, int64_t begin, int64_t end, Room& room) const {
  if (room.a == term.a && room.row_stride == term.row_stride && room.begin == begin && room.end == end) return;
  room = {.bytes = room.bytes,
          .parts = whole(end - begin, term.layout.part()),
          .a = term.a,
          .row_stride = term.row_stride,
          .begin = begin,
          .end = end};
  std::byte* to = room.bytes;
  for (int64_t k = begin; k < end; k += term.layout.part(), to += tiles_ * term.a_panel_bytes) {
    kernels_.pack_a(term.a + row_ * term.row_stride + k * term.k_stride, term.k_stride, term.row_stride,
                    term.depth_from(k, end), rows_, kernels_.rows, term.a_panel_bytes, to);
  }
}

// Of what a call adds, with its a packed; nothing where there is no b.
std::optional<RowBlock::Term> RowBlock::added_term(const MatmulCall& call, const std::byte* b) {
  if (!b) return {};
  const Term term(kernels_, *call.plus, call.m, call.n, b);
  pack(term, 0, term.k, rooms_[1]);
  return term;
}

// A group over a range of k, with what is added, if that is there. While one part of k is multiplied, the group's next,
// or what follows the group, is fetched: a thread reads each b once, from a far cache or memory.
void RowBlock::multiply(const Term& term, const Room& room, const Range& range, const std::optional<Term>& more,
                        const Group& group, const Sums& sums, bool add) const {
  const int64_t part = term.layout.part();
  const auto place = [&](int64_t tile, int64_t p) {
    const int64_t row = tile * kernels_.rows;
    const int64_t col = (p - group.first) * kernels_.cols;
    return sums.at + (sums.turned ? col * sums.stride + row : row * sums.stride + col);
  };
  const int64_t panels = group.last - group.first;
  // Neighbours in c's rows follow each other; but in a strip, which is near, all tiles with one panel do.
  const auto tile_and_panel = [&](int64_t i) {
    return sums.is_strip ? std::pair(i % tiles_, group.first + i / tiles_)
                         : std::pair(i / panels, group.first + i % panels);
  };
  for (int64_t k = range.begin; k < range.end; k += part, add = true) {
    const Range rest{k, range.end};
    const int64_t depth = term.depth_from(k, range.end);
    const bool is_last = k + depth == range.end;
    const std::byte* a = room.bytes + k / part % room.parts * tiles_ * term.a_panel_bytes;
    TileAhead ahead{.c = nullptr, .b = is_last ? group.following : term.panel({k + depth, range.end}, group.first)};
    const int64_t lines =
        whole(term.panel(rest, group.last) - term.panel(rest, group.first), TileAhead::kPlaces * kLineBytes);
    if (ahead.b) {
      ahead.b_stride = lines * kLineBytes;
      ahead.b_lines = whole(lines, tiles_ * panels);
    }
    for (int64_t i = 0; i < tiles_ * panels; ++i, ahead.b += ahead.b_lines * kLineBytes) {
      const auto [t, p] = tile_and_panel(i);
      const auto [next_t, next_p] = tile_and_panel(std::min(i + 1, tiles_ * panels - 1));
      ahead.c = place(next_t, next_p);
      multiply_tile(kernels_, {a + t * term.a_panel_bytes, term.panel(rest, p), depth},
                    more && is_last ? added_factors(*more, t, p) : TileFactors(),
                    {.c = place(t, p),
                     .stride = sums.stride,
                     .rows = rows_ - t * kernels_.rows,
                     .cols = sums.cols - (p - group.first) * kernels_.cols,
                     .ahead = ahead,
                     .turned = sums.turned,
                     .in_column = sums.is_strip},
                    add);
    }
  }
}

TileFactors RowBlock::added_factors(const Term& more, int64_t tile, int64_t panel) const {
  return {rooms_[1].bytes + tile * more.a_panel_bytes, more.b + more.layout.place(0, more.k, panel), more.k};
}

void RowBlock::scale(const MatmulCall& call) const {
  float* c = call.c + row_ * call.n;
  for (int64_t i = 0; i < rows_ * call.n; ++i) c[i] *= call.scale;
}

}  // namespace linnet::kernels
