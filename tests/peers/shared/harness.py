"""lm-evaluation-harness fed with what another program found: the very requests that it makes, looked up in a log.

Tasks are local YAML files beside local data, so nothing comes from the network.
Needs: lm_eval.
"""
import csv
import json
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
import yaml  # noqa: E402
from lm_eval import simple_evaluate  # noqa: E402
from lm_eval.api.model import LM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

ACC = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
ACC_NORM = {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True}
NUMBERS = [{"name": "strict-match", "filter": [{"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"},
                                               {"function": "take_first"}]},
           {"name": "flexible-extract", "filter": [{"function": "regex", "group_select": -1,
                                                    "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                                                   {"function": "take_first"}]}]
# What the harness's own tasks say, in terms of the fields of our files.
FORMS = {
    "query": {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": "gold",
              "doc_to_text": "{{query}}{% if query.split('\\n')[-1].startswith('Question:') %}\nAnswer:{% endif %}",
              "metric_list": [ACC, ACC_NORM]},
    "mmlu": {"output_type": "multiple_choice", "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "answer",
             "doc_to_text": "{{question.strip()}}\nA. {{choice0}}\nB. {{choice1}}\nC. {{choice2}}\nD. {{choice3}}\nAnswer:",
             "metric_list": [ACC, ACC_NORM]},
    "continuation": {"output_type": "loglikelihood", "doc_to_text": "context", "doc_to_target": "continuation",
                     "target_delimiter": "", "metric_list": [ACC, {"metric": "perplexity", "aggregation": "perplexity",
                                                                   "higher_is_better": False}]},
    "gsm8k": {"output_type": "generate_until", "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_target": "{{answer}}",
              "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False},
              "filter_list": NUMBERS,
              "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True,
                               "ignore_punctuation": False, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}]},
}


def rows_of(path):
    """The rows of a data file, as the harness's data sets have them."""
    path = pathlib.Path(path)
    if path.suffix == ".csv":
        with open(path, newline="") as file:
            return [{**row, "answer": int(row["answer"])} for row in csv.DictReader(file)]
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    for row in rows:
        if "continuation" in row and row["context"][-1:] not in ("", " ", "\n", "\t", "=", "(", "["):
            row["continuation"] = " " + row["continuation"]
    return rows


def write_task(folder, name, form, test, pool=None, shots=0, description=""):
    """One YAML file for the harness, and its data as JSONL."""
    files = {"test": test, **({"pool": pool} if shots else {})}
    for split, path in files.items():
        target = folder / f"{name}.{split}.jsonl"
        target.write_text("".join(json.dumps(row) + "\n" for row in rows_of(path)))
        files[split] = str(target)
    config = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test",
              "description": description, "num_fewshot": shots, **FORMS[form]}
    if shots:
        config |= {"fewshot_split": "pool", "fewshot_config": {"sampler": "first_n"}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))


class Replay(LM):
    """Answers with what `likelihoods` {(context, continuation): (log-likelihood, greedy)} and `texts` {context: output} hold,
    or, where they are functions, with what those give. Keeps the requests."""

    def __init__(self, likelihoods, texts):
        super().__init__()
        self.likelihoods, self.texts, self.requests = likelihoods, texts, []

    def look_up(self, table, key):
        self.requests.append(key)
        return table(key) if callable(table) else table[key]

    def loglikelihood(self, requests, disable_tqdm=False):
        return [self.look_up(self.likelihoods, tuple(request.args)) for request in requests]

    def generate_until(self, requests, disable_tqdm=False):
        return [self.look_up(self.texts, request.args[0]) for request in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise NotImplementedError


def evaluate(folder, names, replay, limit=None):
    """The harness's results: {task: {"acc,none": …}}."""
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return simple_evaluate(model=replay, tasks=names, task_manager=manager, limit=limit, bootstrap_iters=1000,
                           log_samples=False, verbosity="ERROR")["results"]
