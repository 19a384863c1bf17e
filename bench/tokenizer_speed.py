#!/usr/bin/env python3
"""How fast Linnet's tokenizers are beside their peers: GPT-2's BPE beside Hugging Face tokenizers, unigram beside
sentencepiece, on English, one thread each.

usage: bench/tokenizer_speed.py [--tool PROGRAM] [--shared DIR] [--rounds N]
The text is all of gutenberg and wikitext2 in the shared data. The programs take turns; printed are the median and the
range in MB/s (10^6 bytes). Needs: tokenizers, sentencepiece, and linnet_tokenizer_tool of the release build.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import sentencepiece  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def english(shared):
    paths = sorted(glob.glob(f"{shared}/data/gutenberg/*.txt") + glob.glob(f"{shared}/data/wikitext2/*.txt"))
    return "".join(open(path, encoding="utf-8", newline="").read() for path in paths)


def gpt2(shared, path):
    folder = f"{shared}/data/gpt2_bpe"
    with open(f"{folder}/gpt2_vocab.json", encoding="utf-8") as file:
        vocab = json.load(file)
    with open(f"{folder}/gpt2_merges.txt", encoding="utf-8") as file:
        merges = [tuple(line.rstrip("\n").split(" ")) for line in file if line.strip()]
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(path)
    return Tokenizer.from_file(path)


def rate_of(text, encode):
    start = time.perf_counter()
    encode(text)
    return len(text.encode()) / (time.perf_counter() - start) / 1e6


def rate_of_linnet(tool, kind, model, path):
    """The tool times itself: a start of the program is no part of encoding."""
    out = subprocess.run([tool, kind, model, "bench", path], capture_output=True, text=True, check=True).stdout
    return float(out.split("\n")[1].split(" ")[0])


def compare(name, text, rounds, rates):
    """`rates`: who, and a function that measures once. The first is Linnet."""
    seen = {who: [] for who in rates}
    for _ in range(rounds):
        for who, measure in rates.items():
            seen[who].append(measure())
    for who, values in seen.items():
        print(f"{name:8} {who:24} {statistics.median(values):7.1f} MB/s  ({min(values):.1f} to {max(values):.1f})")
    ours, *others = (statistics.median(values) for values in seen.values())
    print(f"{name:8} {'times the peer':24} " + ", ".join(f"{ours / other:.1f}" for other in others))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", default=f"{ROOT}/build/release/src/text/linnet_tokenizer_tool")
    parser.add_argument("--shared", default=os.environ.get("LINNET_SHARED", f"{ROOT}/../shared"))
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    text = english(arguments.shared)
    print(f"{len(text.encode())} bytes of English, {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/english.txt"
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        peer = gpt2(arguments.shared, f"{folder}/gpt2.json")
        compare("GPT-2", text, arguments.rounds, {
            "linnet": lambda: rate_of_linnet(arguments.tool, "json", f"{folder}/gpt2.json", path),
            "tokenizers encode": lambda: rate_of(text, peer.encode),
            "tokenizers by lines": lambda: rate_of(text, lambda whole: [peer.encode(line)
                                                                       for line in whole.split("\n")])})
        model = f"{arguments.shared}/data/sentencepiece_test/test_model.model"
        unigram = sentencepiece.SentencePieceProcessor(model_file=model)
        compare("unigram", text, arguments.rounds, {
            "linnet": lambda: rate_of_linnet(arguments.tool, "spm", model, path),
            "sentencepiece encode": lambda: rate_of(text, unigram.encode),
            "sentencepiece by lines": lambda: rate_of(text, lambda whole: [unigram.encode(line)
                                                                          for line in whole.split("\n")])})


if __name__ == "__main__":
    main()
