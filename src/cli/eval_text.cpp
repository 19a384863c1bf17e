#include "cli/eval_text.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/cancel.hpp"
#include "cli/text_measure.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

// Another model is asked the same only where it cuts the text in the same way.
Status check_same_tokens(const TextFlags& flags, const ModelHandle& model, const ModelHandle& other,
                         const std::string& text, const std::vector<int32_t>& tokens) {
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(other.description.files));
  TRY_ASSIGN(const TextTokens theirs, cut_text(text, tokenizer, flags.tokens, false));
  if (theirs.tokens == tokens && model.config().vocab_size == other.config().vocab_size) return ok_status();
  return invalid(fmt::format("{} and {} cut the text into other tokens", model.name(), other.name()), {},
                 "only models with one vocabulary can be compared token by token");
}

}  // namespace

Status run_text_eval(const TextFlags& flags) {
  CancelToken& cancel = interrupt_token();
  TRY_ASSIGN(const ModelHandle model, find_writing_model(flags.model.model));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model.description.files));
  TRY_ASSIGN(const std::string words, read_text(flags.path));
  TRY_ASSIGN(const TextTokens text, cut_text(words, tokenizer, flags.tokens, !flags.no_bos));
  if (text.tokens.size() < 2) return invalid("is too short to be scored", flags.path);
  std::optional<ModelHandle> other;
  if (!flags.against.empty()) {
    TRY_ASSIGN(other, find_writing_model(flags.against));
    TRY(check_same_tokens(flags, model, *other, words, text.tokens));
  }
  const int64_t max_positions = model.config().max_positions;
  const TextWindow window = window_for(flags.window, flags.stride, text.bos, max_positions);
  TRY(check_scores(window, max_positions));
  const int64_t positions = window.window + (text.bos != kNoToken);
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.model.threads));
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model, flags.model.adapters));
  TRY_ASSIGN(const Transformer transformer, load_weights(model, *runtime, positions, adapters));
  std::optional<Transformer> second;
  if (other) {
    TRY_ASSIGN(const std::vector<ChosenAdapter> others, adapters_of(*other));
    TRY_ASSIGN(second, load_weights(*other, *runtime, positions, others));
  }
  const KernelTable& kernels = runtime->context().kernels();
  TRY_ASSIGN(const DType kv, choose_kv_dtype(flags.model.kv, model.description, kernels));
  ScoredModel against;
  if (other && second) {
    TRY_ASSIGN(const DType against_kv, choose_kv_dtype(flags.against_kv, other->description, kernels));
    against = {&*second, against_kv};
  }
  TextMeasure measure{
      .model = model.name(), .other = other ? other->name() : "", .window = window, .bytes = text.bytes, .result = {}};
  {
    ProgressPrinter printer = ProgressPrinter::for_stderr();
    TRY_ASSIGN(measure.result, score_text({&transformer, kv}, against, runtime->context(), text.tokens, measure.window,
                                          cancel, token_progress(printer, "scoring")));
  }
  return flags.json ? print_json(to_json(measure)) : print(draw(measure));
}

}  // namespace linnet::cli
