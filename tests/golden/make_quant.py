#!/usr/bin/env python3
"""Records what ggml decodes from blocks of every quantised format, into tests/golden/quant/NAME.bin, and what it encodes
numbers as, into NAME_encoded.bin; and with an importance matrix, into NAME_weighted.bin (the blocks alone), of the
numbers in weighted_input.bin: u32 rows, u32 width, the rows, the importance of their columns.

A file is: u32 number of blocks, the blocks, their values as float32 (all little-endian).
The values come from the Python package gguf; where llama_cpp is installed, ggml's own dequantize_row_* must agree.
mxfp4_safetensors.bin holds blocks, then scales, then what transformers' convert_moe_packed_tensors makes of them.
Needs: gguf numpy llama_cpp; torch transformers for mxfp4_safetensors.
"""

import ctypes
import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

OUT = pathlib.Path(__file__).parent / "quant"

# Where the half-precision scales of each block format lie.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [], T.F16: [0], T.BF16: [], T.F32: [],
}
# 0, -0, smallest and largest subnormal, 1, -1, largest, infinities, NaN
SPECIAL = [0x0000, 0x8000, 0x0001, 0x03FF, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00]


def make_blocks(kind, rng):
    size = GGML_QUANT_SIZES[kind][1]
    count = 24 if size > 60 else 64
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in HALVES[kind]:
        ordinary = rng.normal(0, 0.05, count).astype(np.float16).view(np.uint16)
        ordinary[: len(SPECIAL)] = rng.permutation(SPECIAL) if offset else SPECIAL
        ordinary[-4:] = rng.integers(0, 65536, 4)
        blocks[:, offset : offset + 2] = ordinary.view(np.uint8).reshape(count, 2)
    if kind == T.MXFP4:
        blocks[:6, 0] = [0, 1, 2, 127, 254, 255]
        blocks[6:48, 0] = rng.integers(110, 135, 42)
    return blocks


def ggml_library():
    import llama_cpp
    return ctypes.CDLL(str(pathlib.Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))


def ggml_decode(library, kind, blocks, elements):
    names = {T.F16: "ggml_fp16_to_fp32_row", T.BF16: "ggml_bf16_to_fp32_row"}
    name = names.get(kind, "dequantize_row_" + {"MXFP4": "mxfp4", "IQ4_NL": "iq4_nl", "IQ4_XS": "iq4_xs"}.get(
        kind.name, kind.name.replace("Q", "q")))
    out = np.empty(elements, np.float32)
    raw = np.ascontiguousarray(blocks)
    getattr(library, name)(ctypes.c_void_p(raw.ctypes.data), ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(elements))
    return out


def make_values(rng):
    """Rows of 256 numbers such as weights are, and such as they should not be."""
    plain = rng.normal(0, 1, (12, 256)).astype(np.float32)
    powers = np.array([float(f"1e{p}") for p in range(-6, 2)])
    # Products alone: numpy's powers differ from processor to processor.
    rows = [plain[0] * 0.02, plain[1] * plain[1] * plain[1], np.abs(plain[2]), -np.abs(plain[3]) * 1e-7, np.round(plain[4]),
            np.where(rng.random(256) < 0.1, plain[5] * 30, 0), np.repeat([0, 1], 128) * plain[6], np.full(256, 0.7),
            plain[7] * np.repeat(powers, 32), np.zeros(256), plain[8] * 1e-20, plain[9] * 3e4]
    return np.array(rows, np.float32).reshape(-1)


def record_encoding(library, kind, rng):
    if kind in (T.F32, T.F16, T.BF16):
        return
    values = make_values(rng)
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = np.zeros(values.size // elements * size, np.uint8)
    library.ggml_quantize_chunk(ctypes.c_int(int(kind)), ctypes.c_void_p(values.ctypes.data),
                                ctypes.c_void_p(blocks.ctypes.data), ctypes.c_int64(0), ctypes.c_int64(1),
                                ctypes.c_int64(values.size), None)
    data = np.uint32(values.size // elements).tobytes() + blocks.tobytes() + values.tobytes()
    (OUT / f"{kind.name.lower()}_encoded.bin").write_bytes(data)


def weighted_input():
    rng = np.random.default_rng(2024)
    rows = np.concatenate([make_values(rng), make_values(rng)]).reshape(-1, 512)
    importance = (rng.normal(0, 1, rows.shape[1]) ** 2).astype(np.float32)
    importance[::61] *= 300
    importance[37:50] = 0
    return rows, importance


def record_weighted(library):
    """Rows of two different blocks of 256, so that what a row shares shows."""
    rows, importance = weighted_input()
    (OUT / "weighted_input.bin").write_bytes(np.array(rows.shape, np.uint32).tobytes() + rows.tobytes()
                                             + importance.tobytes())
    for kind in HALVES:
        if kind in (T.F32, T.F16, T.BF16):
            continue
        elements, size = GGML_QUANT_SIZES[kind]
        blocks = np.zeros(rows.size // elements * size, np.uint8)
        library.ggml_quantize_chunk(ctypes.c_int(int(kind)), ctypes.c_void_p(rows.ctypes.data),
                                    ctypes.c_void_p(blocks.ctypes.data), ctypes.c_int64(0),
                                    ctypes.c_int64(rows.shape[0]), ctypes.c_int64(rows.shape[1]),
                                    ctypes.c_void_p(importance.ctypes.data))
        (OUT / f"{kind.name.lower()}_weighted.bin").write_bytes(blocks.tobytes())


def same(a, b):
    nan = np.isnan(a) & np.isnan(b)
    return bool(np.all(nan | (a.view(np.uint32) == b.view(np.uint32))))


def main():
    OUT.mkdir(exist_ok=True)
    library = ggml_library()
    with np.errstate(all="ignore"):
        for kind in HALVES:
            rng = np.random.default_rng(int(kind))
            blocks = make_blocks(kind, rng)
            elements = blocks.shape[0] * GGML_QUANT_SIZES[kind][0]
            values = dequantize(blocks.reshape(1, -1), kind).astype(np.float32).reshape(-1)
            assert values.size == elements
            if kind != T.F32 and not same(values, ggml_decode(library, kind, blocks, elements)):
                sys.exit(f"{kind.name}: gguf and ggml decode differently")
            data = np.uint32(blocks.shape[0]).tobytes() + blocks.tobytes() + values.tobytes()
            (OUT / f"{kind.name.lower()}.bin").write_bytes(data)
            print(kind.name, blocks.shape[0], "blocks, agreed by ggml")
            record_encoding(library, kind, rng)
        record_weighted(library)

    import torch
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    rng = np.random.default_rng(99)
    experts, rows, groups = 2, 8, 4
    blocks = rng.integers(0, 256, (experts, rows, groups, 16), dtype=np.uint8)
    scales = rng.integers(100, 140, (experts, rows, groups), dtype=np.uint8)
    scales.reshape(-1)[:8] = [0, 1, 2, 126, 127, 128, 254, 255]
    values = convert_moe_packed_tensors(torch.from_numpy(blocks), torch.from_numpy(scales), dtype=torch.bfloat16)
    flat = values.transpose(1, 2).contiguous().float().numpy()
    data = np.uint32(experts * rows * groups).tobytes() + blocks.tobytes() + scales.tobytes() + flat.tobytes()
    (OUT / "mxfp4_safetensors.bin").write_bytes(data)


if __name__ == "__main__":
    main()
