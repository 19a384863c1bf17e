"""What the programs that set `linnet tune` beside peers share."""
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINNET = ROOT / "build" / "release" / "linnet"


def words(command):
    return [str(word) for word in command]


def processor():
    return re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)


def tune(folder, name, flags, base=None):
    """Teaches base, or folder/base, what stands in folder/data.jsonl; see run()."""
    return run(folder, name,
               ["tune", folder / "data.jsonl", "--base", base or folder / "base", "--name", name, "--held-out", 0, *flags])


def run(folder, name, command):
    """Runs a linnet command that makes a model. Returns the run's folder, and of each step its seconds and its loss, and the
    most bytes resident."""
    child = subprocess.Popen(words([LINNET, *command]), env=dict(os.environ, XDG_DATA_HOME=str(folder / "home")),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"linnet {command[0]} failed:\n{said}")
    made = max((folder / "home" / "linnet" / "runs" / name).glob("[0-9]*"), key=lambda path: int(path.name))
    read = lambda file: [json.loads(line) for line in (made / file).read_text().splitlines()]
    return made, {"seconds": [line["seconds"] for line in read("times.jsonl") if "seconds" in line],
                  "losses": [line["loss"] for line in read("metrics.jsonl") if "loss" in line],
                  "bytes": usage.ru_maxrss * 1024}


def peer(command):
    """Runs a program that prints what it did as one line of JSON, its last."""
    child = subprocess.run(words(command), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(child.stdout.splitlines()[-1])


def rounds(programs, count, report):
    """Runs every one of `programs`, functions by name, `count` times in changing order, and reports each round with its number.
    Returns the results of all rounds, by name."""
    all_results = []
    for number in range(count):
        order = list(programs)[number % len(programs):] + list(programs)[:number % len(programs)]
        all_results.append({name: programs[name]() for name in order})
        report(all_results[-1], number + 1)
    return all_results
