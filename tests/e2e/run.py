#!/usr/bin/env python3
"""Runs the end-to-end tests: plain text files with commands and what they must print.

A test file is prose; lines indented by two spaces are the test:

  $ linnet --version            a command, run by bash in an empty folder of the test's own
  > --more                      its next line
  linnet 0.1.0                  then its standard output, line by line,
  ! linnet: a warning           its standard error, in lines that begin with "! ",
  [2]                           and its exit code where that is not 0.

A line may end in " (re)" (a regular expression for the whole line), " (glob)" (* and ?), or " (no-eol)" (the last line
has no newline). A line that is only "..." stands for any number of lines. What is not written must not be printed.

Lines that begin with "@" at the margin say what the test needs:

  @needs shared                 ../shared beside the repository
  @needs file PATH              a file of the repository (a golden model, say)
  @needs command NAME           a program
  @timeout SECONDS              for each command (60)
  @long                         runs with --long only

Every test has its own HOME and XDG folders, no network (HF_ENDPOINT and pip's index lead nowhere), LC_ALL=C.UTF-8.
$SOURCE is the repository, $GOLDEN its tests/golden, $SHARED the shared folder.

usage: run.py [--program PATH] [--long] [--self-test] [FILE...]   prints PASS, FAIL or SKIP for each file
"""
import argparse
import concurrent.futures
import difflib
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent


class Command:
    def __init__(self, line, text):
        self.line, self.text = line, text
        self.out, self.err, self.code = [], [], 0


def parse(path):
    """The directives and the commands of one file."""
    directives, commands = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("@"):
            directives.append(line[1:].split())
        if not line.startswith("  "):
            continue
        body = line[2:]
        if body.startswith("$ "):
            commands.append(Command(number, body[2:]))
        elif not commands:
            raise ValueError(f"line {number}: expected output before the first command")
        elif body.startswith("> ") and not commands[-1].out and not commands[-1].err:
            commands[-1].text += "\n" + body[2:]
        elif re.fullmatch(r"\[\d+\]", body):
            commands[-1].code = int(body[1:-1])
        elif body == "!" or body.startswith("! "):
            commands[-1].err.append(body[2:])
        else:
            commands[-1].out.append(body)
    if not commands:
        raise ValueError("no command")
    return directives, commands


def line_matches(pattern, line):
    if pattern.endswith(" (re)"):
        return re.fullmatch(pattern[:-5], line) is not None
    if pattern.endswith(" (glob)"):
        return fnmatch.fnmatchcase(line, pattern[:-7])
    return pattern == line


def matches(patterns, lines):
    """Whether the lines fit the patterns, where "..." takes any number of lines. Quadratic at worst."""
    reach = {0}  # how many lines the patterns so far can have taken
    for pattern in patterns:
        if pattern == "...":
            reach = set(range(min(reach), len(lines) + 1)) if reach else set()
        else:
            reach = {at + 1 for at in reach if at < len(lines) and line_matches(pattern, lines[at])}
    return len(lines) in reach


def split_lines(text):
    if not text:
        return []
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    lines[-1] += " (no-eol)"
    return lines


def environment(folder, program):
    home, bin_folder = folder / "home", folder / "bin"
    home.mkdir()
    bin_folder.mkdir()
    (bin_folder / "linnet").symlink_to(program)
    keep = {key: value for key, value in os.environ.items()
            if key in ("LINNET_ISA", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")}
    shared = os.environ.get("LINNET_SHARED") or SOURCE.parent / "shared"
    return {
        **keep, "PATH": f"{bin_folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"), "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"), "XDG_STATE_HOME": str(home / "state"), "TMPDIR": str(folder / "tmp"),
        "LC_ALL": "C.UTF-8", "TERM": "dumb", "COLUMNS": "80", "TZ": "UTC", "HF_ENDPOINT": "http://127.0.0.1:9",
        "PIP_NO_INDEX": "1", "SOURCE": str(SOURCE), "GOLDEN": str(SOURCE / "tests" / "golden"), "SHARED": str(shared),
    }


def unmet(directives, env):
    """The first thing that the test needs and that is not here; None when all is."""
    for words in directives:
        if words[:2] == ["needs", "shared"] and not Path(env["SHARED"]).is_dir():
            return "../shared absent"
        if words[:2] == ["needs", "file"] and not (SOURCE / words[2]).exists():
            return f"file {words[2]} absent"
        if words[:2] == ["needs", "command"] and not shutil.which(words[2]):
            return f"command {words[2]} absent"
    return None


def run_command(command, env, cwd, timeout):
    """(exit code, standard output, standard error)."""
    child = subprocess.Popen(["bash", "-c", command.text], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = child.communicate(timeout=timeout)
        return child.returncode, out, err
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        return f"none after {timeout} s", out, err


def difference(title, wanted, got):
    return [f"  {line}" for line in difflib.unified_diff(wanted, got, f"wanted {title}", f"got {title}", lineterm="")]


def run_file(path, program, long):
    """("PASS" | "FAIL" | "SKIP", reason, lines that explain a failure)."""
    try:
        directives, commands = parse(path)
    except (ValueError, UnicodeDecodeError) as error:
        return "FAIL", str(error), []
    if ["long"] in directives and not long:
        return None, "", []
    timeout = next((float(words[1]) for words in directives if words[0] == "timeout"), 60)
    with tempfile.TemporaryDirectory(prefix="linnet-e2e-") as name:
        folder = Path(name)
        env = environment(folder, program)
        (folder / "tmp").mkdir()
        (folder / "work").mkdir()
        reason = unmet(directives, env)
        if reason:
            return "SKIP", reason, []
        for command in commands:
            code, out, err = run_command(command, env, folder / "work", timeout)
            out, err = (split_lines(data.decode(errors="backslashreplace")) for data in (out, err))
            explain = []
            if not matches(command.out, out):
                explain += difference("standard output", command.out, out)
            if not matches(command.err, err):
                explain += difference("standard error", command.err, err)
            if code != command.code:
                explain.append(f"  wanted exit code {command.code}, got {code}")
                explain += [f"  stderr: {line}" for line in err if not explain or command.err == err]
            if explain:
                return "FAIL", f"line {command.line}: $ {command.text.splitlines()[0]}", explain
    return "PASS", "", []


def self_test(program):
    """Every file in wrong/ holds one wrong expectation, and must fail; good.test shows that the language works."""
    failed = False
    for path in [*sorted((HERE / "wrong").glob("*.test")), HERE / "good.test"]:
        wanted = "PASS" if path.name == "good.test" else "FAIL"
        status, reason, explain = run_file(path, program, False)
        good = status == wanted
        failed |= not good
        print(f"{'PASS' if good else 'FAIL'} e2e self-test {path.stem}" + ("" if good else f": {status} {reason}"))
        if not good:
            print("\n".join(explain))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=SOURCE / "build" / "release" / "linnet")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()
    program = args.program.resolve()
    if args.self_test:
        sys.exit(1 if self_test(program) else 0)
    if not program.exists():
        print(f"FAIL e2e: {program} is not built")
        sys.exit(1)
    files = args.files or sorted(path for path in HERE.glob("*.test") if path.name != "good.test")
    failed = False
    with concurrent.futures.ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        for path, (status, reason, explain) in zip(files, pool.map(lambda f: run_file(f, program, args.long), files)):
            if status is None:
                continue
            failed |= status == "FAIL"
            print("\n".join([f"{status} e2e {path.stem}" + (f": {reason}" if reason else ""), *explain]), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
