#!/usr/bin/env bash
# From a fresh clone to an answer: installs what is missing, builds, fetches a small model, and talks.
set -euo pipefail
started_in=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

readonly model=smollm2
readonly tree=build/release
readonly program=$tree/linnet
readonly logs=build/logs
readonly sample_question="Why is the sky blue?"

usage() {
  cat <<'END'
usage: ./go                            open a chat
       ./go "why is the sky blue?"     answer once
       ./go teach                      teach the questions of examples/shop, and chat with the result
       ./go --build                    build the program, build/release/linnet, and stop

Installs the Debian or Ubuntu packages that are missing (asking once), builds Linnet, fetches SmolLM2-135M-Instruct
(98 MB) and talks to it. Without a terminal nothing is asked, and with no question a sample question is answered.
To teach, it fetches two models more (1.6 GB); without a terminal it ends with the scores.
Exit codes: 0 done, 1 failed, 2 used wrongly, or packages are missing that you may not install, 130 stopped.
END
}

on_terminal() { [[ -t 0 && -t 1 ]]; }

# Ctrl-C reaches the child too; whatever code the child then ends with, this is a stop and no failure.
stopped() {
  echo >&2
  echo "Stopped. What is done is kept: start ./go again to go on." >&2
  exit 130
}
trap stopped INT

# The list of packages is looked at again only after it has changed.
ensure_packages() {
  local stamp=$tree/.packages
  [[ -f $stamp && ! scripts/packages.sh -nt $stamp ]] && return
  local missing
  mapfile -t missing < <(missing_packages "${linnet_build_packages[@]}")
  if ((${#missing[@]})); then
    install_packages "$logs/packages.log" "${missing[@]}"
  fi
  mkdir -p "$tree"
  touch "$stamp"
}

# How many compilers run at once: one a core, and no more than memory holds at about 1 GB each.
build_jobs() {
  local cores gigabytes
  cores=$(nproc)
  gigabytes=$(awk '/^MemAvailable:/ {print int($2 / 1000000)}' /proc/meminfo)
  ((gigabytes < 1)) && gigabytes=1
  echo $((cores < gigabytes ? cores : gigabytes))
}

# Shows Ninja's lines "@done/total what" as one moving line on a terminal, and as a few plain lines elsewhere.
show_progress() {
  local line finished total shown=-1 percent
  while IFS= read -r line; do
    printf '%s\n' "$line" >&3
    [[ $line =~ ^@([0-9]+)/([0-9]+)\ (.*) ]] || continue
    finished=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    percent=$((100 * finished / total))
    if [[ -t 2 ]]; then
      local bar=$((percent * 30 / 100))
      printf '\r  [%-30s] %3d%%  %d of %d \e[K' "$(printf '%*s' $bar '' | tr ' ' '#')" $percent "$finished" "$total" >&2
    elif ((percent / 25 > shown)); then
      shown=$((percent / 25))
      echo "  $percent% ($finished of $total)" >&2
    fi
  done
  if [[ -t 2 && -n ${total:-} ]]; then printf '\r\e[K' >&2; fi
}

# build_failed LOG: shows what went wrong and ends; the commonest causes are named, with what to do.
build_failed() {
  local log=$1
  grep -A 20 -m 1 '^FAILED' "$log" >&2 || tail -n 25 "$log" >&2
  if grep -q 'No space left on device' "$log" || (($(df --output=avail -k "$tree" | tail -n 1) < 10000)); then
    echo "The disk is full: the build needs about 100 MB in $PWD, and some in ${TMPDIR:-/tmp}." >&2
    echo "Make room and start again." >&2
  elif grep -q 'Killed signal terminated program' "$log"; then
    echo "A compiler was stopped because memory ran out. Close other programs and start again." >&2
  fi
  echo "The build failed. The whole log is $PWD/$log" >&2
  exit 1
}

build() {
  local log=$logs/build.log
  mkdir -p "$logs"
  if [[ ! -f $tree/build.ninja ]]; then
    echo "Building Linnet; the first time this takes some minutes." >&2
    cmake --preset release >"$log" 2>&1 </dev/null || build_failed "$log"
  fi
  if ! NINJA_STATUS='@%f/%t ' nice ninja -C "$tree" -j "$(build_jobs)" linnet 2>&1 </dev/null | show_progress 3>"$log"; then
    build_failed "$log"
  fi
}

main() {
  local question=""
  case ${1:-} in
    -h | --help)
      usage
      exit 0
      ;;
    --build)
      [[ $# == 1 ]] || { usage >&2; exit 2; }
      ;;
    -*)
      usage >&2
      exit 2
      ;;
    teach)
      [[ $# == 1 ]] || { usage >&2; exit 2; }
      ;;
    *) question="$*" ;;
  esac
  ensure_packages
  build
  if [[ ${1:-} == --build ]]; then
    echo "Built $PWD/$program"
    exit 0
  fi
  local absolute=$PWD/$program advice=$PWD/scripts/better_models.py shop=$PWD/examples/shop
  cd "$started_in"
  if [[ ${1:-} == teach ]]; then
    teach "$absolute" "$shop"
  fi
  # What was asked for goes to standard output, and nothing else.
  "$absolute" pull "$model" >/dev/null
  "$absolute" list --all --json | python3 "$advice" "$(called "$absolute")" >&2
  echo >&2
  if [[ -z $question ]] && on_terminal; then
    exec "$absolute" chat "$model"
  fi
  if [[ -z $question ]]; then
    question=$sample_question
    echo "> $question"
  fi
  exec "$absolute" generate "$model" --chat "$question" </dev/null
}

# teach PROGRAM FOLDER: its questions, what they are answered with, and a chat where somebody sits.
teach() {
  "$1" tune "$2/faq.csv" --test "$2/test.csv" --name shop </dev/null
  on_terminal || exit 0
  exec "$1" chat shop
}

# How a person in this folder calls the program: by its short path where there is one.
called() {
  local short=${1#"$PWD"/}
  echo "$short"
}

main "$@"
