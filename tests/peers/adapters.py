#!/usr/bin/env python3
"""Adapters that Linnet writes, in the hands of PEFT, transformers and llama.cpp.

usage: adapters.py [--program PATH] [NAME ...]

For each adapter of tests/golden/adapters, whose expected.safetensors holds what PEFT computed with it:
  peft    `linnet export MODEL --adapter A --out FOLDER`: PEFT loads it on the base, every parameter from the file, and
          its logits are those; so are Linnet's own with the folder.
  merge   `--merge --dtype f32`: transformers loads the folder and agrees; llama.cpp loads the GGUF and agrees.
  gguf    `--out FILE.gguf`: llama.cpp loads it beside the base in GGUF and agrees, and `--adapter FILE.gguf` does. What
          GGUF cannot hold (DoRA) is refused.
Agreement is over every position of the recorded ids. With an adapter llama.cpp may be twice as far off as without one, and
TOLERANCE at least: all is float32, but its GELU is a table in half precision. Of a model with a sliding window, which it
ignores, it gets a copy without, and Linnet's logits of that copy are what it must give.
Prints PASS and FAIL lines. Needs: torch transformers peft safetensors llama_cpp numpy, and the release build.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from shared.closeness import distance, one_wrong_number
from shared.llama_outputs import by_llama

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
TOLERANCE = 1e-4


def tensor(path, name):
    with safe_open(path, "numpy") as tensors:
        return tensors.get_tensor(name)


def transformers_model(folder):
    import torch
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def logits_of(model, texts):
    import torch

    with torch.no_grad():
        return model(torch.tensor(texts)).logits.numpy()


class Case:
    def __init__(self, program, adapter, scratch):
        self.program, self.adapter, self.scratch = program, adapter, scratch
        self.config = json.loads((adapter / "adapter_config.json").read_text())
        self.base = GOLDEN / "models" / self.config["base_model_name_or_path"]
        self.texts = tensor(self.base / "expected.safetensors", "input_ids").tolist()
        self.want = tensor(adapter / "expected.safetensors", "logits")

    def for_llama(self):
        """The base, and the logits without and with the adapter."""
        config = json.loads((self.base / "config.json").read_text())
        if config.get("sliding_window") is None:
            return self.base, tensor(self.base / "expected.safetensors", "logits"), self.want
        base = self.scratch / "ordinary"
        shutil.copytree(self.base, base)
        (base / "config.json").write_text(json.dumps(config | {"sliding_window": None}))
        return base, self.ours(base), self.ours(base, "--adapter", self.adapter)

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())

    def export(self, out, *arguments, base=None):
        self.run("export", base or self.base, "--out", self.scratch / out, *arguments)
        return self.scratch / out

    def ours(self, *arguments):
        ids, out = self.scratch / "ids.json", self.scratch / "out.safetensors"
        ids.write_text(json.dumps(self.texts))
        self.run("logits", *arguments, "--ids", ids, "--out", out)
        return tensor(out, "logits")

    def llama(self, model, adapter=""):
        return by_llama(model, self.texts, self.scratch, adapter)

    def peft(self):
        from peft import PeftModel, get_peft_model_state_dict

        folder = self.export("peft", "--adapter", self.adapter)
        model = PeftModel.from_pretrained(transformers_model(self.base), folder).eval()
        with safe_open(folder / "adapter_model.safetensors", "numpy") as written:
            held = get_peft_model_state_dict(model)
            assert set(held) == set(written.keys()), "PEFT holds other parameters than the file"
            for name in held:
                assert np.array_equal(held[name].numpy(), written.get_tensor(name)), f"PEFT's {name} is not the file's"
        theirs = distance(logits_of(model, self.texts), self.want)
        ours = distance(self.ours(self.base, "--adapter", folder), self.want)
        assert max(theirs, ours) <= TOLERANCE, f"PEFT is {theirs:.1e} off, Linnet {ours:.1e}"
        return f"PEFT {theirs:.1e}, Linnet {ours:.1e}"

    def hold_llama(self, by_adapter):
        """llama.cpp on the base, and on what by_adapter(base, base.gguf) makes of it: how far off each is."""
        base, plain, want = self.for_llama()
        file = self.export("base.gguf", "--dtype", "f32", base=base)
        without = distance(self.llama(file), plain)
        got = distance(self.llama(*by_adapter(base, file)), want)
        assert without <= 1e-2, f"llama.cpp is {without:.1e} off without the adapter"
        assert got <= max(TOLERANCE, 2 * without), f"llama.cpp is {got:.1e} off, without the adapter {without:.1e}"
        return f"llama.cpp {got:.1e} (without the adapter {without:.1e})"

    def merge(self):
        folder = self.export("merged", "--adapter", self.adapter, "--merge", "--dtype", "f32")
        theirs = distance(logits_of(transformers_model(folder), self.texts), self.want)
        assert theirs <= TOLERANCE, f"transformers is {theirs:.1e} off"
        llama = self.hold_llama(lambda base, file: [
            self.export("merged.gguf", "--adapter", self.adapter, "--merge", "--dtype", "f32", base=base)])
        return f"transformers {theirs:.1e}, {llama}"

    def gguf(self):
        if self.config["use_dora"]:
            try:
                self.export("lora.gguf", "--adapter", self.adapter)
            except RuntimeError as error:
                assert "DoRA" in str(error) and "--merge" in str(error), error
                return "refused"
            raise AssertionError("DoRA was written")
        lora = self.export("lora.gguf", "--adapter", self.adapter)
        ours = max(distance(self.ours(model, "--adapter", lora), self.want)
                   for model in (self.base, self.export("own.gguf", "--dtype", "f32")))
        assert ours <= TOLERANCE, f"Linnet is {ours:.1e} off"
        return f"{self.hold_llama(lambda base, file: [file, lora])}, Linnet {ours:.1e}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build" / "release" / "linnet", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = False
    for adapter in sorted((GOLDEN / "adapters").iterdir()):
        if arguments.names and adapter.name not in arguments.names:
            continue
        for check in ("peft", "merge", "gguf"):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["HOME"] = os.environ["XDG_DATA_HOME"] = folder
                try:
                    case = Case(arguments.program.resolve(), adapter, pathlib.Path(folder))
                    print(f"# {getattr(case, check)()}")
                    print(f"PASS adapters {adapter.name} {check}", flush=True)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure of this case
                    failed = True
                    print(f"FAIL adapters {adapter.name} {check}: {error}", flush=True)
        want = tensor(adapter / "expected.safetensors", "logits")
        failed |= one_wrong_number(f"adapters {adapter.name}", lambda got: distance(got, want) <= TOLERANCE, want, TOLERANCE)
    return failed


if __name__ == "__main__":
    sys.exit(main())
