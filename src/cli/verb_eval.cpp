// linnet eval: how well a model foresees a text, or does at a task; and two models' results side by side.
#include <algorithm>
#include <memory>

#include "cli/eval_tasks.hpp"
#include "cli/eval_text.hpp"
#include "cli/verb.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  ModelFlags model;
  std::vector<std::string> files;
  TextFlags text;
  TaskFlags task;
  bool json = false;
};

bool is_text(const std::string& path) {
  return path.ends_with(".txt") || path.ends_with(".md");
}

Status run_text(TextFlags flags, const Flags& all) {
  flags.model = all.model;
  flags.json = all.json;
  return run_text_eval(flags);
}

Status run(const Flags& flags) {
  TaskFlags task = flags.task;
  task.model = flags.model;
  task.files = flags.files;
  task.json = flags.json;
  if (flags.model.model == "score") return score_logs(task);
  if (flags.model.model == "compare") return compare_log_files(task);
  if (flags.files.empty() == flags.text.path.empty()) {
    return usage_error(flags.files.empty() ? "nothing to measure the model by" : "give --text or task files, not both",
                       "a task: linnet eval MODEL questions.csv; a text: linnet eval MODEL --text book.txt");
  }
  if (flags.files.empty()) return run_text(flags.text, flags);
  if (std::none_of(flags.files.begin(), flags.files.end(), is_text)) {
    if (flags.text.against.empty()) return run_task_eval(task);
    return usage_error("--against is for texts",
                       "run each model with --log, then: linnet eval compare A.jsonl B.jsonl");
  }
  if (flags.files.size() > 1) return usage_error("a text is measured by itself", "run eval once for each");
  TextFlags text = flags.text;
  text.path = flags.files[0];
  return run_text(text, flags);
}

void declare_text(Arguments& args, TextFlags& flags) {
  constexpr const char* kHeading = "Texts";
  args.add("--text", flags.path, "a text to foresee: a file, or - for standard input").under(kHeading);
  args.add("--against", flags.against, "another model with the same vocabulary: how far is it from MODEL?")
      .under(kHeading);
  args.add("--against-kv", flags.against_kv, "as --kv, of the other model").one_of(kKvTypes).under(kHeading);
  args.add("--window", flags.window, "tokens that are seen at once; as it comes: 512, or what the model can")
      .in_range(2, 1 << 24)
      .under(kHeading);
  args.add("--stride", flags.stride, "tokens that the window moves on by; half of it where not given")
      .in_range(0, 1 << 24)
      .under(kHeading);
  args.add("--tokens", flags.tokens, "only so many of the text; 0: all").non_negative().under(kHeading);
  args.flag("--no-bos", flags.no_bos, "no BOS before the windows of a text, even where the tokenizer puts one")
      .under(kHeading);
}

void declare_task(Arguments& args, TaskFlags& flags) {
  constexpr const char* kHeading = "Tasks";
  args.add("--limit", flags.limit, "only the first so many items of each file; 0: all").non_negative().under(kHeading);
  args.add("--shots", flags.shots, "examples before each question; -1: as is usual (gsm8k 5, others none)")
      .in_range(-1, 1000)
      .under(kHeading);
  args.add("--shots-from", flags.shots_from, "where examples come from; empty: dev or train beside the test file")
      .under(kHeading);
  args.add("--seed", flags.seed, "above 0: examples are drawn, and not the first; also the bootstrap's")
      .under(kHeading);
  args.add("--template", flags.prompt_template, "the question in your words: \"Question: {question}\\nAnswer:\"")
      .under(kHeading);
  args.add("--sheet", flags.sheet, "of an xlsx file; empty: the first that is not hidden").under(kHeading);
  args.add("--log", flags.log, "write what the model did with each item, as JSONL").not_empty().under(kHeading);
  args.flag("--chat", flags.chat, "ask through the chat template").under(kHeading);
  args.flag("--plain", flags.plain, "ask without the chat template").under(kHeading);
  args.flag("--skip-long", flags.skip_long, "leave out items that do not fit into the context").under(kHeading);
  args.flag("--stemmer", flags.stem, "ROUGE compares stems of words").under(kHeading);
}

}  // namespace

Job declare_eval(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  flags->model.declare(args);
  args.add("FILE", flags->files,
           "what to measure by: .jsonl, .json, .csv, .tsv, .xlsx, a folder of such, or a .txt to foresee");
  declare_task(args, flags->task);
  declare_text(args, flags->text);
  args.flag("--json", flags->json, "as JSON");
  args.notes(
      "The form of a file is recognised by its fields: multiple choice, labels, worked numbers, answers (with key\n"
      "facts), summaries, translations. docs/evaluation.md has the forms, the scores and where they come from.\n"
      "\n"
      "  linnet eval score LOG...   the scores of what --log wrote\n"
      "  linnet eval compare A B    two such logs, item by item: is the second model better?\n"
      "\n"
      "Perplexity: how many tokens the model wavers between, on average. Each token is scored once, from what stands\n"
      "before it in its window. Perplexities of different vocabularies do not compare; bits per byte do.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
