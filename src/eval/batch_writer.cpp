#include "eval/batch_writer.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/random.hpp"
#include "engine/session.hpp"
#include "engine/stop_strings.hpp"

namespace linnet {

namespace {

constexpr size_t kAtOnce = 16;

// Row `row` of logits (R, V).
std::span<const float> row_of(const Tensor& logits, int64_t row) {
  return logits.span<float>().subspan(static_cast<size_t>(row * logits.dim(1)), static_cast<size_t>(logits.dim(1)));
}

Error not_finite() {
  return invalid("the model's logits are not finite");
}

Sampler sampler_for(const SamplingParams& params, std::span<const int32_t> prompt) {
  SamplingParams own = params;
  for (const int32_t token : prompt) own.seed = Random(own.seed, static_cast<uint64_t>(token)).below(UINT64_MAX);
  Sampler sampler(own);
  sampler.add_prompt(prompt);
  return sampler;
}

}  // namespace

// One reply on its way.
struct BatchWriter::Reply {
  size_t place;            // of its prompt
  KvCache::SequenceId id;  // in the cache, which holds all but the last token
  int64_t total_length;    // of prompt and reply, at most
  const WriteParams* params;
  Sampler sampler;
  Detokenizer detokenizer;
  StopStrings stops;
  std::string text = {};
  int64_t tokens = 0;
  int32_t last = 0;
  bool done = false;
  bool whole = false;

  // Goes on by what these logits say.
  Status take(std::span<const float> logits) {
    if (!all_finite(logits)) return not_finite();
    const int32_t token = sampler.sample(logits);
    const std::vector<int32_t>& ends = params->end_tokens;
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      whole = true;
      end();
      return ok_status();
    }
    last = token;
    ++tokens;
    text += stops.push(detokenizer.push(token));
    whole = stops.stopped();
    if (whole || tokens == params->max_tokens) end();
    return ok_status();
  }
  void end() {
    done = true;
    if (stops.stopped()) return;
    text += stops.push(detokenizer.finish());
    text += stops.finish();
  }
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

// Reads what the prompt has beyond the common beginning, and takes the first token.
Status BatchWriter::start(Reply& reply, std::span<const int32_t> prompt, int64_t common, const CancelToken& cancel) {
  const auto length = static_cast<int64_t>(prompt.size());
  for (int64_t begin = common; begin < length;) {
    TRY(cancel.check());
    const int64_t end = std::min(begin + kPrefillRows, length);
    Batch batch;
    batch.tokens.assign(prompt.begin() + begin, prompt.begin() + end);
    batch.sequences.push_back({.row_begin = 0,
                               .rows = end - begin,
                               .position = begin,
                               .cache_id = reply.id,
                               .total_length = reply.total_length});
    if (end == length) batch.logit_rows.push_back(static_cast<int32_t>(end - begin - 1));
    TRY_ASSIGN(const ForwardOutput out, model_.forward(ctx_, batch, &cache_));
    begin = end;
    if (begin < length) continue;
    TRY(reply.take(row_of(out.logits, 0)));
  }
  return ok_status();
}

// One more token of each reply that is not done.
Status BatchWriter::step(std::vector<Reply>& replies) {
  Batch batch;
  std::vector<Reply*> live;
  for (Reply& reply : replies) {
    if (reply.done) continue;
    batch.sequences.push_back({.row_begin = batch.rows(),
                               .rows = 1,
                               .position = cache_.length(reply.id),
                               .cache_id = reply.id,
                               .total_length = reply.total_length});
    batch.logit_rows.push_back(static_cast<int32_t>(batch.rows()));
    batch.tokens.push_back(reply.last);
    live.push_back(&reply);
  }
  if (live.empty()) return ok_status();
  TRY_ASSIGN(const ForwardOutput out, model_.forward(ctx_, batch, &cache_));
  for (size_t i = 0; i < live.size(); ++i) {
    TRY(live[i]->take(row_of(out.logits, static_cast<int64_t>(i))));
  }
  return ok_status();
}

Status BatchWriter::write(std::span<const std::vector<int32_t>> prompts, const WriteParams& params,
                          const CancelToken& cancel, const std::function<Status(size_t, Written)>& on_text) {
  if (prompts.empty()) return ok_status();
  TRY(params.sampling.check());
  const auto length_of = [&](size_t i) { return static_cast<int64_t>(prompts[i].size()) + params.max_tokens; };
  size_t common = prompts[0].size();
  int64_t longest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    CHECK(!prompts[i].empty() && length_of(i) <= max_tokens_);
    const size_t limit = std::min(common, prompts[i].size() - 1);
    common = common_length(std::span(prompts[0]).first(limit), prompts[i]);
    longest = std::max(longest, length_of(i));
  }
  TRY(root_.read(std::span(prompts[0]).first(common), longest, cancel));

  Branches branches(cache_);
  std::vector<Reply> replies;
  int64_t held = 0;  // positions beyond the common ones that the replies may come to take
  const auto own_length = [&](size_t i) { return length_of(i) - static_cast<int64_t>(common); };
  for (size_t next = 0; next < prompts.size() || !replies.empty();) {
    while (next < prompts.size() && replies.size() < kAtOnce &&
           (replies.empty() || held + own_length(next) <= max_tokens_)) {
      held += own_length(next);
      replies.push_back({next, branches.add(root_.id(), static_cast<int64_t>(common)), longest, &params,
                         sampler_for(params.sampling, prompts[next]), Detokenizer(tokenizer_),
                         StopStrings(params.stop_strings)});
      TRY(start(replies.back(), prompts[next], static_cast<int64_t>(common), cancel));
      ++next;
    }
    TRY(cancel.check());
    TRY(step(replies));
    for (Reply& reply : replies) {
      if (!reply.done) continue;
      TRY(on_text(reply.place, {std::move(reply.text), reply.whole}));
      branches.remove(reply.id);
      held -= own_length(reply.place);
    }
    std::erase_if(replies, [](const Reply& reply) { return reply.done; });
  }
  return ok_status();
}

}  // namespace linnet
