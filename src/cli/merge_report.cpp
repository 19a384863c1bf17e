#include "cli/merge_report.hpp"

#include <algorithm>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/progress.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

// Plain prose, a list, numbers, a dialogue and some code: what people ask models for.
constexpr std::string_view kSample =
    R"(The ferry leaves at a quarter past seven, while the harbour is still grey. Two boys carry crates of bread on board, a
woman checks the tickets, and the engine begins to hum under the deck. On the far shore lies the village: forty houses,
a church, a school with nine children, and a shop that sells everything from rope to lemons. Most of the people who
live there fish in summer and mend nets in winter, but some of the younger ones have begun to work for offices in the
city, which they visit once a month.

How to make a plain loaf:
1. Mix 500 g of flour, 350 ml of water, 10 g of salt and 5 g of dry yeast.
2. Knead for ten minutes, then let the dough rest for an hour under a cloth.
3. Shape it, wait another forty minutes, and bake it at 230 degrees until the crust is dark.

"Can I send it back if it does not fit?" she asked.
"Of course," he said. "You have thirty days. Keep the receipt, put everything into the box it came in, and we pay for
the parcel. The money is on your account within a week."

A solar year has 365.2422 days, so a calendar that adds one day every fourth year gains about eleven minutes a year.
After 128 years that is a whole day, which is why three of every four century years are left without one.

def mean(numbers):
    """The arithmetic mean; an error for no numbers at all."""
    if not numbers:
        raise ValueError("mean of an empty list")
    return sum(numbers) / len(numbers)

In the evening the wind turns to the west. The last ferry is late, the shop has closed, and the lamps along the quay
come on one after the other.
)";

}  // namespace

Result<TextComparison> compare_merged(const ModelHandle& model, std::span<const ChosenAdapter> adapters,
                                      const std::string& merged, const std::string& text_file, Runtime& runtime) {
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  std::string text(kSample);
  if (!text_file.empty()) {
    TRY_ASSIGN(text, read_file(text_file));
  }
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer.encode(text));
  if (tokens.size() < 2) return invalid("is too short to be scored", text_file);
  tokens.resize(std::min(tokens.size(), static_cast<size_t>(kMergeTokens)));
  constexpr int64_t kWindow = 512;
  const int64_t window = std::min(kWindow, model.config().max_positions);
  TRY_ASSIGN(const ModelHandle other, find_model(merged));
  TRY_ASSIGN(const Transformer first, load_weights(model, runtime, window, adapters));
  TRY_ASSIGN(const Transformer second, load_weights(other, runtime, window));
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  const auto show = [&](int64_t done, int64_t all) {
    printer.update({.stage = "comparing",
                    .done = static_cast<uint64_t>(done),
                    .total = static_cast<uint64_t>(all),
                    .unit = ProgressUnit::kCount});
  };
  // Float32 caches: what differs is the weights.
  TRY_ASSIGN(const TextResult result,
             score_text({&first, DType::kF32}, {&second, DType::kF32}, runtime.context(), tokens,
                        {.window = window, .stride = std::max<int64_t>(window / 2, 1)}, interrupt_token(), show));
  return result.against;
}

}  // namespace linnet::cli
