#!/usr/bin/env python3
"""linnet tokenizer train beside Hugging Face tokenizers' trainers, on texts of ../shared/data.

The same merges, the same pieces and scores; and the tokenizer.json is read by the peer, which cuts random texts as
Linnet does. With --time: how long each takes, interleaved. Prints PASS and FAIL lines.
"""
import argparse
import glob
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = f"{ROOT}/build/release/linnet"
TOOL = f"{ROOT}/build/release/src/text/linnet_tokenizer_tool"
END = "<|endoftext|>"


def corpora(shared):
    def files(pattern):
        return sorted(glob.glob(f"{shared}/data/{pattern}"))
    small = files("tinyshakespeare/input.txt") + files("gutenberg/*.txt") + files("tinystories_sample/*.txt")
    return {"shakespeare": files("tinyshakespeare/input.txt"), "books": small,
            "all": small + files("wikitext2/*.txt"), "phrases": files("tatoeba_phrases/en-de.test.tsv"),
            "botchan": files("sentencepiece_test/botchan.txt")}


def read(files):
    return [open(name, encoding="utf-8-sig", newline="").read() for name in files]


def peer_bpe(texts, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=[END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def peer_unigram(texts, size):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split("\n", "contiguous"), pre_tokenizers.Metaspace(prepend_scheme="never")])
    tokenizer.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=[END], unk_token="<unk>", show_progress=False))
    return tokenizer


def linnet(files, kind, size, folder, *flags):
    out = f"{folder}/{kind}-{time.monotonic_ns()}"
    subprocess.run([PROGRAM, "tokenizer", "train", *files, "--kind", kind, "--vocab-size", str(size), "--out", out,
                    *flags], check=True, capture_output=True)
    return f"{out}/tokenizer.json"


def model_of(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["model"]


def same_bpe(files, size, folder):
    theirs = json.loads(peer_bpe(read(files), size).to_str())["model"]
    return bpe_difference(model_of(linnet(files, "bpe", size, folder)), theirs)


def bpe_difference(ours, theirs):
    if ours["vocab"] != theirs["vocab"]:
        return "other vocabulary"
    first = next((i for i, (a, b) in enumerate(zip(ours["merges"], theirs["merges"])) if a != b), None)
    return None if ours["merges"] == theirs["merges"] else f"merges differ from rank {first} on"


def same_unigram(files, size, folder):
    ours = dict(model_of(linnet(files, "unigram", size, folder, "--unknown", "token"))["vocab"][1:])
    return unigram_difference(ours, dict(json.loads(peer_unigram(read(files), size).to_str())["model"]["vocab"][2:]))


def unigram_difference(ours, theirs):
    if ours.keys() != theirs.keys():
        return f"{len(ours.keys() ^ theirs.keys())} pieces differ"
    # The peer gives characters without a score of their own the lowest ones, in an order that changes.
    lowest = min(theirs.values()) + 0.05
    worst = max(abs(ours[p] - s) for p, s in theirs.items() if len(p) > 1 or s > lowest)
    return None if worst < 1e-9 else f"scores differ by {worst}"


def random_texts(files, rng):
    text = "".join(read(files))
    for _ in range(400):
        at = rng.randrange(len(text))
        yield text[at:at + rng.randrange(200)]
    for _ in range(400):
        yield "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xA0, 0x3000), rng.randrange(0x4E00, 0x9FFF),
                                      rng.randrange(0x1F300, 0x1F600), 10, 32])) for _ in range(rng.randrange(60)))


def same_ids(path, texts):
    peer = Tokenizer.from_file(path)
    peer.encode_special_tokens = True
    encoded = [text.encode() for text in texts]
    frames = b"".join(struct.pack("I", len(text)) + text for text in encoded)
    out = subprocess.run([TOOL, "json", path, "encode"], input=frames, capture_output=True, check=True).stdout
    at = 0
    for text in texts:
        size, = struct.unpack_from("I", out, at)
        ids = list(struct.unpack_from(f"{size // 4}i", out, at + 4))
        at += 4 + size
        if ids != peer.encode(text).ids:
            return f"{text!r}: {ids} and {peer.encode(text).ids}"
        if 0 not in ids and "▁" not in text and peer.decode(ids, skip_special_tokens=False) != text:
            return f"{text!r} comes back as {peer.decode(ids)!r}"
    return None


def report(name, difference):
    print(f"FAIL {name}: {difference}" if difference else f"PASS {name}", flush=True)
    return bool(difference)


def wrong_tokenizers():
    """The deliberately wrong cases: two merges in the other order, and one score that is off."""
    merges = [["a", "b"], ["ab", "c"], ["c", "d"]]
    right, wrong = ({"vocab": {"a": 0}, "merges": order} for order in (merges, [merges[0], merges[2], merges[1]]))
    yield "merges in another order are noticed", bpe_difference(right, right), bpe_difference(wrong, right)
    scores = {"a": -9.0, "ab": -3.0, "abc": -2.0}
    yield ("one wrong score is noticed", unigram_difference(scores, scores),
           unigram_difference(scores | {"ab": -3.0001}, scores))


def compare(shared):
    failed = False
    for name, none, some in wrong_tokenizers():
        failed |= report(name, none or (None if some else "it is not"))
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, files in corpora(shared).items():
            for size in (1000, 8257):
                failed |= report(f"bpe {name} {size}", same_bpe(files, size, folder))
            if name != "all":
                failed |= report(f"unigram {name} 4000", same_unigram(files, 4000, folder))
            texts = list(random_texts(files, rng))
            for kind, flags in (("bpe", []), ("unigram", []), ("unigram", ["--unknown", "token"]), ("characters", []),
                                ("characters", ["--unknown", "bytes"])):
                path = linnet(files, kind, 3000, folder, *flags)
                failed |= report(" ".join([kind, name, *flags, "read by the peer"]), same_ids(path, texts))
    return failed


def measure(shared, rounds=7):
    """Seconds of the peer's training call, its texts in memory, and of the whole program: reading and writing, too."""
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, size in (("books", "bpe", 8257), ("all", "bpe", 8257), ("all", "bpe", 32000),
                                 ("shakespeare", "unigram", 4000)):
            files, peer = corpora(shared)[name], peer_bpe if kind == "bpe" else peer_unigram
            texts, theirs, ours = read(files), [], []
            for _ in range(rounds):
                for seconds, work in ((theirs, lambda: peer(texts, size)),
                                      (ours, lambda: linnet(files, kind, size, folder))):
                    start = time.perf_counter()
                    work()
                    seconds.append(time.perf_counter() - start)
            ratios = [a / b for a, b in zip(theirs, ours)]
            line = [f"{statistics.median(x):.3f} ({min(x):.3f}-{max(x):.3f})" for x in (ours, theirs, ratios)]
            print(f"{kind} {name} {size}: linnet {line[0]} s, peer {line[1]} s, ratio {line[2]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", default=os.environ.get("LINNET_SHARED", f"{ROOT}/../shared"))
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    if not os.path.isdir(f"{arguments.shared}/data"):
        print("SKIP trained tokenizers: ../shared absent")
        return 0
    if arguments.time:
        measure(arguments.shared)
        return 0
    return compare(arguments.shared)


if __name__ == "__main__":
    sys.exit(main())
