#!/usr/bin/env python3
"""Records what others make of training data: tests/golden/data/.

csv.json    random tables as Python's csv module writes and reads them
*.xlsx      spreadsheets as openpyxl writes them, and xlsx.json with their cells; inline.xlsx and bomb.xlsx are made by hand
masks.json  tokens and assistant masks of transformers' apply_chat_template, for templates with {% generation %}

Needs: openpyxl, transformers >= 5.
"""
import csv
import datetime
import io
import json
import os
import random
import re
import zipfile
from pathlib import Path

os.environ["OPENPYXL_LXML"] = "False"  # which writes other bytes, where another package brings it
import openpyxl  # noqa: E402
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
OUT = HERE / "data"


# --- CSV ---

def random_cell(rng):
    alphabet = ["a", "b", " ", ",", ";", "\t", '"', "\n", "\r\n", "é", "世", "🙂", "'", "|", ""]
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(8)))


def csv_cases():
    rng = random.Random(7)
    for number in range(150):
        delimiter = rng.choice([",", ";", "\t"])
        columns = rng.randrange(1, 5)
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, lineterminator=rng.choice(["\n", "\r\n", "\r"]),
                            quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        for _ in range(rng.randrange(1, 7)):
            writer.writerow([random_cell(rng) for _ in range(columns)])
            if rng.random() < 0.1:
                out.write("\n")  # an empty line
        text = out.getvalue()
        if number % 3 == 0:
            text = text.rstrip("\r\n") if not text.rstrip("\r\n").endswith('"') else text
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
        yield {"delimiter": delimiter, "text": text, "rows": rows}


# --- Spreadsheets ---

def rezip(data, change=lambda name, part: part):
    """The same parts with fixed times, so that a new recording has the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-01-01T00:00:00Z", old.read(name))
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, change(name, part))
    return out.getvalue()


def saved(workbook):
    out = io.BytesIO()
    workbook.save(out)
    return rezip(out.getvalue())


def write_spreadsheets():
    book = openpyxl.Workbook()
    notes = book.active
    notes.title = "Notes"
    notes.append(["not", "this"])
    notes.sheet_state = "hidden"
    faq = book.create_sheet("FAQ")
    faq.append(["question", "answer", None, "facts"])
    faq.append(["When do you open?", "At 9 o'clock.\nOn Sundays at 10.", None, "9 | 10"])
    faq.append([None, None, None, None])
    faq.append(["Grüße & <tags>?", "„Ja“ 🙂", None, 4.5])
    faq.append(["  spaces  ", 0.1 + 0.2, None, True])
    faq.append([CellRichText("Rich ", TextBlock(InlineFont(b=True), "text"), "?"), "2", None, 12345678901])
    faq.append(["Since when?", datetime.date(2020, 2, 29), None, "a_x0041_b"])
    book.create_sheet("Other").append(["question", "answer"])
    (OUT / "faq.xlsx").write_bytes(saved(book))

    broken = openpyxl.Workbook()
    broken.active.append(["question", "answer"])
    broken.active.append(["What?", "#N/A"])
    (OUT / "error.xlsx").write_bytes(saved(broken))

    unsaved = openpyxl.Workbook()
    unsaved.active.append(["question", "answer"])
    unsaved.active.append(["What?", "=1+1"])
    (OUT / "formula.xlsx").write_bytes(saved(unsaved))

    def inline(name, part):
        if name != "xl/worksheets/sheet1.xml":
            return part
        return (b'<?xml version="1.0"?><x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                b'<x:sheetData><x:row><x:c t="inlineStr"><x:is><x:t>question</x:t></x:is></x:c>'
                b'<x:c t="inlineStr"><x:is><x:t>answer</x:t></x:is></x:c></x:row>'
                b'<x:row r="7"><x:c r="B7" t="str"><x:f>A1</x:f><x:v>by formula</x:v></x:c></x:row>'
                b'</x:sheetData></x:worksheet>')
    (OUT / "inline.xlsx").write_bytes(rezip(saved(broken), inline))

    def bomb(name, part):
        return b"<worksheet>" + b" " * (80 << 20) if name == "xl/worksheets/sheet1.xml" else part
    (OUT / "bomb.xlsx").write_bytes(rezip(saved(broken), bomb))

    cells = [[("" if cell is None else str(cell)) for cell in row] for row in
             openpyxl.load_workbook(OUT / "faq.xlsx", rich_text=False)["FAQ"].iter_rows(values_only=True)]
    (OUT / "xlsx.json").write_text(json.dumps({"FAQ": cells}, ensure_ascii=False, indent=1) + "\n")


# --- Masks ---

# [[ and ]] become {% generation %} and {% endgeneration %}, or nothing: transformers reads the blocks, we must find the
# same without them.
TEMPLATES = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}[[{{ m.content + "
              "'<|im_end|>' }}]]{{ '\\n' }}{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "own system": "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}{% endif %}"
                  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}[[{{ m.content | trim + "
                  "'<|im_end|>' }}]]{{ '\\n' }}{% else %}{{ m.content | trim + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
                  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "system dropped": "{{ bos_token }}{% for m in messages if m.role != 'system' %}{% if m.role == 'user' %}"
                      "{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}[[{{ ' ' + m.content | trim + eos_token }}]]{% endif %}{% endfor %}",
    "model role": "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}"
                  "{% if m.role == 'assistant' %}[[{{ m.content | trim + '<end_of_turn>' }}]]{{ '\\n' }}{% else %}"
                  "{{ m.content | trim + '<end_of_turn>\\n' }}{% endif %}{% endfor %}"
                  "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    "closed at the end": "{% for m in messages %}{{ '<|' + m.role + '|>\\n' }}{% if m.role == 'assistant' %}[[{{ m.content + '<|end|>' }}]]{{ '\\n' }}"
                         "{% else %}{{ m.content + '<|end|>\\n' }}{% endif %}{% endfor %}"
                         "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}",
    "no prompt asked": "{% for m in messages %}{% if m.role == 'assistant' %}[[{{ ' Answer: ' + m.content + eos_token }}]]{% else %}"
                       "{{ m.role + ': ' + m.content }}{% endif %}{% endfor %}",
}
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<|end|>", "<|assistant|>", "<|user|>", "<|system|>"]
CONVERSATIONS = [
    [("user", "Hi"), ("assistant", "Hello there.")],
    [("system", "You sell bread."), ("user", "When do you open?"), ("assistant", "At nine o'clock.\n\nOn Sundays at ten."),
     ("user", "And in winter?"), ("assistant", "The same 🙂 – grüß Gott!")],
    [("user", " spaces "), ("assistant", "  leading and trailing  "), ("user", "again"), ("assistant", "\n\nnew lines\n")],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e"), ("assistant", "The end of it")],
    [("user", "Decomposed e\u0301?"), ("assistant", "Cafe\u0301 ﬁne")],
]
TOKENIZERS = ["smollm", "llama3", "qwen2", "llama-bpe", "unigram-first"]


def with_special(name):
    """The recorded tokenizer with SPECIAL behind its vocabulary; the unit test does the same."""
    spec = json.loads((HERE / "tokenizers" / f"{name}.json").read_text())["tokenizer"]
    have = {token["content"] for token in spec["added_tokens"]}
    vocab = spec["model"]["vocab"]
    next_id = max([len(vocab) - 1, *(token["id"] for token in spec["added_tokens"])]) + 1
    for content in SPECIAL:
        if content not in have:
            spec["added_tokens"].append({"id": next_id, "content": content, "single_word": False, "lstrip": False,
                                         "rstrip": content in ("<|assistant|>", "<|user|>"), "normalized": False, "special": True})
            next_id += 1
    for token in spec["added_tokens"]:
        if token["content"] in SPECIAL:
            token.update(special=True, normalized=False)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), bos_token="<s>", eos_token="</s>")


def mask_cases():
    for tokenizer_name in TOKENIZERS:
        tokenizer = with_special(tokenizer_name)
        for name, source in TEMPLATES.items():
            tagged = source.replace("[[", "{% generation %}").replace("]]", "{% endgeneration %}")
            for conversation in CONVERSATIONS:
                # Where a reply begins with a character that the normalizer drops, transformers gives up on all that
                # follows (char_to_token knows no token for it).
                if tokenizer_name.startswith("unigram") and any(text != text.strip() for _, text in conversation):
                    continue
                messages = [{"role": role, "content": content} for role, content in conversation]
                got = tokenizer.apply_chat_template(messages, chat_template=tagged, return_dict=True, tokenize=True,
                                                    return_assistant_tokens_mask=True)
                yield {"tokenizer": tokenizer_name, "template": name, "messages": messages, "tokens": got["input_ids"],
                       "mask": "".join(map(str, got["assistant_masks"]))}


def main():
    OUT.mkdir(exist_ok=True)
    write_spreadsheets()
    (OUT / "csv.json").write_text(json.dumps(list(csv_cases()), ensure_ascii=False) + "\n")
    record = {"templates": TEMPLATES, "special": SPECIAL, "cases": list(mask_cases())}
    (OUT / "masks.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
