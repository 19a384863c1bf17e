#!/usr/bin/env python3
"""What a config.json leaves out, or says twice, means what transformers takes it to mean.

usage: configs.py [--program PATH] [NAME ...]

For each model of tests/golden/models: every field is left out by itself, and RoPE is written in the spellings of
transformers 4, beside that of 5, and with types that do not exist. Where transformers loads the result, `linnet logits`
must give its logits, or refuse for a tensor that config and file do not agree on: transformers draws what is missing at
random, and leaves out what it has no place for. Prints PASS, FAIL and SKIP lines. Needs: torch transformers safetensors
numpy.
"""
import argparse
import copy
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import torch
from safetensors.numpy import load_file
from shared.closeness import distance, one_wrong_number, verdict
from transformers import AutoModelForCausalLM
from transformers.utils import logging

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "golden" / "models"
TOLERANCE = 1e-4
# Not of the forward pass, or what says what the file is at all.
OTHER = {"architectures", "attention_dropout", "bos_token_id", "dtype", "eos_token_id", "initializer_range", "model_type",
         "pad_token_id", "transformers_version", "use_cache"}
LINEAR = {"rope_type": "linear", "factor": 4.0}
DISAGREEMENTS = ("has no tensor", "belongs to nothing in a model", "is not the embedding, though the config ties")


def without(field):
    def change(config):
        del config[field]
    return change


def spellings(config):
    """(name, change) of RoPE."""
    rope = config.get("rope_parameters")
    if not rope or "rope_type" not in rope:
        return

    def old(**fields):
        def change(config):
            del config["rope_parameters"]
            config.update(fields)
        return change

    theta = rope["rope_theta"] / 3
    yield "rope_scaling beside rope_parameters", lambda config: config.update(rope_scaling=LINEAR)
    yield "a rope_scaling that is null", lambda config: config.update(rope_scaling=None)
    yield "an unknown rope_scaling", lambda config: config.update(rope_scaling={"rope_type": "zorp", "factor": 4.0})
    yield "rope_theta beside rope_parameters", lambda config: config.update(rope_theta=theta)
    yield "rope_theta and rope_scaling of old", old(rope_theta=theta, rope_scaling={"type": "linear", "factor": 4.0})
    yield "rope_theta inside rope_scaling", old(rope_scaling={**LINEAR, "rope_theta": theta})
    yield "rope_theta alone", old(rope_theta=theta)


class Comparison:
    def __init__(self, program, scratch):
        self.program, self.scratch, self.last = program, scratch, None

    def ours(self, folder):
        """Logits, or the error."""
        done = subprocess.run([self.program, "logits", folder, "--ids", folder / "ids.json", "--out", folder / "out"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode == 1:
            return done.stderr.strip()
        if done.returncode:
            raise RuntimeError(f"linnet logits ended with {done.returncode}: {done.stderr}")
        return load_file(folder / "out")["logits"]

    def theirs(self, folder, ids):
        """Logits, or the error: of whatever kind it is, the config is what they cannot read."""
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            with torch.no_grad():
                return model(torch.tensor(ids)).logits.numpy()
        except Exception as error:  # noqa: BLE001
            return f"{type(error).__name__}: {error}"

    def fault(self, config, weights):
        """What is wrong, or None."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        (folder / "model.safetensors").symlink_to(weights)
        (folder / "config.json").write_text(json.dumps(config))
        ids = [[token % (config.get("vocab_size", 50) - 3) % 50 + 3 for token in range(1, 84, 7)]]
        (folder / "ids.json").write_text(json.dumps(ids))
        ours, theirs = self.ours(folder), self.theirs(folder, ids)
        shutil.rmtree(folder)
        if not isinstance(theirs, str):
            self.last = theirs
        if isinstance(theirs, str):
            return None
        if isinstance(ours, str):
            return None if any(reason in ours for reason in DISAGREEMENTS) else f"refused: {ours}"
        apart = distance(ours, theirs)
        return None if apart < TOLERANCE else f"the logits are {apart:.2g} apart"

    def compare(self, folder):
        config = json.loads((folder / "config.json").read_text())
        weights = folder / "model.safetensors"
        failed = verdict(f"configs {folder.name}", self.fault(config, weights))
        faults, count = [], 0
        for name, change in [*((f"without {field}", without(field)) for field in sorted(set(config) - OTHER)),
                             *spellings(config)]:
            changed = copy.deepcopy(config)
            change(changed)
            wrong = self.fault(changed, weights)
            count += 1
            if wrong:
                faults.append(f"{name}: {wrong}")
        failed |= verdict(f"configs {folder.name}: {count} others", "; ".join(faults) or None)
        return failed | one_wrong_number(f"configs {folder.name}", lambda got: distance(got, self.last) < TOLERANCE,
                                         self.last, TOLERANCE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build" / "release" / "linnet", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        comparison = Comparison(arguments.program.resolve(), scratch)
        for folder in sorted(MODELS.iterdir()):
            # transformers multiplies MXFP4 in bfloat16; tests/golden has what it gives.
            causal = (folder / "config.json").exists() and folder.name not in ("bert", "mpnet", "gpt-oss-mxfp4")
            if causal and (not arguments.names or folder.name in arguments.names):
                failed |= comparison.compare(folder)
    return failed


if __name__ == "__main__":
    sys.exit(main())
