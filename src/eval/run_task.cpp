#include "eval/run_task.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>
#include <numeric>

#include "base/random.hpp"
#include "engine/batch_writer.hpp"
#include "eval/likelihood.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

// Items that are prepared together: enough for the scorer to fill its forwards, few enough to lose little by Ctrl-C.
constexpr size_t kItemsAtOnce = 16;
// The same of what is written: the more, the seldomer a few long replies hold up the rest.
constexpr size_t kPromptsAtOnce = 128;

// The examples that every item is shown.
std::vector<const TaskItem*> choose_examples(const Task& task, uint64_t seed) {
  std::vector<size_t> places(task.pool.size());
  std::iota(places.begin(), places.end(), size_t{0});
  const auto count = std::min(static_cast<size_t>(task.shots), places.size());
  if (seed != 0) {
    Random random(seed);
    for (size_t i = 0; i < count; ++i) std::swap(places[i], places[i + random.below(places.size() - i)]);
  }
  std::vector<const TaskItem*> out;
  for (size_t i = 0; i < count; ++i) out.push_back(&task.pool[places[i]]);
  return out;
}

class Prompts {
 public:
  Prompts(const Task& task, const Subject& subject, const RunOptions& options)
      : task_(task),
        tokenizer_(subject.tokenizer),
        chat_(options.chat),
        prefix_(plain_prefix(task, options)),
        instruction_(options.instruct ? task.instruction : "") {
    for (const TaskItem* example : choose_examples(task, options.seed)) {
      examples_.push_back({instruction_ + example->request, example->target});
    }
  }

  // At least one token.
  Result<std::vector<int32_t>> tokens(const TaskItem& item) const {
    TRY_ASSIGN(std::vector<int32_t> prompt,
               chat_ ? chat_(examples_, instruction_ + item.request) : plain(prefix_ + item.question));
    if (prompt.empty()) {
      TRY_ASSIGN(prompt.emplace_back(), start_token(item));
    }
    return prompt;
  }

  // Each choice after the item's prompt; cut together with it where the two are one text.
  Result<ContinuationSet> continuations(const TaskItem& item) const {
    ContinuationSet set;
    if (chat_) {
      TRY_ASSIGN(const std::vector<int32_t> prompt, tokens(item));
      for (const std::string& choice : task_.choices_of(item)) {
        TRY_ASSIGN(const std::vector<int32_t> more, tokenizer_.encode(choice));
        Continuation text{prompt, static_cast<int64_t>(prompt.size())};
        text.tokens.insert(text.tokens.end(), more.begin(), more.end());
        set.push_back(std::move(text));
      }
    } else {
      const std::string context = prefix_ + item.question;
      // Spaces at the end belong to the word after them.
      TRY_ASSIGN(const std::vector<int32_t> before, plain(jinja::strip_space(context, false, true)));
      for (const std::string& choice : task_.choices_of(item)) {
        TRY_ASSIGN(std::vector<int32_t> all, plain(context + task_.delimiter + choice));
        const auto begin = static_cast<int64_t>(std::min(before.size(), all.size()));
        set.push_back({std::move(all), begin});
      }
    }
    for (Continuation& text : set) TRY(check(text, item));
    return set;
  }

 private:
  Result<std::vector<int32_t>> plain(std::string_view text) const {
    return tokenizer_.encode(text, {.add_special = true});
  }

  // What stands before a text that nothing stands before.
  Result<int32_t> start_token(const TaskItem& item) const {
    const SpecialIds& ids = tokenizer_.special();
    const int32_t start = ids.bos != kNoToken ? ids.bos : ids.eos;
    if (start == kNoToken) return invalid("has no context, and the model no token to begin with", place_of(item));
    return start;
  }

  Status check(Continuation& text, const TaskItem& item) const {
    if (text.begin == 0) {
      TRY_ASSIGN(const int32_t start, start_token(item));
      text.tokens.insert(text.tokens.begin(), start);
      text.begin = 1;
    }
    if (std::cmp_less(text.begin, text.tokens.size())) return ok_status();
    return invalid("has a choice that adds no token to its context", place_of(item));
  }

  std::string place_of(const TaskItem& item) const { return fmt::format("{}, item {}", task_.path, item.number); }

  const Task& task_;
  const Tokenizer& tokenizer_;
  const ChatRenderer& chat_;
  std::string prefix_;
  std::string instruction_;
  std::vector<ChatExample> examples_;
};

class Run {
 public:
  Run(const Task& task, const Subject& subject, const RunOptions& options,
      const std::function<Status(const ItemRecord&)>& on_item, const CancelToken& cancel)
      : task_(task),
        subject_(subject),
        options_(options),
        on_item_(on_item),
        cancel_(cancel),
        prompts_(task, subject, options) {
    const auto all = static_cast<int64_t>(task.items.size());
    result_.planned = options.limit > 0 ? std::min(options.limit, all) : all;
  }

  // Whether likelihoods or text are asked for is the task's kind.
  Status go(const std::function<void(int64_t, int64_t)>& progress) {
    if (options_.reply) return ask(progress);
    TRY(check_longest());
    return is_generated(task_.kind) ? write(progress) : score(progress);
  }
  RunResult take() { return std::move(result_); }

 private:
  ItemRecord record_of(const TaskItem& item) const {
    ItemRecord record{.item = item.number, .context = options_.chat || options_.reply ? item.request : item.question};
    record.facts = item.facts;
    record.references = item.references;
    record.choices = task_.choices_of(item);
    record.gold = item.gold;
    if (!options_.chat) record.delimiter = task_.delimiter;
    return record;
  }

  Status keep(ItemRecord record) {
    TRY(on_item_(record));
    result_.items.push_back(std::move(record));
    return ok_status();
  }

  // False: is to be left out. Error: does not fit.
  Result<bool> fits(const TaskItem& item, int64_t tokens) {
    if (tokens <= subject_.max_tokens) return true;
    if (!options_.skip_long) {
      Error error = too_long(tokens, subject_.max_tokens).at(fmt::format("{}, item {}", task_.path, item.number));
      error.hint = fmt::format("make room by --context, {}or leave such items out by --skip-long",
                               task_.shots > 0 ? "show fewer examples by --shots, " : "");
      return error;
    }
    ++result_.skipped;
    return false;
  }

  // What does not fit shows before the first hour, and not after it. By bytes, so that each item that is run is looked
  // at all the same.
  Status check_longest() {
    if (options_.skip_long || result_.planned == 0) return ok_status();
    const auto bytes = [&](const TaskItem& item) { return (options_.chat ? item.request : item.question).size(); };
    const auto longest = std::max_element(task_.items.begin(), task_.items.begin() + result_.planned,
                                          [&](const TaskItem& a, const TaskItem& b) { return bytes(a) < bytes(b); });
    if (is_generated(task_.kind)) {
      TRY_ASSIGN(const std::vector<int32_t> prompt, prompts_.tokens(*longest));
      TRY(fits(*longest, static_cast<int64_t>(prompt.size()) + task_.max_tokens));
    } else {
      TRY_ASSIGN(const ContinuationSet set, prompts_.continuations(*longest));
      TRY(fits(*longest, longest_of(set)));
    }
    return ok_status();
  }

  static int64_t longest_of(const ContinuationSet& set) {
    size_t longest = 0;
    for (const Continuation& text : set) longest = std::max(longest, text.tokens.size());
    return static_cast<int64_t>(longest);
  }

  int64_t done() const { return static_cast<int64_t>(result_.items.size()) + result_.skipped; }

  Status score(const std::function<void(int64_t, int64_t)>& progress) {
    LikelihoodScorer scorer(subject_.model, subject_.ctx, subject_.max_tokens, subject_.kv_dtype);
    while (done() < result_.planned) {
      TRY(cancel_.check());
      std::vector<ContinuationSet> sets;
      std::vector<const TaskItem*> items;
      for (auto i = static_cast<size_t>(done()), end = i + kItemsAtOnce;
           i < std::min(end, static_cast<size_t>(result_.planned)); ++i) {
        const TaskItem& item = task_.items[i];
        TRY_ASSIGN(ContinuationSet set, prompts_.continuations(item));
        TRY_ASSIGN(const bool fit, fits(item, longest_of(set)));
        if (!fit) continue;
        sets.push_back(std::move(set));
        items.push_back(&item);
      }
      TRY_ASSIGN(const std::vector<std::vector<Likelihood>> told, scorer.score(sets, cancel_));
      for (size_t i = 0; i < items.size(); ++i) {
        ItemRecord record = record_of(*items[i]);
        for (const Likelihood& one : told[i]) {
          record.log_likelihoods.push_back(one.log_probability);
          record.greedy.push_back(one.greedy);
        }
        TRY(keep(std::move(record)));
      }
      progress(done(), result_.planned);
    }
    return ok_status();
  }

  Status ask(const std::function<void(int64_t, int64_t)>& progress) {
    while (done() < result_.planned) {
      TRY(cancel_.check());
      const TaskItem& item = task_.items[static_cast<size_t>(done())];
      TRY_ASSIGN(const std::string text, options_.reply(item.request));
      ItemRecord record = record_of(item);
      record.output = text;
      TRY(keep(std::move(record)));
      progress(done(), result_.planned);
    }
    return ok_status();
  }

  Status write(const std::function<void(int64_t, int64_t)>& progress) {
    BatchWriter writer(subject_.model, subject_.ctx, subject_.tokenizer, subject_.max_tokens, subject_.kv_dtype);
    GenerateParams params;
    params.sampling.frequency_penalty = options_.frequency_penalty;
    params.max_tokens = task_.max_tokens;
    params.end_tokens = subject_.end_tokens;
    if (!options_.chat) params.stop_strings = task_.stops;
    while (done() < result_.planned) {
      std::vector<WriterPrompt> prompts;
      std::vector<const TaskItem*> items;
      for (auto i = static_cast<size_t>(done()), end = i + kPromptsAtOnce;
           i < std::min(end, static_cast<size_t>(result_.planned)); ++i) {
        TRY(cancel_.check());
        TRY_ASSIGN(std::vector<int32_t> tokens, prompts_.tokens(task_.items[i]));
        TRY_ASSIGN(const bool fit, fits(task_.items[i], static_cast<int64_t>(tokens.size()) + task_.max_tokens));
        if (!fit) continue;
        prompts.push_back({std::move(tokens)});
        items.push_back(&task_.items[i]);
      }
      const auto keep_text = [&](size_t place, const Generated& written) -> Status {
        ItemRecord record = record_of(*items[place]);
        record.output = std::string(jinja::strip_space(written.text, true, true));
        TRY(keep(std::move(record)));
        progress(done(), result_.planned);
        return ok_status();
      };
      TRY(writer.write(prompts, params, cancel_, keep_text));
      progress(done(), result_.planned);
    }
    return ok_status();
  }

  const Task& task_;
  const Subject& subject_;
  const RunOptions& options_;
  const std::function<Status(const ItemRecord&)>& on_item_;
  const CancelToken& cancel_;
  Prompts prompts_;
  RunResult result_;
};

}  // namespace

std::string plain_prefix(const Task& task, const RunOptions& options) {
  std::string prefix = task.preamble;
  for (const TaskItem* example : choose_examples(task, options.seed)) {
    prefix += example->question + task.delimiter + example->target + "\n\n";
  }
  return prefix;
}

Result<RunResult> run_task(const Task& task, const Subject& subject, const RunOptions& options,
                           const std::function<Status(const ItemRecord&)>& on_item, const CancelToken& cancel,
                           const std::function<void(int64_t, int64_t)>& progress) {
  const auto start = std::chrono::steady_clock::now();
  Run run(task, subject, options, on_item, cancel);
  const Status ended = run.go(progress);
  if (!ended.ok() && ended.error().code != ErrorCode::kCancelled) return ended.error();
  RunResult result = run.take();
  // Replies end in another order than they began.
  std::sort(result.items.begin(), result.items.end(),
            [](const ItemRecord& a, const ItemRecord& b) { return a.item < b.item; });
  result.cancelled = !ended.ok();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace linnet
