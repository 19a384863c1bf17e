#!/usr/bin/env python3
"""Makes tests/golden/training/optimizers.json: steps of torch.optim.Muon and torch.optim.SGD on small matrices.

usage: make_optimizers.py

For each case {"optimizer", "settings", "start", "grads", "ends"}: a matrix, the gradient of each step, the matrix after
each. Numbers are rounded to what float32 holds. Muon is recorded as it is (its Newton-Schulz iterations in bfloat16) and
with those iterations in float32.
Needs: torch >= 2.9.
"""
import json
import pathlib
import types

import torch
import torch.optim._muon as muon_module

HERE = pathlib.Path(__file__).parent
STEPS = 4


class Float32Torch(types.ModuleType):
    bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


def numbers(tensor):
    return [float(f"{x:.8g}") for x in tensor.flatten().tolist()]


def record(name, shape, make, settings, float32=False):
    generator = torch.Generator().manual_seed(7)
    start = torch.randn(shape, generator=generator)
    grads = [torch.randn(shape, generator=generator) * 0.3 for _ in range(STEPS)]
    weight = torch.nn.Parameter(start.clone())
    optimizer = make([weight], **settings)
    muon_module.torch = Float32Torch("torch") if float32 else torch
    ends = []
    for grad in grads:
        weight.grad = grad.clone()
        optimizer.step()
        ends.append(numbers(weight.detach()))
    muon_module.torch = torch
    return {"optimizer": name, "settings": settings, "shape": list(shape), "start": numbers(start),
            "grads": [numbers(grad) for grad in grads], "ends": ends}


cases = []
for shape in ((6, 10), (10, 6), (8, 8)):
    settings = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95, "adjust_lr_fn": "match_rms_adamw"}
    cases.append(record("muon", shape, torch.optim.Muon, settings, float32=True))
    cases.append(record("muon bfloat16", shape, torch.optim.Muon, settings))
for settings in ({"lr": 0.1, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05},
                 {"lr": 0.1, "weight_decay": 0.05}):
    cases.append(record("sgd", (3, 4), torch.optim.SGD, settings))
(HERE / "training" / "optimizers.json").write_text(json.dumps(cases) + "\n")
