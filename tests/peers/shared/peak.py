"""Runs a command and prints the most memory that it had resident, in bytes, as the last line of standard error.

usage: peak.py COMMAND...      the exit status is the command's

A process of its own, small: what a process has resident counts from before it becomes another program, so that the child
of a large one seems large.
"""
import os
import sys

if __name__ == "__main__":
    child = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
    _, status, usage = os.wait4(child, 0)
    print(usage.ru_maxrss * 1024, file=sys.stderr)
    sys.exit(os.waitstatus_to_exitcode(status))
