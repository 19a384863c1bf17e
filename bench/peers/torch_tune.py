#!/usr/bin/env python3
"""Teaches a model with PyTorch, and an adapter with PEFT, for bench/teach_compare.

usage: torch_tune.py BASE DATA.jsonl --length N --steps N --rate R --threads N [--adapter FOLDER] [--compile] [--f32]

Goes on from the adapter on the folder BASE, or teaches all weights where none is given; each step learns every "text" in
DATA, which has --length - 1 tokens, and the end behind it. AdamW as `linnet tune` has it: no decay, the rate up over a
twentieth of the steps and down to 0 by a cosine, gradients cut at norm 1. Products are in bfloat16 unless --f32 is given;
what is taught is in float32 (all weights: by autocast), what is not in bfloat16. Prints one line of JSON: {"seconds": of
each step, "losses": of each step, "bytes": most memory resident}.
"""
import argparse
import json

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import torch_steps


def main():
    parser = argparse.ArgumentParser()
    for name in ("base", "data"):
        parser.add_argument(name)
    parser.add_argument("--adapter")
    for name in ("--length", "--steps", "--threads"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--f32", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    with open(args.data, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    ids = torch.tensor([tokenizer(text).input_ids + [tokenizer.eos_token_id] for text in texts])
    assert ids.shape[1] == args.length
    floats = args.f32 or not args.adapter
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32 if floats else torch.bfloat16).train()
    if args.adapter:
        model = PeftModel.from_pretrained(model, args.adapter, is_trainable=True).train()
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=floats and not args.f32)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    forward = torch.compile(model) if args.compile else model
    optimizer = torch.optim.AdamW(trained, lr=args.rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)

    def loss_of():
        with autocast:
            return forward(input_ids=ids, labels=ids, use_cache=False).loss

    torch_steps.teach(args, trained, optimizer, loss_of, warmup=max(1, args.steps // 20), least=0)


if __name__ == "__main__":
    main()
