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

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
TOLERANCE = 1e-4


def llama_logits(model, adapter, texts):
    """(B, T, V) of llama.cpp with float32 caches; adapter may be empty."""
    import ctypes

    import llama_cpp

    quiet = llama_cpp.llama_log_callback(lambda level, text, _: None if level < 4 else sys.stderr.buffer.write(text))
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    loaded = llama_cpp.llama_model_load_from_file(model.encode(), llama_cpp.llama_model_default_params())
    if not loaded:
        raise RuntimeError("llama.cpp does not load the model")
    lora = llama_cpp.llama_adapter_lora_init(loaded, adapter.encode()) if adapter else None
    if adapter and not lora:
        raise RuntimeError("llama.cpp does not load the adapter")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 256
    params.n_threads = params.n_threads_batch = 1
    params.type_k = params.type_v = 0  # GGML_TYPE_F32
    params.flash_attn_type = 0
    params.swa_full = True
    out = []
    for text in texts:
        context = llama_cpp.llama_init_from_model(loaded, params)
        if lora:
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(
                ctypes.cast(lora, llama_cpp.llama_adapter_lora_p_ctypes))
            if llama_cpp.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0)):
                raise RuntimeError("llama.cpp does not take the adapter")
        batch = llama_cpp.llama_batch_init(len(text), 0, 1)
        batch.n_tokens = len(text)
        for i, token in enumerate(text):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        if llama_cpp.llama_decode(context, batch):
            raise RuntimeError("llama.cpp does not compute it")
        width = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(loaded))
        out.append([np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, i), (width,)).copy()
                    for i in range(len(text))])
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
    return np.array(out)


def tensor(path, name):
    with safe_open(path, "numpy") as tensors:
        return tensors.get_tensor(name)


def distance(got, want):
    assert got.shape == want.shape, (got.shape, want.shape)
    return float(np.abs(got - want).max() / np.abs(want).max())


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
        """In a process of its own, which an assertion of llama.cpp may end."""
        ids, out = self.scratch / "llama.json", self.scratch / "llama.npy"
        ids.write_text(json.dumps(self.texts))
        done = subprocess.run([sys.executable, __file__, "--llama", model, adapter, ids, out], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(f"llama.cpp: {done.stderr.strip()[-300:]}")
        return np.load(out)

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
    if sys.argv[1:2] == ["--llama"]:
        model, adapter, ids, out = sys.argv[2:]
        np.save(out, llama_logits(model, adapter, json.loads(pathlib.Path(ids).read_text())))
        return 0
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
    return failed


if __name__ == "__main__":
    sys.exit(main())
