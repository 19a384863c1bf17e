// The command line of `linnet tune`.
#include <fmt/core.h>

#include "cli/tune_common.hpp"
#include "train/schedule.hpp"

namespace linnet::cli {

namespace {

const std::vector<std::string> kMethods{"auto", "faq",         "encoder", "words", "lora", "last",
                                        "full", "contrastive", "dpo",     "orpo",  "kto"};

void declare_data(Arguments& args, TuneFlags& flags) {
  const char* heading = "The data";
  args.add("--input", flags.input,
           "the column of what is said, where its name does not tell; of a table without names: 1, 2, …")
      .under(heading);
  args.add("--output", flags.output, "the column of the reply to it").under(heading);
  args.add("--sheet", flags.data.read.sheet, "of an xlsx file; empty: the first that is not hidden").under(heading);
  args.add("--system", flags.settings.system, "system message of conversations that have none").under(heading);
  args.add("--held-out", flags.data.held_out, "part of the data that measures").in_range(0.0, 0.5).under(heading);
  args.add("--length", flags.length, "most tokens of a sample; 0: up to 2048").in_range(0, 1 << 20).under(heading);
  args.flag("--allow-cuts", flags.allow_cuts,
            "learn although samples are cut by the length; those of whose reply it leaves nothing are left out")
      .under(heading);
  args.flag("--skip-bad", flags.skip_bad,
            "leave rows out that cannot be read or have nothing to learn from, instead of an error")
      .under(heading);
  args.flag("--leave-out-overlap", flags.leave_out_overlap,
            "what stands in the test, too, is left out of what is learned, instead of an error")
      .under(heading);
}

void declare_jobs(Arguments& args, TuneFlags& flags) {
  const char* lists = "Lists of questions, and labels";
  args.add("--encoder", flags.encoder,
           "the model that learns what texts mean; " + flags.faq.encoder + " for questions, " + flags.classify.encoder +
               " for labels")
      .under(lists);
  args.add("--declining", flags.faq.declining, "the reply to what the list does not answer").under(lists);
  const char* writing = "Pairs of phrases, texts with summaries";
  args.add("--minutes", flags.minutes, "about so long in all, the test included; 0: as long as it takes")
      .in_range(0.0, 100000.0)
      .under(writing);
  args.add("--samples", flags.samples, "so many of the data, by seed; 0: what the minutes allow")
      .in_range(0, 1 << 24)
      .under(writing);
  args.add("--input-tokens", flags.input_tokens, "what is longer is cut to its beginning; 0: chosen from the data")
      .in_range(0, 1 << 20)
      .under(writing);
}

void declare_what_learns(Arguments& args, TuneFlags& flags) {
  NewAdapter& adapter = flags.settings.pupil.adapter;
  adapter.alpha = 0;
  const char* heading = "An adapter, or a model's own weights";
  args.add("--rank", adapter.rank, "of the adapter").in_range(1, 1024).under(heading);
  args.add("--alpha", adapter.alpha, "of the adapter; 0: twice the rank").in_range(0.0, 1e6).under(heading);
  args.flag("--rslora", adapter.rank_stabilised, "scale by the root of the rank").under(heading);
  args.flag("--dora", adapter.dora, "learn magnitudes, too (slower)").under(heading);
  args.add("--target", adapter.targets, "layers that are taught, by their names; without: every linear one")
      .under(heading);
  args.add("--lora-plus", flags.lora_plus, "how many times as fast as A the adapter's B learns (LoRA+: 16); 0: as fast")
      .in_range(0.0, 1000.0)
      .under(heading);
  args.add("--layers", flags.settings.pupil.layers,
           "last: how many of the last layers learn, with the final norm and head")
      .non_negative()
      .under(heading);
  args.add("--weights", flags.weights,
           "last, full: what matrices are held as while they learn; bf16: half of f32's memory, each step rounded "
           "stochastically, by seed")
      .one_of({"f32", "bf16"})
      .under(heading);
}

void declare_teacher(Arguments& args, TuneFlags& flags) {
  TeacherSettings& teacher = flags.settings.teacher;
  const char* heading = "Learning from a larger model";
  args.add("--teacher", teacher.name, "a model that it learns from, beside the data").under(heading);
  args.add("--distil", flags.distil,
           "logits: how likely the teacher finds each token (both must have the same vocabulary); text: what the "
           "teacher writes, instead of the data's own answers")
      .one_of({"logits", "text"})
      .under(heading);
  args.add("--teacher-top", teacher.top, "logits: so many of its likeliest tokens count, all others as one")
      .in_range(1, 65536)
      .under(heading);
  args.add("--teacher-weight", teacher.weight, "logits: of the teacher, the rest is the data's own tokens'")
      .in_range(0.0, 1.0)
      .under(heading);
  args.add("--teacher-temperature", teacher.temperature, "text: 0: its likeliest answers")
      .in_range(0.0, 100.0)
      .under(heading);
}

void declare_steps(Arguments& args, TuneFlags& flags) {
  TuneSettings& settings = flags.settings;
  const char* heading = "How it learns";
  args.add("--rate,--lr", flags.rate, "learning rate, the highest; 0: chosen from the model")
      .in_range(0.0, 100.0)
      .under(heading);
  args.add("--epochs", flags.epochs, "how often all data is seen; 0: chosen from the data")
      .in_range(0, 1000)
      .under(heading);
  args.add("--batch", flags.batch, "tokens of a step, with contrastive pairs; 0: chosen from the data")
      .in_range(0, 1 << 24)
      .under(heading);
  args.add("--beta", flags.beta, "dpo, orpo, kto: how much preferences weigh; 0: 0.1")
      .in_range(0.0, 100.0)
      .under(heading);
  args.add("--seed", flags.data.seed, "the same seed and data give the same bits").under(heading);
  const char* writes = "How a model that writes learns";
  args.add("--steps", flags.steps, "in all, instead of --epochs; 0: as the epochs have").non_negative().under(writes);
  args.add("--schedule", flags.schedule, "constant, linear, cosine, or stable: constant, then linear down over a fifth")
      .one_of(schedule_names())
      .under(writes);
  args.add("--warmup", flags.warmup, "steps in which the rate rises; -1: a twentieth")
      .in_range(-1, 1 << 30)
      .under(writes);
  args.add("--weight-decay", settings.weight_decay, "of matrices").in_range(0.0, 10.0).under(writes);
  args.add("--clip", settings.clip_norm, "largest norm of the gradients").positive().under(writes);
  args.add("--dropout", settings.dropout, "part of the numbers").in_range(0.0, 0.95).under(writes);
  args.add("--spike", settings.spike,
           "a loss so many deviations above the last 50 ends the run, or one far above what guessing has; 0: only one "
           "that is no number")
      .non_negative()
      .under(writes);
  const char* machine = "The machine";
  args.flag("--recompute", settings.recompute,
            "what a layer computes inside is dropped and computed again on the way back: less memory, more time")
      .under(machine);
  args.add("--memory", flags.memory, "most memory to take, in MB; 0: what is free").in_range(0, 1 << 30).under(machine);
  args.add("--threads", settings.threads, "0: every core").in_range(0, 1024).under(machine);
}

}  // namespace

void declare_tune_options(Arguments& args, TuneFlags& flags) {
  args.add("DATA", flags.data.paths, "files or folders: CSV, TSV, xlsx, JSONL, JSON, text (docs/data.md)");
  args.add("--name", flags.name, "what the result is called; only --preview does without");
  args.add("--method", flags.method,
           "how it learns\n"
           "auto: by the data\n"
           "faq: questions are looked up by their meaning\n"
           "encoder: labels, by an encoder\n"
           "words: labels, by weighted words alone, which is quick\n"
           "contrastive: pairs of texts come near each other, for embed\n"
           "lora: a model learns to write the answers, by an adapter\n"
           "last, full: by its own last layers, or all of its weights\n"
           "dpo, orpo: it learns from pairs of replies\n"
           "kto: from replies that were good or bad")
      .one_of(kMethods);
  args.add("--base", flags.base,
           fmt::format("the model that is taught, or chooses among answers; without: {}, or {} for a list of questions",
                       kSmallBase, kFaqChooser));
  args.add("--test", flags.data.test,
           "data that measures, and must not stand in the rest: its loss before and after, and its replies where their "
           "form has a score");
  args.flag("--preview", flags.preview, "say what would be learned and how, show the first samples, and end");
  args.flag("--resume", flags.resume, "go on with the last run of this name");
  args.flag("--undo", flags.undo, "go back to the version before");
  args.flag("--json", flags.json, "what was done, as JSON");
  declare_data(args, flags);
  declare_jobs(args, flags);
  declare_what_learns(args, flags);
  declare_teacher(args, flags);
  declare_steps(args, flags);
}

}  // namespace linnet::cli
