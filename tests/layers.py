#!/usr/bin/env python3
"""Reads the sources and fails on what the design does not allow.

  layers.py [--root DIR]   checks the tree; prints one PASS or FAIL line per rule
  layers.py --self-test    breaks each rule in a small tree of its own and fails where that goes unseen
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
INTRINSICS = re.compile(
    r"\b_mm(256|512)?_\w+|\b__m(128|256|512)[di]?h?\b|\b_tile_\w+|\b(uint|int|float|bfloat|poly)\d+x\d+(x\d+)?_t\b"
    r"|<(\w*intrin|arm_\w+)\.h>"
)
# The only headers of the system that any folder may use; the rest belongs to base, which is what a port replaces.
SYSTEM_HEADERS = re.compile(r"^(unistd|fcntl|poll|pthread|dirent|signal|termios|spawn|pwd|sched|dlfcn|netdb|sys/.*|net/.*"
                            r"|netinet/.*|arpa/.*|linux/.*)(\.h)?$")
SHELL = re.compile(r"(?<![.>\w])(std::system|::system|system(?=\(\s*[^)\s])|popen|posix_spawnp?|execl[pe]?|execv[pe]*|fork)\s*\(")
THREADS = re.compile(r"\bThreadPool\b|\bstd::j?thread\b|\bstd::atomic\b|\bstd::(shared_|recursive_)?mutex\b")
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
MAX_LINES = 700  # the design says about 600


def strip_comments(text):
    """Takes comments and strings away but keeps the lines of #include."""
    def keep(match):
        line_start = text.rfind("\n", 0, match.start()) + 1
        is_include = text[line_start:match.start()].lstrip().startswith("#")
        return match.group(0) if is_include and match.group(0).startswith('"') else "\n" * match.group(0).count("\n")
    return COMMENT.sub(keep, text)


class Tree:
    """Folders of src, in their order, with what each may include."""

    def __init__(self, root):
        self.root = root
        top = (root / "CMakeLists.txt").read_text()
        listed = re.search(r"foreach\(layer IN ITEMS ([^)]*)\)", top)
        self.order = listed.group(1).split() if listed else []
        self.deps, self.threaded = {}, set()
        for folder in self.folders():
            text = re.sub(r"#[^\n]*", "", (root / "src" / folder / "CMakeLists.txt").read_text())
            deps = []
            for call in re.findall(r"linnet_\w+\(([^)]*)\)", text):
                words, taking = call.split(), False
                for word in words:
                    if re.fullmatch(r"[A-Z_]+", word):
                        taking = word == "DEPS"
                        if word == "THREADS":
                            self.threaded.add(folder)
                    elif taking:
                        deps.append(word)
            self.deps[folder] = deps

    def folders(self):
        return sorted(path.parent.name for path in (self.root / "src").glob("*/CMakeLists.txt"))

    def may_include(self, folder):
        seen, todo = {folder}, [folder]
        while todo:
            for dep in self.deps.get(todo.pop(), []):
                if dep not in seen:
                    seen.add(dep)
                    todo.append(dep)
        return seen

    def sources(self):
        for path in sorted((self.root / "src").rglob("*")):
            if path.suffix in (".cpp", ".hpp", ".h", ".inc", ".cu", ".cuh"):
                yield path, path.relative_to(self.root / "src").parts[0], path.read_text(errors="replace")


def is_test(path):
    return path.stem.endswith("_test") or path.stem.endswith("_testing") or "testing" in path.parts


def check_order(tree):
    for folder, deps in tree.deps.items():
        if folder not in tree.order:
            yield f"src/{folder}: not in the list of layers in CMakeLists.txt"
            continue
        for dep in deps:
            if dep not in tree.order or tree.order.index(dep) >= tree.order.index(folder):
                yield f"src/{folder}/CMakeLists.txt: depends on {dep}, which does not lie below it"


def check_includes(tree):
    allowed = {folder: tree.may_include(folder) for folder in tree.deps}
    for path, folder, text in tree.sources():
        place = path.relative_to(tree.root)
        for quote, name in INCLUDE.findall(strip_comments(text)):
            head = name.split("/")[0]
            if quote == "<" and not (tree.root / "src" / name).exists():
                continue
            if head == "linnet":
                if folder not in ("api", "cli"):
                    yield f"{place}: includes {name}; only api and cli may use the public interface"
            elif not (tree.root / "src" / name).exists():
                yield f"{place}: includes {name}, which is not a path from src/"
            elif head not in allowed.get(folder, {folder}):
                yield f"{place}: includes {name}, but {head} is not among the DEPS of {folder}"


def check_intrinsics(tree):
    for path, _, text in tree.sources():
        place = path.relative_to(tree.root)
        if re.match(r"src/kernels/(cpu/)?(vec|isa|simd)_\w+\.hpp$", place.as_posix()):
            continue
        found = INTRINSICS.search(strip_comments(text))
        if found:
            yield f"{place}: {found.group(0)}: raw intrinsics belong in src/kernels/cpu/vec_<set>.hpp"


def check_system(tree):
    for path, folder, text in tree.sources():
        if folder == "base" or is_test(path):
            continue
        place = path.relative_to(tree.root)
        plain = strip_comments(text)
        for quote, name in INCLUDE.findall(plain):
            if quote == "<" and SYSTEM_HEADERS.match(name):
                yield f"{place}: includes <{name}>; only base speaks to the operating system"


def check_shell(tree):
    for path, folder, text in tree.sources():
        if is_test(path):
            continue
        found = SHELL.search(strip_comments(text))
        if found and (folder != "base" or found.group(1) in ("system", "std::system", "popen")):
            yield f"{path.relative_to(tree.root)}: {found.group(0)}: a child process is started through base, never a shell"


def check_threads(tree):
    for path, folder, text in tree.sources():
        if not is_test(path) and folder not in tree.threaded and (tree.root / "src" / folder / path.name) == path:
            found = THREADS.search(strip_comments(text))
            if found:
                yield (f"{path.relative_to(tree.root)}: {found.group(0)}: say THREADS in linnet_library({folder} ...), "
                       "so that its tests run under ThreadSanitizer")


def check_headers(tree):
    for path, _, text in tree.sources():
        place = path.relative_to(tree.root)
        if path.suffix == ".hpp" and "#pragma once" not in text:
            yield f"{place}: no #pragma once"
        if not re.fullmatch(r"[a-z0-9_]+", path.stem):
            yield f"{place}: file names are snake_case"
        if text.count("\n") > MAX_LINES:
            yield f"{place}: {text.count(chr(10))} lines; files stay under about 600"


RULES = {
    "dependencies point down": check_order,
    "includes are among the DEPS": check_includes,
    "intrinsics live in kernels": check_intrinsics,
    "only base speaks to the system": check_system,
    "no shell is started": check_shell,
    "what has threads is tested under TSan": check_threads,
    "headers and file names": check_headers,
}


def run(root):
    tree = Tree(root)
    failed = False
    for name, rule in RULES.items():
        problems = sorted(set(rule(tree)))
        print(f"{'FAIL' if problems else 'PASS'} layers: {name}")
        for problem in problems:
            failed = True
            print(f"  {problem}")
    return failed


GOOD = {
    "CMakeLists.txt": "foreach(layer IN ITEMS base ops kernels cli)\nendforeach()\n",
    "src/base/CMakeLists.txt": "linnet_library(base SOURCES file.cpp THREADS)",
    "src/base/file.hpp": '#pragma once\n#include <unistd.h>\n#include <mutex>\nstd::mutex& m();\n',
    "src/ops/CMakeLists.txt": "linnet_library(ops\n  SOURCES add.cpp\n  DEPS base  # files\n  LIBS fmt::fmt)",
    "src/ops/add.cpp": '#include "base/file.hpp"\n// _mm256_add_ps and "kernels/x.hpp" and std::thread in words only\n',
    "src/kernels/CMakeLists.txt": "linnet_library(kernels SOURCES add.cpp DEPS ops)",
    "src/kernels/cpu/vec_avx2.hpp": "#pragma once\n#include <immintrin.h>\ninline __m256 zero() { return _mm256_setzero_ps(); }\n",
    "src/kernels/add.cpp": '#include "base/file.hpp"\n#include "ops/add.cpp"\n',
    "src/cli/CMakeLists.txt": "linnet_library(cli SOURCES main.cpp DEPS kernels)",
    "src/cli/main.cpp": "int main() {}\n",
}
WRONG = {
    "dependencies point down": {"src/ops/CMakeLists.txt": "linnet_library(ops SOURCES add.cpp DEPS base kernels)"},
    "includes are among the DEPS": {"src/ops/add.cpp": '#include "cli/main.cpp"\n'},
    "intrinsics live in kernels": {"src/ops/add.cpp": "auto x = _mm512_setzero_ps();\n"},
    "only base speaks to the system": {"src/ops/add.cpp": "#include <sys/mman.h>\n"},
    "no shell is started": {"src/base/run.cpp": 'int run() { return std::system("ls"); }\n'},
    "what has threads is tested under TSan": {"src/ops/add.cpp": "#include <thread>\nstd::thread worker;\n"},
    "headers and file names": {"src/ops/add.hpp": "int add();\n"},
}


def problems_of(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        tree = Tree(root)
        return {name for name, rule in RULES.items() if list(rule(tree))}


def self_test():
    failed = False
    for name, change in [("a good tree", {}), *WRONG.items()]:
        seen = problems_of({**GOOD, **change})
        good = seen == ({name} if change else set())
        failed |= not good
        print(f"{'PASS' if good else 'FAIL'} layers self-test: {name}" + ("" if good else f": saw {sorted(seen)}"))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    sys.exit(1 if (self_test() if args.self_test else run(args.root)) else 0)


if __name__ == "__main__":
    main()
