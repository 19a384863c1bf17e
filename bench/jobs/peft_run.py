#!/usr/bin/env python3
"""The recipe of a run of `linnet tune` on phrases or summaries in PyTorch, transformers and PEFT.

usage: peft_run.py RUN GGUF TRAIN LOG [--bf16] [--limit N]

RUN is the run's folder (linnet list --json says it): its run.json has the recipe, its taught.txt which samples were
taught, its test.jsonl the test's items. GGUF is the base's file, which is dequantised. TRAIN is what the run learned from
(a TSV of pairs, or JSONL with text and keypoints). The same samples; LoRA on every linear layer, AdamW, the same rate,
warm-up, cosine and number of steps, about as many tokens a step, gradients cut at norm 1, inputs cut to as many tokens.
Batches are padded where Linnet packs, and their order is this script's own. Writes what it replies to each of the items
as a log that `linnet eval compare RUN/test.jsonl LOG` reads; prints seconds.
Needs torch transformers peft gguf.
"""
import argparse
import json
import math
import os
import pathlib
import random
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor  # noqa: E402


def lines_of(path):
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def read(path):
    if path.suffix == ".tsv":
        return [line.split("\t") for line in lines_of(path)]
    rows = [json.loads(line) for line in lines_of(path)]
    return [[row["text"], "\n".join("- " + point for point in row["keypoints"])] for row in rows]


def taught_rows(train, run):
    """The rows of TRAIN whose places ("FILE, line N") stand in the run's taught.txt."""
    rows = read(train)
    return [rows[int(place.rsplit(" ", 1)[1]) - 1] for place in lines_of(run / "taught.txt")]


class Recipe:
    def __init__(self, info, tokenizer):
        self.info, self.tokenizer = info, tokenizer
        tokenizer.chat_template = info.get("chat_template", tokenizer.chat_template)
        # A base's own conversations end in a token of their own, the run's in the one that ends a text.
        ends = ["<end_of_turn>", "<|im_end|>"] if "chat_template" not in info else [tokenizer.eos_token]
        self.end = next(i for i in map(tokenizer.get_vocab().get, ends) if i is not None)

    def prompt(self, text):
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        if len(ids) > self.info["input_tokens"]:
            text = self.tokenizer.decode(ids[:self.info["input_tokens"]])
        messages = [{"role": "user", "content": text}]
        if self.info["system"]:
            messages.insert(0, {"role": "system", "content": self.info["system"]})
        told = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return self.tokenizer.encode(told, add_special_tokens=False)

    def sample(self, text, reply):
        prompt = self.prompt(text)
        said = self.tokenizer.encode(reply, add_special_tokens=False) + [self.end]
        return prompt + said, [-100] * len(prompt) + said


def batches(samples, tokens, generator):
    """Samples in any order, about so many tokens together."""
    out, count = [[]], 0
    for i in generator.sample(range(len(samples)), len(samples)):
        out[-1].append(i)
        count += len(samples[i][0])
        if count >= tokens:
            out.append([])
            count = 0
    return [batch for batch in out if batch]


def summed_loss(model, rows, pad):
    """Over all targets of rows that are padded side by side; the head only where there are some."""
    longest = max(len(tokens) for tokens, _ in rows)
    ids = torch.tensor([tokens + [pad] * (longest - len(tokens)) for tokens, _ in rows])
    mask = torch.tensor([[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens, _ in rows])
    targets = torch.tensor([targets[1:] + [-100] * (longest + 1 - len(targets)) for _, targets in rows])
    causal = model.get_base_model()
    hidden = causal.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    learned = targets != -100
    return torch.nn.functional.cross_entropy(causal.lm_head(hidden[learned]).float(), targets[learned], reduction="sum")


def learn(model, rows, pad):
    """Gradients of the mean over all targets, of 16 rows after one another; returns it."""
    count = sum(t != -100 for _, targets in rows for t in targets)
    rows = sorted(rows, key=lambda row: len(row[0]))
    total = 0.0
    for begin in range(0, len(rows), 16):
        loss = summed_loss(model, rows[begin:begin + 16], pad) / count
        loss.backward()
        total += loss.item()
    return total


class FrequencyPenalty(LogitsProcessor):
    """Takes `penalty` off a token's logit for each time that it was written after the prompt."""

    def __init__(self, prompt_length, penalty):
        self.prompt_length, self.penalty = prompt_length, penalty

    def __call__(self, input_ids, scores):
        written = input_ids[:, self.prompt_length:]
        counts = torch.zeros_like(scores).scatter_add_(1, written, torch.ones_like(written, dtype=scores.dtype))
        return scores - self.penalty * counts


@torch.no_grad()
def reply_all(model, recipe, items, most):
    pad = recipe.tokenizer.pad_token_id or 0
    prompts = [recipe.prompt(item["context"]) for item in items]
    order = sorted(range(len(items)), key=lambda i: len(prompts[i]))
    replies = [""] * len(items)
    for begin in range(0, len(order), 16):
        some = order[begin:begin + 16]
        longest = max(len(prompts[i]) for i in some)
        ids = torch.tensor([[pad] * (longest - len(prompts[i])) + prompts[i] for i in some])
        mask = torch.tensor([[0] * (longest - len(prompts[i])) + [1] * len(prompts[i]) for i in some])
        told = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=most, do_sample=False,
                              logits_processor=[FrequencyPenalty(longest, recipe.info.get("frequency_penalty", 0.0))],
                              eos_token_id=recipe.end, pad_token_id=pad)
        for i, row in zip(some, told):
            replies[i] = recipe.tokenizer.decode(row[longest:], skip_special_tokens=True).strip()
    return replies


def main():
    parser = argparse.ArgumentParser()
    for name in ("run", "gguf", "train", "log"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="only so many of the test's items")
    parser.add_argument("--bf16", action="store_true", help="products in bfloat16")
    args = parser.parse_args()
    began = time.time()
    torch.manual_seed(args.seed)
    generator = random.Random(args.seed)
    info = json.loads((args.run / "run.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(args.gguf.parent, gguf_file=args.gguf.name)
    model = AutoModelForCausalLM.from_pretrained(args.gguf.parent, gguf_file=args.gguf.name, dtype=torch.float32)
    lora = info["adapter"]
    model = get_peft_model(model, LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=0.0,
                                             target_modules="all-linear", task_type="CAUSAL_LM"))
    recipe = Recipe(info, tokenizer)
    rows = taught_rows(args.train, args.run)
    samples = [recipe.sample(*row) for row in rows]
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=info["rate"], weight_decay=0.0)
    steps, warmup, pad = info["steps"], info["warmup_steps"], tokenizer.pad_token_id or 0
    tokens_a_step = sum(len(tokens) for tokens, _ in samples) * info["epochs"] / steps
    queue, losses = [], []
    model.train()
    for step in range(steps):
        queue = queue or batches(samples, tokens_a_step, generator)
        part = queue.pop()
        rate = (step + 1) / warmup if step < warmup else \
            (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1))) / 2
        for group in optimizer.param_groups:
            group["lr"] = info["rate"] * rate
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            losses.append(learn(model, [samples[i] for i in part], pad))
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if (step + 1) % 20 == 0 or step + 1 == steps:
            print(f"step {step + 1} of {steps}: loss {sum(losses[-20:]) / len(losses[-20:]):.3f}, "
                  f"{time.time() - began:.0f} s", flush=True)
    taught = time.time()
    model.eval()
    log = [json.loads(line) for line in lines_of(args.run / "test.jsonl")]
    items = [line for line in log if "item" in line][:args.limit]
    longest = max(len(tokenizer.encode(row[1], add_special_tokens=False)) for row in rows)
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
        replies = reply_all(model, recipe, items, longest)
    with open(args.log, "w", encoding="utf-8") as out:
        head = next(line for line in log if "settings" in line)
        out.write(json.dumps({**head, "settings": {"model": "peft"}}) + "\n")
        for item, reply in zip(items, replies):
            out.write(json.dumps({**item, "output": reply}, ensure_ascii=False) + "\n")
    print(f"{steps} steps in {taught - began:.0f} s, {len(items)} replies in {time.time() - taught:.0f} s")


if __name__ == "__main__":
    main()
