#!/usr/bin/env python3
"""Makes tests/golden/training: what PyTorch's AdamW makes of models of tests/golden/models.

usage: make_training.py

training/NAME.json: {"losses", "norms", "sums"}: of STEPS steps on the model's input_ids, the loss before each step, the
norm of all gradients before they are clipped, and afterwards for each parameter [name, the sum of its numbers, the sum of
their magnitudes].
Needs: torch transformers safetensors numpy.
"""
import json
import pathlib

import torch
import transformers
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

HERE = pathlib.Path(__file__).parent
STEPS, RATE, CLIP = 8, 3e-3, 0.5  # clipping bites: the norms are above 1


def make(name):
    base = HERE / "models" / name
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    ids = load_file(base / "expected.safetensors")["input_ids"].long()
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        optimizer.zero_grad(set_to_none=True)
        logits = model(ids).logits
        loss = cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
    sums = [[key, p.detach().double().sum().item(), p.detach().double().abs().sum().item()]
            for key, p in model.named_parameters()]
    (HERE / "training").mkdir(exist_ok=True)
    (HERE / "training" / f"{name}.json").write_text(json.dumps({"losses": losses, "norms": norms, "sums": sums}, indent=1) + "\n")


for model_name in ("llama-tied", "gemma3", "mixtral", "olmo2"):
    make(model_name)
