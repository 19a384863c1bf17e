// linnet completion: scripts that let bash, zsh and fish complete verbs, flags and model names.
#include <memory>

#include "cli/common.hpp"
#include "cli/completion_scripts.hpp"
#include "cli/completion_words.hpp"
#include "cli/verbs.hpp"
#include "hub/catalog.hpp"
#include "hub/store.hpp"
#include "tasks/run_store.hpp"

namespace linnet::cli {

namespace {

// A model is offered by its short name. The whole name, which `begin` must start, helps only who began to type it.
std::vector<std::string> model_names(const std::string& verb, const std::string& begin) {
  std::vector<std::string> names = RunStore::standard().names();
  for (const StoredModel& model : Store::standard().list()) {
    if (!model.short_name.empty()) names.push_back(model.short_name);
    if (model.short_name.empty() || !begin.empty()) names.push_back(model.name);
  }
  if (verb == "pull") {
    for (const CatalogEntry& entry : catalog()) names.push_back(entry.name);
  }
  return names;
}

Status print_words(const std::vector<std::string>& typed) {
  CompletionSource source;
  for (const Verb& verb : verbs()) {
    source.verbs.emplace_back(verb.name);
    if (typed.size() < 2 || typed[0] != verb.name) continue;
    source.arguments = list_arguments([&](Arguments& args) { verb.declare(args); });
    source.models = model_names(typed[0], typed.back());
  }
  std::string lines;
  for (const std::string& word : completion_words(source, typed)) lines += word + "\n";
  return print(lines);
}

Status print_script(const std::string& shell) {
  if (shell == "bash") return print(bash_completion());
  if (shell == "zsh") return print(zsh_completion());
  if (shell == "fish") return print(fish_completion());
  return usage_error(shell.empty() ? "which shell?" : "there is no completion for " + shell,
                     "linnet completion bash, zsh or fish");
}

}  // namespace

Job declare_completion(Arguments& args) {
  struct Flags {
    bool words = false;
    std::vector<std::string> typed;
  };
  auto flags = std::make_shared<Flags>();
  args.add("SHELL", flags->typed, "bash, zsh or fish");
  args.flag("--words", flags->words, "what may stand in place of the last of the given words (the scripts ask this)");
  args.notes(
      "To have it always:\n"
      "  bash   echo 'source <(linnet completion bash)' >> ~/.bashrc\n"
      "  zsh    echo 'source <(linnet completion zsh)' >> ~/.zshrc   (after compinit)\n"
      "  fish   linnet completion fish > ~/.config/fish/completions/linnet.fish");
  return [flags]() -> Status {
    if (flags->words) return print_words(flags->typed);
    if (flags->typed.size() > 1) return usage_error("give one shell", "linnet completion bash, zsh or fish");
    return print_script(flags->typed.empty() ? "" : flags->typed[0]);
  };
}

}  // namespace linnet::cli
