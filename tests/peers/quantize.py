#!/usr/bin/env python3
"""Holds `linnet quantize` against llama.cpp's llama_model_quantize: of a model whose rows are multiples of 256, every
mix must give the same types and the same bytes, tensor by tensor, without an importance matrix and with one. What
--search, --calibrate and --bits write, llama.cpp must load.

usage: quantize.py [--program PROGRAM]
Prints PASS and FAIL lines. Needs: numpy, gguf, llama_cpp, and the release build.
"""
import argparse
import ctypes
import os
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np
from shared.closeness import verdict

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = f"{ROOT}/build/release/src/export/linnet_quantise_tool"
WIDTH, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY = 256, 768, 16, 8, 2, 512
# The mixes whose general.file_type has another name in llama.cpp, or that it does not offer as a whole.
MIXES = {"Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q5_1": 9, "Q5_0": 8, "Q4_K_M": 15, "Q4_K_S": 14,
         "IQ4_NL": 25, "IQ4_XS": 30, "Q4_1": 3, "Q4_0": 2, "Q3_K_L": 13, "Q3_K_M": 12, "Q3_K_S": 11, "Q2_K": 10}


def write_model(path, tied):
    """A llama of random weights, as wide as they are in real models: some rows with outliers, some zeros."""
    rng = np.random.default_rng(5)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("no_vocab")

    def matrix(name, rows, width):
        values = rng.normal(0, 0.03, (rows, width)).astype(np.float32)
        values[rng.random((rows, width)) < 0.002] *= 20
        values[0] = 0
        writer.add_tensor(name, values)

    kv = WIDTH // HEADS * KV_HEADS
    matrix("token_embd.weight", VOCABULARY, WIDTH)
    for i in range(LAYERS):
        for name, rows, width in (("attn_q", WIDTH, WIDTH), ("attn_k", kv, WIDTH), ("attn_v", kv, WIDTH),
                                  ("attn_output", WIDTH, WIDTH), ("ffn_gate", HIDDEN, WIDTH),
                                  ("ffn_up", HIDDEN, WIDTH), ("ffn_down", WIDTH, HIDDEN)):
            matrix(f"blk.{i}.{name}.weight", rows, width)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{name}.weight", np.ones(WIDTH, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    if not tied:
        matrix("output.weight", VOCABULARY, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_importance(source):
    """What the columns count: a few a lot, as in real models."""
    rng = np.random.default_rng(6)
    out = {}
    for tensor in gguf.GGUFReader(source).tensors:
        if len(tensor.shape) == 2:
            out[tensor.name] = (rng.normal(0, 1, int(tensor.shape[0])) ** 2).astype(np.float32)
            out[tensor.name][rng.random(int(tensor.shape[0])) < 0.02] *= 200
    return out


def write_importance(path, importance):
    writer = gguf.GGUFWriter(path, "imatrix")
    for name, columns in importance.items():
        writer.add_tensor(name, columns)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize_with_llama_cpp(source, out, file_type, importance=None):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = file_type
    params.nthread = 2
    if importance:
        entries = (llama_cpp.llama_model_imatrix_data * (len(importance) + 1))()
        for entry, (name, columns) in zip(entries, importance.items()):
            entry.name = name.encode()
            entry.data = columns.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            entry.size = columns.size
        params.imatrix = entries  # the last, without a name, ends them
    if llama_cpp.llama_model_quantize(source.encode(), out.encode(), params) != 0:
        raise RuntimeError("llama_model_quantize failed")


def tensors(path):
    return {t.name: (t.tensor_type.name, t.data.tobytes()) for t in gguf.GGUFReader(path).tensors}


def differences(ours, theirs):
    if ours.keys() != theirs.keys():
        yield f"other tensors: {sorted(ours.keys() ^ theirs.keys())[:3]}"
    for name in sorted(ours.keys() & theirs.keys()):
        (our_type, our_bytes), (their_type, their_bytes) = ours[name], theirs[name]
        if our_type != their_type:
            yield f"{name} is {our_type}, llama.cpp's {their_type}"
        elif our_bytes != their_bytes:
            yield f"{name} ({our_type}) has other bytes"


def changed_byte_differs(right):
    """The deliberately wrong case."""
    name = "blk.0.ffn_down.weight"
    kind, data = right[name]
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]
    return not list(differences(right, right)) and len(list(differences(right | {name: (kind, changed)}, right))) == 1


def check_loads(arguments, folder, source):
    """What no mix of llama.cpp's is; returns whether something failed."""
    out = f"{folder}/own.gguf"
    failed = False
    for flags in (["--to", "Q4_K_M", "--search"], ["--bits", "3.5"], ["--bits", "5", "--search"]):
        subprocess.run([arguments.program, "quantize", source, *flags, "--out", out], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        params = llama_cpp.llama_model_default_params()
        model = llama_cpp.llama_model_load_from_file(out.encode(), params)
        failed |= verdict(f"llama.cpp loads {' '.join(flags)}", None if model else "it does not")
        if model:
            llama_cpp.llama_model_free(model)
    return failed


def check_mixes(arguments, folder, source, tied, importance):
    """Returns whether all are equal."""
    ours, theirs, given = f"{folder}/ours.gguf", f"{folder}/theirs.gguf", f"{folder}/importance.gguf"
    if importance:
        write_importance(given, importance)
    equal = True
    for mix, file_type in MIXES.items():
        command = ([TOOL, source, mix, given, ours] if importance else
                   [arguments.program, "quantize", source, "--to", mix, "--out", ours])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        quantize_with_llama_cpp(source, theirs, file_type, importance)
        wrong = list(differences(tensors(ours), tensors(theirs)))
        equal &= not wrong
        name = (f"quantize {mix}{', the embedding is the head' if tied else ''}"
                f"{', with importance' if importance else ''}")
        print(f"FAIL {name}: {'; '.join(wrong[:4])} ({len(wrong)} in all)" if wrong else f"PASS {name}", flush=True)
    wrong = None if changed_byte_differs(tensors(theirs)) else "it is not"
    return verdict(f"quantize, {'tied' if tied else 'untied'}: one wrong byte is noticed", wrong) is False and equal


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=f"{ROOT}/build/release/linnet")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for tied in (False, True):
            source = f"{folder}/{'tied' if tied else 'untied'}.gguf"
            write_model(source, tied)
            for importance in (None, make_importance(source)):
                failed |= not check_mixes(arguments, folder, source, tied, importance)
            failed |= check_loads(arguments, folder, source)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
