#include "cli/completion_words.hpp"

#include <algorithm>

namespace linnet::cli {

namespace {

bool is_flag(const std::string& word) {
  return word.starts_with('-') && word != "-";
}

const ArgumentKind* find_flag(const std::vector<ArgumentKind>& arguments, const std::string& word) {
  const auto found = std::find_if(arguments.begin(), arguments.end(), [&](const auto& a) { return a.name == word; });
  return found == arguments.end() || !is_flag(word) ? nullptr : &*found;
}

// The argument known by its place that the last word is; null where there is none for it.
const ArgumentKind* argument_in_place(const std::vector<ArgumentKind>& arguments,
                                      const std::vector<std::string>& typed) {
  size_t before = 0;
  for (size_t i = 1; i + 1 < typed.size(); ++i) {
    const ArgumentKind* flag = find_flag(arguments, typed[i]);
    if (flag && flag->takes_value) {
      ++i;
    } else if (!is_flag(typed[i])) {
      ++before;
    }
  }
  for (const ArgumentKind& argument : arguments) {
    if (is_flag(argument.name)) continue;
    if (before == 0 || argument.many) return &argument;
    --before;
  }
  return nullptr;
}

std::vector<std::string> everything_possible(const CompletionSource& source, const std::vector<std::string>& typed) {
  const std::string& current = typed.back();
  if (typed.size() == 1 && current.starts_with('-')) return {"--help", "--version"};
  if (typed.size() == 1) {
    std::vector<std::string> words = source.verbs;
    words.emplace_back("help");
    return words;
  }
  if (typed.front() == "help") return typed.size() == 2 ? source.verbs : std::vector<std::string>();
  // Behind a flag that takes a value, a word is that value, whatever it looks like.
  const ArgumentKind* before = find_flag(source.arguments, typed[typed.size() - 2]);
  if (before && before->takes_value) return {};
  if (current.starts_with('-')) {
    std::vector<std::string> flags{"--help"};
    for (const ArgumentKind& argument : source.arguments) {
      if (is_flag(argument.name)) flags.push_back(argument.name);
    }
    return flags;
  }
  const ArgumentKind* argument = argument_in_place(source.arguments, typed);
  if (!argument) return {};
  if (argument->name.starts_with("MODEL")) return source.models;
  if (argument->name == "ACTION") return {"train"};  // of linnet tokenizer, the only verb with actions
  if (argument->name == "SHELL") return {"bash", "fish", "zsh"};
  return {};
}

}  // namespace

std::vector<std::string> completion_words(const CompletionSource& source, const std::vector<std::string>& typed) {
  if (typed.empty()) return {};
  std::vector<std::string> words = everything_possible(source, typed);
  std::erase_if(words, [&](const std::string& word) { return !word.starts_with(typed.back()); });
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

}  // namespace linnet::cli
