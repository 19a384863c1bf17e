#!/usr/bin/env python3
"""Makes tests/golden/models: a tiny random model of every family, and what transformers and PyTorch compute with it.

usage: make_models.py [NAME ...]        (no name: all of them)

models/NAME/ holds
  config.json           as transformers 5 writes it
  config.v4.json        the same model as transformers 4 spelt it (rope_theta, rope_scaling, rotary_pct, ...)
  model.safetensors     the weights, float32
  expected.safetensors  input_ids (B, T); logits (B, T, V); hidden.K (B, T, C), the input of layer K;
                        greedy (B, T + G); loss (1), the mean over the batch of next-token cross-entropy;
                        grad.NAME, its gradient, named as in model.safetensors
                        for an encoder: input_ids, hidden.last (B, T, C), embedding (B, C): mean over T, norm 1
                        without loss and gradients where the weights are quantised (gpt-oss-mxfp4)
Sizes are small, and no two dimensions are equal, so that a swapped pair shows. A seed is taken whose greedy tokens win by
a clear margin, so that rounding cannot change them.
Needs: torch transformers safetensors numpy.
"""
import json
import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, normalize
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

OUT = pathlib.Path(__file__).parent / "models"
ENCODERS = ("bert", "mpnet")  # model types
BATCH, TOKENS, NEW = 2, 13, 9
MARGIN = 2e-3  # of the largest logit: by how much a greedy token must win


def rope(theta=10000.0, kind="default", **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


def families():
    """name -> (model_type, fields of its config)."""
    base = dict(vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                intermediate_size=44, max_position_embeddings=72, tie_word_embeddings=False)
    tied = {**base, "tie_word_embeddings": True}
    wide = {**base, "head_dim": 10}  # heads that together are wider than the hidden size
    old = {key: base[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                                      "intermediate_size", "max_position_embeddings")}
    longrope = dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=17,
                    short_factor=[1.0, 1.1, 1.3, 1.4], long_factor=[1.2, 1.9, 2.6, 3.5])
    yield "llama", "llama", {**base, "rope_parameters": rope(), "rms_norm_eps": 1e-5}
    yield "llama-tied", "llama", {**tied, "num_key_value_heads": 1, "rope_parameters": rope(50000.0)}
    yield "llama-biases", "llama", {**wide, "attention_bias": True, "mlp_bias": True, "rope_parameters": rope()}
    yield "llama-llama3", "llama", {**base, "rope_parameters": rope(
        500000.0, "llama3", factor=6.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=12)}
    yield "llama-yarn", "llama", {**tied, "rope_parameters": rope(
        10000.0, "yarn", factor=4.0, original_max_position_embeddings=18)}
    yield "llama-linear", "llama", {**tied, "rope_parameters": rope(10000.0, "linear", factor=3.0)}
    yield "mistral", "mistral", {**wide, "sliding_window": 5, "rope_parameters": rope(20000.0)}
    yield "phi3", "phi3", {**base, "pad_token_id": 0, "sliding_window": 6, "rope_parameters": rope()}
    yield "phi3-longrope", "phi3", {**base, "pad_token_id": 0, "sliding_window": None, "rope_parameters": longrope,
                                    "original_max_position_embeddings": 17}
    yield "gemma", "gemma", {**wide, "tie_word_embeddings": True, "rope_parameters": rope()}
    yield "gemma2", "gemma2", {**wide, "tie_word_embeddings": True, "sliding_window": 4, "query_pre_attn_scalar": 14,
                               "attn_logit_softcapping": 4.0, "final_logit_softcapping": 2.5, "rope_parameters": rope()}
    yield "gemma3", "gemma3_text", {
        **wide, "tie_word_embeddings": True, "num_hidden_layers": 4, "hidden_size": 24, "sliding_window": 4,
        "sliding_window_pattern": 3, "query_pre_attn_scalar": 14,
        "rope_parameters": {"full_attention": rope(1000000.0), "sliding_attention": rope(10000.0)}}
    yield "gpt2", "gpt2", dict(vocab_size=61, n_embd=32, n_layer=2, n_head=4, n_positions=40, n_inner=44)
    yield "qwen2", "qwen2", {**tied, "rope_parameters": rope(1000000.0)}
    yield "qwen2-window", "qwen2", {**base, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1,
                                    "rope_parameters": rope(1000000.0)}
    yield "qwen3", "qwen3", {**wide, "rope_parameters": rope(1000000.0)}
    yield "mixtral", "mixtral", {**tied, "intermediate_size": 28, "num_local_experts": 4, "num_experts_per_tok": 2,
                                 "rope_parameters": rope(1000000.0)}
    yield "qwen3-moe", "qwen3_moe", {**wide, "num_experts": 5, "num_experts_per_tok": 3, "moe_intermediate_size": 20,
                                     "norm_topk_prob": True, "decoder_sparse_step": 1,
                                     "rope_parameters": rope(1000000.0)}
    yield "olmo2", "olmo2", {**base, "rope_parameters": rope()}
    yield "gpt-neox", "gpt_neox", {**old, "use_parallel_residual": True,
                                   "rope_parameters": rope(partial_rotary_factor=0.25)}
    yield "gpt-neox-serial", "gpt_neox", {**old, "use_parallel_residual": False,
                                          "rope_parameters": rope(partial_rotary_factor=0.75)}
    yield "phi", "phi", {**old, "rope_parameters": rope(partial_rotary_factor=0.5)}
    yield "gpt-oss", "gpt_oss", {**wide, "intermediate_size": 28, "num_local_experts": 4, "num_experts_per_tok": 2,
                                 "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"],
                                 "rope_parameters": rope(150000.0, "yarn", factor=4.0, beta_fast=32.0, beta_slow=1.0,
                                                         truncate=False, original_max_position_embeddings=18)}
    yield "smollm3", "smollm3", {**base, "pad_token_id": 0, "num_hidden_layers": 3, "no_rope_layers": [1, 0, 1],
                                 "rope_parameters": rope(2000000.0)}
    yield "bert", "bert", old
    yield "mpnet", "mpnet", old
    yield "gpt-oss-mxfp4", "gpt_oss", {
        **wide, "intermediate_size": 64, "num_local_experts": 3, "num_experts_per_tok": 2, "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"], "rope_parameters": rope(150000.0)}


def spelt_as_4(config):
    """What transformers 4 would have written for the same model."""
    old = {**config, "transformers_version": "4.50.0", "torch_dtype": config.get("dtype", "float32")}
    old.pop("dtype", None)
    model_type = config["model_type"]
    if model_type in ("gemma3_text", "qwen2"):  # their layers followed from a pattern, or from max_window_layers
        old.pop("layer_types", None)
        if pattern := old.pop("_sliding_window_pattern", None):
            old["sliding_window_pattern"] = pattern
    parameters = old.pop("rope_parameters", None)
    if parameters is None:
        return old
    if "full_attention" in parameters:
        old["rope_local_base_freq"] = parameters["sliding_attention"]["rope_theta"]
        parameters = parameters["full_attention"]
    scaling = dict(parameters)
    theta, kind = scaling.pop("rope_theta"), scaling.pop("rope_type")
    part = scaling.pop("partial_rotary_factor", None)
    if model_type == "gpt_neox":
        old["rotary_emb_base"], old["rotary_pct"] = theta, part
    else:
        old["rope_theta"] = theta
        if part is not None:
            old["partial_rotary_factor"] = part
    if kind == "longrope":  # the original length stood outside
        scaling.pop("original_max_position_embeddings", None)
    spelling = "type" if kind in ("longrope", "linear") else "rope_type"
    old["rope_scaling"] = None if kind == "default" else {spelling: kind, **scaling}
    return old


def randomise(model, generator):
    """Every parameter far enough from where training would start that each term of the maths shows in the output."""
    zero_centred = "gemma" in model.config.model_type
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            lower = name.lower()
            if parameter.dim() > 1:
                embedding = any(part in lower for part in ("embed", "wte", "wpe"))
                parameter.copy_(noise * (0.4 if embedding else 1.1 * min(parameter.shape[-2:]) ** -0.5))
            elif lower.endswith("weight") and ("norm" in lower or "ln" in lower):
                parameter.copy_(noise * 0.25 + (0 if zero_centred else 1))
            else:
                parameter.copy_(noise * 0.15)


def pack_experts(model, generator):
    """Gives the experts random MXFP4 weights; returns these as openai/gpt-oss-20b stores them: {name: bytes}."""
    packed = {}
    for name, parameter in model.named_parameters():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            continue
        experts, columns, rows = parameter.shape
        blocks = torch.randint(0, 256, (experts, rows, columns // 32, 16), generator=generator, dtype=torch.uint8)
        scales = torch.randint(120, 125, blocks.shape[:-1], generator=generator, dtype=torch.uint8)
        with torch.no_grad():
            parameter.copy_(convert_moe_packed_tensors(blocks, scales, dtype=torch.float32))
        packed |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
    return packed


def store_packed(folder, packed):
    """Puts the packed tensors where the folder has floats, and says so in its config."""
    tensors = load_file(folder / "model.safetensors")
    for name in packed:
        tensors.pop(name.removesuffix("_blocks").removesuffix("_scales"), None)
    save_file(tensors | packed, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": [
        "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def greedy(model, ids):
    """The tokens that greedy decoding adds, each from the whole text before it; and its smallest margin."""
    margin = 1.0
    for _ in range(NEW):
        logits = model(input_ids=ids, use_cache=False).logits[:, -1]
        best = logits.topk(2).values
        margin = min(margin, ((best[:, 0] - best[:, 1]).min() / logits.abs().max()).item())
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
    return ids, margin


def gradients_by_stored_name(model, folder):
    """The gradients under the names of model.safetensors: saved by the code that saves the weights, which knows how the
    fused experts in memory are cut in the file."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        gradients = load_file(pathlib.Path(scratch) / "model.safetensors")
    assert gradients.keys() == load_file(folder / "model.safetensors").keys()
    return {f"grad.{name}": gradient for name, gradient in gradients.items()}


def record_encoder(model, ids, folder, _):
    with torch.no_grad():
        hidden = model(input_ids=ids).last_hidden_state
    save_file({"input_ids": ids, "hidden.last": hidden.contiguous(),
               "embedding": normalize(hidden.mean(1), dim=-1).contiguous()}, folder / "expected.safetensors")
    return True


def record_decoder(model, ids, folder, trains):
    with torch.no_grad():
        text, margin = greedy(model, ids)
        hidden = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    if margin < MARGIN:
        return False
    logits = model(input_ids=ids, use_cache=False).logits
    expected = {"input_ids": ids, "greedy": text, "logits": logits.detach()}
    expected |= {f"hidden.{k}": state for k, state in enumerate(hidden[:-1])}  # the last one has been normed
    if trains:
        loss = cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        expected |= {"loss": loss.detach().reshape(1), **gradients_by_stored_name(model, folder)}
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "expected.safetensors")
    return True


def make(name, model_type, fields, seed):
    """False when this seed's greedy tokens are too close to call."""
    generator = torch.Generator().manual_seed(seed)
    config = transformers.AutoConfig.for_model(model_type, **fields)
    if hasattr(config, "_experts_implementation"):
        config._experts_implementation = "eager"
    auto = transformers.AutoModel if model_type in ENCODERS else transformers.AutoModelForCausalLM
    model = auto.from_config(config, attn_implementation="eager").float().eval()
    randomise(model, generator)
    packed = pack_experts(model, generator) if name.endswith("-mxfp4") else {}
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if packed:
        store_packed(folder, packed)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.v4.json").write_text(json.dumps(spelt_as_4(written), indent=2, sort_keys=True) + "\n")
    ids = torch.randint(3, fields["vocab_size"], (BATCH, TOKENS), generator=generator)
    return (record_encoder if model_type in ENCODERS else record_decoder)(model, ids, folder, not packed)


def main():
    torch.set_num_threads(1)
    wanted = set(sys.argv[1:])
    for number, (name, model_type, fields) in enumerate(families()):
        if wanted and name not in wanted:
            continue
        seed = 7000 + 100 * number
        while not make(name, model_type, fields, seed):
            seed += 1
        size = sum(path.stat().st_size for path in (OUT / name).iterdir())
        print(f"{name}: seed {seed}, {size} bytes", flush=True)


if __name__ == "__main__":
    main()
