#!/usr/bin/env python3
"""Makes tests/golden/eval: what the programs that define the scores give for sentences, real and random.

usage: make_eval.py

eval/scores.json: {"tokens": [[line, tokenised by mteval-v13a]], "stems": {word: NLTK's Porter stem},
"translation": [{"segments": [[output, [reference, ...]]], "bleu", "bleu_text", "bleu_signature", "chrf", "chrf_signature"}],
"rouge": [[output, [reference, ...], stemmed, {kind: [precision, recall, f]}]],
"labels": [[gold places, predicted places, classes, accuracy, macro F1, [F1 of each class], confusion matrix]],
"squad": [[answer, [reference, ...], exact, F1]], "numbers": [[output, reference, strict match, flexible match]]}
eval/tasks: small data files in the shapes of well-known ones; eval/replay.json: what lm-evaluation-harness asks when it is
given them, invented answers, and its results: {task: {"file", "shots", "requests": [[context, continuation] or context],
"told": [[log-likelihood, greedy] or output], "results": {score: value}}}
Needs: sacrebleu rouge-score nltk scikit-learn lm_eval.
"""
import csv
import json
import pathlib
import random
import sys
import tempfile

import sacrebleu
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks.qasper.metrics import f1_abstractive, normalize_answer
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "peers"))
from shared import harness  # noqa: E402
SENTENCES = """The parcel left our warehouse on Monday, the 3rd of June, and should reach you within two days.
Your parcel has left the warehouse; it will reach you in 2-3 days.
We're open from 9:30 to 18:00, except on Sundays and public holidays.
Prices start at $1,299.50 (VAT included); the older model costs 10% less.
"It wasn't me," said the boy -- and he meant it!
Returns are free of charge within thirty days if the item hasn't been worn.
You can return any item that was not worn, free of charge, within 30 days.
The bakery's oldest oven, built in 1903, still bakes four hundred loaves a night.
Ich habe das Paket gestern bekommen, aber der Schlüssel fehlte.
Das Paket kam gestern an; leider fehlte der Schlüssel.
Où est la gare? -- À deux cents mètres, tout droit, monsieur.
La gare se trouve à 200 m d'ici, tout droit.
Dogs & cats: who's the better friend?  Ask 3,141.59 people, or e-mail us at help@shop.example.
Привет, мир! Как дела?
東京は今日も晴れです。
He said &quot;yes&quot; &amp; left.
An option-\nal line break, and a tab\there.
the the the the a an the
...
?!

skies dying lying news proceed happily relational conditional hopefulness electriciti generalizations
running ran runner easily fairly flies died agreed plastered motoring conflated troubled sized hopping falling""".replace("\\n", "\n").replace("\\t", "\t")
SENTENCES = [line for line in SENTENCES.split("\n")] + ["two lines\nof one summary", "two lines of\none short summary\n\n"]
WORDS = sorted({w for line in SENTENCES for w in line.split()})
SUFFIXES = ("s es ies ss sses eed ed ing at bl iz y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism "
            "iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able "
            "ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll le ied yed").split()
rng = random.Random(20)


def sentence():
    """A real sentence, one with words lost, doubled or in another place, or random words."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(SENTENCES)
    if kind == 1:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 20)))
    words = rng.choice(SENTENCES).split(" ")
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(words))
        words[at:at + 1] = rng.choice([[], [words[at]] * 2, [rng.choice(WORDS)], [words[at].upper()], ["\n" + words[at]]])
        words = words or ["nothing"]
    return " ".join(words)


def translation(references):
    segments = [[sentence(), [sentence() for _ in range(references)]] for _ in range(rng.choice([1, 2, 8]))]
    for segment in segments:
        if rng.random() < 0.5:
            segment[1][0] = segment[0].replace("the", "a")
    outputs = [output for output, _ in segments]
    columns = [list(column) for column in zip(*(refs for _, refs in segments))]
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    bleu_score, chrf_score = bleu.corpus_score(outputs, columns), chrf.corpus_score(outputs, columns)
    return {"segments": segments, "bleu": bleu_score.score, "bleu_text": bleu_score.format(),
            "bleu_signature": str(bleu.get_signature()), "chrf": chrf_score.score,
            "chrf_signature": str(chrf.get_signature())}


def rouge():
    stem, references = rng.random() < 0.5, [sentence() for _ in range(rng.choice([1, 1, 2]))]
    output = references[0].replace("the", "an") if rng.random() < 0.3 else sentence()
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=stem)
    return [output, references, stem, {name: list(score) for name, score in scorer.score_multi(references, output).items()}]


def stems():
    stemmer, words = PorterStemmer(), {}
    for _ in range(1500):
        word = "".join(rng.choice("bcdfghlmnrstwxyz" if i % 2 else "aeiouy" + "lsz") for i in range(rng.randrange(2, 6)))
        word += rng.choice(SUFFIXES)
        words[word] = stemmer.stem(word)
    for line in SENTENCES:
        for word in line.lower().split():
            if word.isascii() and word.isalnum():
                words[word] = stemmer.stem(word)
    return dict(sorted(words.items()))


def labels():
    classes = rng.randrange(2, 7)
    gold = [rng.randrange(classes) for _ in range(rng.randrange(1, 40))]
    predicted = [g if rng.random() < 0.6 else rng.randrange(classes) for g in gold]
    places = list(range(classes))
    return [gold, predicted, classes, accuracy_score(gold, predicted),
            f1_score(gold, predicted, average="macro", zero_division=0),
            f1_score(gold, predicted, average=None, labels=places, zero_division=0).tolist(),
            confusion_matrix(gold, predicted, labels=places).tolist()]


def squad():
    answer, references = sentence(), [sentence() for _ in range(rng.choice([1, 2, 3]))]
    if rng.random() < 0.4:
        references[0] = "The " + answer.lower() + "!"
    normal = normalize_answer(answer)
    exact = max(float(normalize_answer(reference) == normal) for reference in references)
    # Two texts without a word are equal in SQuAD 2.0's script; version 1.1's has no case for them.
    f1 = max(f1_abstractive([answer], [reference]) if normal or normalize_answer(reference) else 1 for reference in references)
    return [answer, references, exact, float(f1)]


def numbers():
    pieces = ["18", "-3", "$1,250.50", "####", "#### ", "so", "the answer is", ".", "3.", "=", "1,000,000", "7 -2", "...", "\n", " "]
    output = "".join(rng.choice(pieces) + rng.choice(["", " "]) for _ in range(rng.randrange(0, 9)))
    if rng.random() < 0.5:
        output += "#### " + rng.choice(["18", "1,250.50", "-3", "$18", "18."])
    reference = "It is that.\n#### " + rng.choice(["18", "1250.50", "-3", "7", "1,000,000"])
    rules = {"regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"], "ignore_case": True}
    def score(pattern, place):
        found = RegexFilter(pattern, place).apply([[output]], [{}])
        return float(exact_match_hf_evaluate(predictions=list(found)[0], references=[reference], **rules)["exact_match"])
    return [output, reference, score("#### (\\-?[0-9\\.\\,]+)", 0), score("(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)]


QUERIES = [
    ("Question: Which of these floats on water?", ["A stone.", "A cork.", "An iron nail.", "A brick."], 1),
    ("Passage: Cork is the bark of a tree.\nQuestion: is cork a metal?", ["no", "yes"], 0),
    ("The lamp went out, therefore", ["the room was dark.", "the room was bright."], 0),
    ("Owls hunt", ["at night", "at noon, mostly", "never"], 0),
    ("Question: Was ist größer als eine Maus? ", ["Ein Floh", "Eine Kuh", "Ein Sandkorn"], 1),
]
CAPITALS = [("What is the capital of France?", "Lyon", "Paris", "Nice", "Lille", 1), ("  Of Italy?  ", "Rome", "Milan", "Turin", "Bari", 0),
            ("Which city, on the Thames, is the UK's?", "Leeds", "Bath", "York", "London", 3), ("Of Spain?", "0", "1", "Madrid", "None", 2),
            ("Of Norway?", "Oslo", "Bergen", "Moss", "Bodø", 0), ("Of Peru?", "Cusco", "Lima", "Ica", "Puno", 1)]
SUMS = [("2+2=", "4"), ("The cat sat on the", "mat"), ("Once", "upon"), ("Twice ", "upon")]
WORKED = [("Ann has 3 pears and buys 4. How many has she?", "She has 3 + 4 = <<3+4=7>>7 pears.\n#### 7"),
          ("A shirt costs $20, a coat $1,000 more. What does the coat cost?", "20 + 1000 = 1020\n#### 1,020"),
          ("Two of nine birds fly off. How many stay?", "9 - 2 = 7\n#### 7"), ("Half of 30?", "30 / 2 = 15\n#### 15"), ("20 + 1000?", "20 + 1000 = 1020\n#### 1020"), ("3 times 5?", "#### 15")]


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["question", "choice0", "choice1", "choice2", "choice3", "answer"], *rows])
    return path


def write_jsonl(path, names, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(dict(zip(names, row)), ensure_ascii=False) + "\n" for row in rows))
    return path


def replay():
    at = HERE / "eval" / "tasks"
    worked = ["question", "answer"]
    tasks = {
        "queries": ("query", write_jsonl(at / "queries.jsonl", ["query", "choices", "gold"], QUERIES), None, 0, ""),
        "capitals": ("mmlu", write_csv(at / "test" / "capitals_test.csv", CAPITALS[2:]),
                     write_csv(at / "dev" / "capitals_dev.csv", CAPITALS[:2]), 2,
                     "The following are multiple choice questions (with answers) about capitals.\n\n"),
        "sums": ("continuation", write_jsonl(at / "sums.jsonl", ["context", "continuation"], SUMS), None, 0, ""),
        "gsm8k": ("gsm8k", write_jsonl(at / "gsm8k" / "test.jsonl", worked, WORKED[2:]),
                  write_jsonl(at / "gsm8k" / "train.jsonl", worked, WORKED[:2]), 2, ""),
    }
    record = {}
    for name, (form, test, pool, shots, description) in tasks.items():
        told = []
        def likelihood(key):
            told.append([round(-rng.random() * 30, 3), rng.random() < 0.5])
            return tuple(told[-1])
        def text(key):
            told.append(["So 9 - 2 = 7.\n#### 7", "The answer is $15.", "It is #### 8, or 1,020.", "#### 16"][len(told)])
            return told[-1]
        answering = harness.Replay(likelihood, text)
        with tempfile.TemporaryDirectory() as folder:
            harness.write_task(pathlib.Path(folder), name, form, test, pool, shots, description)
            results = harness.evaluate(folder, [name], answering)[name]
        record[name] = {"file": str(test.relative_to(HERE / "eval")), "shots": shots, "requests": answering.requests, "told": told,
                        "results": {key: float(value) for key, value in results.items()
                                    if isinstance(value, float) and not key.startswith("perplexity_stderr")}}
    return record


lines = [sentence() for _ in range(120)] + SENTENCES
record = {
    "tokens": [[line, Tokenizer13a()(line.rstrip())] for line in lines],
    "stems": stems(),
    "translation": [translation(rng.choice([1, 1, 3])) for _ in range(60)],
    "rouge": [rouge() for _ in range(150)],
    "labels": [labels() for _ in range(30)],
    "squad": [squad() for _ in range(150)],
    "numbers": [numbers() for _ in range(250)],
}
(HERE / "eval").mkdir(exist_ok=True)
(HERE / "eval" / "scores.json").write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
(HERE / "eval" / "replay.json").write_text(json.dumps(replay(), ensure_ascii=False, indent=1) + "\n")
