#!/usr/bin/env python3
"""What `linnet train` leaves, in its peers' hands.

usage: train.py [--program PATH]

For a small model of each shape, learned from docs/:
  TensorBoard's own reader finds in the run's event files what its metrics.jsonl and samples.jsonl say;
  transformers loads the run's model folder and an export of it: the same logits, and the same ids of a text.
Prints PASS and FAIL lines. Needs: tensorboard torch transformers safetensors numpy, and the release build.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402
from shared.closeness import distance, one_wrong_number, verdict  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TAGS = {"loss": "loss/train", "held_out": "loss/held_out", "rate": "learning_rate", "norm": "gradient_norm"}
TOLERANCE = 2e-4  # float32, other orders of sums
SHAPES = {"llama": ["--tokenizer", "bpe:400", "--kv-heads", "2"], "gpt2": ["--tokenizer", "characters"]}


class Linnet:
    def __init__(self, program, scratch):
        self.program = program
        self.scratch = scratch
        self.env = os.environ | {"XDG_DATA_HOME": str(scratch / "data"), "XDG_CACHE_HOME": str(scratch / "cache")}

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, env=self.env,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def train(self, shape):
        """The finished run's folder."""
        said = self.run("train", ROOT / "docs", "--name", shape, "--shape", shape, "--size", "100k", "--layers", 2,
                        "--width", 64, "--heads", 4, "--context", 64, "--batch", 512, "--steps", 40, "--rate", "0.005",
                        "--dropout", "0.1", *SHAPES[shape], "--json")
        return pathlib.Path(json.loads(said)["folder"])

    def logits(self, model, ids):
        (self.scratch / "ids.json").write_text(json.dumps(ids))
        self.run("logits", model, "--ids", self.scratch / "ids.json", "--out", self.scratch / "logits.safetensors")
        return load_file(self.scratch / "logits.safetensors")["logits"]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def event_problem(folder, change=0.0):
    """How the event files differ from the run's own lines; `change` is added to every number that they should hold."""
    reader = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    metrics = lines(folder / "metrics.jsonl")
    for key, tag in TAGS.items():
        want = {line["step"]: line[key] + change for line in metrics if key in line}
        got = {event.step: event.value for event in reader.Scalars(tag)}
        if not want or got.keys() != want.keys():
            return f"{tag}: other steps"
        wrong = [step for step, value in want.items() if abs(got[step] - value) > 1e-6 * max(1, abs(value))]
        if wrong:
            return f"{tag} at step {wrong[0]}: {got[wrong[0]]}, not {want[wrong[0]]}"
    texts = {e.step: tensor_util.make_ndarray(e.tensor_proto)[0].decode() for e in reader.Tensors("sample")}
    if texts != {line["step"]: line["text"] for line in lines(folder / "samples.jsonl")}:
        return "other samples"
    speeds = reader.Scalars("tokens_per_second")
    steps = sum("loss" in line for line in metrics)
    return None if len(speeds) == steps and all(e.value > 0 for e in speeds) else "tokens_per_second is incomplete"


def model_problem(linnet, shape, folder, text):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = json.loads(linnet.run("tokens", shape, text, "--json"))["ids"]
    if tokenizer(text, add_special_tokens=False)["input_ids"] != ids:
        return "other ids"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        want = model(torch.tensor([ids[:48]])).logits.numpy()
    error = distance(linnet.logits(shape, [ids[:48]]), want)
    return None if error < TOLERANCE else f"logits differ by {error:.1e}"


def check(linnet, shape):
    folder = linnet.train(shape)
    failed = verdict(f"train {shape}: TensorBoard reads the curves", event_problem(folder))
    failed |= verdict(f"train {shape}: another curve is noticed", None if event_problem(folder, 0.01) else "it is not")
    text = (ROOT / "docs" / "shapes.md").read_text()[:400]
    failed |= verdict(f"train {shape}: transformers loads the model",
                      model_problem(linnet, shape, folder / "model", text))
    linnet.run("export", shape, "--out", linnet.scratch / f"{shape}-out", "--dtype", "f32")
    failed |= verdict(f"train {shape}: transformers loads its export",
                      model_problem(linnet, shape, linnet.scratch / f"{shape}-out", text))
    right = linnet.logits(shape, [[1, 2, 3, 4]])
    return failed | one_wrong_number(f"train {shape}", lambda logits: distance(logits, right) < TOLERANCE,
                                     np.array(right), TOLERANCE)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--program", default=ROOT / "build" / "release" / "linnet")
    with tempfile.TemporaryDirectory() as scratch:
        linnet = Linnet(args.parse_args().program, pathlib.Path(scratch))
        sys.exit(any([check(linnet, shape) for shape in SHAPES]))


main()
