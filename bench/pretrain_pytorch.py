#!/usr/bin/env python3
"""The small-GPT recipe in PyTorch, beside `linnet train`: speed, and the loss at equal steps.

usage: pretrain_pytorch.py TEXT [--steps 100] [--bf16] [--compile] [--batch 64] [--dropout 0.2] [--threads N]

Characters; 6 layers, 6 heads, 384 wide, a context of 256, AdamW from 1e-3 by a cosine over --of steps to 1e-4 after 100
steps of warmup, betas 0.9 and 0.99, decay 0.1 of matrices, gradients clipped to 1; the last tenth of the text is held out.
The same with Linnet:

    linnet train TEXT --name x --shape gpt2 --size 10m --context 256 --batch 16384 --steps 5000 --rate 1e-3 \\
        --final 0.1 --warmup 100 --beta2 0.99 --weight-decay 0.1 --dropout 0.2 --held-out 0.1

Needs: torch.
"""
import argparse
import json
import math
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in self.qkv(self.ln_1(x)).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0, is_causal=True)
        x = x + self.drop(self.out(y.transpose(1, 2).reshape(b, t, c)))
        return x + self.drop(self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh")))


class Gpt(nn.Module):
    def __init__(self, vocab, context=256, layers=6, width=384, heads=6, dropout=0.2):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, x, y):
        h = self.drop(self.tokens(x) + self.positions(torch.arange(x.shape[1])))
        for block in self.blocks:
            h = block(h)
        return F.cross_entropy(F.linear(self.norm(h), self.tokens.weight).flatten(0, 1).float(), y.flatten())


def main():
    args = argparse.ArgumentParser()
    args.add_argument("text")
    args.add_argument("--steps", type=int, default=100)
    args.add_argument("--of", type=int, default=5000)
    args.add_argument("--batch", type=int, default=64)
    args.add_argument("--dropout", type=float, default=0.2)
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--bf16", action="store_true")
    args.add_argument("--compile", action="store_true")
    args = args.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    text = open(args.text, encoding="utf-8").read()
    letters = sorted(set(text))
    ids = torch.tensor([letters.index(c) for c in text])
    train = ids[:len(ids) * 9 // 10]
    model = Gpt(len(letters), dropout=args.dropout)
    run = torch.compile(model) if args.compile else model
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
         {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}], betas=(0.9, 0.99), fused=True)
    times, losses = [], []
    for step in range(args.steps):
        part = (step - 100) / (args.of - 100)
        rate = 1e-3 * (step + 1) / 100 if step < 100 else 1e-3 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * part)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        start = time.perf_counter()
        at = torch.randint(len(train) - 257, (args.batch,))
        x = torch.stack([train[i:i + 256] for i in at])
        y = torch.stack([train[i + 1:i + 257] for i in at])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            loss = run(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter() - start)
        losses.append(loss.item())
    middle = sorted(times[1:])[len(times[1:]) // 2]
    print(json.dumps({"tokens_per_second": args.batch * 256 / middle, "losses": losses}))


main()
