"""A terminal that a test can type into and read, made of tmux. Standard library only."""
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent


class Terminal:
    """Runs one command in a tmux of its own, with a private HOME. Use it in a `with` block."""

    def __init__(self, command, columns=80, rows=24, environment=None):
        self.folder = Path(tempfile.mkdtemp(prefix="linnet-terminal-"))
        self.home = self.folder / "home"
        self.home.mkdir()
        self.socket = self.folder / "tmux"
        self.environment = {
            "PATH": f"{SOURCE / 'build' / 'release'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"), "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_CONFIG_HOME": str(self.home / "config"), "XDG_STATE_HOME": str(self.home / "state"),
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "HF_ENDPOINT": "http://127.0.0.1:9", "PIP_NO_INDEX": "1",
            **(environment or {}),
        }
        self.size = (str(columns), str(rows))
        self.start(command)

    def start(self, command):
        """Runs a command in a fresh window, in the same HOME. An earlier one ends."""
        # The shell around it shows the exit code, and keeps the last screen.
        line = f"cd {self.folder}; {command}; echo \"exit code $?\"; sleep 600"
        assignments = [f"{key}={value}" for key, value in self.environment.items()]
        if self.socket.exists():
            self.tmux("kill-session", "-t", "test")
        for attempt in range(20):
            try:
                self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "test", "-x", self.size[0], "-y", self.size[1],
                          "env", "-i", "TERM=screen-256color", *assignments, "bash", "-c", line)
                break
            except RuntimeError:  # the server of the killed session is still on its way out
                if attempt == 19:
                    raise
                time.sleep(0.1)
        self.tmux("set-option", "-g", "history-limit", "20000")

    def tmux(self, *words):
        clean = {key: value for key, value in os.environ.items() if key != "TMUX"}
        done = subprocess.run(["tmux", "-S", str(self.socket), *words], capture_output=True, text=True, timeout=20,
                              env={**clean, "LC_ALL": "C.UTF-8"})
        if done.returncode != 0:
            raise RuntimeError(f"tmux {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.tmux("kill-server")
        except RuntimeError:
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def type(self, text):
        """Types characters as they are."""
        self.tmux("send-keys", "-t", "test", "-l", "--", text)

    def key(self, *names):
        """Presses keys by tmux's names: Enter, Up, C-c, C-d, BSpace, M-Enter …"""
        self.tmux("send-keys", "-t", "test", *names)

    def line(self, text):
        self.type(text)
        self.key("Enter")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "test", "-x", str(columns), "-y", str(rows))

    def screen(self, history=False):
        return self.tmux("capture-pane", "-p", "-J", "-t", "test", *(["-S", "-"] if history else []))

    def wait_for(self, pattern, seconds=30, history=True):
        """Waits until the regular expression is found in what was shown; the match. Fails with the screen."""
        until = time.monotonic() + seconds
        while True:
            shown = self.screen(history)
            found = re.search(pattern, shown, re.M)
            if found:
                return found
            if time.monotonic() > until:
                raise AssertionError(f"did not see {pattern!r} in {seconds} s; the screen:\n{shown.rstrip()}")
            time.sleep(0.05)

    def wait_until(self, condition, what, seconds=30):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"not within {seconds} s: {what}; the screen:\n{self.screen().rstrip()}")
            time.sleep(0.05)
