#!/usr/bin/env python3
"""Teaches a model with PyTorch from what it is at first, for bench/pretrain_compare, which says how.

usage: torch_train.py BASE TEXT --context N --windows N --steps N --rate R --dropout D --threads N [--compile]

Prints one line of JSON: {"seconds": of each step, "losses": of each step, "bytes": most memory resident}.
"""
import argparse
import pathlib

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

import torch_steps

DROPOUTS = ["resid_pdrop", "embd_pdrop", "attn_pdrop"]  # of GPT-2


def main():
    parser = argparse.ArgumentParser()
    for name in ("base", "text"):
        parser.add_argument(name)
    for name in ("--context", "--windows", "--steps", "--threads"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--rate", "--dropout"):
        parser.add_argument(name, type=float, required=True)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    tokenizer = Tokenizer.from_file(args.base + "/tokenizer.json")
    ids = torch.tensor(tokenizer.encode(pathlib.Path(args.text).read_text(encoding="utf-8"), add_special_tokens=False).ids)
    config = AutoConfig.from_pretrained(args.base)
    for name in DROPOUTS:
        setattr(config, name, args.dropout)
    model = AutoModelForCausalLM.from_pretrained(args.base, config=config, dtype=torch.float32).train()
    forward = torch.compile(model) if args.compile else model
    matrices = [parameter for parameter in model.parameters() if parameter.dim() == 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  betas=(0.9, 0.99), fused=True)

    def loss_of():
        begins = torch.randint(len(ids) - args.context - 1, (args.windows,))
        x = torch.stack([ids[begin:begin + args.context] for begin in begins])
        y = torch.stack([ids[begin + 1:begin + args.context + 1] for begin in begins])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = forward(input_ids=x, use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), y.flatten())

    torch_steps.teach(args, list(model.parameters()), optimizer, loss_of, warmup=max(1, args.steps // 10), least=0.1)


if __name__ == "__main__":
    main()
