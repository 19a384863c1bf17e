#include "engine/batch_writer.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/stopwatch.hpp"
#include "engine/session.hpp"

namespace linnet {

namespace {

constexpr size_t kAtOnce = 16;

// Row `row` of logits (R, V).
std::span<const float> row_of(const Tensor& logits, int64_t row) {
  return logits.span<float>().subspan(static_cast<size_t>(row * logits.dim(1)), static_cast<size_t>(logits.dim(1)));
}

}  // namespace

// One reply on its way.
struct BatchWriter::Writing {
  size_t place;            // of its prompt
  KvCache::SequenceId id;  // in the cache, which holds all but the last token
  int64_t total_length;    // of prompt and reply, at most
  Reply reply;
  Stopwatch watch = {};  // of reading the prompt, then of writing
};

BatchWriter::BatchWriter(const Transformer& model, Context& ctx, const Tokenizer& tokenizer, int64_t max_tokens,
                         DType kv_dtype)
    : model_(model),
      ctx_(ctx),
      tokenizer_(tokenizer),
      max_tokens_(std::min(max_tokens, model.config().max_positions)),
      cache_(model.kv_shape(kv_dtype), cache_bytes(model, max_tokens_, kv_dtype)),
      root_(model, ctx, cache_) {}

int64_t BatchWriter::cache_bytes(const Transformer& model, int64_t max_tokens, DType kv_dtype) {
  return model.kv_shape(kv_dtype).bytes_for(2 * max_tokens + 2 * kBlockTokens * static_cast<int64_t>(kAtOnce + 1));
}

// Goes on by what these logits say.
Status BatchWriter::take(Writing& writing, std::span<const float> logits) {
  TRY(require_finite(logits));
  if (writing.reply.done()) return ok_status();
  writing.reply.take(logits);
  if (!writing.reply.done() && cache_.length(writing.id) >= max_tokens_) writing.reply.end(FinishReason::kContext);
  return ok_status();
}

// Reads what the prompt has beyond the common beginning, and takes the first token.
Status BatchWriter::start(Writing& writing, std::span<const int32_t> prompt, int64_t common,
                          const CancelToken& cancel) {
  const auto length = static_cast<int64_t>(prompt.size());
  for (int64_t begin = common; begin < length;) {
    TRY(cancel.check());
    const int64_t end = std::min(begin + kPrefillRows, length);
    Batch batch;
    batch.tokens.assign(prompt.begin() + begin, prompt.begin() + end);
    batch.sequences.push_back({.row_begin = 0,
                               .rows = end - begin,
                               .position = begin,
                               .cache_id = writing.id,
                               .total_length = writing.total_length});
    if (end == length) batch.logit_rows.push_back(static_cast<int32_t>(end - begin - 1));
    TRY_ASSIGN(const ForwardOutput out, model_.forward(ctx_, batch, &cache_));
    begin = end;
    if (begin < length) continue;
    writing.reply.generated().reused_tokens = common;
    writing.reply.generated().prefill_seconds = writing.watch.seconds();
    writing.watch.restart();
    TRY(take(writing, row_of(out.logits, 0)));
  }
  return ok_status();
}

// One more token of each reply that is not done.
Status BatchWriter::step(std::vector<Writing>& all) {
  Batch batch;
  std::vector<Writing*> live;
  for (Writing& writing : all) {
    if (writing.reply.done()) continue;
    batch.sequences.push_back({.row_begin = batch.rows(),
                               .rows = 1,
                               .position = cache_.length(writing.id),
                               .cache_id = writing.id,
                               .total_length = writing.total_length});
    batch.logit_rows.push_back(static_cast<int32_t>(batch.rows()));
    batch.tokens.push_back(writing.reply.last());
    live.push_back(&writing);
  }
  if (live.empty()) return ok_status();
  TRY_ASSIGN(const ForwardOutput out, model_.forward(ctx_, batch, &cache_));
  for (size_t i = 0; i < live.size(); ++i) TRY(take(*live[i], row_of(out.logits, static_cast<int64_t>(i))));
  return ok_status();
}

Status BatchWriter::write(std::span<const WriterPrompt> prompts, const GenerateParams& params,
                          const CancelToken& cancel, const std::function<Status(size_t, Generated)>& on_reply) {
  if (prompts.empty()) return ok_status();
  TRY(params.sampling.check());
  const auto length_of = [&](size_t i) {
    return std::min(std::ssize(prompts[i].tokens) + params.max_tokens, max_tokens_);
  };
  size_t common = prompts[0].tokens.size();
  int64_t longest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<int32_t>& tokens = prompts[i].tokens;
    CHECK(!tokens.empty() && std::ssize(tokens) <= max_tokens_);
    const size_t limit = std::min(common, tokens.size() - 1);
    common = common_length(std::span(prompts[0].tokens).first(limit), tokens);
    longest = std::max(longest, length_of(i));
  }
  TRY(root_.read(std::span(prompts[0].tokens).first(common), longest, cancel));

  Branches branches(cache_);
  std::vector<Writing> all;
  int64_t held = 0;  // positions beyond the common ones that the replies may come to take
  const auto own_length = [&](size_t i) { return length_of(i) - static_cast<int64_t>(common); };
  for (size_t next = 0; next < prompts.size() || !all.empty();) {
    while (next < prompts.size() && all.size() < kAtOnce && (all.empty() || held + own_length(next) <= max_tokens_)) {
      const auto& [tokens, seed] = prompts[next];
      held += own_length(next);
      all.push_back({next, branches.add(root_.id(), static_cast<int64_t>(common)), longest,
                     Reply(tokenizer_, tokens, params, seed)});
      TRY(start(all.back(), tokens, static_cast<int64_t>(common), cancel));
      ++next;
    }
    TRY(cancel.check());
    TRY(step(all));
    for (Writing& writing : all) {
      if (!writing.reply.done()) continue;
      writing.reply.generated().decode_seconds = writing.watch.seconds();
      TRY(on_reply(writing.place, std::move(writing.reply.generated())));
      branches.remove(writing.id);
      held -= own_length(writing.place);
    }
    std::erase_if(all, [](const Writing& writing) { return writing.reply.done(); });
  }
  return ok_status();
}

}  // namespace linnet
