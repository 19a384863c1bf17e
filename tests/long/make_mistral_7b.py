#!/usr/bin/env python3
"""Writes a GGUF file of Mistral-7B's shape with random weights in the mix that llama.cpp calls Q4_K_M (4.4 GB).

usage: make_mistral_7b.py FILE.gguf

Nothing but Python is needed. The weights are uniform noise under scales that make their standard deviation about 0.02,
so that activations stay finite; the vocabulary has every byte, so that each ASCII letter of a prompt is one token.
"""
import random
import struct
import sys

LAYERS, HIDDEN, INNER, HEADS, KV_HEADS, VOCABULARY, CONTEXT = 32, 4096, 14336, 32, 8, 32000, 32768
HEAD_DIM = HIDDEN // HEADS
ALIGNMENT = 32
BLOCK = 256  # elements of a K-quant's block

# ggml's numbers for the types of tensors, with the bytes of a block and the fields of it that must not be noise:
# (offset, float16).
F32, Q4_K, Q6_K = 0, 12, 14
BLOCKS = {Q4_K: (144, [(0, 1.4e-4), (2, 1.05e-3)]),  # d, dmin
          Q6_K: (210, [(208, 1.5e-5)])}              # d
# GGUF's numbers for the types of values.
UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5


def more_bits(layer):
    """llama.cpp's choice of the layers whose attn_v and ffn_down get 6 bits in Q4_K_M."""
    return layer < LAYERS // 8 or layer >= 7 * LAYERS // 8 or (layer - LAYERS // 8) % 3 == 2


def tensors():
    """(name, shape as GGUF writes it: columns first, type)."""
    yield "token_embd.weight", (HIDDEN, VOCABULARY), Q4_K
    for layer in range(LAYERS):
        finer = Q6_K if more_bits(layer) else Q4_K
        kv = KV_HEADS * HEAD_DIM
        for name, shape, kind in (("attn_norm", (HIDDEN,), F32), ("attn_q", (HIDDEN, HIDDEN), Q4_K),
                                  ("attn_k", (HIDDEN, kv), Q4_K), ("attn_v", (HIDDEN, kv), finer),
                                  ("attn_output", (HIDDEN, HIDDEN), Q4_K), ("ffn_norm", (HIDDEN,), F32),
                                  ("ffn_gate", (HIDDEN, INNER), Q4_K), ("ffn_up", (HIDDEN, INNER), Q4_K),
                                  ("ffn_down", (INNER, HIDDEN), finer)):
            yield f"blk.{layer}.{name}.weight", shape, kind
    yield "output_norm.weight", (HIDDEN,), F32
    yield "output.weight", (HIDDEN, VOCABULARY), Q6_K


def metadata():
    """(key, type of the value, value); an array's type is (ARRAY, type of its items)."""
    arch = "llama"
    yield "general.architecture", STRING, arch
    yield "general.name", STRING, "random weights in the shape of Mistral 7B"
    for key, value in (("block_count", LAYERS), ("context_length", CONTEXT), ("embedding_length", HIDDEN),
                       ("feed_forward_length", INNER), ("attention.head_count", HEADS),
                       ("attention.head_count_kv", KV_HEADS), ("rope.dimension_count", HEAD_DIM)):
        yield f"{arch}.{key}", UINT32, value
    yield f"{arch}.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5
    yield f"{arch}.rope.freq_base", FLOAT32, 10000.0
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [2, 3, 3] + [6] * 256  # unknown, control, byte
    pieces += [f"\u2581piece{i}" for i in range(VOCABULARY - len(pieces))]
    kinds += [1] * (VOCABULARY - len(kinds))
    yield "tokenizer.ggml.model", STRING, "llama"
    yield "tokenizer.ggml.tokens", (ARRAY, STRING), pieces
    yield "tokenizer.ggml.scores", (ARRAY, FLOAT32), [float(-i) for i in range(VOCABULARY)]
    yield "tokenizer.ggml.token_type", (ARRAY, INT32), kinds
    yield "tokenizer.ggml.bos_token_id", UINT32, 1
    yield "tokenizer.ggml.eos_token_id", UINT32, 2
    yield "tokenizer.ggml.add_bos_token", BOOL, True


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value_bytes(kind, value):
    if kind == STRING:
        return string(value)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def size_of(shape, kind):
    elements = shape[0] * (shape[1] if len(shape) > 1 else 1)
    return elements * 4 if kind == F32 else elements // BLOCK * BLOCKS[kind][0]


def header():
    pairs, infos = list(metadata()), list(tensors())
    out = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs))
    for key, kind, value in pairs:
        if isinstance(kind, tuple):
            items = b"".join(value_bytes(kind[1], item) for item in value)
            out += string(key) + struct.pack("<IIQ", ARRAY, kind[1], len(value)) + items
        else:
            out += string(key) + struct.pack("<I", kind) + value_bytes(kind, value)
    offset = 0
    for name, shape, kind in infos:
        out += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        offset += -(-size_of(shape, kind) // ALIGNMENT) * ALIGNMENT
    return out + bytes(-len(out) % ALIGNMENT)


def noise(generator, kind, count):
    """`count` blocks."""
    size, fields = BLOCKS[kind]
    out = bytearray(generator.randbytes(count * size))
    for offset, value in fields:
        low, high = struct.pack("<e", value)
        out[offset::size] = bytes([low]) * count
        out[offset + 1::size] = bytes([high]) * count
    return out


def main():
    generator = random.Random(7)
    with open(sys.argv[1], "wb") as file:
        file.write(header())
        for _, shape, kind in tensors():
            size = size_of(shape, kind)
            if kind == F32:
                file.write(struct.pack("<f", 1.0) * shape[0])
            else:
                blocks = size // BLOCKS[kind][0]
                for begin in range(0, blocks, 1 << 16):
                    file.write(noise(generator, kind, min(1 << 16, blocks - begin)))
            file.write(bytes(-size % ALIGNMENT))


if __name__ == "__main__":
    main()
