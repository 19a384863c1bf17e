// A text that a model is run over, and what its scoring told: for the verbs that measure models by texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/progress.hpp"
#include "eval/text_score.hpp"
#include "text/tokenizer.hpp"

namespace linnet::cli {

// A file's text, without a byte order mark; "-": standard input. Errors: what is no UTF-8, as where texts are learned.
Result<std::string> read_text(const std::string& path);

struct TextTokens {
  std::vector<int32_t> tokens;
  int32_t bos = kNoToken;  // what the tokenizer puts before a text
  int64_t bytes = 0;       // of the tokens that are scored: all, but the first where there is no BOS
};

// The first `limit` tokens of `text`; 0: all. with_bos: as the tokenizer has it, else none.
Result<TextTokens> cut_text(const std::string& text, const Tokenizer& tokenizer, int64_t limit, bool with_bos);

// Windows as they were asked for. A length of 0: 512, or all that a model of `max_positions` reads with the BOS, if
// that is less. A stride of 0: half of the length.
TextWindow window_for(int64_t length, int64_t stride, int32_t bos, int64_t max_positions);
// Whether a model of `max_positions` can read windows like this. Error kUsage.
Status check_fits(const TextWindow& window, int64_t max_positions);
// Whether it can score by them: also, each token needs one before it. Error kUsage.
Status check_scores(const TextWindow& window, int64_t max_positions);

// "in windows of 512 that move on by 256, each after a BOS"
std::string describe_windows(const TextWindow& window);

// score_text()'s result with all that it depends on.
struct TextMeasure {
  std::string model;
  std::string other;  // empty: there was no second model
  TextWindow window;
  int64_t bytes = 0;  // scored
  TextResult result;
};
std::string draw(const TextMeasure& measure);
Json to_json(const TextMeasure& measure);

// Tells `printer` how many of how many tokens are through, and how fast it goes.
std::function<void(int64_t, int64_t)> token_progress(ProgressPrinter& printer, std::string stage);

}  // namespace linnet::cli
