#!/usr/bin/env python3
"""Whether a run of tests/long/mistral_7b.sh kept what was promised.

usage: verdict.py read|teach NAME FOLDER

FOLDER holds out.json (what the program printed), peak.json (what it took) and, for read, show.json.
"""
import json
import pathlib
import sys

CONTEXT = 4096


def load(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def read(folder, out, peak):
    promised = next(row["bytes"] for row in load(folder, "show")["memory"] if row["context"] == CONTEXT)
    tokens = out["prompt_tokens"] + out["tokens"]
    off = peak / promised - 1
    return tokens == CONTEXT and abs(off) <= 0.05, (
        f"{tokens} tokens ({out['prompt_tokens'] / out['prefill_seconds']:.1f} a second read), "
        f"peak {peak / 1e9:.3f} GB, show said {promised / 1e9:.3f} GB: {100 * off:+.1f}%")


def teach(_, out, peak):
    memory, time = peak / out["memory"] - 1, out["seconds"] / out["seconds_foreseen"] - 1
    return out["steps_done"] > 4 and abs(memory) <= 0.15 and abs(time) <= 0.2, (
        f"{out['steps_done']} steps, {out['tokens'] / out['seconds']:.1f} tokens a second, peak {peak / 1e9:.3f} GB, "
        f"promised {out['memory'] / 1e9:.3f} GB: {100 * memory:+.1f}%; {out['seconds']:.0f} s, "
        f"foreseen {out['seconds_foreseen']:.0f} s: {100 * time:+.1f}%")


def main():
    what, name, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    good, facts = {"read": read, "teach": teach}[what](folder, load(folder, "out"), load(folder, "peak")["peak"])
    print(f"# {facts}\nPASS {name}" if good else f"FAIL {name}: {facts}")
    return not good


if __name__ == "__main__":
    sys.exit(main())
