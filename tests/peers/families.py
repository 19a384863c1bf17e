#!/usr/bin/env python3
"""Every family through GGUF: our export, read back by us and by llama.cpp, gives the logits that it gave before.

usage: families.py [--program PATH] [NAME ...]

For each model of tests/golden/models and ../shared/reference: `linnet export` writes a float32 GGUF file; `linnet logits`
on it must give what transformers recorded, and llama.cpp must give the same. Where the export warns that llama.cpp will
ignore something (ORDINARY lists what), the warning is required, and llama.cpp is compared on a copy of the model with
the ordinary value in that field, against our own logits from the safetensors of that copy.
Prints PASS, FAIL and SKIP lines. Needs: llama_cpp safetensors numpy.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from safetensors import safe_open
from shared.closeness import distance, one_wrong_number
from shared.llama_outputs import by_llama

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETS = {"golden": ROOT / "tests" / "golden" / "models", "shared": ROOT.parent / "shared" / "reference"}

# Largest difference over the largest magnitude. Everything is float32, so that only the order of sums and the
# approximations of exp and tanh differ: 1e-4. But llama.cpp looks GELU up in a table of half-precision numbers
# (ggml_table_gelu_f16), which keeps 11 bits: a hundred times that.
TOLERANCE, GELU_TOLERANCE = 1e-4, 1e-2


def every_fourth(config):
    return [int((layer + 1) % 4 != 0) for layer in range(config["num_hidden_layers"])]


# What llama.cpp computes, whatever the config says: {start of the export's warning: {field: value, or function of the
# config}}. A field in rope_parameters is written "rope_parameters.NAME".
ORDINARY = {
    '"sliding_window"': {"sliding_window": None},
    "llama.cpp ignores the sliding window": {"sliding_window": None},
    '"use_sliding_window"': {"use_sliding_window": False},
    '"max_window_layers"': {},
    '"layer_types"': {"layer_types": None},
    '"query_pre_attn_scalar"': {"query_pre_attn_scalar": lambda config: config["head_dim"]},
    '"no_rope_layers"': {"no_rope_layers": every_fourth},
    '"truncate": false': {"rope_parameters.truncate": True},
}
NOT_IN_GGUF = ("mpnet",)  # model types; the export must say so
LONGROPE = "llama.cpp chooses between the short and the long rope factors"
NO_TOKENIZER = "the model has no tokenizer"


class Linnet:
    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stderr.replace("\n  ", " ").splitlines()

    def export(self, folder, out):
        """The warnings."""
        prefix = "warning: "
        lines = self.run("export", folder, "--out", out, "--dtype", "f32")
        return [line[line.index(prefix) + len(prefix):] if prefix in line else line for line in lines]

    def outputs(self, model, texts, encoder):
        ids, out = self.scratch / "ids.json", self.scratch / "out.safetensors"
        ids.write_text(json.dumps(texts))
        self.run("logits", model, "--ids", ids, "--out", out, *(["--hidden"] if encoder else []))
        with safe_open(out, "numpy") as tensors:
            return tensors.get_tensor("hidden.last" if encoder else "logits")


def ordinary_copy(folder, warnings, copy):
    """A copy of the model in which nothing is left that llama.cpp would ignore."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    config = json.loads((folder / "config.json").read_text())
    for warning in warnings:
        known = [fields for start, fields in ORDINARY.items() if warning.startswith(start)]
        if not known:
            raise RuntimeError(f"a warning that this script does not know: {warning}")
        for name, value in known[0].items():
            *outer, name = name.split(".")
            place = config[outer[0]] if outer else config
            place[name] = value(config) if callable(value) else value
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def recorded(folder):
    """(tolerance of llama.cpp's outputs, texts, outputs, whether it is an encoder)."""
    config = json.loads((folder / "config.json").read_text())
    encoder = config["model_type"] in ("bert", "mpnet")
    gelu = "gelu" in str([config.get(key) for key in ("hidden_act", "hidden_activation", "activation_function")])
    with safe_open(folder / "expected.safetensors", "numpy") as tensors:
        return (GELU_TOLERANCE if gelu else TOLERANCE, tensors.get_tensor("input_ids").tolist(),
                tensors.get_tensor("hidden.last" if encoder else "logits"), encoder)


def wrong_case(name, folder):
    """The loosest tolerance that a model is held to notices one wrong number."""
    tolerance, _, expected, _ = recorded(folder)
    return one_wrong_number(f"families {name}", lambda got: distance(got, expected) <= tolerance, expected, tolerance)


def check(linnet, folder, scratch):
    """What was compared, in words; raises where something differs."""
    tolerance, texts, expected, encoder = recorded(folder)
    file = scratch / "model.gguf"
    if (model_type := json.loads((folder / "config.json").read_text())["model_type"]) in NOT_IN_GGUF:
        try:
            linnet.export(folder, file)
        except RuntimeError as error:
            assert f"GGUF cannot hold models of type {model_type}" in str(error), error
            return "refused, as GGUF has no such architecture"
        raise AssertionError("exported to GGUF, which has no such architecture")
    warnings = [line for line in linnet.export(folder, file) if not line.startswith(NO_TOKENIZER)]
    back = distance(linnet.outputs(file, texts, encoder), expected)
    assert back <= TOLERANCE, f"read back, the logits are {back:.1e} off"
    words = f"read back {back:.1e}"

    if longrope := any(warning.startswith(LONGROPE) for warning in warnings):
        # Its context is padded to 256, so that it always takes the long factors: a text that is long, too.
        texts = [text * 4 for text in texts]
        warnings = [warning for warning in warnings if not warning.startswith(LONGROPE)]
    if warnings or longrope:
        plain = by_llama(file, texts, scratch, encoder=encoder)
        with_field = distance(plain, linnet.outputs(folder, texts, encoder))
        if warnings:
            words += f"; llama.cpp {with_field:.1e} off, as warned of {', '.join(w.split()[0] for w in warnings)}"
        folder = ordinary_copy(folder, warnings, scratch / "ordinary")
        left = [line for line in linnet.export(folder, file) if not line.startswith((NO_TOKENIZER, LONGROPE))]
        assert not left, f"still warns: {left}"
        expected = linnet.outputs(folder, texts, encoder)
        words += "; without it" if warnings else "; on long texts"
    else:
        words += ";"
    theirs = distance(by_llama(file, texts, scratch, encoder=encoder), expected)
    assert theirs <= tolerance, f"llama.cpp is {theirs:.1e} off ({words})"
    return f"{words} llama.cpp {theirs:.1e}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build" / "release" / "linnet", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        os.environ["HOME"] = os.environ["XDG_DATA_HOME"] = str(scratch)
        linnet = Linnet(arguments.program.resolve(), scratch)
        for kind, models in SETS.items():
            if not models.is_dir():
                print(f"SKIP families {kind}: ../shared absent")
                continue
            for path in sorted(models.glob("*/expected.safetensors")):
                name = f"{kind}/{path.parent.name}"
                if arguments.names and name not in arguments.names:
                    continue
                try:
                    print(f"# {check(linnet, path.parent, scratch)}")
                    print(f"PASS families {name}", flush=True)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure of this case
                    failed = True
                    print(f"FAIL families {name}: {error}", flush=True)
                failed |= wrong_case(name, path.parent)
    return failed


if __name__ == "__main__":
    sys.exit(main())
