#!/usr/bin/env python3
"""The sampler's distributions against transformers' logits processors, on random logits.

Every setting alone, and all together in the order in which transformers' generate() applies them.
Prints PASS and FAIL lines. Needs transformers, torch and the program linnet_sampling_tool of the release build.
"""
import json
import pathlib
import subprocess

import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, LogitsProcessorList
from transformers.generation import logits_process as lp

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build" / "release" / "src" / "engine" / "linnet_sampling_tool"
DRAWS = 40
CLOSE = 2e-6  # float32 softmax on both sides

# In the order of transformers' GenerationMixin._get_logits_processor.
PROCESSORS = {
    "repetition_penalty": lambda value: lp.RepetitionPenaltyLogitsProcessor(value),
    "temperature": lambda value: lp.TemperatureLogitsWarper(value),
    "top_k": lambda value: lp.TopKLogitsWarper(value),
    "top_p": lambda value: lp.TopPLogitsWarper(value),
    "min_p": lambda value: lp.MinPLogitsWarper(value),
    "typical_p": lambda value: lp.TypicalLogitsWarper(value),
}
RANGES = {
    "repetition_penalty": (0.5, 3.0), "temperature": (0.1, 3.0), "top_k": (1, 200), "top_p": (0.05, 0.99),
    "min_p": (0.001, 0.9), "typical_p": (0.05, 0.99),
}


def random_settings(names, generator):
    def one(name):
        low, high = RANGES[name]
        value = low + (high - low) * float(torch.rand((), generator=generator))
        return int(value) if name == "top_k" else value
    return {name: one(name) for name in names}


def random_job(names, generator):
    size = int(torch.randint(2, 3000, (), generator=generator))
    spread = 0.3 + 8 * float(torch.rand((), generator=generator))
    logits = torch.randn(size, generator=generator) * spread
    prompt = torch.randint(size, (20,), generator=generator)
    return {"logits": logits.tolist(), "prompt": prompt.tolist(), "settings": random_settings(names, generator)}


def transformers_probabilities(job, names=PROCESSORS):
    processors = LogitsProcessorList(PROCESSORS[name](job["settings"][name]) for name in names
                                     if name in job["settings"])
    scores = processors(torch.tensor([job["prompt"]]), torch.tensor([job["logits"]]))
    return scores[0].double().softmax(-1)


def linnet_probabilities(jobs):
    lines = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run([TOOL], input=lines, capture_output=True, text=True, check=True)
    return [torch.tensor(json.loads(line)["probabilities"], dtype=torch.float64) for line in done.stdout.splitlines()]


def differences(wanted, got):
    """The largest difference, and how many draws keep other tokens. A token on the very edge may fall either way."""
    worst, other = 0.0, 0
    for want, have in zip(wanted, got, strict=True):
        if not torch.equal(want > 0, have > 0) and float((want - have).abs().max()) > CLOSE:
            other += 1
        worst = max(worst, float((want - have).abs().max()))
    return worst, other


def compare(name, names, seed):
    generator = torch.Generator().manual_seed(seed)
    jobs = [random_job(names, generator) for _ in range(DRAWS)]
    worst, other = differences([transformers_probabilities(job) for job in jobs], linnet_probabilities(jobs))
    if worst <= CLOSE:
        print(f"PASS {name}: {DRAWS} distributions, largest difference {worst:.1e}")
    else:
        print(f"FAIL {name}: largest difference {worst:.2e}, {other} of {DRAWS} keep other tokens")


def order_is_that_of_generate():
    """The list above has the order of the live library."""
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=4, n_head=1, vocab_size=300, bos_token_id=0, eos_token_id=0))
    config = GenerationConfig(do_sample=True, **{name: RANGES[name][0] for name in PROCESSORS}, num_beams=1)
    config._eos_token_tensor = None
    try:
        found = model._get_logits_processor(generation_config=config, input_ids_seq_length=1, device="cpu")
    except (AttributeError, TypeError) as error:
        print(f"FAIL the order of transformers: cannot be asked for: {error}")
        return
    kinds = [type(processor) for processor in found]
    wanted = [type(make(RANGES[name][0])) for name, make in PROCESSORS.items()]
    kinds = [kind for kind in kinds if kind in wanted]
    print("PASS the order of transformers" if kinds == wanted else f"FAIL the order of transformers: {kinds}")


def wrong_expectation_is_noticed():
    generator = torch.Generator().manual_seed(99)
    jobs = [random_job(["temperature", "top_p"], generator) for _ in range(DRAWS)]
    worst, _ = differences([transformers_probabilities(job, ["temperature"]) for job in jobs],
                           linnet_probabilities(jobs))
    print("PASS a forgotten setting is noticed" if worst > CLOSE else "FAIL a forgotten setting is not noticed")


def main():
    order_is_that_of_generate()
    for seed, name in enumerate(PROCESSORS):
        compare(name, [name], seed)
    compare("all settings together", list(PROCESSORS), 50)
    compare("what chat uses: temperature, top_p and repetition_penalty", ["repetition_penalty", "temperature", "top_p"],
            51)
    wrong_expectation_is_noticed()


if __name__ == "__main__":
    main()
