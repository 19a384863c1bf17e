// Lessons from tokens beside what a teacher finds likely in their places (ops/loss.hpp, tasks/teacher_table.hpp).
// Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tasks/lessons.hpp"
#include "tasks/teacher.hpp"
#include "tasks/teacher_table.hpp"

namespace linnet {

class DistilLessons : public Lessons {
 public:
  struct Settings {
    int64_t row_length = 0;
    int64_t top = 0;    // of the teacher's tokens; at most vocab
    int64_t vocab = 0;  // of the model that learns
    double weight = 0;  // of the teacher
    std::string data;   // a hash of both sets
  };
  // The test is measured by its own tokens alone.
  DistilLessons(TokenFeed feed, TokenSet held_out, const TokenSet& test, std::shared_ptr<const Teacher> teacher,
                const Settings& settings);

  int64_t steps() const override { return feed_.steps(); }
  int64_t steps_of_first_epoch() const override { return feed_.steps_of_first_epoch(); }
  const TokenSet& set() const override { return feed_.set(); }
  // Asks the teacher, unless an earlier part of this run has: its answers stay in `folder`.
  Status before_loading(Runtime& runtime, const std::filesystem::path& folder, const CancelToken* cancel,
                        const ProgressCallback& progress) override;
  Status begin(Context&, const Transformer&) override { return ok_status(); }
  Result<std::vector<PartLoss>> parts(Context& ctx, const Transformer& model, int64_t step) override;
  std::span<const TokenBatch> batches() const override { return batches_; }
  bool holds_out() const override { return !held_out_.sequences.empty(); }
  Result<HeldOut> held_out(Context& ctx, const Transformer& model) override;
  bool tests() const override { return !test_.empty(); }
  Result<HeldOut> test(Context& ctx, const Transformer& model) override;

 private:
  TokenBatch batch(const TokenSet& set, const TeacherTable& table, const PackedRow& row) const;

  TokenFeed feed_;
  TokenSet held_out_;
  std::vector<TokenBatch> test_;
  std::shared_ptr<const Teacher> teacher_;
  Settings settings_;
  std::optional<TeacherTable> table_;  // of what is learned
  std::optional<TeacherTable> held_out_table_;
  std::vector<TokenBatch> batches_;
};

}  // namespace linnet
