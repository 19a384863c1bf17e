#!/usr/bin/env python3
"""Builds Linnet in every way and proves it; the last line is "N passed, N failed, N skipped".

  ./check              everything, from nothing, within 40 minutes on 2 cores
  ./check --quick      release build and its tests only: for the minute before a commit
  ./check --peers      adds the live peers: installs them from PyPI, remakes the recordings, fails on a difference
  ./check --long       adds ten minutes of fuzzing for each target, and large models
  ./check --only NAME  runs only the steps whose name contains NAME (and what they need)
  ./check --list       names the steps

A skipped test is listed with its reason, and fails unless tests/allowed_skips has a pattern for the reason.
Logs of every step lie in build/check/logs.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "check"
JOBS = max(1, len(os.sched_getaffinity(0)))
LLVM = "16"
# The analyzer follows paths, and takes half of the linter's time on sources and most of it on tests. When more than this
# many files changed it waits for --long; what it looks for, the sanitizers look for as well.
MOST_FILES_TO_ANALYZE = 40
# A file takes the linter 10 to 30 s; a long function with many ways through it can keep one check busy for hours.
TIDY_SECONDS = 240
TIDY_NOT_FOR_TESTS = ("clang-analyzer-*", "bugprone-implicit-widening-of-multiplication-result",
                      "bugprone-unchecked-optional-access", "performance-inefficient-vector-operation",
                      "performance-unnecessary-value-param")


class Case:
    """One test: its name, PASS, FAIL or SKIP, and the reason or the failure's text."""

    def __init__(self, name, status, detail=""):
        self.name, self.status, self.detail = name, status, detail


def execute(log, command, timeout=3600, env=None, cwd=ROOT):
    """Runs a command with its output appended to `log`. True when it ended with 0 in time."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(("\n$ " + " ".join(map(str, command)) + "\n").encode())
        out.flush()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd,
                                 env={**os.environ, **(env or {})}, start_new_session=True)
        try:
            return child.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.wait()
            out.write(f"\nstopped after {timeout} s\n".encode())
            return False


def script_cases(name, log, command, timeout=1800, env=None):
    """Runs a script that prints "PASS case", "FAIL case: why" and "SKIP case: reason" lines."""
    start = log.stat().st_size if log.exists() else 0
    good = execute(log, command, timeout, env)
    text = log.read_bytes()[start:].decode(errors="replace")
    cases = []
    for line in text.splitlines():
        match = re.match(r"(PASS|FAIL|SKIP) ([^\n]*?)(?:: (.*))?$", line)
        if match:
            status, case, detail = match.groups()
            if status != "SKIP" and detail is not None:
                case, detail = (case, detail) if status == "FAIL" else (f"{case}: {detail}", "")
            cases.append(Case(case, status, detail or ""))
    if not good and not any(case.status == "FAIL" for case in cases):
        cases.append(Case(name, "FAIL", "ended with an error"))
    return cases or [Case(name, "PASS")]


# ---- Builds and unit tests ----

def sanitizer_env(preset):
    common = "halt_on_error=1:abort_on_error=1"
    if preset == "asan":
        return {"ASAN_OPTIONS": common + ":detect_stack_use_after_return=1:strict_string_checks=1",
                "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    if preset == "tsan":  # looks for races, which do not hang on the shapes that the long way tries
        return {"TSAN_OPTIONS": common + ":second_deadlock_stack=1", "LINNET_TEST_BRIEFLY": "1"}
    return {}


def build(preset, targets):
    def step(log):
        good = (execute(log, ["cmake", "--preset", preset], 600)
                and execute(log, ["cmake", "--build", "--preset", preset, "--target", *targets], 3600))
        text = log.read_text(errors="replace")
        warnings = re.findall(r"^[^\n]*: warning: [^\n]*", text, re.M)
        if good and warnings:
            return [Case(f"build {preset}", "FAIL", f"{len(warnings)} compiler warnings, first {warnings[0]}")]
        return [Case(f"build {preset}", "PASS" if good else "FAIL", "the build failed")]
    return step


def gtest_cases(prefix, report):
    """The cases of one GoogleTest report in XML (its JSON does not say why a test was skipped)."""
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", report.read_bytes().decode(errors="replace"))
    for suite in ElementTree.fromstring(text):
        for test in suite.iter("testcase"):
            name = f"{prefix}: {suite.get('name')}.{test.get('name')}"
            skipped, failures = test.find("skipped"), test.findall("failure")
            if failures:
                yield Case(name, "FAIL", failures[0].get("message", "").strip())
            elif skipped is not None or test.get("result") == "skipped":
                message = skipped.get("message", "") if skipped is not None else ""
                # The first line is the file and line of GTEST_SKIP.
                lines = [line for line in message.strip().splitlines() if not re.search(r"\.cpp:\d+$", line)]
                yield Case(name, "SKIP", " ".join(lines).strip() or "no reason given")
            elif test.get("status") != "notrun":
                yield Case(name, "PASS")


def without_randomised_addresses():
    """The sanitizers of gcc 12, gcc 13 and clang 16 cannot map their shadow where addresses are randomised in 32 bits, as
    on Ubuntu 24.04: some runs would end before main."""
    command = ["setarch", os.uname().machine, "-R"]
    usable = shutil.which("setarch") and subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return command if usable else []


def unit_tests(preset, args, label=None):
    """Runs what CTest knows. A GoogleTest program counts with each of its cases, any other test as one."""
    def step(log):
        tree, reports = ROOT / "build" / preset, OUT / "reports" / preset
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        select = ["-L", label] if label else []
        select += ["-LE", "rules" if args.long else "rules|long"]  # the rules have a step of their own
        listing = subprocess.run(["ctest", "--test-dir", tree, "--show-only=json-v1", *select], capture_output=True)
        if listing.returncode != 0:
            return [Case(f"{preset} tests", "FAIL", "nothing was built")]
        programs = {test["name"]: Path(test["command"][0]).name for test in json.loads(listing.stdout)["tests"]
                    if test.get("command")}
        prefix = without_randomised_addresses() if preset in ("asan", "tsan") else []
        execute(log, [*prefix, "ctest", "--test-dir", tree, "-j", str(JOBS), "--output-on-failure", "--timeout", "1200",
                      "--output-junit", reports / "ctest.xml", *select],
                env={"GTEST_OUTPUT": f"xml:{reports}/", **sanitizer_env(preset)})
        cases, failures = [], {}  # by program
        for report in sorted(reports.glob("*.xml")):
            if report.name != "ctest.xml":
                program = report.stem if report.stem in programs.values() else re.sub(r"_\d+$", "", report.stem)
                found = list(gtest_cases(preset, report))
                cases += found
                failures[program] = failures.get(program, 0) + sum(case.status == "FAIL" for case in found)
        for test in ElementTree.parse(reports / "ctest.xml").getroot().iter("testcase"):
            name, status = test.get("name"), test.get("status")
            whole = programs.get(name) not in failures
            if status == "fail" and not failures.get(programs.get(name)):
                cases.append(Case(f"{preset}: {name}", "FAIL", "ended with an error (see the log)"))
            elif status in ("notrun", "disabled"):
                cases.append(Case(f"{preset}: {name}", "FAIL", "did not run"))
            elif whole and status == "run":
                cases.append(Case(f"{preset}: {name}", "PASS"))
        return cases or [Case(f"{preset} tests", "FAIL", "no test was found")]
    return step


# ---- Reading the sources ----

def tracked(*patterns):
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
                             cwd=ROOT, capture_output=True, check=True)
    return [name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).exists()]


def layers(log):
    return (script_cases("layers", log, [sys.executable, "tests/layers.py"])
            + script_cases("layers", log, [sys.executable, "tests/layers.py", "--self-test"]))


def formatting(log):
    files = tracked("*.cpp", "*.hpp", "*.h", "*.cu")
    good = execute(log, [f"clang-format-{LLVM}", "--dry-run", "-Werror", *files])
    return [Case("clang-format", "PASS" if good else "FAIL", f"run clang-format-{LLVM} -i on the files in the log")]


def shell_scripts(log):
    files = [name for name in tracked("go", "check", ".ci/run", "*.sh")]
    good = execute(log, ["shellcheck", "-x", *files])
    return [Case("shellcheck", "PASS" if good else "FAIL", "see the log")]


def changed_sources():
    """C++ sources that changed since the base: $LINNET_BASE, origin/main, or, standing on it, its last commit."""
    def git(*command):
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None
    head = git("rev-parse", "HEAD")
    base = os.environ.get("LINNET_BASE") or git("merge-base", "HEAD", "origin/main")
    if not base or git("rev-parse", base) == head:
        base = git("rev-parse", "HEAD~1") or git("hash-object", "-t", "tree", "/dev/null")
    listing = git("diff", "--name-only", "--diff-filter=d", base, "--", "*.cpp", "*.hpp") or ""
    listing += "\n" + (git("ls-files", "--others", "--exclude-standard", "--", "*.cpp", "*.hpp") or "")
    return base, sorted(set(listing.split()))


def tidy(args):
    def step(log):
        # Nothing is built with this preset: it has no precompiled headers, and each file includes what it uses.
        database = ROOT / "build" / "tidy" / "compile_commands.json"
        if not execute(log, ["cmake", "--preset", "tidy"], 600):
            return [Case("clang-tidy", "FAIL", "cmake cannot configure it")]
        known = {os.path.relpath(entry["file"], ROOT) for entry in json.loads(database.read_text())}
        base, changed = changed_sources()
        if args.tidy_all:
            changed = sorted(known)
        with log.open("a") as out:
            out.write(f"changed since {base}: {' '.join(changed)}\n")
        # A header is read through a source of the same name; headers without one, through what includes them.
        files = [name for name in changed if name in known]
        for name in changed:
            if name.endswith(".hpp") and name[:-4] + ".cpp" in known and name[:-4] + ".cpp" not in files:
                files.append(name[:-4] + ".cpp")

        analyze = args.long or len(files) <= MOST_FILES_TO_ANALYZE

        def one(name):
            start = time.monotonic()
            less = TIDY_NOT_FOR_TESTS if name.endswith("_test.cpp") else () if analyze else ("clang-analyzer-*",)
            command = [f"clang-tidy-{LLVM}", "--quiet", "-p", database.parent, "--extra-arg=-Wno-unknown-warning-option",
                       "--checks=" + ",".join(f"-{check}" for check in less), name]
            try:
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIDY_SECONDS)
                good, text = done.returncode == 0, done.stdout + done.stderr
            except subprocess.TimeoutExpired:
                good, text = False, f"stopped after {TIDY_SECONDS} s: split its longest function\n"
            return name, good, text, time.monotonic() - start
        cases = []
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool, log.open("a") as out:
            for name, good, text, seconds in pool.map(one, files):
                out.write(f"{name}: {seconds:.1f} s\n" + ("" if good else text))
                cases.append(Case(f"clang-tidy {name}", "PASS" if good else "FAIL", "see the log"))
        return cases or [Case("clang-tidy: nothing changed", "PASS")]
    return step


# ---- arm64, in an emulator ----

EMULATOR = ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")
# Processor, folder, GoogleTest filter, and whether the cases must be skipped there; what takes longest comes first. Left
# out: the attention and the floats of i8mm, which are those of dotprod; on the last two processors, all but kernels,
# where nothing hangs on the processor; and a case that the emulator fails, which starts a child before it looks whether
# there is such a program. LINNET_TEST_BRIEFLY leaves out the first rows of long attention, and most ways of storing the
# operands of float products; --long runs them too.
ARM64_RUNS = (
    ("max", "kernels", "Isa.*:*/armbf16:*ProductTest*/i8mm", False),
    ("cortex-a76", "kernels", "Isa.*:*/dotprod", False),
    ("cortex-a72", "autograd", "*", False),
    ("cortex-a72", "quant", "*", False),
    ("cortex-a72", "base", "-Process.MissingProgramIsNotFound", False),
    ("cortex-a72", "formats", "*", False),
    ("cortex-a72", "nn", "*", False),
    ("cortex-a72", "tensor", "*", False),
    ("cortex-a72", "kernels", "Isa.*", False),
    ("cortex-a72", "kernels", "*ProductTest.TakesAnyNumber/*", True),
)


def arm64_tests(args):
    """Kernels on a processor with dot products of int8, and on one with products of matrices and bfloat16 besides; what
    is portable on one with neither. That an instruction set is missing is here no reason to skip a case."""
    def run(number, log):
        cpu, folder, cases, missing = ARM64_RUNS[number]
        report = OUT / "reports" / "arm64" / f"{number}.xml"
        own_log = log.parent / f"arm64_{number}.log"
        own_log.unlink(missing_ok=True)
        report.unlink(missing_ok=True)
        program = ROOT / "build" / "arm64" / "src" / folder / f"linnet_{folder}_test"
        env = {"QEMU_CPU": cpu, "GTEST_FILTER": cases, "GTEST_OUTPUT": f"xml:{report}"}
        good = execute(own_log, [*EMULATOR, program], 1200, env if args.long else {**env, "LINNET_TEST_BRIEFLY": "1"})
        found = list(gtest_cases(f"arm64 {cpu}", report)) if report.exists() else []
        for case in found:
            if missing:
                case.status, case.detail = ("PASS", "") if case.status == "SKIP" else ("FAIL", "ran where it cannot")
            elif case.status == "SKIP" and "instruction set" in case.detail:
                case.status = "FAIL"
        if not found or (not good and all(case.status != "FAIL" for case in found)):
            found.append(Case(f"arm64 {cpu}: {folder}", "FAIL", f"ended with an error, see {own_log.relative_to(ROOT)}"))
        if any(case.status == "FAIL" for case in found):
            with log.open("a") as out:
                out.write(own_log.read_text(errors="replace")[-20000:])
        return found

    def step(log):
        (OUT / "reports" / "arm64").mkdir(parents=True, exist_ok=True)
        cases = script_cases("weak symbols", log, [sys.executable, "tests/weak_symbols.py",
                                                   "build/arm64/src/kernels/liblinnet_kernels.a"])
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for found in pool.map(lambda number: run(number, log), range(len(ARM64_RUNS))):
                cases += found
        return cases
    return step


# ---- The program as a whole ----

def end_to_end(args):
    def step(log):
        command = [sys.executable, "tests/e2e/run.py", *(["--long"] if args.long else [])]
        return script_cases("e2e", log, [*command, "--self-test"]) + script_cases("e2e", log, command)
    return step


def suites(log):
    """tests/<suite>/run_*.py: further programs that print PASS, FAIL and SKIP lines."""
    cases = []
    for script in sorted((ROOT / "tests").glob("*/run_*.py")):
        cases += script_cases(str(script.relative_to(ROOT)), log, [sys.executable, script])
    return cases


def fuzzing(args):
    def step(log):
        seconds = 600 if args.long else args.fuzz_seconds
        programs = sorted(path for path in (ROOT / "build" / "asan" / "fuzz").glob("fuzz_*") if os.access(path, os.X_OK)
                          and path.is_file())
        if not programs:
            return [Case("fuzzing", "FAIL", "no fuzz target was built")]
        prefix = without_randomised_addresses()

        def one(program):
            name = program.name.removeprefix("fuzz_")
            seeds, corpus = ROOT / "fuzz" / "seeds" / name, OUT / "corpus" / name
            corpus.mkdir(parents=True, exist_ok=True)
            own_log = log.parent / f"fuzz_{name}.log"
            own_log.unlink(missing_ok=True)
            if not seeds.is_dir():
                return Case(f"fuzz {name}", "FAIL", f"fuzz/seeds/{name} is missing")
            # The short run repeats itself, so that a failure belongs to the change; the long one looks for new inputs.
            seed = 0 if args.long else 1
            good = execute(own_log, [*prefix, program, f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10",
                                     "-rss_limit_mb=2048",
                                     "-print_final_stats=1", f"-artifact_prefix={own_log.parent}/{name}-", corpus, seeds],
                           seconds + 300, sanitizer_env("asan"))
            tail = "\n".join(own_log.read_text(errors="replace").splitlines()[-60:])
            if not good:
                with log.open("a") as out:
                    out.write(f"\n== {own_log}\n{tail}\n")
            return Case(f"fuzz {name}", "PASS" if good else "FAIL", f"see {own_log.relative_to(ROOT)}")
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            return list(pool.map(one, programs))
    return step


# ---- The peers, and what takes long ----

def peers(args):
    """Installs the peers, remakes the recordings in a copy of the tree, compares them, and runs what compares live."""
    def step(log):
        venv, copy = ROOT / ".venv" / "peers", OUT / "remake" / "linnet"
        python = venv / "bin" / "python"
        requirements = ROOT / "tests" / "peers" / "requirements.txt"
        if not (execute(log, [sys.executable, "-m", "venv", venv])
                and execute(log, [python, "-m", "pip", "install", "--quiet", "-r", requirements], 3600)):
            return [Case("install the peers", "FAIL", "pip failed")]
        cases = [Case("install the peers", "PASS")]
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.mkdir(parents=True)
        for name in tracked():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
        if (ROOT.parent / "shared").is_dir():
            (copy.parent / "shared").symlink_to(ROOT.parent / "shared")
        for script in sorted((copy / "tests" / "golden").glob("**/make_*.py")):
            name = script.relative_to(copy)
            before = {path: path.stat().st_mtime_ns for path in (copy / "tests" / "golden").rglob("*") if path.is_file()}
            if not execute(log, [python, script], 3600, {"PYTHONDONTWRITEBYTECODE": "1"}, cwd=copy):
                cases.append(Case(str(name), "FAIL", "ended with an error"))
                continue
            made = [path.relative_to(copy) for path in (copy / "tests" / "golden").rglob("*")
                    if path.is_file() and before.get(path) != path.stat().st_mtime_ns]
            if not made:
                cases.append(Case(str(name), "FAIL", "wrote nothing beside itself"))
            for path in sorted(made):
                same = execute(log, [python, ROOT / "scripts" / "compare_recordings.py", ROOT / path, copy / path])
                cases.append(Case(f"{name} makes {path.name}", "PASS" if same else "FAIL", f"{path} differs"))
        for script in sorted((ROOT / "tests" / "peers").glob("*.py")):
            whole = args.long and script.name == "compare_tokenizers.py"
            cases += script_cases(str(script.relative_to(ROOT)), log, [python, script, *(["--whole"] if whole else [])],
                                  24 * 3600 if whole else 3600)
        return cases
    return step


def long_scripts(log):
    cases = []
    for script in sorted((ROOT / "tests" / "long").glob("*.sh")):
        cases += script_cases(str(script.relative_to(ROOT)), log, ["bash", script], 3 * 3600)
    return cases


# ---- The whole ----

def steps(args):
    """(name, function of a log, part of --quick, the step that it needs)."""
    release, asan, tsan, arm64 = "build release", "build asan", "build tsan", "build arm64"
    yield "layers", layers, True, None
    yield "formatting", formatting, True, None
    yield "shell scripts", shell_scripts, False, None
    yield release, build("release", ["all", "unit_tests", "peer_tools"]), True, None
    yield "unit tests", unit_tests("release", args), True, release
    yield "end to end", end_to_end(args), True, release
    yield "suites", suites, False, release
    yield asan, build("asan", ["unit_tests", "fuzzers"]), False, None
    yield "clang-tidy", tidy(args), False, None
    yield "asan tests", unit_tests("asan", args), False, asan
    yield tsan, build("tsan", ["threaded_tests"]), False, None
    yield "tsan tests", unit_tests("tsan", args, "threads"), False, tsan
    if os.uname().machine != "aarch64":  # there the steps above have done it
        yield arm64, build("arm64", ["unit_tests"]), False, None
        yield "arm64 tests", arm64_tests(args), False, arm64
    yield "fuzz", fuzzing(args), False, asan
    if args.peers:
        yield "peers", peers(args), False, release
    if args.long:
        yield "long", long_scripts, False, release


def chosen_steps(args):
    """(name, function of a log) of what is asked for, and of what that needs."""
    everything = [step for step in steps(args) if step[2] or not args.quick]
    wanted = {name for name, _, _, _ in everything if not args.only or args.only in name}
    wanted |= {need for name, _, _, need in everything if name in wanted and need}
    return [(name, run) for name, run, _, _ in everything if name in wanted]


def allowed_skips():
    lines = (ROOT / "tests" / "allowed_skips").read_text().splitlines()
    return [re.compile(line) for line in lines if line and not line.startswith("#")]


def report(cases):
    allowed = allowed_skips()
    skipped = [case for case in cases if case.status == "SKIP"]
    if skipped:
        print("\nSkipped:")
    for case in skipped:
        good = any(pattern.fullmatch(case.detail) for pattern in allowed)
        if not good:
            case.status = "FAIL"
        print(f"  {case.name}: {case.detail}{'' if good else '  (not in tests/allowed_skips: counts as failed)'}")
    failed = [case for case in cases if case.status == "FAIL"]
    if failed:
        print("\nFailed:")
    for case in failed:
        print(f"  {case.name}: {case.detail.splitlines()[0] if case.detail else ''}")
    count = {status: sum(case.status == status for case in cases) for status in ("PASS", "FAIL", "SKIP")}
    print(f"\n{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} skipped")
    return 1 if failed or not count["PASS"] else 0


def run_step(name, function):
    log = OUT / "logs" / (name.replace(" ", "_") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    start = time.monotonic()
    try:
        cases = function(log)
    except Exception as error:  # a broken step is one failure, and the others still run
        cases = [Case(name, "FAIL", f"{type(error).__name__}: {error}")]
    failed = sum(case.status == "FAIL" for case in cases)
    mark = "FAIL" if failed else "ok  "
    print(f"{mark} {name:<16} {len(cases):>6} {'case ' if len(cases) == 1 else 'cases'} {time.monotonic() - start:8.1f} s",
          flush=True)
    if failed:
        print(f"---- {log.relative_to(ROOT)}\n{log.read_text(errors='replace')[-200000:]}\n----", flush=True)
    return cases


def main():
    parser = argparse.ArgumentParser(prog="./check", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="release build and tests only")
    parser.add_argument("--peers", action="store_true", help="compare with the live peers")
    parser.add_argument("--long", action="store_true", help="long fuzzing, large models")
    parser.add_argument("--only", metavar="NAME", help="only the steps whose name contains NAME")
    parser.add_argument("--list", action="store_true", help="name the steps")
    parser.add_argument("--tidy-all", action="store_true", help="clang-tidy on every source, not what changed")
    parser.add_argument("--fuzz-seconds", type=int, default=20, metavar="S", help="for each target (20)")
    args = parser.parse_args()
    chosen = chosen_steps(args)
    if args.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    start = time.monotonic()
    cases = [case for name, function in chosen for case in run_step(name, function)]
    print(f"     {'all':<16} {len(cases):>6} cases {time.monotonic() - start:8.1f} s")
    return report(cases)


if __name__ == "__main__":
    sys.exit(main())
