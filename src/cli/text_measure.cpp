#include "cli/text_measure.hpp"

#include <fmt/core.h>
#include <memory>
#include <utility>

#include "base/file.hpp"
#include "cli/common.hpp"
#include "cli/table.hpp"
#include "data/rows.hpp"

namespace linnet::cli {

namespace {

// The token that the tokenizer puts before a text; kNoToken where it puts none.
Result<int32_t> bos_of(const Tokenizer& tokenizer) {
  TRY_ASSIGN(const std::vector<int32_t> framed, tokenizer.encode("a", {.add_special = true}));
  const int32_t bos = tokenizer.special().bos;
  return !framed.empty() && framed.front() == bos ? bos : kNoToken;
}

std::vector<std::string> line(const std::string& name, const TextScore& score, int64_t bytes) {
  return {name, fmt::format("{:.4f}", score.perplexity()),
          fmt::format("{:.4f}", score.perplexity() * score.nats.standard_error()),
          fmt::format("{:.4f}", score.bits_per_byte(bytes))};
}

Json to_json(const TextScore& score, int64_t bytes) {
  return {{"perplexity", score.perplexity()},
          {"nats_per_token", score.nats.mean()},
          {"standard_error", score.nats.standard_error()},
          {"bits_per_byte", score.bits_per_byte(bytes)}};
}

}  // namespace

Result<std::string> read_text(const std::string& path) {
  TRY_ASSIGN(std::string text, path == "-" ? read_stdin() : read_file(path));
  TRY(check_data_text(text, path == "-" ? "standard input" : path));
  return text;
}

Result<TextTokens> cut_text(const std::string& text, const Tokenizer& tokenizer, int64_t limit, bool with_bos) {
  TextTokens out;
  TRY_ASSIGN(out.tokens, tokenizer.encode(text));
  if (limit > 0 && std::cmp_less(limit, out.tokens.size())) out.tokens.resize(static_cast<size_t>(limit));
  if (with_bos) {
    TRY_ASSIGN(out.bos, bos_of(tokenizer));
  }
  for (size_t i = out.bos == kNoToken ? 1 : 0; i < out.tokens.size(); ++i) {
    out.bytes += static_cast<int64_t>(tokenizer.token_bytes(out.tokens[i]).size());
  }
  return out;
}

TextWindow window_for(int64_t length, int64_t stride, int32_t bos, int64_t max_positions) {
  constexpr int64_t kUsualWindow = 512;
  TextWindow window{.window = length, .stride = stride, .bos = bos};
  if (length == 0) window.window = std::clamp<int64_t>(max_positions - (bos != kNoToken), 2, kUsualWindow);
  if (stride == 0) window.stride = std::max<int64_t>(1, window.window / 2);
  return window;
}

Status check_fits(const TextWindow& window, int64_t max_positions) {
  if (window.window + (window.bos != kNoToken) <= max_positions) return ok_status();
  return usage_error(fmt::format("--window {} is more than the model's {}", window.window, max_positions));
}

Status check_scores(const TextWindow& window, int64_t max_positions) {
  if (window.stride > window.window) return usage_error("--stride must be at most --window");
  if (window.stride == window.window && window.bos == kNoToken) {
    return usage_error("--stride must be less than --window where no BOS stands before a window",
                       "its first token would have nothing before it");
  }
  return check_fits(window, max_positions);
}

std::string describe_windows(const TextWindow& window) {
  return fmt::format("in windows of {} that move on by {}, {} BOS", window.window, window.stride,
                     window.bos == kNoToken ? "without" : "each after a");
}

std::string draw(const TextMeasure& measure) {
  const TextResult& result = measure.result;
  std::vector<std::vector<std::string>> rows{{"", "perplexity", "± ", "bits per byte"}};
  rows.push_back(line(measure.model, result.score, measure.bytes));
  if (!measure.other.empty()) rows.push_back(line(measure.other, result.against.score, measure.bytes));
  std::string out = format_table(rows, {1, 2, 3});
  if (!measure.other.empty()) {
    const TextComparison& c = result.against;
    out += fmt::format("\nfrom {} to {}\n  KL divergence      {:.6f} ± {:.6f} nats a token\n", measure.model,
                       measure.other, c.divergence.mean(), c.divergence.standard_error());
    out += fmt::format("  same top token     {:.2f}%\n",
                       100.0 * static_cast<double>(c.same_top) / static_cast<double>(c.divergence.count));
    out += fmt::format("  perplexity         {:+.3f}%\n", 100 * (c.score.perplexity() / result.score.perplexity() - 1));
  }
  out += fmt::format("\n{} tokens ({} bytes) scored, {}\n", result.score.nats.count, measure.bytes,
                     describe_windows(measure.window));
  return out;
}

Json to_json(const TextMeasure& measure) {
  const TextResult& result = measure.result;
  Json json = to_json(result.score, measure.bytes);
  json["tokens"] = result.score.nats.count;
  json["bytes"] = measure.bytes;
  json["window"] = measure.window.window;
  json["stride"] = measure.window.stride;
  json["bos"] = measure.window.bos != kNoToken;
  if (measure.other.empty()) return json;
  const TextComparison& c = result.against;
  json["against"] = to_json(c.score, measure.bytes);
  json["against"]["kl_divergence"] = c.divergence.mean();
  json["against"]["kl_standard_error"] = c.divergence.standard_error();
  json["against"]["same_top"] = static_cast<double>(c.same_top) / static_cast<double>(c.divergence.count);
  return json;
}

std::function<void(int64_t, int64_t)> token_progress(ProgressPrinter& printer, std::string stage) {
  return [&printer, stage = std::move(stage), meter = RateMeter()](int64_t done, int64_t all) mutable {
    Progress progress{.stage = stage,
                      .done = static_cast<uint64_t>(done),
                      .total = static_cast<uint64_t>(all),
                      .unit = ProgressUnit::kCount};
    meter.fill(progress, RateMeter::Clock::now());
    printer.update(progress);
  };
}

}  // namespace linnet::cli
