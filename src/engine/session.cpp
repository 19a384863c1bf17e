#include "engine/session.hpp"

#include <algorithm>
#include <bit>
#include <fmt/core.h>

#include "base/check.hpp"

namespace linnet {

Status require_finite(std::span<const float> logits) {
  // Without an early end the compiler makes vectors of it, and logits are many.
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (const float x : logits) bad |= (std::bit_cast<uint32_t>(x) & kExponent) == kExponent ? 1 : 0;
  if (bad == 0) return ok_status();
  return invalid("the model's numbers overflow: its logits are not finite", {},
                 "the weights are damaged, made for other arithmetic than this, or taught at too high a --rate; linnet "
                 "verify compares the files of a model");
}

Error too_long(int64_t tokens, int64_t limit) {
  return invalid(fmt::format("{} tokens do not fit: there is room for {}", tokens, limit), {},
                 "shorten the text, or use a model or a --context that holds more");
}

size_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

int regime_of(const TransformerConfig& config, int64_t length) {
  return config.ropes.empty() ? 0 : rope_regime(config.ropes[0], length);
}

Session::Session(const Transformer& model, Context& ctx, int64_t max_tokens, DType kv_dtype)
    : model_(model),
      ctx_(ctx),
      max_tokens_(std::min(max_tokens, model.config().max_positions)),
      cache_(model.kv_shape(kv_dtype), model.kv_shape(kv_dtype).bytes_for(max_tokens_)),
      id_(cache_.add_sequence()) {}

void Session::forget_from(int64_t length) {
  cache_.truncate(id_, length);
  tokens_.resize(static_cast<size_t>(length));
}

Status Session::step(std::span<const int32_t> tokens, int64_t total_length, bool want_logits) {
  Batch batch;
  batch.tokens.assign(tokens.begin(), tokens.end());
  const auto rows = static_cast<int64_t>(tokens.size());
  batch.sequences.push_back({.row_begin = 0,
                             .rows = rows,
                             .position = static_cast<int64_t>(tokens_.size()),
                             .cache_id = id_,
                             .total_length = total_length});
  if (want_logits) batch.logit_rows = {static_cast<int32_t>(rows - 1)};
  TRY_ASSIGN(ForwardOutput out, model_.forward(ctx_, batch, &cache_));
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  logits_ = out.logits;
  return want_logits ? require_finite(std::as_const(logits_).span<float>()) : ok_status();
}

Result<std::span<const float>> Session::read(std::span<const int32_t> tokens, const CancelToken* cancel,
                                             const std::function<void(int64_t, int64_t)>& progress) {
  CHECK(!tokens.empty());
  const auto length = static_cast<int64_t>(tokens.size());
  if (length > max_tokens_) return too_long(length, max_tokens_);
  const int regime = regime_of(model_.config(), length);
  // The last token is read again even if it is known: its logits are wanted.
  int64_t done = std::min(static_cast<int64_t>(common_length(tokens, tokens_)), length - 1);
  if (regime != regime_) done = 0;
  regime_ = regime;
  forget_from(done);
  while (done < length) {
    if (cancel) TRY(cancel->check());
    const int64_t rows = std::min(kPrefillRows, length - done);
    TRY(step(tokens.subspan(static_cast<size_t>(done), static_cast<size_t>(rows)), length, done + rows == length));
    done += rows;
    if (progress) progress(done, length);
  }
  return std::as_const(logits_).span<float>();
}

Result<std::span<const float>> Session::read_next(int32_t token) {
  const auto length = static_cast<int64_t>(tokens_.size()) + 1;
  if (regime_of(model_.config(), length) != regime_) {
    std::vector<int32_t> all = tokens_;
    all.push_back(token);
    return read(all);
  }
  if (length > max_tokens_) return too_long(length, max_tokens_);
  TRY(step(std::span(&token, 1), length, true));
  return std::as_const(logits_).span<float>();
}

}  // namespace linnet
