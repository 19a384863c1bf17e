#!/usr/bin/env python3
"""Drives `linnet chat` in a tmux terminal as a person would. Prints PASS and FAIL lines.

The model, tests/golden/tiny_chat, knows a few answers by heart and counts for ever when asked to.
usage: run_chat.py [NAME...]    only the tests whose name contains one of the NAMEs
"""
import re
import sys
import time

from tmux_terminal import SOURCE, Terminal

MODEL = SOURCE / "tests" / "golden" / "tiny_chat"
CHAT = f"linnet chat {MODEL} --temperature 0"
PROMPT = r"^> ?$"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def chat(flags="", **options):
    """A terminal in which the chat waits for its first line."""
    terminal = Terminal(f"{CHAT} {flags}", **options)
    terminal.wait_for(PROMPT, history=False)
    return terminal


def ask(terminal, question, answer):
    terminal.line(question)
    terminal.wait_for(f"^{re.escape(answer)}$")
    terminal.wait_for(PROMPT, history=False)


def counted(terminal):
    return len(re.findall(r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten)\b", terminal.screen(history=True)))


@test
def answers_and_remembers():
    with chat() as terminal:
        ask(terminal, "Hello", "Hello. I am Linnet.")
        ask(terminal, "/clear", "")
        ask(terminal, "My name is Tom.", "Hello Tom.")
        ask(terminal, "What is my name?", "Your name is Tom.")


@test
def control_c_stops_only_the_reply():
    with chat("--context 60000 --max-tokens 50000") as terminal:
        terminal.line("Count.")
        terminal.wait_until(lambda: counted(terminal) > 30, "thirty numbers")
        terminal.key("C-c")
        terminal.wait_for(r"\[stopped\]", seconds=5)
        terminal.wait_for(PROMPT, history=False)
        after = counted(terminal)
        time.sleep(0.5)
        assert counted(terminal) == after, "it went on after Ctrl-C"
        terminal.line("/clear")
        ask(terminal, "What is two plus two?", "Four.")
        assert "exit code" not in terminal.screen()


@test
def words_come_one_by_one():
    with chat("--context 60000 --max-tokens 50000") as terminal:
        terminal.line("Count.")
        seen = set()
        until = time.monotonic() + 20
        while len(seen) < 4 and time.monotonic() < until:
            seen.add(counted(terminal))
        assert len(seen) >= 4, f"the reply did not grow: {seen}"
        terminal.key("C-c")
        terminal.wait_for(r"\[stopped\]", seconds=5)


@test
def control_c_gives_up_a_line_but_does_not_end():
    with chat() as terminal:
        terminal.type("What is the nonsen")
        terminal.wait_for("nonsen")
        terminal.key("C-c")
        terminal.wait_for(PROMPT, history=False)
        ask(terminal, "What is the sky?", "The sky is blue.")
        terminal.key("C-c")
        terminal.wait_for(r"To end: Ctrl-D or /bye")
        ask(terminal, "/clear", "")
        ask(terminal, "Hello", "Hello. I am Linnet.")


@test
def control_d_and_bye_end_with_0():
    for leave in (lambda terminal: terminal.key("C-d"), lambda terminal: terminal.line("/bye")):
        with chat() as terminal:
            ask(terminal, "Hello", "Hello. I am Linnet.")
            leave(terminal)
            terminal.wait_for(r"exit code 0$")


@test
def a_line_can_be_edited():
    with chat() as terminal:
        terminal.type("is the skx")
        terminal.key("BSpace")
        terminal.type("y?")
        terminal.key("C-a")
        terminal.type("What ")
        terminal.wait_for("^> What is the sky[?]", history=False)
        terminal.key("Enter")
        terminal.wait_for("^The sky is blue.$")


@test
def history_comes_back_also_in_the_next_chat():
    with chat() as terminal:
        ask(terminal, "Who are you?", "I am Linnet, a small bird.")
        ask(terminal, "/clear", "")
        terminal.key("Up")
        terminal.wait_for("^> /clear", history=False)
        terminal.key("Up")
        terminal.wait_for(r"^> Who are you\?", history=False)
        terminal.key("Enter")
        terminal.wait_until(lambda: terminal.screen(True).count("I am Linnet, a small bird.") == 2, "the same answer")
        terminal.line("/bye")
        terminal.wait_for("exit code 0$")
        terminal.start(CHAT)
        terminal.wait_for(PROMPT, history=False)
        terminal.key("Up", "Up")
        terminal.wait_for(r"^> Who are you\?", history=False)


@test
def a_message_may_have_many_lines():
    with chat() as terminal:
        terminal.line('"""')
        terminal.wait_for(r"^\.\.\.", history=False)
        terminal.line("My name is")
        terminal.line('Jan."""')
        terminal.wait_for(r"^\w.*$", history=False)
        terminal.wait_for(PROMPT, history=False)
        terminal.line("/save talk.json")
        terminal.wait_for("^Saved to")
        saved = (terminal.folder / "talk.json").read_text()
        assert "My name is\\nJan." in saved, saved


@test
def resizing_breaks_nothing():
    with chat("--context 60000 --max-tokens 50000") as terminal:
        terminal.line("Count.")
        terminal.wait_until(lambda: counted(terminal) > 20, "twenty numbers")
        for columns, rows in ((40, 12), (100, 30), (20, 5), (80, 24)):
            terminal.resize(columns, rows)
            time.sleep(0.1)
        terminal.key("C-c")
        terminal.wait_for(r"\[stopped\]", seconds=5)
        terminal.line("/clear")
        terminal.wait_for(PROMPT, history=False)
        terminal.resize(30, 10)
        time.sleep(0.3)
        terminal.type("Why is the sky, this long")
        terminal.resize(70, 20)
        time.sleep(0.3)
        for _ in ", this long":
            terminal.key("BSpace")
        terminal.type(" blue?")
        terminal.key("Enter")
        terminal.wait_for("^Because air scatters blue light the most.$")


@test
def letters_beyond_ascii_can_be_typed_and_shown():
    with chat() as terminal:
        ask(terminal, "Say it in Greek.", "Καλημέρα κόσμε.")
        terminal.type("nö")
        terminal.key("BSpace", "BSpace")
        terminal.line("/clear")
        terminal.wait_for(PROMPT, history=False)
        ask(terminal, "Show me a bird.", "🐦")


@test
def commands_do_what_help_says():
    with chat() as terminal:
        terminal.line("/help")
        for command in ("/system", "/set", "/show", "/save", "/load", "/regen", "/clear", "/bye"):
            terminal.wait_for(re.escape(command))
        ask(terminal, "/system Answer in French.", "")
        ask(terminal, "Hello", "Bonjour.")
        terminal.line("/show")
        terminal.wait_for(r"^system +Answer in French\.")
        terminal.wait_for(r"^context +\d+ of \d+ tokens used")
        terminal.line("/save french.json")
        terminal.wait_for("^Saved to")
        ask(terminal, "/clear", "")
        terminal.line("/load french.json")
        terminal.wait_for("^Loaded 2 ")
        terminal.wait_for(PROMPT, history=False)
        terminal.line("/regen")
        terminal.wait_until(lambda: terminal.screen(True).count("Bonjour.") == 2, "the same answer again")
        terminal.line("/set temperature -3")
        terminal.wait_for("temperature")
        terminal.line("/sing")
        terminal.wait_for("/sing")
        ask(terminal, "/clear", "")
        ask(terminal, "What is the sky?", "Le ciel est bleu.")


@test
def speed_is_shown_on_request():
    with chat("--stats") as terminal:
        terminal.line("Hello")
        terminal.wait_for(r"\[reply \d+ tokens, [\d.]+ tokens/s; read \d+ tokens, .*\]")
        terminal.wait_for(r"\[context: \d+ of \d+ tokens used, \d+ left\]")


@test
def a_conversation_that_does_not_fit_is_an_error_with_both_numbers():
    with chat("--context 60") as terminal:
        terminal.line("My name is Ann. " * 12)
        found = terminal.wait_for(r"the conversation is (\d+) tokens long, and the context holds (\d+)")
        assert int(found.group(1)) > int(found.group(2)) == 60, found.group(0)
        terminal.wait_for(PROMPT, history=False)
        ask(terminal, "Hello", "Hello. I am Linnet.")


@test
def a_full_context_ends_the_reply_and_offers_what_to_drop():
    with chat("--context 40") as terminal:
        terminal.line("Count.")
        terminal.wait_for(r"\[cut: the context is full; /drop or /clear makes room\]")
        terminal.wait_for(r"\[context: 40 of 40 tokens used, 0 left\]")
        terminal.line("What is the sky?")
        terminal.wait_for(r"the conversation is \d+ tokens long, and the context holds 40\n +/drop forgets")


@test
def a_wrong_expectation_fails():
    """The suite's own check: an answer that is not given must not be found."""
    with chat() as terminal:
        terminal.line("Hello")
        terminal.wait_for("^Hello. I am Linnet.$")
        try:
            terminal.wait_for("^Hello. I am Robin.$", seconds=0.5)
        except AssertionError:
            return
        raise AssertionError("saw what was not there")


def main():
    failed = False
    for function in TESTS:
        if sys.argv[1:] and not any(name in function.__name__ for name in sys.argv[1:]):
            continue
        name = f"chat in a terminal: {function.__name__.replace('_', ' ')}"
        try:
            function()
            print(f"PASS {name}", flush=True)
        except (AssertionError, RuntimeError, OSError) as error:
            failed = True
            first, *rest = str(error).splitlines() or [""]
            print("\n".join([f"FAIL {name}: {first}", *(f"  {line}" for line in rest)]), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
