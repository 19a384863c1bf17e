#!/usr/bin/env python3
"""Makes folders that `linnet tune` reads of four sets of labelled texts: NAME/train.csv, dev.csv, test.csv (text, label).

usage: split.py DATA OUT        DATA holds bitext_shop_intents, banking77, sms_spam and sentence_polarity

bitext_shop_intents has an official train, dev and test part, banking77 a train and a test part; of the others, texts that
say the same stand there once, and every fifth in an order drawn by seed is tested on. Where there is no dev part it is the
first twentieth of the train part in such an order. What differs from a test text in case, white space and signs alone is
left out of train and dev, and the test stays whole. Prints how many texts each part has and how many were left out.
"""
import csv
import pathlib
import random
import sys
import unicodedata

SEED = 1


def phrasing(text):
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    return " ".join(words) or text.strip()


def table(path, text, label):
    with open(path, encoding="utf-8", newline="") as file:
        return [(row[text], row[label]) for row in csv.DictReader(file)]


def read(data, name):
    """The parts that the source has: {part: rows}."""
    folder = data / name
    if name == "bitext_shop_intents":
        return {part: table(folder / f"{part}.csv", "utterance", "intent") for part in ("train", "dev", "test")}
    if name == "banking77":
        return {part: table(folder / f"{part}.csv", "text", "category") for part in ("train", "test")}
    if name == "sms_spam":
        lines = (folder / "sms.tsv").read_text(encoding="utf-8").splitlines()
        return {"all": [tuple(line.split("\t", 1)[::-1]) for line in lines if line]}
    return {"all": [(line.strip(), label) for label in ("pos", "neg")
                    for line in (folder / f"rt-polarity.{label}").read_text(encoding="utf-8").splitlines()]}


def split(parts):
    said = {}
    if "all" in parts:
        once = {phrasing(text): (text, label) for text, label in reversed(parts["all"])}
        rows = list(once.values())
        said["said twice"] = len(parts["all"]) - len(rows)
        random.Random(SEED).shuffle(rows)
        fifth = len(rows) // 5
        parts = {"test": rows[:fifth], "train": rows[fifth:]}
    asked = {phrasing(text) for text, _ in parts["test"]}
    for part in parts.keys() - {"test"}:
        kept = [row for row in parts[part] if phrasing(row[0]) not in asked]
        said[f"of {part} in test, too"] = len(parts[part]) - len(kept)
        parts[part] = kept
    if "dev" not in parts:
        rows = parts["train"]
        random.Random(SEED).shuffle(rows)
        twentieth = len(rows) // 20
        parts["dev"], parts["train"] = rows[:twentieth], rows[twentieth:]
    return parts, said


def main():
    data, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for name in ("bitext_shop_intents", "banking77", "sms_spam", "sentence_polarity"):
        parts, said = split(read(data, name))
        (out / name).mkdir(parents=True, exist_ok=True)
        for part, rows in parts.items():
            with open(out / name / f"{part}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])
        labels = len({label for rows in parts.values() for _, label in rows})
        print(f"{name}: {labels} labels;", ", ".join(f"{part} {len(parts[part])}" for part in ("train", "dev", "test")),
              "; left out:", ", ".join(f"{count} {what}" for what, count in said.items()))


if __name__ == "__main__":
    main()
