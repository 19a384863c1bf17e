#include "tasks/distil_lessons.hpp"

#include <fmt/core.h>

#include "base/check.hpp"

namespace linnet {

DistilLessons::DistilLessons(TokenFeed feed, TokenSet held_out, const TokenSet& test,
                             std::shared_ptr<const Teacher> teacher, const Settings& settings)
    : feed_(std::move(feed)),
      held_out_(std::move(held_out)),
      test_(TokenFeed::all(test, settings.row_length)),
      teacher_(std::move(teacher)),
      settings_(settings) {
  CHECK(settings.top >= 1 && settings.top <= settings.vocab && settings.row_length > 0);
}

Status DistilLessons::before_loading(Runtime& runtime, const std::filesystem::path& folder, const CancelToken* cancel,
                                     const ProgressCallback& progress) {
  struct Part {
    const TokenSet& set;
    const char* file;
    std::optional<TeacherTable>& table;
  };
  const std::string key = fmt::format("teacher 1, {}, {}, top {} of {}", teacher_->digest(), settings_.data,
                                      settings_.top, settings_.vocab);
  std::optional<Transformer> model;
  for (const Part& part : {Part{feed_.set(), "teacher.safetensors", table_},
                           Part{held_out_, "teacher-held-out.safetensors", held_out_table_}}) {
    if (part.set.sequences.empty()) continue;
    auto kept = TeacherTable::open(folder / part.file, key, part.set, settings_.top, settings_.vocab);
    if (kept.ok()) {
      part.table = std::move(kept).value();
      continue;
    }
    if (!model) {
      TRY_ASSIGN(model, teacher_->load(runtime, settings_.row_length));
    }
    TRY_ASSIGN(part.table, TeacherTable::make(runtime.context(), *model, part.set, settings_.row_length, settings_.top,
                                              settings_.vocab, cancel, progress));
    TRY(part.table->save(folder / part.file, key));
  }
  model.reset();
  runtime.context().buffers().release_free();  // the model that learns has other sizes
  return ok_status();
}

TokenBatch DistilLessons::batch(const TokenSet& set, const TeacherTable& table, const PackedRow& row) const {
  TokenBatch batch = batch_of(set, row);
  batch.teacher = table.rows_of(row, static_cast<float>(settings_.weight));
  return batch;
}

Result<std::vector<PartLoss>> DistilLessons::parts(Context& ctx, const Transformer& model, int64_t step) {
  CHECK(table_);
  batches_.clear();
  for (const PackedRow& row : feed_.rows(step)) {
    batches_.push_back(batch(feed_.set(), *table_, row));
    batches_.back().batch.dropout = feed_.dropout(step, batches_.size() - 1);
  }
  return token_losses(ctx, model, batches_);
}

Result<Lessons::HeldOut> DistilLessons::held_out(Context& ctx, const Transformer& model) {
  CHECK(held_out_table_);
  std::vector<TokenBatch> batches;
  for (const PackedRow& row : pack_epoch(held_out_, static_cast<uint32_t>(settings_.row_length), 0, 0)) {
    batches.push_back(batch(held_out_, *held_out_table_, row));
  }
  TRY_ASSIGN(const double loss, mean_token_loss(ctx, model, batches));
  return HeldOut{loss, std::nullopt};
}

Result<Lessons::HeldOut> DistilLessons::test(Context& ctx, const Transformer& model) {
  TRY_ASSIGN(const double loss, mean_token_loss(ctx, model, test_));
  return HeldOut{loss, std::nullopt};
}

}  // namespace linnet
