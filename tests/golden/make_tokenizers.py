#!/usr/bin/env python3
"""Makes tests/golden/tokenizers/*.json: small tokenizers of every kind, trained here, with texts and what Hugging Face
tokenizers or sentencepiece make of them. src/text/golden_test.cpp replays them.

The trained tokenizers are kept from the last time; to train them anew, empty the folder first. Needs: tokenizers,
sentencepiece, protobuf.
"""
import base64
import json
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "peers"))
from text import inputs, zoo  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402

TEXTS = ["", " ", "Hello, world! It's 2024 and we'LL don't.", "  leading and trailing  ", "line\n\nbreaks\r\n\ttabs",
         "Ünïcödé ß ǅ ʰ ªº 字字 한국어 ไทย مرحبا", "👩‍👩‍👧 🇩🇪 e\u0301 \u200d\ufeff", "HTTPServer iPhone’s camelCase",
         "12345 ３４５ ²³ Ⅷ ½", "a<|im_start|>b <|im_end|>  c <mask> <tool>ing Über", "!!! ... --- /\n/ $+=",
         "<0x0A> ▁ <unk> </s>", "aabaaab aaaab  aa", "ing ingⅧ ingⒺ Ⅷing ing\u200d ing²", "x" * 100, " " * 40 + "y"]


def byte_level(text):
    """One small vocabulary behind every byte-level pre-tokenizer."""
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    state = json.loads(base.to_str())["model"]
    vocab, merges = state["vocab"], [tuple(m) for m in state["merges"]]
    for name, tokenizer in zoo.byte_level_family(vocab, merges):
        yield name, tokenizer


def record(state, texts):
    tokenizer = Tokenizer.from_str(json.dumps(state))
    out = {"tokenizer": state, "texts": texts}
    for key, parse, add in (("ids", False, False), ("ids_parsed", True, False), ("ids_framed", True, True)):
        tokenizer.encode_special_tokens = not parse
        out[key] = [tokenizer.encode(text, add_special_tokens=add).ids for text in texts]
    rng = random.Random(11)
    size = tokenizer.get_vocab_size()
    out["sequences"] = out["ids_framed"] + [[rng.randrange(size) for _ in range(12)] for _ in range(20)]
    out["decoded"] = [tokenizer.decode(ids, skip_special_tokens=True) for ids in out["sequences"]]
    out["decoded_all"] = [tokenizer.decode(ids, skip_special_tokens=False) for ids in out["sequences"]]
    return out


def record_sentencepiece(encoded, texts):
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(encoded))
    rng = random.Random(11)
    ids = [model.encode(text) for text in texts]
    sequences = [line for line in ids if line] + [[rng.randrange(model.get_piece_size()) for _ in range(12)]
                                                  for _ in range(20)]
    return {"sentencepiece": encoded, "texts": texts, "ids": ids, "sequences": sequences,
            "decoded": [model.decode(line) for line in sequences]}


def train(folder):
    """Training is not the same twice (threads, hash orders), so it is done once and what it made is kept."""
    # Enough English to train on, and it never changes.
    with open(os.path.join(HERE, "..", "..", "LICENSE"), encoding="utf-8") as file:
        corpus = file.read().split("\n")
    for name, tokenizer in list(byte_level(corpus)) + list(zoo.trained(None, corpus, 0.25)):
        write(folder, name, {"tokenizer": json.loads(tokenizer.to_str())})
    with tempfile.TemporaryDirectory() as scratch:
        with open(f"{scratch}/corpus.txt", "w", encoding="utf-8") as file:
            file.write("\n".join(corpus))
        for name, path in zoo.trained_sentencepiece(f"{scratch}/corpus.txt", scratch, 340):
            with open(path, "rb") as file:
                write(folder, name, {"sentencepiece": base64.b64encode(file.read()).decode()})


def write(folder, name, recording):
    with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
        json.dump(recording, file, ensure_ascii=False, separators=(",", ":"))


def main():
    folder = os.path.join(HERE, "tokenizers")
    os.makedirs(folder, exist_ok=True)
    if not os.listdir(folder):
        train(folder)
    for name, tokenizer in zoo.parts():
        write(folder, name, {"tokenizer": json.loads(tokenizer.to_str())})
    texts = TEXTS + list(inputs.random_strings(40, 2, inputs.agreed()))
    for file_name in sorted(os.listdir(folder)):
        with open(f"{folder}/{file_name}", encoding="utf-8") as file:
            old = json.load(file)
        if "sentencepiece" in old:
            recording = record_sentencepiece(old["sentencepiece"], texts)
        else:
            recording = record(old["tokenizer"], texts)
        write(folder, file_name.removesuffix(".json"), recording)
    return 0


if __name__ == "__main__":
    sys.exit(main())
