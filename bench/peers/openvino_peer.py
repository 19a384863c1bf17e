#!/usr/bin/env python3
"""Runs OpenVINO GenAI for bench/compare: loads a GGUF once and then measures what it is asked to.

usage: openvino_peer.py MODEL THREADS CONTEXT SEQUENCES

Reads and answers what llama_family.py does; CONTEXT and SEQUENCES make no difference here. The pipeline keeps what it
has read and does not read the beginning of a text again, so a text of `depth` tokens is read first, and then measured
with more behind it. Writing is the time of so many tokens and one, less that of one. The cache is in f16, as the
others'.

Capped by ONEDNN_MAX_CPU_ISA it does what it does on a processor without more, but must be told: it asks the processor
itself whether it multiplies bfloat16, or int8, and then fails where oneDNN has no such product.
"""
import json
import os
import random
import sys
import time

import numpy
import openvino
import openvino_genai

CAPPED = {  # by what ONEDNN_MAX_CPU_ISA says
    "AVX2": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0},
    "AVX512_CORE_VNNI": {"INFERENCE_PRECISION_HINT": "f32"},
}


class Engine:
    def __init__(self, model, threads):
        self.pipeline = openvino_genai.LLMPipeline(
            model, "CPU", INFERENCE_NUM_THREADS=threads, KV_CACHE_PRECISION="f16",
            **CAPPED.get(os.environ.get("ONEDNN_MAX_CPU_ISA"), {}))
        self.random = random.Random(1)
        self.texts = {}  # by depth and the number of texts

    def any_tokens(self, count):
        return [self.random.randrange(100, 30000) for _ in range(count)]

    def generate(self, texts, count):
        """Seconds to read the texts and write `count` tokens behind each."""
        ids = numpy.array(texts, dtype=numpy.int64)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))
        start = time.perf_counter()
        self.pipeline.generate(inputs, max_new_tokens=count, ignore_eos=True, do_sample=False,
                               apply_chat_template=False)
        return time.perf_counter() - start

    def texts_of(self, depth, sequences):
        """Texts whose tokens the pipeline has read."""
        if (depth, sequences) not in self.texts:
            self.texts[depth, sequences] = [self.any_tokens(max(depth, 1)) for _ in range(sequences)]
        texts = self.texts[depth, sequences]
        self.generate(texts, 1)
        return texts

    def measure(self, kind, tokens, depth, sequences):
        if kind == "read":
            before = self.texts_of(depth, 1)[0] if depth else []
            return self.generate([before + self.any_tokens(tokens)], 1)
        texts = self.texts_of(depth, sequences)
        first = self.generate(texts, 1)
        return self.generate(texts, tokens + 1) - first


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints is no answer
    print("imported", file=answers, flush=True)
    engine = Engine(sys.argv[1], int(sys.argv[2]))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": engine.measure(**json.loads(line))}), file=answers, flush=True)


if __name__ == "__main__":
    main()
