#!/usr/bin/env python3
"""Runs a command inside a memory cgroup of its own and tells the most memory that it had resident.

usage: capped.py LIMIT_BYTES REPORT.json COMMAND...

REPORT.json gets {"peak": bytes}; the exit status is the command's. Exit status 77, with the reason on standard error,
when no memory cgroup can be made here.

The peak is the process's own high-water mark (VmHWM): what it allocated and what it had mapped and touched. The cgroup's
own memory.peak is no measure of what a program needs: it counts the page cache of every file read, which grows until the
limit stops it.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

CGROUPS = pathlib.Path("/sys/fs/cgroup")
NONE = 77


def own_cgroups():
    """controllers ("" for version 2) -> the path of this process's cgroup in that hierarchy."""
    lines = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
    return {line.split(":")[1]: line.split(":", 2)[2].lstrip("/") for line in lines}


def places():
    """(folder to make a cgroup in, file of its limit): beneath our own where the kernel lets us, else beneath a parent."""
    own = own_cgroups()
    if "memory" in own:  # version 1
        yield CGROUPS / "memory" / own["memory"], "memory.limit_in_bytes"
    folder = CGROUPS / own.get("", "")
    while folder != CGROUPS.parent:
        control = folder / "cgroup.subtree_control"
        if control.exists() and "memory" in control.read_text().split():
            yield folder, "memory.max"
        folder = folder.parent


def make_cgroup(limit):
    for folder, file in places():
        cgroup = folder / f"linnet-{os.getpid()}"
        try:
            cgroup.mkdir()
        except OSError:
            continue
        try:
            (cgroup / file).write_text(str(limit))
            return cgroup
        except OSError:
            cgroup.rmdir()
    return None


def run(command, cgroup):
    """(exit status, peak of resident bytes)."""
    def enter():
        if cgroup:
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))

    child = subprocess.Popen(command, preexec_fn=enter)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * 1024


def main():
    limit, report, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    cgroup = make_cgroup(limit)
    if not cgroup:
        scope = ["systemd-run", "--user", "--scope", "--quiet", "-p", f"MemoryMax={limit}", "-p", "MemorySwapMax=0"]
        if not shutil.which(scope[0]) or subprocess.run([*scope, "true"], capture_output=True).returncode:
            print("no memory cgroup can be made here", file=sys.stderr)
            return NONE
        command = scope + command  # a scope replaces itself with the command: the peak is the command's
    try:
        status, peak = run(command, cgroup)
    finally:
        if cgroup:
            cgroup.rmdir()
    pathlib.Path(report).write_text(json.dumps({"peak": peak}))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
