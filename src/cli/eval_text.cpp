#include "cli/eval_text.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <memory>
#include <optional>
#include <utility>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "cli/table.hpp"
#include "eval/text_score.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

struct Text {
  std::vector<int32_t> tokens;
  int64_t bytes = 0;  // of the scored tokens
  int32_t bos = kNoToken;
};

// The token that the tokenizer puts before a text; kNoToken where it puts none.
Result<int32_t> bos_of(const Tokenizer& tokenizer) {
  TRY_ASSIGN(const std::vector<int32_t> framed, tokenizer.encode("a", {.add_special = true}));
  const int32_t bos = tokenizer.special().bos;
  return !framed.empty() && framed.front() == bos ? bos : kNoToken;
}

// The tokens to score: all, or the first --tokens.
Result<std::vector<int32_t>> cut(const TextFlags& flags, const std::string& text, const Tokenizer& tokenizer) {
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer.encode(text));
  if (flags.tokens > 0 && std::cmp_less(flags.tokens, tokens.size())) tokens.resize(static_cast<size_t>(flags.tokens));
  return tokens;
}

Result<Text> prepare(const TextFlags& flags, const std::string& text, const Tokenizer& tokenizer) {
  Text out;
  TRY_ASSIGN(out.tokens, cut(flags, text, tokenizer));
  if (out.tokens.size() < 2) return invalid("is too short to be scored", flags.path);
  if (!flags.no_bos) {
    TRY_ASSIGN(out.bos, bos_of(tokenizer));
  }
  for (size_t i = out.bos == kNoToken ? 1 : 0; i < out.tokens.size(); ++i) {
    out.bytes += static_cast<int64_t>(tokenizer.token_bytes(out.tokens[i]).size());
  }
  return out;
}

// Another model is asked the same only where it cuts the text in the same way.
Status check_same_tokens(const TextFlags& flags, const ModelHandle& model, const ModelHandle& other,
                         const std::string& text, const std::vector<int32_t>& tokens) {
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(other.description.files));
  TRY_ASSIGN(const std::vector<int32_t> theirs, cut(flags, text, tokenizer));
  if (theirs == tokens && model.config().vocab_size == other.config().vocab_size) return ok_status();
  return invalid(fmt::format("{} and {} cut the text into other tokens", model.name(), other.name()), {},
                 "only models with one vocabulary can be compared token by token");
}

std::vector<std::string> line(const std::string& name, const TextScore& score, int64_t bytes) {
  return {name, fmt::format("{:.4f}", score.perplexity()),
          fmt::format("{:.4f}", score.perplexity() * score.nats.standard_error()),
          fmt::format("{:.4f}", score.bits_per_byte(bytes))};
}

std::string draw(const TextFlags& flags, const Text& text, const ModelHandle& model,
                 const std::optional<ModelHandle>& other, const TextResult& result) {
  std::vector<std::vector<std::string>> rows{{"", "perplexity", "± ", "bits per byte"}};
  rows.push_back(line(model.name(), result.score, text.bytes));
  if (other) rows.push_back(line(other->name(), result.against.score, text.bytes));
  std::string out = format_table(rows, {1, 2, 3});
  if (other) {
    const TextComparison& c = result.against;
    out += fmt::format("\nfrom {} to {}\n  KL divergence      {:.6f} ± {:.6f} nats a token\n", model.name(),
                       other->name(), c.divergence.mean(), c.divergence.standard_error());
    out += fmt::format("  same top token     {:.2f}%\n",
                       100.0 * static_cast<double>(c.same_top) / static_cast<double>(c.divergence.count));
    out += fmt::format("  perplexity         {:+.3f}%\n", 100 * (c.score.perplexity() / result.score.perplexity() - 1));
  }
  out += fmt::format("\n{} tokens ({} bytes) scored, in windows of {} that move on by {}, {} BOS\n",
                     result.score.nats.count, text.bytes, flags.window, flags.stride,
                     text.bos == kNoToken ? "without" : "each after a");
  return out;
}

Json to_json(const TextScore& score, int64_t bytes) {
  return {{"perplexity", score.perplexity()},
          {"nats_per_token", score.nats.mean()},
          {"standard_error", score.nats.standard_error()},
          {"bits_per_byte", score.bits_per_byte(bytes)}};
}

Json to_json(const TextFlags& flags, const Text& text, bool compared, const TextResult& result) {
  Json json = to_json(result.score, text.bytes);
  json["tokens"] = result.score.nats.count;
  json["bytes"] = text.bytes;
  json["window"] = flags.window;
  json["stride"] = flags.stride;
  json["bos"] = text.bos != kNoToken;
  if (!compared) return json;
  const TextComparison& c = result.against;
  json["against"] = to_json(c.score, text.bytes);
  json["against"]["kl_divergence"] = c.divergence.mean();
  json["against"]["kl_standard_error"] = c.divergence.standard_error();
  json["against"]["same_top"] = static_cast<double>(c.same_top) / static_cast<double>(c.divergence.count);
  return json;
}

}  // namespace

Status run_text_eval(TextFlags flags) {
  if (flags.stride == 0) flags.stride = std::max<int64_t>(1, flags.window / 2);
  if (flags.stride > flags.window) return usage_error("--stride must be at most --window");
  CancelToken& cancel = interrupt_token();
  TRY_ASSIGN(const ModelHandle model, find_writing_model(flags.model.model));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  TRY_ASSIGN(const std::string words, flags.path == "-" ? read_stdin() : read_file(flags.path));
  TRY_ASSIGN(const Text text, prepare(flags, words, tokenizer));
  std::optional<ModelHandle> other;
  if (!flags.against.empty()) {
    TRY_ASSIGN(other, find_writing_model(flags.against));
    TRY(check_same_tokens(flags, model, *other, words, text.tokens));
  }
  const int64_t positions = flags.window + (text.bos != kNoToken);
  if (positions > model.config().max_positions) {
    return usage_error(
        fmt::format("--window {} is more than the model's {}", flags.window, model.config().max_positions));
  }
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.model.threads));
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model, flags.model.adapters));
  TRY_ASSIGN(const Transformer transformer, load_weights(model, *runtime, positions, adapters));
  std::optional<Transformer> second;
  if (other) {
    TRY_ASSIGN(const std::vector<ChosenAdapter> others, adapters_of(*other));
    TRY_ASSIGN(second, load_weights(*other, *runtime, positions, others));
  }
  const KernelTable& kernels = runtime->context().kernels();
  TRY_ASSIGN(const DType kv, choose_kv_dtype(flags.kv, model.description, kernels));
  ScoredModel against;
  if (other && second) {
    TRY_ASSIGN(const DType against_kv, choose_kv_dtype(flags.against_kv, other->description, kernels));
    against = {&*second, against_kv};
  }
  TextResult result;
  {
    ProgressPrinter printer = ProgressPrinter::for_stderr();
    RateMeter meter;
    const auto show = [&](int64_t done, int64_t all) {
      Progress progress{.stage = "scoring",
                        .done = static_cast<uint64_t>(done),
                        .total = static_cast<uint64_t>(all),
                        .unit = ProgressUnit::kCount};
      meter.fill(progress, RateMeter::Clock::now());
      printer.update(progress);
    };
    TRY_ASSIGN(result, score_text({&transformer, kv}, against, runtime->context(), text.tokens,
                                  {flags.window, flags.stride, text.bos}, cancel, show));
  }
  return flags.json ? print_json(to_json(flags, text, other.has_value(), result))
                    : print(draw(flags, text, model, other, result));
}

}  // namespace linnet::cli
