#!/usr/bin/env python3
"""Parts of training data on which the recipes of `linnet tune` for phrases and summaries were chosen: never the tests.

usage: split.py DATA OUT

DATA holds tatoeba_phrases/en-de.train.tsv and lecture_notes/notes_train.jsonl. OUT gets en-de.train.tsv and
en-de.test.tsv (300 English phrases by seed, with all their translations), and notes_train.jsonl and notes_test.jsonl
(whole courses, until there are 30 lessons, by seed).
"""
import json
import pathlib
import random
import sys

PHRASES, LESSONS = 300, 30


def lines_of(path):
    return [line + "\n" for line in path.read_text(encoding="utf-8").split("\n") if line]


def main():
    data, out = map(pathlib.Path, sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    lines = lines_of(data / "tatoeba_phrases/en-de.train.tsv")
    sources = sorted({line.split("\t")[0] for line in lines})
    asked = set(random.Random(0).sample(sources, PHRASES))
    for part, wanted in (("train", False), ("test", True)):
        (out / f"en-de.{part}.tsv").write_text(
            "".join(line for line in lines if (line.split("\t")[0] in asked) == wanted), encoding="utf-8")
    lines = lines_of(data / "lecture_notes/notes_train.jsonl")
    repos = sorted({json.loads(line)["repo"] for line in lines})
    random.Random(0).shuffle(repos)
    asked = []
    for repo in repos:
        if len(asked) < LESSONS:
            asked += [line for line in lines if json.loads(line)["repo"] == repo]
    (out / "notes_test.jsonl").write_text("".join(asked), encoding="utf-8")
    (out / "notes_train.jsonl").write_text("".join(line for line in lines if line not in asked), encoding="utf-8")
    print(f"{PHRASES} phrases; {len(asked)} of {len(lines)} lessons")


if __name__ == "__main__":
    main()
