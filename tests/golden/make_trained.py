#!/usr/bin/env python3
"""Makes tests/golden/trained/*.json: what Hugging Face tokenizers' trainers learn from small texts.
src/text/training/training_test.cpp trains on the same texts. Needs: tokenizers.
"""
import json
import os
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
END = "<|endoftext|>"


def few_letters(seed, words):
    """Words of two or three letters: pairs that are equally frequent, overlap, and make one token in several ways."""
    rng = random.Random(seed)
    letters = "ab" if seed % 2 else "abc"
    return " ".join("".join(rng.choice(letters) for _ in range(rng.randint(1, 14))) for _ in range(words))


def any_characters(seed):
    rng = random.Random(seed)
    ranges = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x3040, 0x30FF), (0x4E00, 0x4E40),
              (0x1F300, 0x1F320), (0x2000, 0x200F)]
    out = []
    for _ in range(4000):
        low, high = rng.choice(ranges)
        out.append(chr(rng.randint(low, high)) * rng.choice([1, 1, 1, 2, 5]))
        out.append(rng.choice(["", "", "", " ", "  ", "\n", "\r\n", "\t", "'s", "'re", " 12"]))
    return "".join(out).replace("\u2028", "")


def texts():
    with open(os.path.join(HERE, "..", "..", "LICENSE"), encoding="utf-8", newline="") as file:
        yield "licence", file.read()
    for seed in (1, 2):
        yield f"few-letters-{seed}", few_letters(seed, 400)
    yield "any", any_characters(3)


def bpe(text, vocab_size, min_frequency, specials):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(tokenizer.to_str())["model"]
    vocab = sorted(model["vocab"], key=model["vocab"].get)
    return {"kind": "bpe", "text": text, "vocab_size": vocab_size, "min_frequency": min_frequency,
            "specials": specials, "vocab": vocab, "merges": model["merges"]}


def unigram(text, vocab_size, specials):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split("\n", "contiguous"), pre_tokenizers.Metaspace(prepend_scheme="never")])
    tokenizer.train_from_iterator([text], trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=specials, unk_token="<unk>", show_progress=False))
    vocab = json.loads(tokenizer.to_str())["model"]["vocab"][1 + len(specials):]
    # Characters that training gave no score get the lowest ones, in an order that is another one each time.
    lowest = min(score for _, score in vocab) + 0.05
    pieces = [[piece, None if len(piece) == 1 and score < lowest else score] for piece, score in sorted(vocab)]
    return {"kind": "unigram", "text": text, "vocab_size": vocab_size, "specials": specials, "pieces": pieces}


def recordings():
    for name, text in texts():
        # The third of the special tokens is one that merging makes, too.
        for vocab_size, min_frequency, specials in ((700, 2, [END]), (1500, 0, []), (330, 5, [END, "<pad>", "ab"])):
            yield f"bpe-{name}-{vocab_size}", bpe(text, vocab_size, min_frequency, specials)
        if name != "any":  # more characters than a small vocabulary has room for
            for vocab_size, specials in ((120, [END]), (400, []), (900, [END, "<pad>"])):
                yield f"unigram-{name}-{vocab_size}", unigram(text, vocab_size, specials)


def main():
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    folder = os.path.join(HERE, "trained")
    os.makedirs(folder, exist_ok=True)
    for name, recording in recordings():
        with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(recording, file, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
