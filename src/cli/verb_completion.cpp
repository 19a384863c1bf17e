// linnet completion: scripts that let bash, zsh and fish complete verbs, flags and model names.
#include <memory>

#include "cli/common.hpp"
#include "cli/verbs.hpp"
#include "hub/catalog.hpp"
#include "hub/store.hpp"

namespace linnet::cli {

namespace {

std::string verb_names() {
  std::string names;
  for (const Verb& verb : verbs()) names += (names.empty() ? "" : " ") + std::string(verb.name);
  return names;
}

// The scripts ask the program itself, so that they know models pulled later: linnet completion --words.
constexpr const char* kBash = R"sh(_linnet() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=($(compgen -W "$(linnet completion --words "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "$cur"))
  [ ${
#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$cur"))
#Model names hold colons, at which bash cuts words.
  type __ltrim_colon_completions >/dev/null 2>&1 && __ltrim_colon_completions "$cur"
}
complete -o filenames -F _linnet linnet
)sh";
constexpr const char* kZsh = R"sh(#compdef linnet
_linnet() {
  local -a words_found
  words_found=(${(f)"$(linnet completion --words ${
  words[2, CURRENT - 1]} 2>/dev/null | tr ' ' '\n')"})
  compadd -a words_found || _files
}
compdef _linnet linnet
)sh";
constexpr const char* kFish =
    R"sh(complete -c linnet -f -a '(linnet completion --words (commandline -opc)[2..-1] 2>/dev/null | string split " ")'
complete -c linnet -F
)sh";

// What may follow the words typed so far: verbs first, then models.
std::string next_words(const std::vector<std::string>& typed) {
  if (typed.empty()) return verb_names();
  if (typed[0] == "completion") return "bash zsh fish";
  std::string words;
  for (const StoredModel& model : Store::standard().list()) {
    words += (model.short_name.empty() ? model.name : model.short_name) + " ";
  }
  if (typed[0] == "pull") {
    for (const CatalogEntry& entry : catalog()) words += entry.name + " ";
  }
  return words;
}

}  // namespace

Job declare_completion(Arguments& args) {
  struct Flags {
    bool words = false;
    std::vector<std::string> typed;
  };
  auto flags = std::make_shared<Flags>();
  args.add("SHELL", flags->typed, "bash, zsh or fish");
  args.flag("--words", flags->words, "print what may follow the given words (the scripts call this)");
  return [flags]() -> Status {
    if (flags->words) return print(next_words(flags->typed) + "\n");
    const std::string shell = flags->typed.empty() ? "" : flags->typed[0];
    if (shell == "bash") return print(kBash);
    if (shell == "zsh") return print(kZsh);
    if (shell == "fish") return print(kFish);
    return usage_error("give a shell: bash, zsh or fish",
                       "linnet completion bash > ~/.local/share/bash-completion/completions/linnet");
  };
}

}  // namespace linnet::cli
