// What a teacher finds likely at each learned token of a set: its likeliest tokens and their probabilities, computed
// once and kept in a file.
//
// The file: safetensors with "ids" (N, K) I32 and "probabilities" (N, K) F32, N learned tokens in the order of the set,
// and in its metadata the key of what they were computed from. Thread safety: const methods may be called from any
// thread.
#pragma once

#include <filesystem>
#include <vector>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "data/render.hpp"
#include "models/transformer.hpp"
#include "tasks/token_feed.hpp"

namespace linnet {

class TeacherTable {
 public:
  // A teacher reads every sequence of `set`, in rows of up to `row_length` tokens. top: K, at most vocab; vocab: tokens
  // beyond are left out, as if they were never said. Errors: cancelled; those of a forward.
  static Result<TeacherTable> make(Context& ctx, const Transformer& teacher, const TokenSet& set, int64_t row_length,
                                   int64_t top, int64_t vocab, const CancelToken* cancel,
                                   const ProgressCallback& progress);
  // Errors: none there, of another key, of other sizes than those of `set` with this top and vocab, numbers that are no
  // probabilities.
  static Result<TeacherTable> open(const std::filesystem::path& path, const std::string& key, const TokenSet& set,
                                   int64_t top, int64_t vocab);
  Status save(const std::filesystem::path& path, const std::string& key) const;

  // Of the learned tokens of a row of that set, as batch_of() orders them.
  TeacherRows rows_of(const PackedRow& row, float weight) const;

 private:
  TeacherTable(const TokenSet& set, int64_t top);

  int64_t top_;
  std::vector<int64_t> begin_;  // of each sequence's learned tokens, and one past the last
  Tensor ids_;                  // (N, K)
  Tensor probabilities_;
};

}  // namespace linnet
