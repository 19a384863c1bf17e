#!/usr/bin/env python3
"""Prompts on other subjects, as the test of a list that has an answer to none of them.

usage: other_subjects.py DATA SEED COUNT > other.csv        DATA holds dolly_hhrlhf_small

Instructions of less than 300 characters are drawn, each once; longer ones bring a text of their own. Then
`linnet tune faq.csv --test other.csv --name NAME` says how many were declined, as all should be.
"""
import csv
import json
import pathlib
import random
import re
import sys

LONGEST = 300


def instructions(data):
    found = {}  # in order
    for line in (data / "dolly_hhrlhf_small/dolly_hhrlhf_train_small.jsonl").read_text(encoding="utf-8").splitlines():
        prompt = json.loads(line)["prompt"]
        match = re.search(r"### Instruction:\s*(.*?)\s*### Response", prompt, re.DOTALL)
        text = (match[1] if match else prompt).strip()
        if len(text) < LONGEST:
            found[text] = True
    return list(found)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    drawn = random.Random(int(sys.argv[2])).sample(instructions(pathlib.Path(sys.argv[1])), int(sys.argv[3]))
    writer = csv.writer(sys.stdout)
    writer.writerow(["question", "answer", "facts"])
    writer.writerows([text, "", ""] for text in drawn)


main()
