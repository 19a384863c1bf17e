#!/usr/bin/env python3
"""Holds `linnet quantize` against llama.cpp's llama_model_quantize: of a model whose rows are multiples of 256, every
mix must give the same types and the same bytes, tensor by tensor.

usage: quantize.py [--program PROGRAM]
Prints PASS and FAIL lines. Needs: numpy, gguf, llama_cpp, and the release build.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np
from shared.closeness import verdict

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
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


def quantize_with_llama_cpp(source, out, file_type):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = file_type
    params.nthread = 2
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=f"{ROOT}/build/release/linnet")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for tied in (False, True):
            source = f"{folder}/{'tied' if tied else 'untied'}.gguf"
            write_model(source, tied)
            for mix, file_type in MIXES.items():
                ours, theirs = f"{folder}/ours.gguf", f"{folder}/theirs.gguf"
                subprocess.run([arguments.program, "quantize", source, "--to", mix, "--out", ours], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                quantize_with_llama_cpp(source, theirs, file_type)
                wrong = list(differences(tensors(ours), tensors(theirs)))
                failed |= bool(wrong)
                name = f"quantize {mix}{', the embedding is the head' if tied else ''}"
                print(f"FAIL {name}: {'; '.join(wrong[:4])} ({len(wrong)} in all)" if wrong else f"PASS {name}",
                      flush=True)
            failed |= verdict(f"quantize, {'tied' if tied else 'untied'}: one wrong byte is noticed",
                              None if changed_byte_differs(tensors(theirs)) else "it is not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
