#!/usr/bin/env python3
"""Makes tests/golden/word_encoder: a BERT whose vector of a text is the bag of its words.

Each word has a random vector of its own; attention and feed-forward add nothing, until they are taught. So cosines are
the words that two texts share, which a test can foresee, and it takes kilobytes. Needs nothing but Python.

usage: make_encoder.py        writes beside itself
"""
import json
import pathlib
import random
import struct

HIDDEN, INTERMEDIATE, HEADS, POSITIONS = 48, 48, 2, 72
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = """where is the shop when do you open sell bread milk what are hours how late cost much station it at to a i can my
your in on for of have there who and with cake nine euro yes facebook instagram toilet visitors hiring jobs dog cat pets
wifi password coffee food park car pay card cash name old""".split()


def tensors():
    rng = random.Random(7)
    normal = lambda *shape: [rng.gauss(0, 1) for _ in range(shape[0] * shape[1])]
    out = {"embeddings.word_embeddings.weight": ((len(SPECIAL + WORDS), HIDDEN), None)}
    words = normal(len(SPECIAL + WORDS), HIDDEN)
    # What frames every text says nothing about it.
    for token in (0, 2, 3):
        words[token * HIDDEN:(token + 1) * HIDDEN] = [x * 0.05 for x in words[token * HIDDEN:(token + 1) * HIDDEN]]
    out["embeddings.word_embeddings.weight"] = ((len(SPECIAL + WORDS), HIDDEN), words)

    def add(name, shape, value):
        count = 1
        for size in shape:
            count *= size
        out[name] = (shape, [value] * count)

    add("embeddings.position_embeddings.weight", (POSITIONS, HIDDEN), 0.0)
    add("embeddings.token_type_embeddings.weight", (2, HIDDEN), 0.0)
    layer = "encoder.layer.0."
    for norm in ("embeddings.LayerNorm", layer + "attention.output.LayerNorm", layer + "output.LayerNorm"):
        add(norm + ".weight", (HIDDEN,), 1.0)
        add(norm + ".bias", (HIDDEN,), 0.0)
    for name, rows, columns in (("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
                                ("attention.self.value", HIDDEN, HIDDEN), ("attention.output.dense", HIDDEN, HIDDEN),
                                ("intermediate.dense", INTERMEDIATE, HIDDEN), ("output.dense", HIDDEN, INTERMEDIATE)):
        # Zeros would never learn: where A and B of an adapter meet a zero on both sides, no gradient passes.
        out[layer + name + ".weight"] = ((rows, columns), [x * 0.02 for x in normal(rows, columns)])
        add(layer + name + ".bias", (rows,), 0.0)
    return out


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        part = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    folder = pathlib.Path(__file__).parent / "word_encoder"
    folder.mkdir(exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors())
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "num_attention_heads": HEADS, "num_hidden_layers": 1,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": len(SPECIAL + WORDS),
        "layer_norm_eps": 1e-12, "pad_token_id": 0}, indent=1) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}, "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {word: i for i, word in enumerate(SPECIAL + WORDS)}}}) + "\n")


if __name__ == "__main__":
    main()
