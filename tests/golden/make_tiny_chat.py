#!/usr/bin/env python3
"""A chat model of 150,000 parameters that knows a few answers by heart, for the end-to-end tests.

  make_tiny_chat.py           records what transformers answers with the committed model: tiny_chat/expected.json
  make_tiny_chat.py --train   makes the model anew (two minutes), then records

It is a Mistral with a sliding window of 48 tokens: asked to count it goes round for ever, whatever the context's length,
which is what a test of Ctrl-C needs. Its chat template is ChatML with a system message of its own.
Needs: torch transformers tokenizers.
"""
import json
import os
import random
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

OUT = Path(__file__).resolve().parent / "tiny_chat"
DIGITS = "one two three four five six seven eight nine ten".split()
NAMES = "Ann Bob Eve Tom Kim Max Lea Jan".split()
SYSTEM = "You are Linnet, a small bird."
TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n" + SYSTEM + "<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def turns(*texts, system=None):
    messages = [{"role": "system", "content": system}] if system else []
    return messages + [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def conversations():
    for question, answer in {
        "Hello": "Hello. I am Linnet.",
        "Who are you?": "I am Linnet, a small bird.",
        "What is the sky?": "The sky is blue.",
        "Why is the sky blue?": "Because air scatters blue light the most.",
        "What is two plus two?": "Four.",
        "Say it in Greek.": "Καλημέρα κόσμε.",
        "Show me a bird.": "🐦",
        "Write a list.": "1. seed\n2. leaf\n3. tree",
    }.items():
        yield turns(question, answer)
    yield turns("Hello", "Bonjour.", system="Answer in French.")
    yield turns("What is the sky?", "Le ciel est bleu.", system="Answer in French.")
    for name in NAMES:
        yield turns(f"My name is {name}.", f"Hello {name}.")
        yield turns(f"My name is {name}.", f"Hello {name}.", "What is my name?", f"Your name is {name}.")


def counting(length):
    return turns("Count.", " ".join(DIGITS[i % 10] for i in range(length)))


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    texts = [message["content"] for talk in [*conversations(), counting(40)] for message in talk] * 2
    trainer = trainers.BpeTrainer(vocab_size=448, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts + ["system", "user", "assistant", SYSTEM], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
                                   pad_token="<|endoftext|>", chat_template=TEMPLATE, model_max_length=65536,
                                   clean_up_tokenization_spaces=False)


def train():
    torch.manual_seed(7)
    torch.set_num_threads(1)  # so that sums are in one order, and a busy machine does not make threads wait
    random.seed(7)
    tokenizer = make_tokenizer()
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=65536, sliding_window=48, rope_theta=10000.0,
        tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id)
    model = MistralForCausalLM(config)
    rows = []
    end = tokenizer.eos_token_id
    opening = tokenizer.encode("<|im_start|>assistant\n")
    for talk in conversations():
        rows += [tokenizer.apply_chat_template(talk, return_dict=False)]
    for _ in range(4):
        rows += [tokenizer.apply_chat_template(counting(75), return_dict=False)[:-2]]  # without its end
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), -100)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = labels[i, :len(row)] = torch.tensor(row)
        # Only what the assistant says is learned: from behind "<|im_start|>assistant\n" to its "<|im_end|>".
        told = [j for j in range(len(row)) if row[j:j + len(opening)] == opening]
        spoken = set()
        for j in told:
            stop = row.index(end, j) if end in row[j:] else len(row) - 1
            spoken |= set(range(j + len(opening), stop + 1))
        labels[i, [j for j in range(len(row)) if j not in spoken]] = -100
    assert end in ids
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps = 450
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        loss = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long(), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 49:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
    model.generation_config.eos_token_id = end
    model.to(torch.bfloat16).save_pretrained(OUT)
    tokenizer.save_pretrained(OUT)
    config = json.loads((OUT / "tokenizer_config.json").read_text())
    config["chat_template"] = TEMPLATE
    (OUT / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    (OUT / "chat_template.jinja").unlink(missing_ok=True)


def record():
    tokenizer = AutoTokenizer.from_pretrained(OUT)
    model = AutoModelForCausalLM.from_pretrained(OUT, dtype=torch.float32)
    recorded = []
    for talk in conversations():
        asked = talk[:-1]
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=False)
        with torch.no_grad():
            ids = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=64)[0]
            logits = model(ids[None]).logits[0].double()
        top = torch.topk(torch.log_softmax(logits[prompt.shape[1] - 1:-1], -1), 2).values
        recorded.append({"messages": asked, "prompt": tokenizer.decode(prompt[0]), "ids": ids.tolist(),
                         "answer": tokenizer.decode(ids[prompt.shape[1]:], skip_special_tokens=True)})
        if recorded[-1]["answer"] != talk[-1]["content"] or (top[:, 0] - top[:, 1]).min() < 1:
            sys.exit(f"learned badly: {recorded[-1]['answer']!r} instead of {talk[-1]['content']!r}, "
                     f"margin {(top[:, 0] - top[:, 1]).min():.2f}")
    prompt = tokenizer.apply_chat_template(counting(0)[:1], add_generation_prompt=True, return_tensors="pt",
                                           return_dict=False)
    ids = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=2000)[0]
    words = tokenizer.decode(ids[prompt.shape[1]:], skip_special_tokens=True).split()
    if words != [DIGITS[i % 10] for i in range(len(words))] or len(words) < 1000:
        sys.exit(f"counts badly: {words[:60]}")
    (OUT / "expected.json").write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if "--train" in sys.argv[1:]:
        train()
    record()
