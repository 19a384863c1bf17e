#!/usr/bin/env python3
"""Runs PyTorch and transformers for bench/compare: loads a GGUF once and then measures what it is asked to.

usage: torch_peer.py MODEL THREADS CONTEXT SEQUENCES

Reads and answers what llama_family.py does; CONTEXT and SEQUENCES make no difference here. The weights are those of the
GGUF, decoded while it is loaded into bfloat16, which PyTorch multiplies fastest; or into float32, where
ONEDNN_MAX_CPU_ISA caps it to sets without bfloat16. The cache holds the same numbers, and attention is PyTorch's own
fused one.
"""
import json
import os
import sys
import time

import torch
from transformers import AutoModelForCausalLM, DynamicCache, GgufConfig


class Engine:
    def __init__(self, model, threads):
        torch.set_num_threads(threads)
        folder, name = os.path.split(model)
        capped = os.environ.get("ONEDNN_MAX_CPU_ISA") in ("AVX2", "AVX512_CORE_VNNI")
        dtype = torch.float32 if capped else torch.bfloat16
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=name, dtype=dtype, attn_implementation="sdpa",
            quantization_config=GgufConfig(dequantize=True)).eval()
        self.caches = {}  # by the number of texts

    def step(self, cache, sequences, tokens):
        ids = torch.randint(100, 30000, (sequences, tokens))
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)

    def stand_at(self, depth, sequences):
        """A cache in which each text has `depth` tokens."""
        cache = self.caches.get(sequences)
        if not cache or depth == 0 or cache.get_seq_length() < depth:
            cache = self.caches[sequences] = DynamicCache()
            if depth:
                self.step(cache, sequences, depth)
        elif cache.get_seq_length() > depth:
            cache.crop(depth - cache.get_seq_length())
        return cache

    @torch.inference_mode()
    def measure(self, kind, tokens, depth, sequences):
        cache = self.stand_at(depth, sequences)
        start = time.perf_counter()
        if kind == "read":
            self.step(cache, 1, tokens)
        else:
            for _ in range(tokens):
                self.step(cache, sequences, 1)
        return time.perf_counter() - start


def main():
    print("imported", flush=True)
    engine = Engine(sys.argv[1], int(sys.argv[2]))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": engine.measure(**json.loads(line))}), flush=True)


if __name__ == "__main__":
    main()
