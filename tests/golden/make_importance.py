#!/usr/bin/env python3
"""Records what enters the matrices of tests/golden/models/NAME, into tests/golden/importance/NAME.safetensors.

For each matrix, by its name in model.safetensors, the mean square of each input column (C) over the rows of input_ids
that it was multiplied with, in PyTorch's forward: hooks on every nn.Linear, and of a mixture the rows that were sent to
each expert.
Needs: torch transformers safetensors.
"""
import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
MODELS = ("llama", "llama-tied", "gpt2", "phi3", "mixtral")


class Sums:
    def __init__(self):
        self.squares, self.rows = {}, {}

    def add(self, name, x):
        x = x.reshape(-1, x.shape[-1]).double()
        self.squares[name] = self.squares.get(name, 0) + (x * x).sum(0)
        self.rows[name] = self.rows.get(name, 0) + x.shape[0]

    def means(self):
        return {name: (total / self.rows[name]).float() for name, total in self.squares.items() if self.rows[name]}


def watch_experts(sums, name, experts, arguments):
    """gate and up lie joined, as (E, 2I, C); down is (E, C, I)."""
    x, chosen = arguments[0].reshape(-1, arguments[0].shape[-1]), arguments[1]
    for e in range(experts.gate_up_proj.shape[0]):
        rows = x[(chosen == e).any(-1)]
        gate, up = (rows @ experts.gate_up_proj[e].T).chunk(2, -1)
        base = f"{name.removesuffix('.experts').replace('.mlp', '.block_sparse_moe')}.experts.{e}"
        sums.add(f"{base}.w1.weight", rows)
        sums.add(f"{base}.w3.weight", rows)
        sums.add(f"{base}.w2.weight", experts.act_fn(gate) * up)


def main():
    (HERE / "importance").mkdir(exist_ok=True)
    for name in MODELS:
        folder = HERE / "models" / name
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                                  attn_implementation="eager").eval()
        sums = Sums()
        for path, module in model.named_modules():
            if isinstance(module, (torch.nn.Linear, transformers.pytorch_utils.Conv1D)):
                module.register_forward_pre_hook(lambda m, a, path=path: sums.add(f"{path}.weight", a[0]))
            elif hasattr(module, "gate_up_proj") and module.gate_up_proj.__class__ is torch.nn.Parameter:
                module.register_forward_pre_hook(lambda m, a, path=path: watch_experts(sums, path, m, a))
        ids = load_file(folder / "expected.safetensors")["input_ids"].long()
        with torch.no_grad():
            model(ids)
        means = sums.means()
        save_file(means, HERE / "importance" / f"{name}.safetensors")
        print(name, len(means), "matrices")


if __name__ == "__main__":
    main()
