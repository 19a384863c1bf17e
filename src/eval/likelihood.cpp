#include "eval/likelihood.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "engine/session.hpp"
#include "eval/logit_row.hpp"

namespace linnet {

namespace {

// Sequences of one forward: each takes a block of the cache for itself, however few tokens it has.
constexpr int64_t kSequences = 32;
// What the logits of one forward may take.
constexpr int64_t kLogitBytes = int64_t{64} << 20;

// How many tokens of a set's beginning are the same in all, and none of them asked for.
int64_t shared_length(const ContinuationSet& set) {
  auto shared = static_cast<size_t>(set.front().begin);
  for (const Continuation& c : set) {
    const size_t own = std::min(shared, static_cast<size_t>(c.begin));
    shared = common_length(std::span(set.front().tokens).first(own), c.tokens);
  }
  return static_cast<int64_t>(shared);
}

// Tokens that are read of a text: the last one is only a target.
int64_t read_length(const Continuation& text) {
  return static_cast<int64_t>(text.tokens.size()) - 1;
}

int64_t longest(const ContinuationSet& set) {
  int64_t length = 0;
  for (const Continuation& text : set) length = std::max(length, read_length(text));
  return length;
}

// Where a logit row's numbers go.
struct Target {
  Likelihood* sum;
  int32_t token;
  int64_t row;  // of the forward's logits
};

// Adds what the rows say. False where a number is not finite.
bool add_targets(Context& ctx, const Tensor& logits, const std::vector<Target>& targets) {
  struct Told {
    double log_probability;
    bool top;
  };
  std::vector<Told> told(targets.size());
  ctx.pool().parallel_for(static_cast<int64_t>(targets.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); std::cmp_less(i, end); ++i) {
      const LogitRow row(logits, targets[i].row);
      const auto token = static_cast<size_t>(targets[i].token);
      told[i] = {row.log_of(token), row.top() == token};
    }
  });
  bool finite = true;
  for (size_t i = 0; i < targets.size(); ++i) {
    Likelihood& sum = *targets[i].sum;
    sum.log_probability += told[i].log_probability;
    sum.greedy = sum.greedy && told[i].top;
    finite = finite && std::isfinite(told[i].log_probability);
  }
  return finite;
}

}  // namespace

// The rows of one forward, and what is asked of them.
struct LikelihoodScorer::Work {
  Batch batch;
  std::vector<Target> targets;

  int64_t sequences() const { return static_cast<int64_t>(batch.sequences.size()); }

  // Adds tokens [position, end) of a text, which follow what `id` holds.
  void add(KvCache::SequenceId id, std::span<const int32_t> tokens, int64_t position, int64_t end, int64_t total) {
    batch.sequences.push_back({.row_begin = batch.rows(),
                               .rows = end - position,
                               .position = position,
                               .cache_id = id,
                               .total_length = total});
    batch.tokens.insert(batch.tokens.end(), tokens.begin() + position, tokens.begin() + end);
  }
  // Asks for the logits of the last sequence's row at `position`; returns their row.
  int64_t want(int64_t position) {
    const BatchSequence& last = batch.sequences.back();
    batch.logit_rows.push_back(static_cast<int32_t>(last.row_begin + position - last.position));
    return static_cast<int64_t>(batch.logit_rows.size()) - 1;
  }
};

// The bound on the cache: the root, and twice (contexts, continuations) either one text as long as may be or the rows
// of a forward in blocks of their own.
LikelihoodScorer::LikelihoodScorer(const Transformer& model, Context& ctx, int64_t max_tokens, DType kv_dtype)
    : model_(model),
      ctx_(ctx),
      max_tokens_(std::min(max_tokens, model.config().max_positions)),
      cache_(model.kv_shape(kv_dtype), model.kv_shape(kv_dtype).bytes_for(
                                           3 * max_tokens_ + 2 * (kPrefillRows + 2 * kBlockTokens * (kSequences + 1)))),
      root_(model, ctx, cache_) {}

// How many of the first sets go together: their contexts beyond what all share fill a forward.
size_t LikelihoodScorer::group_size(std::span<const ContinuationSet> sets) const {
  int64_t rows = shared_length(sets[0]);
  int64_t common = rows;
  size_t count = 1;
  for (; count < sets.size() && std::cmp_less(count, kSequences); ++count) {
    const ContinuationSet& set = sets[count];
    if (regime_of(model_.config(), longest(set)) != regime_of(model_.config(), longest(sets[0]))) break;
    const int64_t shared = shared_length(set);
    const auto same = static_cast<int64_t>(
        common_length(std::span(sets[0][0].tokens).first(static_cast<size_t>(common)), set[0].tokens));
    const int64_t next_common = std::min(same, shared);
    const int64_t next_rows = rows + shared;
    if (next_rows - static_cast<int64_t>(count + 1) * next_common > kPrefillRows) break;
    rows = next_rows;
    common = next_common;
  }
  return count;
}

// Runs what is to be read and begins anew.
Status LikelihoodScorer::run(Work& work, const CancelToken& cancel) {
  TRY(cancel.check());
  TRY_ASSIGN(const ForwardOutput out, model_.forward(ctx_, work.batch, &cache_));
  if (!add_targets(ctx_, out.logits, work.targets)) return invalid("the model's logits are not finite");
  work = {};
  return ok_status();
}

// What every set of a group begins with, brought into the root. Each set reads its own context's last token, whose
// logits are wanted.
Result<int64_t> LikelihoodScorer::share_beginning(std::span<const ContinuationSet> sets, int64_t total_length,
                                                  const CancelToken& cancel) {
  const std::vector<int32_t>& first = sets[0][0].tokens;
  size_t common = first.size();
  for (const ContinuationSet& set : sets) {
    const size_t limit = std::min(common, static_cast<size_t>(shared_length(set) - 1));
    common = common_length(std::span(first).first(limit), set[0].tokens);
  }
  TRY(root_.read(std::span(first).first(common), total_length, cancel));
  return static_cast<int64_t>(common);
}

Status LikelihoodScorer::score_group(std::span<const ContinuationSet> sets, std::span<std::vector<Likelihood>> out,
                                     const CancelToken& cancel) {
  int64_t total_length = 0;
  for (const ContinuationSet& set : sets) total_length = std::max(total_length, longest(set));
  TRY_ASSIGN(const int64_t common, share_beginning(sets, total_length, cancel));

  Branches contexts(cache_);
  Work work;
  for (size_t s = 0; s < sets.size(); ++s) {
    const int64_t shared = shared_length(sets[s]);
    work.add(contexts.add(root_.id(), common), sets[s][0].tokens, common, shared, total_length);
    int64_t row = -1;
    for (size_t c = 0; c < sets[s].size(); ++c) {
      if (sets[s][c].begin != shared) continue;
      if (row < 0) row = work.want(shared - 1);
      work.targets.push_back({&out[s][c], sets[s][c].tokens[static_cast<size_t>(shared)], row});
    }
  }
  TRY(run(work, cancel));
  return score_continuations(sets, contexts.ids(), out, total_length, cancel);
}

Status LikelihoodScorer::score_continuations(std::span<const ContinuationSet> sets,
                                             std::span<const KvCache::SequenceId> contexts,
                                             std::span<std::vector<Likelihood>> out, int64_t total_length,
                                             const CancelToken& cancel) {
  const int64_t row_bytes = model_.config().vocab_size * static_cast<int64_t>(sizeof(float));
  const int64_t max_rows = std::clamp(kLogitBytes / row_bytes, int64_t{16}, kPrefillRows);
  Branches branches(cache_);
  Work work;
  for (size_t s = 0; s < sets.size(); ++s) {
    const int64_t shared = cache_.length(contexts[s]);
    for (size_t c = 0; c < sets[s].size(); ++c) {
      const Continuation& text = sets[s][c];
      const int64_t end = read_length(text);
      if (end <= shared) continue;
      if (work.sequences() == kSequences || (work.sequences() > 0 && work.batch.rows() + end - shared > max_rows)) {
        TRY(run(work, cancel));
        branches.clear();
      }
      work.add(branches.add(contexts[s], shared), text.tokens, shared, end, total_length);
      for (int64_t t = std::max(text.begin, shared + 1); t <= end; ++t) {
        work.targets.push_back({&out[s][c], text.tokens[static_cast<size_t>(t)], work.want(t - 1)});
      }
    }
  }
  return work.sequences() > 0 ? run(work, cancel) : ok_status();
}

Result<std::vector<std::vector<Likelihood>>> LikelihoodScorer::score(std::span<const ContinuationSet> sets,
                                                                     const CancelToken& cancel) {
  // Texts on either side of a change of rotary embeddings have no beginning in common; nor have those whose first
  // tokens differ.
  std::vector<ContinuationSet> parts;
  std::vector<std::pair<size_t, size_t>> origins;  // of each text of each part
  for (size_t s = 0; s < sets.size(); ++s) {
    CHECK(!sets[s].empty());
    for (int side = 0; side < 2; ++side) {
      ContinuationSet part;
      for (size_t c = 0; c < sets[s].size(); ++c) {
        const Continuation& text = sets[s][c];
        CHECK(text.begin >= 1 && std::cmp_less(text.begin, text.tokens.size()));
        const auto length = static_cast<int64_t>(text.tokens.size());
        if (length > max_tokens_) return too_long(length, max_tokens_);
        if (regime_of(model_.config(), read_length(text)) != side) continue;
        part.push_back(text);
        origins.emplace_back(s, c);
      }
      if (part.empty()) continue;
      if (shared_length(part) > 0) {
        parts.push_back(std::move(part));
      } else {
        for (Continuation& text : part) parts.push_back({std::move(text)});
      }
    }
  }
  std::vector<std::vector<Likelihood>> told(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) told[i].resize(parts[i].size());
  for (size_t done = 0; done < parts.size();) {
    const size_t count = group_size(std::span(parts).subspan(done));
    TRY(score_group(std::span(parts).subspan(done, count), std::span(told).subspan(done, count), cancel));
    done += count;
  }
  std::vector<std::vector<Likelihood>> out(sets.size());
  for (size_t i = 0; i < sets.size(); ++i) out[i].resize(sets[i].size());
  auto origin = origins.begin();
  for (const std::vector<Likelihood>& part : told) {
    for (const Likelihood& one : part) {
      out[origin->first][origin->second] = one;
      ++origin;
    }
  }
  return out;
}

}  // namespace linnet
