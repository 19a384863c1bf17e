"""What the peers that teach with PyTorch share: the steps, and what is told of them."""
import json
import math
import resource
import time

import torch


def teach(args, trained, optimizer, loss_of, warmup, least):
    """Takes args.steps steps, each of loss_of()'s loss: the rate goes up to args.rate over `warmup` steps and by a cosine down
    to the part `least` of it; gradients of `trained` are cut at norm 1. Prints one line of JSON: {"seconds": of each step,
    "losses": of each step, "bytes": most memory resident}."""
    seconds, losses = [], []
    for step in range(args.steps):
        began = time.perf_counter()
        if step < warmup:
            part = (step + 1) / warmup
        else:
            part = least + (1 - least) * (1 + math.cos(math.pi * (step - warmup) / max(args.steps - warmup, 1))) / 2
        for group in optimizer.param_groups:
            group["lr"] = args.rate * part
        loss = loss_of()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "losses": losses, "bytes": peak}))
