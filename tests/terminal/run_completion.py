#!/usr/bin/env python3
"""Presses Tab in bash, zsh and fish as a person would, with the scripts of `linnet completion`. Prints PASS and FAIL lines.

usage: run_completion.py [SHELL...]    only these shells
"""
import sys

from tmux_terminal import Terminal

# How each shell starts without anybody's own settings, and what loads the completion.
SHELLS = {
    "bash": ("bash --norc --noprofile -i", ["PS1='% '", "source <(linnet completion bash)"]),
    "zsh": ("zsh -f -i", ["PS1='%% '", "autoload -Uz compinit; compinit -u; source <(linnet completion zsh)"]),
    # Fish's suggestions show a completion before Tab is pressed.
    "fish": ("fish --no-config -i", ["function fish_prompt; echo -n '% '; end; set -g fish_autosuggestion_enabled 0",
                                     "linnet completion fish | source"]),
}
# What is typed, and what one Tab makes of it.
CASES = [
    ("a verb", "linnet ch", "linnet chat"),
    ("a model in the Hugging Face cache", "linnet show hf:org/ti", "linnet show hf:org/tiny:Q4_0"),
    ("a model that can be pulled, with a colon in its name", "linnet pull gemma3:27", "linnet pull gemma3:270m"),
    ("a model behind a flag and its value", "linnet generate --seed 7 hf:", "linnet generate --seed 7 hf:org/tiny:Q4_0"),
    ("a flag", "linnet generate --logp", "linnet generate --logprobs"),
    ("a file where a flag wants one", "linnet tokens --file no", "linnet tokens --file notes.txt"),
    ("a path in place of a model", "linnet show ./mo", "linnet show ./model.gguf"),
    ("a shell", "linnet completion f", "linnet completion fish"),
]


def prepare(terminal):
    """A model in a Hugging Face cache, and files to be found."""
    snapshot = terminal.home / "cache" / "huggingface" / "hub" / "models--org--tiny" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "tiny-Q4_0.gguf").write_bytes(b"GGUF")
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0" * 40)
    (terminal.folder / "notes.txt").write_text("notes\n")
    (terminal.folder / "model.gguf").write_bytes(b"GGUF")


def start(shell, terminal):
    prepare(terminal)
    terminal.start(SHELLS[shell][0])
    terminal.wait_for(r"\S", history=False)
    for line in SHELLS[shell][1]:
        terminal.line(line)
    terminal.key("C-l")
    terminal.wait_for(r"\A% *$", history=False)


def line_shown(terminal):
    """The command line as it stands on the screen."""
    lines = [line for line in terminal.screen().splitlines() if line.startswith("% ")]
    return lines[-1][2:].rstrip() if lines else ""


def complete(terminal, typed, wanted):
    terminal.type(typed)
    terminal.wait_until(lambda: line_shown(terminal) == typed, f"{typed!r} on the line")
    terminal.key("Tab")
    terminal.wait_until(lambda: line_shown(terminal) == wanted, f"{wanted!r} on the line", seconds=10)
    terminal.key("C-c")
    terminal.wait_until(lambda: line_shown(terminal) == "", "an empty line")


def lists_what_is_possible(terminal):
    terminal.type("linnet c")
    terminal.key("Tab")
    terminal.key("Tab")
    terminal.wait_for(r"chat\b[\s\S]*completion", history=False, seconds=10)
    terminal.key("C-c")


def wrong_expectation_fails(terminal):
    """The suite's own check: nothing is completed before Tab is pressed."""
    terminal.key("C-l")
    terminal.type("linnet ch")
    try:
        terminal.wait_until(lambda: line_shown(terminal) == "linnet chat", "a completion without Tab", seconds=1)
    except AssertionError:
        return
    raise AssertionError("completed before Tab")


def attempt(name, function):
    """Whether it went well; says so."""
    try:
        function()
        print(f"PASS {name}", flush=True)
        return True
    except (AssertionError, RuntimeError, OSError) as error:
        first, *rest = str(error).splitlines() or [""]
        print("\n".join([f"FAIL {name}: {first}", *(f"  {line}" for line in rest)]), flush=True)
        return False


def run_shell(shell):
    with Terminal("true", columns=100) as terminal:
        good = attempt(f"completion in {shell}: the script loads", lambda: start(shell, terminal))
        if not good:
            return False
        for what, typed, wanted in CASES:
            if not attempt(f"completion in {shell}: {what}", lambda: complete(terminal, typed, wanted)):
                good = False
                terminal.key("C-c")
                terminal.key("C-l")
        good &= attempt(f"completion in {shell}: lists what is possible", lambda: lists_what_is_possible(terminal))
        good &= attempt(f"completion in {shell}: a wrong expectation fails", lambda: wrong_expectation_fails(terminal))
        return good


def main():
    results = [run_shell(shell) for shell in SHELLS if shell in (sys.argv[1:] or SHELLS)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
