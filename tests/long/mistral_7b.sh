#!/usr/bin/env bash
# A model of Mistral 7B's shape and 4.4 GB of Q4_K_M, of noise: only sizes matter here.
# - It fills 4,096 tokens of context inside an 8 GiB memory cgroup; its peak of resident memory is within 5% of what
#   `linnet show` said.
# - An adapter for it is taught (QLoRA) inside a 12 GiB one; memory is within 15% of what was said before, and the time
#   within 20% of what was said after two steps.
# Takes about 45 minutes on two cores of 2021. LINNET_SCRATCH: where 5 GB may lie meanwhile (default: the system's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

linnet=$PWD/build/release/linnet
threads=${LINNET_THREADS:-0}
scratch=$(mktemp -d "${LINNET_SCRATCH:-${TMPDIR:-/tmp}}/linnet-long.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
model=$scratch/mistral-7b.gguf
export XDG_DATA_HOME=$scratch/home

# capped NAME GIB COMMAND...: runs it; out.json and peak.json are what it said and took. Returns 1 where it did not run,
# which is said.
capped() {
  local name=$1 limit=$(($2 << 30)) status=0
  shift 2
  python3 tests/long/capped.py "$limit" "$scratch/peak.json" "$@" >"$scratch/out.json" 2>"$scratch/errors" || status=$?
  case $status in
    0) return 0 ;;
    77) echo "SKIP $name: $(cat "$scratch/errors")" ;;
    *) echo "FAIL $name: exit status $status: $(tail -c 500 "$scratch/errors" | tr '\n' ' ')" && failed=1 ;;
  esac
  return 1
}

read_context() {
  local name="7B in 8 GiB" context=4096
  "$linnet" show "$model" --json >"$scratch/show.json"
  # Each letter is a token, as are the space that SentencePiece puts before the text (3 bytes) and the BOS: 4,090 in all.
  head -c 4086 /dev/zero | tr '\0' 'a' >"$scratch/prompt"
  capped "$name" 8 "$linnet" generate "$model" --context "$context" --threads "$threads" --max-tokens 6 --temperature 0 \
    --json <"$scratch/prompt" || return 0
  python3 tests/long/verdict.py read "$name" "$scratch" || failed=1
}

teach() {
  local name="7B taught in 12 GiB"
  python3 -c 'import json
for i in range(24):
    print(json.dumps({"text": "".join(chr(97 + (i * 7 + j * j) % 26) for j in range(120))}))' >"$scratch/data.jsonl"
  capped "$name" 12 "$linnet" tune "$scratch/data.jsonl" --base "$model" --name long --method lora --batch 512 \
    --epochs 1 --held-out 0 --threads "$threads" --json || return 0
  python3 tests/long/verdict.py teach "$name" "$scratch" || failed=1
}

if (($(df --output=avail -B1 "$scratch" | tail -1) < 6000000000)); then
  echo "SKIP 7B: less than 6 GB of disk are free for a model"
  exit 0
fi
python3 tests/long/make_mistral_7b.py "$model"
failed=0
read_context
teach
exit "$failed"
