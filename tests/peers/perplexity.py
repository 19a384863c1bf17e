#!/usr/bin/env python3
"""Real quantised models: is Linnet's perplexity of a text no worse than llama.cpp's on the same file?

usage: perplexity.py [--program PATH] [--text FILE] [--tokens N] [MODEL ...]

For SmolLM2-135M-Instruct (Q4_1) and gemma-3-270m (Q4_K_M), on the first N tokens of the test part of wikitext2: windows
of 512 tokens that move on by 256, with the tokenizer's BOS before each where it puts one; every token is scored once, as
`linnet eval --text` counts. Both see the same tokens. Linnet may be 0.2% above llama.cpp, or anything below.
Prints PASS, FAIL and SKIP lines. Needs: what real_models.py needs.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np
from real_models import MODELS, ROOT, log_softmax
from shared.closeness import verdict

WINDOW, STRIDE = 512, 256
MOST = 1.002  # times llama.cpp's


def windows(count, bos):
    """(begin, end, first scored) of each window over `count` tokens."""
    begin, scored = 0, 0 if bos else 1
    while scored < count:
        end = min(begin + WINDOW, count)
        yield begin, end, scored
        begin, scored = begin + STRIDE, end


def by_llama(llama, tokens, bos):
    losses = []
    for begin, end, scored in windows(len(tokens), bos):
        text = [llama.token_bos()] * bos + tokens[begin:end]
        llama.reset()
        llama.eval(text)
        first = scored - begin + bos  # its place in `text`
        chances = log_softmax(llama.scores[first - 1:len(text) - 1])
        losses.append(-chances[np.arange(len(chances)), text[first:]])
    return np.concatenate(losses)


def by_linnet(program, model, text, tokens):
    done = subprocess.run([program, "eval", model, "--text", text, "--tokens", str(tokens), "--window", str(WINDOW),
                           "--stride", str(STRIDE), "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def compare(name, path, args):
    llama = llama_cpp.Llama(str(path), logits_all=True, n_ctx=WINDOW + 1, n_batch=WINDOW + 1, verbose=False,
                            n_threads=len(os.sched_getaffinity(0)))
    ours = by_linnet(args.program, path, args.text, args.tokens)
    tokens = llama.tokenize(args.text.read_bytes(), add_bos=False)[:args.tokens]
    losses = by_llama(llama, tokens, bool(ours["bos"]))
    if len(losses) != ours["tokens"]:
        verdict(f"{name} perplexity", f"Linnet scored {ours['tokens']} tokens, llama.cpp {len(losses)}")
        return
    theirs = math.exp(losses.mean())
    ratio = ours["perplexity"] / theirs
    print(f"# {name}: {ours['tokens']} tokens, Linnet {ours['perplexity']:.4f}, llama.cpp {theirs:.4f}, "
          f"ratio {ratio:.5f}", flush=True)
    verdict(f"{name} perplexity", None if ratio <= MOST else f"{ratio:.4f} times llama.cpp's")
    # The deliberately wrong case: a hundredth of the tokens cost one nat more.
    wrong = math.exp(math.log(ours["perplexity"]) + 0.01) / theirs
    verdict(f"{name} perplexity: a hundredth of a nat is noticed", None if wrong > MOST else "it is not")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "linnet")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT.parent / "shared/data/wikitext2/test.txt")
    parser.add_argument("--tokens", type=int, default=6_000)
    parser.add_argument("models", nargs="*", help="parts of the models' names; all of them when none is given")
    args = parser.parse_args()
    if not args.text.exists():
        print(f"SKIP perplexity: {args.text.name} is absent")
        return
    for name, find in MODELS.items():
        if args.models and not any(part.lower() in name.lower() for part in args.models):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            compare(name, pathlib.Path(find(pathlib.Path(scratch))), args)


if __name__ == "__main__":
    sys.exit(main())
