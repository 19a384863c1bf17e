// linnet push: a run, a folder or a file to a repository on the Hugging Face hub.
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "tasks/push_files.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::string to;
  std::string message;
  bool is_public = false;
  bool dry_run = false;
  bool json = false;
};

Result<Source> target_of(const Flags& flags) {
  TRY_ASSIGN(Source target, parse_source(flags.to));
  if (target.kind != Source::Kind::kHuggingFace) {
    return usage_error(flags.to + " is no repository on the hub", "write hf:you/name, or hf:you/name@branch");
  }
  if (!target.selector.empty()) return usage_error(flags.to + " names a file", "a repository is enough: hf:you/name");
  return target;
}

Json to_json(const std::vector<PushFile>& files) {
  Json list = Json::array();
  for (const PushFile& file : files) list.push_back(file.name);
  return list;
}

Status preview(const Flags& flags, const std::vector<PushFile>& files) {
  if (flags.json) return print_json({{"to", flags.to}, {"files", to_json(files)}});
  std::string text = fmt::format("to {}, which {} others can see:\n", flags.to, flags.is_public ? "all" : "no");
  for (const PushFile& file : files) {
    std::error_code unknown;
    const uint64_t bytes = file.path.empty() ? file.text.size() : std::filesystem::file_size(file.path, unknown);
    text += fmt::format("  {:>10}  {}\n", format_bytes(unknown ? 0 : bytes), file.name);
  }
  for (const PushFile& file : files) {
    if (file.path.empty()) text += fmt::format("\n— {} —\n{}", file.name, file.text);
  }
  return print(text);
}

Result<Pushed> push_shown(const Flags& flags, const Source& target, const std::vector<PushFile>& files) {
  ProgressPrinter printer = ProgressPrinter::for_stderr();
  PushOptions options;
  options.cancel = &interrupt_token();
  options.progress = [&](const Progress& progress) { printer.update(progress); };
  options.notice = [&](std::string_view line) { printer.note(line); };
  options.is_public = flags.is_public;
  options.message = flags.message;
  return push_hugging_face(target, files, options);
}

Status run(const Flags& flags) {
  interrupt_token();
  TRY_ASSIGN(const Source target, target_of(flags));
  TRY_ASSIGN(const std::vector<PushFile> files, files_to_push(flags.model));
  if (flags.dry_run) return preview(flags, files);
  TRY_ASSIGN(const Pushed pushed, push_shown(flags, target, files));
  if (flags.json) {
    return print_json({{"url", pushed.url},
                       {"commit", pushed.commit.empty() ? Json() : Json(pushed.commit)},
                       {"files", pushed.files},
                       {"bytes", pushed.bytes},
                       {"created", pushed.created}});
  }
  if (pushed.commit.empty()) return print(fmt::format("{} has all of it already\n", pushed.url));
  return print(
      fmt::format("{} files, {}{}\n{}\n", pushed.files, format_bytes(pushed.bytes),
                  pushed.created ? fmt::format(", in a new {} repository", flags.is_public ? "public" : "private") : "",
                  pushed.url));
}

}  // namespace

Job declare_push(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a run (its adapter and a model card), a folder, a file, or any model").required();
  args.add("TO", flags->to, "hf:you/name, or hf:you/name@branch").required();
  args.flag("--public", flags->is_public, "a new repository can be seen by all; without: by you alone");
  args.add("--message", flags->message, "of the commit");
  args.flag("--dry-run", flags->dry_run, "only show what would be sent");
  args.flag("--json", flags->json, "one JSON object instead of text");
  args.notes(
      "Needs HF_TOKEN, a token that may write, or `hf auth login`. HF_ENDPOINT names another hub. What the repository "
      "has\n"
      "already is not sent again. A whole model of a run: linnet export RUN --merge --out FOLDER, then push FOLDER.");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
