#!/usr/bin/env python3
"""Teaches LoRA on conversations with TRL, for bench/conversations_compare.

usage: trl_tune.py BASE DATA.jsonl --length N --threads N

One epoch, packed by best fit, two rows of --length tokens a step; loss on what the assistant says. Prints one line of
JSON: {"seconds": of all steps, "losses": of each}.
"""
import argparse
import json
import tempfile
import time

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

# The model's own template, with what the assistant says marked.
TEMPLATE = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
{% endif %}{% if message['role'] == 'assistant' %}<|im_start|>assistant
{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}
{% else %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}"""


class Clock(TrainerCallback):
    def __init__(self):
        self.seconds, self.losses = 0.0, []

    def on_step_begin(self, *_, **__):
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds += time.perf_counter() - self.began

    def on_log(self, args, state, control, logs=None, **__):
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("data")
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.bfloat16)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        settings = SFTConfig(output_dir=folder, use_cpu=True, bf16=True, packing=True, packing_strategy="bfd",
                             max_length=args.length, per_device_train_batch_size=2, num_train_epochs=1, learning_rate=2e-4,
                             assistant_only_loss=True, gradient_checkpointing=False, logging_steps=1, report_to=[],
                             save_strategy="no", disable_tqdm=True)
        trainer = SFTTrainer(model=model, args=settings, train_dataset=load_dataset("json", data_files=args.data)["train"],
                             processing_class=tokenizer, callbacks=[clock],
                             peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
        trainer.train()
    print(json.dumps({"seconds": clock.seconds, "losses": clock.losses}))


if __name__ == "__main__":
    main()
