#!/usr/bin/env bash
# A model of Mistral 7B's shape and 4.4 GB of Q4_K_M fills 4,096 tokens of context inside an 8 GiB memory cgroup, and its
# peak of resident memory is within 5% of what `linnet show` said. The weights are noise: only sizes matter here.
# Takes about half an hour on two cores of 2021. LINNET_SCRATCH: where 5 GB may lie meanwhile (default: the system's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

linnet=$PWD/build/release/linnet
limit=$((8 << 30))
context=4096
name="7B in 8 GiB"
scratch=$(mktemp -d "${LINNET_SCRATCH:-${TMPDIR:-/tmp}}/linnet-long.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

if (($(df --output=avail -B1 "$scratch" | tail -1) < 5000000000)); then
  echo "SKIP $name: less than 5 GB of disk are free for a model"
  exit 0
fi
model=$scratch/mistral-7b.gguf
python3 tests/long/make_mistral_7b.py "$model"

"$linnet" show "$model" --json >"$scratch/show.json"
# Each letter is a token, as are the space that SentencePiece puts before the text (3 bytes) and the BOS: 4,090 in all.
head -c 4086 /dev/zero | tr '\0' 'a' >"$scratch/prompt"

status=0
python3 tests/long/capped.py "$limit" "$scratch/peak.json" "$linnet" generate "$model" --context "$context" \
  --threads "${LINNET_THREADS:-0}" --max-tokens 6 --temperature 0 --json \
  <"$scratch/prompt" >"$scratch/out.json" 2>"$scratch/errors" || status=$?
if ((status == 77)); then
  echo "SKIP $name: $(cat "$scratch/errors")"
  exit 0
fi
if ((status != 0)); then
  echo "FAIL $name: exit status $status: $(tail -c 500 "$scratch/errors" | tr '\n' ' ')"
  exit 1
fi
python3 - "$scratch" "$context" "$name" <<'PYTHON'
import json
import pathlib
import sys

scratch, context, name = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
out, show, peak = (json.loads((scratch / f"{part}.json").read_text()) for part in ("out", "show", "peak"))
promised = next(row["bytes"] for row in show["memory"] if row["context"] == context)
tokens = out["prompt_tokens"] + out["tokens"]
off = peak["peak"] / promised - 1
facts = (f"{tokens} tokens ({out['prompt_tokens'] / out['prefill_seconds']:.1f} a second read), "
         f"peak {peak['peak'] / 1e9:.3f} GB, show said {promised / 1e9:.3f} GB: {100 * off:+.1f}%")
good = tokens == context and abs(off) <= 0.05
print(f"# {facts}\nPASS {name}" if good else f"FAIL {name}: {facts}")
sys.exit(not good)
PYTHON
