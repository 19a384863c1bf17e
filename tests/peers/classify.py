#!/usr/bin/env python3
"""A classifier that `linnet tune` taught and `linnet export` wrote, in the hands of transformers.

usage: classify.py [--program PATH]

tests/golden/word_encoder is taught a few labelled texts, exported, and loaded by AutoModelForSequenceClassification,
with no parameter missing or left over. For texts of its own, some of them padded beside longer ones, the log-probability
of each label must be that which `linnet generate --logprobs` says. Prints PASS and FAIL lines. Needs: torch transformers,
and the release build.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLOSE = {"f32": 1e-4, "bf16": 0.05}  # of a log-probability
ROWS = {"place": ["where is the shop", "is the shop at the station", "where are you", "where can i park the car"],
        "time": ["when do you open", "what are the hours", "how late are you open", "are you open at nine"],
        "price": ["how much is milk", "what do you charge for bread cost", "how much cost coffee", "cake how much euro"]}
ASKED = ["where is the station", "when are you open at nine", "how much is the cake", "do you have wifi", "milk",
         "where is the shop and when do you open and how much is the milk and the bread"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=str(ROOT / "build/release/linnet"))
    program = parser.parse_args().program
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        os.environ.update(HOME=str(scratch), XDG_DATA_HOME=str(scratch / "data"), XDG_CONFIG_HOME=str(scratch / "config"))

        def run(*command):
            return subprocess.run([program, *command], check=True, capture_output=True, text=True, cwd=scratch).stdout

        (scratch / "train.csv").write_text("text,label\n" + "".join(
            f"{text},{label}\n" for label, texts in ROWS.items() for text in texts))
        run("tune", "train.csv", "--encoder", str(ROOT / "tests/golden/word_encoder"), "--name", "asked", "--method",
            "encoder", "--held-out", "0")
        lines = "".join(json.dumps({"prompt": text}) + "\n" for text in ASKED)
        (scratch / "asked.jsonl").write_text(lines)
        want = [{label["label"]: label["logprob"] for label in json.loads(line)["labels"]}
                for line in run("generate", "asked", "--batch", "asked.jsonl", "--logprobs", "3").splitlines()]
        for dtype, close in CLOSE.items():
            run("export", "asked", "--out", dtype, "--dtype", dtype)
            model, info = AutoModelForSequenceClassification.from_pretrained(scratch / dtype, dtype=torch.float32,
                                                                             output_loading_info=True)
            unused = [name for key in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in info[key]]
            tokenizer = AutoTokenizer.from_pretrained(scratch / dtype)
            with torch.no_grad():
                logits = model(**tokenizer(ASKED, padding=True, return_tensors="pt")).logits
            chances = torch.log_softmax(logits, -1)
            most = max(abs(chances[i][model.config.label2id[label]].item() - value)
                       for i, one in enumerate(want) for label, value in one.items())
            fine = not unused and most <= close
            print(f"{'PASS' if fine else 'FAIL'} export {dtype}: largest difference {most:.1e} of a log-probability"
                  + (f"; parameters {unused}" if unused else ""))


if __name__ == "__main__":
    main()
