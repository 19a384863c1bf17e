#!/usr/bin/env python3
"""Records files that the peers' own writers make, into tests/golden/formats: our readers read them, and our writers,
given the same content, write the same bytes.

Needs: gguf numpy safetensors torch.
"""

import json
import pathlib

import numpy as np
import safetensors.torch
import torch
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.quants import quantize
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent / "formats"


def make_gguf():
    writer = GGUFWriter(OUT / "peer.gguf", "llama")
    writer.add_uint8("t.u8", 200)
    writer.add_int8("t.i8", -100)
    writer.add_uint16("t.u16", 60000)
    writer.add_int16("t.i16", -30000)
    writer.add_uint32("t.u32", 4000000000)
    writer.add_int32("t.i32", -2000000000)
    writer.add_uint64("t.u64", 2**64 - 1)
    writer.add_int64("t.i64", -(2**63))
    writer.add_float32("t.f32", 0.1)
    writer.add_float64("t.f64", 0.1)
    writer.add_bool("t.bool", True)
    writer.add_string("t.string", "naïve ☕")
    writer.add_array("t.strings", ["a", "", "Ġthe"])
    writer.add_array("t.ints", [1, -2, 3])
    writer.add_array("t.floats", [0.5, -1.5])
    writer.add_array("t.bools", [True, False])
    f32 = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
    writer.add_tensor("a.f32", f32)
    writer.add_tensor("b.f16", f32.astype(np.float16))
    q8 = quantize(np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64), GGMLQuantizationType.Q8_0)
    writer.add_tensor("c.q8_0", q8, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_tensor("d.i32", np.array([5, -6, 7], dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_safetensors():
    f32 = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
    tensors = {
        "a": f32,
        "b.half": f32.astype(np.float16),
        "c.ids": np.array([1, -2, 3], dtype=np.int64),
        "d.bytes": np.array([[7, 8, 9]], dtype=np.uint8),
        "e.scalar": np.array(2.5, dtype=np.float32),
        "f.empty": np.zeros((0, 4), dtype=np.float32),
        "g.mask": np.array([True, False, True]),
        'h "quoted" é': np.array([1.0], dtype=np.float64),
    }
    save_file(tensors, OUT / "peer.safetensors", metadata={"format": "pt"})


def make_fp8():
    """NAME.weight in FP8 with its scales, in every layout of them; expected.NAME.weight is what PyTorch makes of both."""
    generator = torch.Generator().manual_seed(8)
    rows, columns, experts = 20, 37, 3
    block_rows, block_columns = 8, 16
    grid = (-(-rows // block_rows), -(-columns // block_columns))
    tensors = {}

    def add(name, shape, scale_shape, dtype, suffix, scale_dtype=torch.float32):
        weight = torch.randn(shape, generator=generator).to(dtype)
        scale = (torch.rand(scale_shape, generator=generator) + 0.5).to(scale_dtype)
        full = scale.float()
        if scale.numel() == 1:
            full = full.reshape([1] * len(shape))
        while full.dim() < len(shape):  # a number a row, or a matrix
            full = full.unsqueeze(-1)
        for axis, block in ((-2, block_rows), (-1, block_columns)):
            if full.shape[axis] not in (1, shape[axis]):
                full = full.repeat_interleave(block, axis).narrow(axis, 0, shape[axis])
        tensors[f"{name}.weight"] = weight
        tensors[f"{name}.weight_{suffix}"] = scale
        tensors[f"expected.{name}.weight"] = weight.float() * full

    e4m3, e5m2 = torch.float8_e4m3fn, torch.float8_e5m2
    add("tensor", (rows, columns), (), e4m3, "scale")
    add("row", (rows, columns), (rows,), e5m2, "scale")
    add("row_column", (rows, columns), (rows, 1), e4m3, "scale", torch.bfloat16)
    add("block", (rows, columns), grid, e4m3, "scale_inv")
    add("block_e5m2", (rows, columns), grid, e5m2, "scale_inv")
    add("experts.one", (experts, rows, columns), (1,), e4m3, "scale")
    add("experts.each", (experts, rows, columns), (experts, 1, 1), e4m3, "scale")
    add("experts.row", (experts, rows, columns), (experts, rows), e4m3, "scale")
    add("experts.block", (experts, rows, columns), (experts, *grid), e4m3, "scale_inv")
    safetensors.torch.save_file(tensors, OUT / "fp8.safetensors")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    make_gguf()
    make_safetensors()
    make_fp8()
