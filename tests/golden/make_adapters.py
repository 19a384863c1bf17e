#!/usr/bin/env python3
"""Makes tests/golden/adapters: LoRA adapters for models of tests/golden/models, and what PEFT computes with them.

usage: make_adapters.py

adapters/NAME/ holds
  adapter_config.json, adapter_model.safetensors   as PEFT's save_pretrained writes them
  expected.safetensors  logits (B, T, V) of the base, a model of tests/golden/models, with the adapter; loss (1), the mean
                        of next-token cross-entropy over the model's input_ids; grad.NAME, its gradient, named as in
                        adapter_model.safetensors
adapter_config.json's base_model_name_or_path is the base's folder.
Needs: torch transformers peft safetensors numpy.
"""
import json
import pathlib
import shutil

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

HERE = pathlib.Path(__file__).parent

# llama: rank-stabilised scales, with a rank and an alpha of its own for some modules. gpt2: its matrices lie transposed.
# phi3: fused projections. NAME-dora: the model NAME with DoRA; gpt2's layers have biases, which DoRA leaves alone.
ADAPTERS = {
    "llama": dict(r=3, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "k_proj", "o_proj", "up_proj", "down_proj"],
                  rank_pattern={"up_proj": 2}, alpha_pattern={"layers.1.self_attn.q_proj": 11}),
    "gpt2": dict(r=2, lora_alpha=3, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True),
    "phi3": dict(r=2, lora_alpha=4, target_modules=["qkv_proj", "gate_up_proj"]),
    "llama-dora": dict(r=2, lora_alpha=3, use_dora=True, use_rslora=True,
                       target_modules=["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"], rank_pattern={"o_proj": 3}),
    "gpt2-dora": dict(r=2, lora_alpha=3, use_dora=True, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True),
}


def make(name, fields):
    base = HERE / "models" / name.removesuffix("-dora")
    out = HERE / "adapters" / name
    shutil.rmtree(out, ignore_errors=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    torch.manual_seed(sum(map(ord, name)))
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none", **fields))
    generator = torch.Generator().manual_seed(7)
    for parameter_name, parameter in sorted(tuned.named_parameters()):
        if "lora_magnitude_vector" in parameter_name:
            parameter.data *= 1 + 0.2 * torch.randn(parameter.shape, generator=generator)
        elif "lora_" in parameter_name:
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    tuned.eval()
    ids = load_file(base / "expected.safetensors")["input_ids"].long()
    logits = tuned(ids).logits
    loss = cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
    loss.backward()
    expected = {"logits": logits.detach().contiguous(), "loss": loss.detach().reshape(1)}
    for parameter_name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            key = parameter_name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector")
            expected["grad." + key.replace(".default.", ".")] = parameter.grad.contiguous()
    tuned.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    # Sets and paths would differ from run to run and machine to machine.
    config = json.loads((out / "adapter_config.json").read_text())
    config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = base.name
    (out / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    save_file(expected, out / "expected.safetensors")


for adapter_name, adapter_fields in ADAPTERS.items():
    make(adapter_name, adapter_fields)
