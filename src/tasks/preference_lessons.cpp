#include "tasks/preference_lessons.hpp"

#include <algorithm>

namespace linnet {

namespace {

// The same conversations, ending as `end` says.
template <class End>
std::vector<Sample> ending_otherwise(const std::vector<Sample>& samples, const End& end) {
  std::vector<Sample> others = samples;
  for (size_t i = 0; i < others.size(); ++i) others[i].messages = end(i);
  return others;
}

// The prompt of one sample with the reply to the next: what the model thinks of it has nothing to do with its quality.
Json unrelated(const std::vector<Sample>& samples, size_t i) {
  Json messages = samples[i].messages;
  messages.back() = samples[(i + 1) % samples.size()].messages.back();
  return messages;
}

Result<TokenSet> render_one_each(const std::vector<Sample>& samples, const Renderer& renderer, ThreadPool& pool) {
  TRY_ASSIGN(TokenSet set, renderer.render_all(samples, DataForm::kMessages, pool));
  for (size_t i = 0; i < set.sequences.size(); ++i) {
    const uint32_t sample = set.sequences[i].sample;
    if (sample == i) continue;
    return unsupported("the template writes this conversation in several pieces, which cannot be compared",
                       samples[sample].place);
  }
  return set;
}

// Where the replies of a row begin among its learned tokens.
std::vector<int64_t> begins_of(const TokenSet& set, const PackedRow& row) {
  std::vector<int64_t> begin{0};
  for (const uint32_t i : row) {
    const std::vector<uint8_t>& learned = set.sequences[i].learned;
    begin.push_back(begin.back() + std::ranges::count(learned, 1));
  }
  return begin;
}

Result<ReplyLogProbs> score(Context& ctx, const Transformer& model, const TokenSet& set, const PackedRow& row,
                            const TokenBatch& batch) {
  TRY_ASSIGN(Tensor log_probs, model.log_probs(ctx, batch.batch, batch.targets));
  return ReplyLogProbs{std::move(log_probs), begins_of(set, row)};
}

PackedRow every_second(const PackedRow& row, size_t first) {
  PackedRow some;
  for (size_t i = first; i < row.size(); i += 2) some.push_back(row[i]);
  return some;
}

}  // namespace

std::string_view preference_method_name(PreferenceMethod method) {
  switch (method) {
    case PreferenceMethod::kDpo:
      return "dpo";
    case PreferenceMethod::kOrpo:
      return "orpo";
    case PreferenceMethod::kKto:
      return "kto";
  }
  return "";
}

Result<Preferences> render_preferences(const std::vector<Sample>& samples, PreferenceMethod method,
                                       const Renderer& renderer, ThreadPool& pool) {
  TRY_ASSIGN(TokenSet first, render_one_each(samples, renderer, pool));
  const bool kto = method == PreferenceMethod::kKto;
  const auto others =
      ending_otherwise(samples, [&](size_t i) { return kto ? unrelated(samples, i) : Json(samples[i].rejected); });
  TRY_ASSIGN(TokenSet second, render_one_each(others, renderer, pool));
  Preferences preferences;
  TokenSet& all = preferences.replies;
  for (size_t i = 0; i < samples.size(); ++i) {
    all.sequences.push_back(std::move(first.sequences[i]));
    all.sequences.push_back(std::move(second.sequences[i]));
    preferences.desired.push_back(samples[i].desired);
  }
  std::ranges::set_union(first.cut_samples, second.cut_samples, std::back_inserter(all.cut_samples));
  all.cut = {.sequences = first.cut.sequences + second.cut.sequences,
             .tokens = first.cut.tokens + second.cut.tokens,
             .learned = first.cut.learned + second.cut.learned};
  return preferences;
}

PreferenceLessons::PreferenceLessons(Preferences train, Preferences held_out, Preferences test,
                                     const Settings& settings)
    : settings_(settings),
      train_{std::move(train), {}},
      held_out_{std::move(held_out), {}},
      test_{std::move(test), {}},
      feed_(train_.preferences.replies, settings.row_length, settings.pairs_per_step, settings.epochs, settings.seed) {}

Status PreferenceLessons::begin(Context& ctx, const Transformer& model) {
  if (settings_.method == PreferenceMethod::kOrpo) return ok_status();
  for (Replies* all : {&train_, &held_out_, &test_}) {
    TRY_ASSIGN(all->reference, reference_of(ctx, model, all->preferences));
  }
  return ok_status();
}

Result<std::vector<double>> PreferenceLessons::reference_of(Context& ctx, const Transformer& model,
                                                            const Preferences& preferences) const {
  const TokenSet& set = preferences.replies;
  std::vector<double> reference(set.sequences.size());
  for (const PackedRow& row : PreferenceFeed::all(set, settings_.row_length)) {
    TRY_ASSIGN(const ReplyLogProbs replies, score(ctx, model, set, row, batch_of(set, row)));
    const std::vector<double> sums = reply_sums(replies);
    for (size_t i = 0; i < row.size(); ++i) reference[row[i]] = sums[i];
  }
  return reference;
}

PackedRow PreferenceLessons::learned_of(const PackedRow& row) const {
  return settings_.method == PreferenceMethod::kKto ? every_second(row, 0) : row;
}

Result<double> PreferenceLessons::drift_of(Context& ctx, const Transformer& model, const Replies& all,
                                           std::span<const PackedRow> rows) const {
  if (settings_.method != PreferenceMethod::kKto) return 0.0;
  const TokenSet& set = all.preferences.replies;
  double sum = 0;
  size_t count = 0;
  for (const PackedRow& pairs : rows) {
    const PackedRow row = every_second(pairs, 1);
    TRY_ASSIGN(const ReplyLogProbs replies, score(ctx, model, set, row, batch_of(set, row)));
    const std::vector<double> sums = reply_sums(replies);
    for (size_t i = 0; i < row.size(); ++i) sum += sums[i] - all.reference[row[i]];
    count += row.size();
  }
  return std::max(0.0, sum / static_cast<double>(count));
}

Tensor PreferenceLessons::loss_of(Context& ctx, const Replies& all, const PackedRow& row, const ReplyLogProbs& replies,
                                  double drift, int64_t pairs) const {
  if (settings_.method == PreferenceMethod::kOrpo) return orpo_loss(ctx, replies, settings_.beta, pairs);
  std::vector<double> reference;
  std::vector<bool> desired;
  for (const uint32_t i : row) {
    reference.push_back(all.reference[i]);
    desired.push_back(all.preferences.desired[i / 2]);
  }
  if (settings_.method == PreferenceMethod::kDpo) return dpo_loss(ctx, replies, reference, settings_.beta, pairs);
  return kto_loss(ctx, replies, reference, desired, drift, settings_.beta, pairs);
}

Result<std::vector<PartLoss>> PreferenceLessons::parts(Context& ctx, const Transformer& model, int64_t step) {
  const std::vector<PackedRow> rows = feed_.rows(step);
  TRY_ASSIGN(const double drift, drift_of(ctx, model, train_, rows));
  int64_t pairs = 0;
  for (const PackedRow& row : rows) pairs += static_cast<int64_t>(row.size() / 2);
  batches_.clear();
  for (const PackedRow& row : rows) batches_.push_back(batch_of(train_.preferences.replies, learned_of(row)));
  std::vector<PartLoss> parts;
  for (size_t i = 0; i < rows.size(); ++i) {
    parts.push_back([this, &ctx, &model, i, drift, pairs, row = learned_of(rows[i])]() -> Result<Tensor> {
      TRY_ASSIGN(const ReplyLogProbs replies, score(ctx, model, train_.preferences.replies, row, batches_[i]));
      return loss_of(ctx, train_, row, replies, drift, pairs);
    });
  }
  return parts;
}

size_t PreferenceLessons::right_ones(const Replies& all, const PackedRow& row, const ReplyLogProbs& replies) const {
  std::vector<double> gain = reply_sums(replies);
  for (size_t i = 0; i < row.size(); ++i) {
    if (settings_.method == PreferenceMethod::kOrpo) {
      gain[i] /= static_cast<double>(replies.begin[i + 1] - replies.begin[i]);
    } else {
      gain[i] -= all.reference[row[i]];
    }
  }
  size_t right = 0;
  if (settings_.method == PreferenceMethod::kKto) {
    for (size_t i = 0; i < row.size(); ++i) right += (gain[i] > 0) == all.preferences.desired[row[i] / 2];
  } else {
    for (size_t i = 0; i < row.size(); i += 2) right += gain[i] > gain[i + 1];
  }
  return right;
}

Result<Lessons::HeldOut> PreferenceLessons::measure(Context& ctx, const Transformer& model, const Replies& all) const {
  const TokenSet& set = all.preferences.replies;
  const std::vector<PackedRow> rows = PreferenceFeed::all(set, settings_.row_length);
  const auto pairs = static_cast<int64_t>(all.preferences.pairs());
  TRY_ASSIGN(const double drift, drift_of(ctx, model, all, rows));
  double loss = 0;
  double right = 0;
  for (const PackedRow& pair : rows) {
    const PackedRow row = learned_of(pair);
    TRY_ASSIGN(const ReplyLogProbs replies, score(ctx, model, set, row, batch_of(set, row)));
    loss += loss_of(ctx, all, row, replies, drift, pairs).data<float>()[0];
    right += static_cast<double>(right_ones(all, row, replies));
  }
  return HeldOut{loss, right / static_cast<double>(pairs)};
}

}  // namespace linnet
