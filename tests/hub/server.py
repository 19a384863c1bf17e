#!/usr/bin/env python3
"""A small Hugging Face hub of the tests' own, on loopback only, that misbehaves where it is told to.

  server.py            prints "PORT n" and serves until its standard input ends

The hub listens on 127.0.0.1 and its storage on 127.0.0.2, as the real one keeps large files on another host. A request
whose path begins with /~MODE[=N][,MODE[=N]...]/ is answered by a server that misbehaves so; MODE is one of

  cut=N        storage hangs up after N bytes of each answer       cutonce=N   ... of the first answer only
  stall=N      storage falls silent after N bytes, the first time  trickle     storage sends a byte every 50 ms
  busy=N       the first N requests to storage get 429, Retry-After: 1
  broken=N     the first N requests to storage get 500             longwait    429 with Retry-After: 86400
  ratelimit    429 once, with the hub's own RateLimit header
  wronghash    one byte is another (small files: backwards)        longer      storage sends 100 bytes too many
  shorter      storage announces and sends 100 bytes too few       endless     storage never ends, without a length
  norange      storage ignores Range                               badrange    storage sends another range than asked
  changed      after the first answer the file is another one, with another ETag
  noetag       storage has no ETag                                 loop        storage redirects to itself for ever
  downgrade    storage redirects to http:// on another host        headers     storage's headers never end
  badjson      the API's reply is cut                              lies        the API's sizes are 2^63
  hostile      the API names files that leave the folder           nohash      the API and headers publish no hash
  hugejson     the API's reply never ends                          othercommit X-Repo-Commit is another
  offline      the API answers 503                                 moved        "main" is another commit

What is sent to the hub is taken by uploads.py, which has further modes.

GET /__log gives what was asked so far, as JSON; GET /__reset forgets it, how often each mode
has struck, and what was sent.
"""
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from uploads import Uploads

COMMIT = "5ca1ab1e" * 5
TAGGED = "c0ffee00" * 5


def noise(size, seed):
    """The same bytes on every machine: SHA-256 in counter mode."""
    out = bytearray()
    counter = 0
    while len(out) < size:
        out += hashlib.sha256(f"{seed}:{counter}".encode()).digest()
        counter += 1
    return bytes(out[:size])


def safetensors(seed):
    header = b'{"w":{"dtype":"U8","shape":[65536],"data_offsets":[0,65536]}}'
    return len(header).to_bytes(8, "little") + header + noise(65536, seed)


INDEX = json.dumps({"metadata": {}, "weight_map": {
    "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}).encode()
REPOS = {
    "org/tiny": {
        ".gitattributes": b"*.gguf filter=lfs\n",
        "README.md": b"# tiny\n",
        "tiny-Q4_0.gguf": b"GGUF" + noise(300_000, "q4"),
        "tiny-Q8_0.gguf": b"GGUF" + noise(500_000, "q8"),
    },
    "org/folder": {
        "README.md": b"# folder\n",
        "config.json": b'{"model_type": "llama"}',
        "generation_config.json": b"{}",
        "tokenizer.json": noise(5000, "tokenizer"),
        "model.safetensors.index.json": INDEX,
        "model-00001-of-00002.safetensors": safetensors("one"),
        "model-00002-of-00002.safetensors": safetensors("two"),
        "pytorch_model.bin": noise(1000, "bin"),
        "onnx/model.onnx": noise(1000, "onnx"),
    },
    "org/badindex": {
        "config.json": b"{}",
        "model.safetensors.index.json": INDEX.replace(b"00002-of", b"00003-of"),
        "model-00001-of-00002.safetensors": safetensors("one"),
        "model-00002-of-00002.safetensors": safetensors("two"),
    },
    "org/split": {
        "Q4_0/big-Q4_0-00001-of-00002.gguf": b"GGUF" + noise(1000, "s1"),
        "Q4_0/big-Q4_0-00002-of-00002.gguf": b"GGUF" + noise(1000, "s2"),
        "other name with spaces-Q8_0.gguf": b"GGUF" + noise(1000, "s3"),
    },
    "org/large": {"large-Q8_0.gguf": b"GGUF" + noise(3_000_000, "large")},
    "org/pickle": {"config.json": b"{}", "pytorch_model.bin": noise(1000, "bin")},
    "org/gated": {"gated-Q4_0.gguf": b"GGUF" + noise(1000, "gated")},
    "org/private": {"private-Q4_0.gguf": b"GGUF" + noise(1000, "private")},
}
TOKEN = "hf_right"
PLAIN = {"model.gguf": b"GGUF" + noise(200_000, "plain"), "page": b"<!DOCTYPE html><title>not a model</title>",
         "bare": b"GGUF" + noise(1000, "bare"), "pickle.bin": b"\x80\x02" + noise(100, "p")}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(name):
    return name.endswith((".gguf", ".safetensors", ".bin", ".onnx"))


class State:
    """What has happened; shared by all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        self.log, self.counts = [], {}
        # By uploads.py: large files by their SHA-256, parts of them, who may see a repository, messages of commits.
        self.stored, self.parts, self.private, self.summaries = {}, {}, {}, []
        for repo in [name for name in REPOS if name.startswith("me/")]:
            del REPOS[repo]

    def count(self, key):
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + 1
            return self.counts[key]


STATE = State()


class Handler(Uploads, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repos, state, token = REPOS, STATE, TOKEN
    is_lfs, git_sha1 = staticmethod(is_lfs), staticmethod(git_sha1)

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.serve(self.path)

    def do_PUT(self):
        self.serve(self.path)

    def do_GET(self):
        path = self.path
        if path.startswith("http://"):  # asked as a proxy
            path = urlsplit(path).path
        if path == "/__log":
            return self.reply(200, json.dumps(STATE.log).encode())
        if path == "/__pushed":
            return self.reply(200, json.dumps({"private": STATE.private, "summaries": STATE.summaries}).encode())
        if path == "/__reset":
            STATE.reset()
            return self.reply(200, b"")
        return self.serve(path)

    def serve(self, path):
        STATE.log.append({"method": self.command, "path": self.path, "range": self.headers.get("Range"),
                          "if_range": self.headers.get("If-Range"), "token": self.headers.get("Authorization"),
                          "storage": self.server.server_address[0] == "127.0.0.2"})
        self.prefix, self.modes = "", {}
        if path.startswith("/~"):
            self.prefix, rest = path[:path.index("/", 1)], path[path.index("/", 1):]
            for mode in self.prefix[2:].split(","):
                name, _, value = mode.partition("=")
                self.modes[name] = int(value or 1)
            path = rest
        path = unquote(urlsplit(path).path)
        try:
            if self.command == "POST":
                return self.post(path)
            if self.command == "PUT":
                return self.put(path)
            if path.startswith("/storage/"):
                return self.storage(path[len("/storage/"):])
            if path.startswith("/plain/"):
                return self.send_file(PLAIN[path[len("/plain/"):]], "plain")
            if path.startswith("/api/models/"):
                return self.api(path[len("/api/models/"):])
            return self.resolve(path[1:])
        except KeyError:
            return self.refuse(404, "EntryNotFound", "no such file")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, message):
        self.reply(status, json.dumps({"error": message}).encode(),
                   [("X-Error-Code", code), ("X-Error-Message", message), ("Content-Type", "application/json")])

    def allowed(self, repo, gated_too):
        """The hub hides what is private behind 401, and gives out the list of a gated repository but not its files."""
        given = self.headers.get("Authorization")
        if repo not in REPOS or (repo == "org/private" and given != f"Bearer {TOKEN}"):
            self.refuse(404 if given else 401, "RepoNotFound", "Repository not found")
        elif gated_too and repo == "org/gated" and given != f"Bearer {TOKEN}":
            self.refuse(403 if given else 401, "GatedRepo", "Access to model org/gated is restricted.")
        else:
            return True
        return False

    def commit_of(self, revision):
        known = {"main": TAGGED if "moved" in self.modes else COMMIT, COMMIT: COMMIT, "v1": TAGGED, TAGGED: TAGGED, "refs/pr/1": TAGGED}
        if revision in known:
            return known[revision]
        self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return None

    def api(self, rest):
        repo, _, revision = rest.partition("/revision/")
        if "/tree/" in repo:
            repo, _, revision = rest.partition("/tree/")
        if not self.allowed(repo, False):
            return None
        commit = self.commit_of(revision or "main")
        if commit is None:
            return None
        if "offline" in self.modes:
            return self.reply(503, b"down for maintenance")
        if "hugejson" in self.modes:
            return self.send_endless(b'["')
        siblings = [self.sibling(name, data) for name, data in REPOS[repo].items()]
        if "/tree/" in rest:
            body = json.dumps([{"type": "file", "oid": s.get("blobId"), "size": s.get("size"), "path": s["rfilename"],
                                **({"lfs": {"oid": s["lfs"]["sha256"], "size": s["lfs"]["size"], "pointerSize": 130}} if "lfs" in s else {})}
                               for s in siblings]).encode()
            return self.reply(200, body, [("Content-Type", "application/json")])
        if "hostile" in self.modes:
            siblings += [{"rfilename": name, "size": 1} for name in
                         ("../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "evil\x1b[2J.gguf", ".linnet.json")]
        body = json.dumps({"_id": "1", "id": repo, "modelId": repo, "sha": commit, "private": False, "disabled": False,
                           "gated": "auto" if repo == "org/gated" else False, "tags": ["license:apache-2.0"], "downloads": 0,
                           "cardData": {"license": "apache-2.0"}, "siblings": siblings}).encode()
        return self.reply(200, body[:200] if "badjson" in self.modes else body, [("Content-Type", "application/json")])

    def sibling(self, name, data):
        entry = {"rfilename": name}
        if "nohash" in self.modes:
            return {**entry, "size": len(data)}
        entry.update(size=len(data), blobId=git_sha1(data))
        if is_lfs(name):
            entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 130}
        if "lies" in self.modes:
            entry["size"] = 2**63
            entry.pop("lfs", None)
        return entry

    def resolve(self, path):
        repo, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        if not self.allowed(repo, True):
            return None
        commit = self.commit_of(revision)
        if commit is None:
            return None
        data = REPOS[repo][name]
        headers = [("X-Repo-Commit", TAGGED if "othercommit" in self.modes else commit)]
        if not is_lfs(name):
            if "nohash" not in self.modes:
                headers.append(("ETag", f'"{git_sha1(data)}"'))
            return self.reply(200, data[::-1] if "wronghash" in self.modes else data, headers)
        if "nohash" not in self.modes:
            headers += [("X-Linked-Etag", f'"{sha256(data)}"'), ("X-Linked-Size", str(len(data)))]
        host = f"http://127.0.0.2:{self.server.server_address[1]}"
        return self.reply(302, b"", headers + [("Location", f"{host}{self.prefix}/storage/{repo}/{name}".replace(" ", "%20"))])

    def storage(self, path):
        owner, repo, name = path.split("/", 2)
        self.send_file(REPOS[f"{owner}/{repo}"][name], path)

    def send_endless(self, head):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunk = head + b"x" * 65536
        for _ in range(1 << 14):  # a gigabyte: as good as endless
            self.wfile.write(b"%x\r\n" % len(chunk) + chunk + b"\r\n")

    def strikes(self, key):
        """Refusals before any byte; True when one was sent."""
        seen = STATE.count(key)
        if seen <= self.modes.get("busy", 0):
            self.reply(429, b"slow down", [("Retry-After", "1")])
        elif "longwait" in self.modes:
            self.reply(429, b"come back tomorrow", [("Retry-After", "86400")])
        elif "ratelimit" in self.modes and seen == 1:
            self.reply(429, b"slow down", [("RateLimit", '"resolvers";r=0;t=1')])
        elif seen <= self.modes.get("broken", 0):
            self.reply(500, b"oops")
        elif "loop" in self.modes:
            self.reply(302, b"", [("Location", self.path)])
        elif "downgrade" in self.modes:
            self.reply(302, b"", [("Location", "http://example.org/model.gguf")])
        elif "headers" in self.modes:
            self.send_response(200)
            for i in range(100_000):
                self.send_header(f"X-Noise-{i}", "x" * 100)
            self.end_headers()
        elif "endless" in self.modes:
            self.send_endless(b"GGUF")
        else:
            return False
        return True

    def send_file(self, data, key):
        key = self.prefix + key
        if self.command == "HEAD":
            return self.reply(200, data, [("ETag", f'"{sha256(data)}"')])
        if self.strikes(key):
            return None
        answer = STATE.count(key + " answers")
        if "changed" in self.modes and answer > 1:
            data = data[:4] + bytes(b ^ 0xFF for b in data[4:])
        etag = f'"{sha256(data)}"'
        if "wronghash" in self.modes:
            data = data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]
        if "longer" in self.modes:
            data += b"x" * 100
        if "shorter" in self.modes:
            data = data[:-100]
        headers = [("Accept-Ranges", "bytes")] + ([] if "noetag" in self.modes else [("ETag", etag)])
        start = 0
        asked = self.headers.get("Range")
        valid = self.headers.get("If-Range") in (None, etag)
        if asked and valid and "norange" not in self.modes:
            start = int(asked[len("bytes="):].split("-")[0])
            if start >= len(data):
                return self.reply(416, b"", [("Content-Range", f"bytes */{len(data)}")])
            shown = start + 7 if "badrange" in self.modes else start
            headers.append(("Content-Range", f"bytes {shown}-{len(data) - 1}/{len(data)}"))
        self.send_response(206 if asked and valid and "norange" not in self.modes else 200)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        return self.send_body(data[start:], answer)

    def send_body(self, body, answer):
        cut = self.modes.get("cut") or (self.modes.get("cutonce") if answer == 1 else None)
        stall = self.modes.get("stall") if answer == 1 else None
        if "trickle" in self.modes:
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                time.sleep(0.05)
        self.wfile.write(body[:cut or stall])
        self.wfile.flush()
        if stall is not None:
            self.connection.settimeout(20)
            try:
                self.connection.recv(1)  # until the client hangs up
            except OSError:
                pass
        if cut is not None or stall is not None:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def main():
    hub = Server(("127.0.0.1", 0), Handler)
    storage = Server(("127.0.0.2", hub.server_address[1]), Handler)
    for server in (hub, storage):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"PORT {hub.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
