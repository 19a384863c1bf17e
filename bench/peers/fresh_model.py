#!/usr/bin/env python3
"""A model of random weights, for bench/teach_compare.

usage: fresh_model.py SHAPE TOKENIZER.json FOLDER

SHAPE: gpt2-10m, llama-10m, gpt2-124m or llama-124m: GPT-2's layers, or Llama's of the same width, with the head tied to
the embedding and without dropout. Parameters hang on the tokenizer, too: they are printed. Weights as transformers draws
them, from seed 1.
"""
import sys

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SIZES = {"10m": (6, 384, 6), "124m": (12, 768, 12)}  # layers, width, heads
CONTEXT = 1024


def main():
    shape, tokenizer_file, folder = sys.argv[1:]
    family, size = shape.split("-")
    layers, width, heads = SIZES[size]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=tokenizer_file, eos_token="<|endoftext|>")
    ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(1)
    if family == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_positions=CONTEXT, n_embd=width, n_layer=layers,
                                           n_head=heads, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, **ends))
    else:
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=CONTEXT, hidden_size=width,
                                             intermediate_size=width * 8 // 3, num_hidden_layers=layers,
                                             num_attention_heads=heads, tie_word_embeddings=True, **ends))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"{shape}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} million parameters")


main()
