#!/usr/bin/env python3
"""A model of ten million parameters from children's stories and four books: how good is what it writes, and how much copied?

usage: stories.py DATA OUT [--keep]

DATA holds tinystories_sample/tiny_stories.txt, of which the last twentieth (whole stories) is held out, and gutenberg/*.txt.
Teaches `linnet train` in OUT (about ten minutes on two cores; --keep: the model that is there), lets it write 200 samples,
and prints the perplexity of those and of the held-out stories under SmolLM2, and of both the share of their runs of eight
words that stand in the training text.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess

from linnet_runs import LINNET, words

SAMPLES, GRAM = 200, 8
BEGINNINGS = ["Once upon a time", "One day,", "Lily and Ben", "Tom and Mia were"]
SAMPLING = ["--temperature", 0.7, "--top-p", 0.95, "--max-tokens", 300, "--seed", 1]


def split(text):
    """Stories end in one line break, paragraphs in two."""
    end = next(m.end() for m in re.finditer(r"(?<!\n)\n(?!\n)", text) if m.end() >= 0.95 * len(text))
    return text[:end], text[end:]


def grams(text):
    spoken = re.findall(r"\w+", text.lower())
    return [tuple(spoken[i:i + GRAM]) for i in range(len(spoken) - GRAM + 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    books = sorted((args.data / "gutenberg").glob("*.txt"))
    taught, held_out = split((args.data / "tinystories_sample/tiny_stories.txt").read_text(encoding="utf-8"))
    (args.out / "taught.txt").write_text(taught, encoding="utf-8")
    (args.out / "held-out.txt").write_text(held_out, encoding="utf-8")

    def linnet(*command, **options):
        own = dict(os.environ, XDG_DATA_HOME=str(args.out)) if command[1] == "stories" or command[0] == "train" else None
        return subprocess.run(words([LINNET, *command]), check=True, env=own, **options)

    if not args.keep:
        linnet("train", args.out / "taught.txt", *books, "--valid", args.out / "held-out.txt", "--name", "stories", "--size",
               "10m", "--tokenizer", "bpe:4096", "--optimizer", "muon", "--epochs", 8)
    prompts = [BEGINNINGS[i % len(BEGINNINGS)] for i in range(SAMPLES)]
    asked = args.out / "prompts.jsonl"
    asked.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts), encoding="utf-8")
    said = linnet("generate", "stories", "--batch", asked, *SAMPLING, stdout=subprocess.PIPE).stdout.decode()
    texts = [prompt + json.loads(line)["text"] for prompt, line in zip(prompts, said.splitlines(), strict=True)]
    (args.out / "samples.txt").write_text("\n".join(texts), encoding="utf-8")

    known = {gram for text in [taught, *(book.read_text(encoding="utf-8") for book in books)] for gram in grams(text)}
    for name, parts in (("held-out", [held_out]), ("samples", texts)):
        report = linnet("eval", "smollm2", "--text", args.out / f"{name}.txt", "--json", stdout=subprocess.PIPE).stdout
        of_parts = [gram for text in parts for gram in grams(text)]
        print(f"{name}: perplexity {json.loads(report)['perplexity']:.2f}, "
              f"{100 * sum(gram in known for gram in of_parts) / len(of_parts):.1f}% copied, {sum(map(len, parts))} characters")


if __name__ == "__main__":
    main()
