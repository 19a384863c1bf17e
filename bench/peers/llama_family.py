#!/usr/bin/env python3
"""Runs llama.cpp, or its fork ik_llama.cpp, for bench/compare: loads a GGUF once and then measures what it is asked to.

usage: llama_family.py llama_cpp|ik_llama_cpp MODEL THREADS CONTEXT SEQUENCES

Reads a JSON object a line, {"kind": "read"|"write", "tokens": N, "depth": N, "sequences": N}, and answers each with
{"seconds": S}. Before that it prints "imported" once its libraries are loaded, and "ready" once the model is. Tokens
are random, as in `linnet bench`; flash attention is on, the cache in f16, since both are what these programs are
fastest with.
"""
import ctypes
import importlib
import json
import os
import random
import sys
import time

UBATCH = 512  # rows of one step, the programs' own default


def api_of(name):
    return importlib.import_module({"llama_cpp": "llama_cpp", "ik_llama_cpp": "ik_llama_cpp._ctypes_api"}[name])


class Engine:
    def __init__(self, name, model, threads, context, sequences):
        self.api = api = api_of(name)
        self.name, self.held = name, [0] * sequences
        api.llama_backend_init()
        self.model = api.llama_model_load_from_file(model.encode(), api.llama_model_default_params())
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = context * sequences, UBATCH, UBATCH, sequences
        params.n_threads = params.n_threads_batch = threads
        if name == "llama_cpp":
            params.flash_attn_type = 1
        else:
            params.flash_attn = sequences == 1  # with several it fails an assertion of its own (S > 0)
        self.context = api.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"{name} cannot make a context of {context * sequences} tokens")
        self.batch = api.llama_batch_init(UBATCH, 0, 1)
        self.random = random.Random(1)

    def forget_from(self, sequence, position):
        if self.name == "llama_cpp":
            self.api.llama_memory_seq_rm(self.api.llama_get_memory(self.context), sequence, position, -1)
        else:
            remove = self.api._lib.llama_kv_cache_seq_rm
            remove.argtypes, remove.restype = [ctypes.c_void_p] + 3 * [ctypes.c_int32], ctypes.c_bool
            remove(self.context, sequence, position, -1)
        self.held[sequence] = position

    def step(self, rows, wanted):
        """rows: a sequence for each token; wanted: which of them give logits."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, sequence in enumerate(rows):
            batch.token[i] = self.random.randrange(100, 30000)
            batch.pos[i] = self.held[sequence]
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = i in wanted
            self.held[sequence] += 1
        if self.api.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")
        self.api.llama_get_logits_ith(self.context, len(rows) - 1)  # waits for the result

    def read(self, sequence, tokens):
        for done in range(0, tokens, UBATCH):
            rows = min(UBATCH, tokens - done)
            self.step([sequence] * rows, {rows - 1})

    def stand_at(self, depth, sequences):
        for sequence, held in enumerate(self.held):
            at = min(held, depth) if sequence < sequences else 0
            self.forget_from(sequence, at)
            if sequence < sequences and depth > at:
                self.read(sequence, depth - at)

    def measure(self, kind, tokens, depth, sequences):
        self.stand_at(depth, sequences)
        start = time.perf_counter()
        if kind == "read":
            self.read(0, tokens)
        else:
            everyone = list(range(sequences))
            for _ in range(tokens):
                self.step(everyone, set(everyone))
        return time.perf_counter() - start


def main():
    name, model, *numbers = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is no answer
    api_of(name)
    print("imported", file=answers, flush=True)
    engine = Engine(name, model, *map(int, numbers))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": engine.measure(**json.loads(line))}), file=answers, flush=True)


if __name__ == "__main__":
    main()
