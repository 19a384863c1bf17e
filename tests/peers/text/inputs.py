"""The texts that tokenizers are compared on."""
import glob
import os
import random
import unicodedata

from tokenizers import normalizers, pre_tokenizers


def assigned():
    return [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


FRAGMENTS = ["<|im_start|>", "<|im_end|>", "<mask>", "<tool>", "Über", "U\u0308ber", "ing", "<unk>", "</s>", "<s>",
             "[CLS]", "[MASK]", "'s", "'LL", "'ſ", " 've", "\r\n", "  ", "\n\n", "\t", "12345", "３４", "don't", " the",
             "▁", "<0x0A>", "é", "e\u0301", "가", "ｱ", "ﬁ", "👩‍👩‍👧", "🇩🇪", "\u200d", "\ufeff", "\x00", "\x85",
             "ЀЖж", "ǅ", "ʰ", "ªº", "Ⅷ", "²³", "½", "…", "—", "$", "+=", "/\n/", "HTTPServer", "iPhone’s"]


def agreed():
    """The assigned characters on which the peer's older tables (Unicode 8 for BERT's classes) agree with Python's."""
    bert = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False,
                                      lowercase=False)
    accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True,
                                         lowercase=False)
    marks, compose, punctuation = normalizers.StripAccents(), normalizers.NFKC(), pre_tokenizers.Punctuation()

    def same(c):
        category = unicodedata.category(c)
        dropped = category in ("Cc", "Cf", "Co") and c not in "\t\n\r" or c == "\ufffd"
        is_mark = category[0] == "M"
        is_punctuation = category[0] == "P" or c in "$+<=>^`|~"
        return ((bert.normalize_str(c) == "") == dropped and (marks.normalize_str(c) == "") == is_mark
                and (accents.normalize_str(c) == "") == (category == "Mn")
                and compose.normalize_str(c) == unicodedata.normalize("NFKC", c)
                and (len(punctuation.pre_tokenize_str("a" + c)) > 1) == is_punctuation)

    return [c for c in assigned() if same(chr(c))]


def random_strings(count, seed, everything):
    rng = random.Random(seed)
    low = [c for c in everything if c < 0x3000]
    ascii_text = [chr(c) for c in range(32, 127)] + ["\n", "\t", " ", " "]
    for _ in range(count):
        out = []
        for _ in range(rng.randint(1, 12)):
            kind = rng.random()
            if kind < 0.30:
                out.append("".join(rng.choice(ascii_text) for _ in range(rng.randint(1, 8))))
            elif kind < 0.50:
                out.append(rng.choice(FRAGMENTS))
            elif kind < 0.75:
                out.append("".join(chr(rng.choice(low)) for _ in range(rng.randint(1, 4))))
            else:
                out.append("".join(chr(rng.choice(everything)) for _ in range(rng.randint(1, 4))))
        yield "".join(out)


def vectors(path):
    """llama.cpp's own test strings of one vocabulary, and the ids that it expects."""
    with open(f"{path}.inp", encoding="utf-8", newline="") as file:
        texts = file.read().split("\n__ggml_vocab_test__\n")[:-1]
    with open(f"{path}.out", encoding="utf-8") as file:
        ids = [[int(token) for token in line.split()] for line in file.read().split("\n")[:len(texts)]]
    return texts, ids


def whole_texts(shared):
    """Every text in the shared data."""
    for path in sorted(glob.glob(f"{shared}/data/**/*", recursive=True)):
        if path.endswith((".gguf", ".model")) or not os.path.isfile(path):
            continue
        try:
            with open(path, encoding="utf-8", newline="") as file:
                yield file.read()
        except UnicodeDecodeError:
            continue


def lines_of(texts):
    """Each line once."""
    return list(dict.fromkeys(line for text in texts for line in text.split("\n")))
