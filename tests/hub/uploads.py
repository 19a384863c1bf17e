"""The half of the tests' hub that takes: repositories made, large files stored, commits (see server.py).

Only TOKEN may write, and only to what belongs to "me". Modes, besides those of server.py that strike any request to
storage (busy, broken):

  multipart=N  large files are sent in parts of N bytes       noparts      ... of which one has no address
  forgets      storage confirms no part                       lfserror     storage refuses every file
  unverified   the storage's address for verifying is another host
"""
import base64
import hashlib
import json


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Uploads:
    """What handlers of POST and PUT share; `repos` and `state` are the server's."""

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def json(self, status, value):
        return self.reply(status, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def may_write(self, repo):
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            self.refuse(401, "", "Invalid username or password.")
        elif not repo.startswith("me/"):
            self.refuse(403, "", "You don't have the rights to create a model under this namespace")
        else:
            return True
        return False

    def post(self, path):
        if path == "/api/repos/create":
            return self.create(json.loads(self.body()))
        if path == "/api/validate-yaml":  # of a model card, which the hub's own client asks for
            self.body()
            return self.json(200, {"errors": [], "warnings": []})
        if path.startswith("/api/models/") and "/preupload/" in path:
            return self.preupload(*path[len("/api/models/"):].split("/preupload/"))
        if path.startswith("/api/models/") and "/commit/" in path:
            return self.commit(*path[len("/api/models/"):].split("/commit/"))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(path[1:-len(".git/info/lfs/objects/batch")])
        if path.startswith("/complete/"):
            return self.complete(path[len("/complete/"):])
        if path.startswith("/verify/"):
            return self.verify(path[len("/verify/"):])
        return self.refuse(404, "", "no such endpoint")

    def create(self, asked):
        repo = f"{asked['organization']}/{asked['name']}"
        if not self.may_write(repo):
            return None
        if repo in self.repos:
            return self.refuse(409, "", "You already created this model repo")
        self.repos[repo] = {}
        self.state.private[repo] = asked.get("private", asked.get("visibility") == "private")
        return self.json(200, {"url": f"http://{self.headers['Host']}/{repo}"})

    def writable(self, repo, branch):
        """A repository that is there, at a branch that it has."""
        if not self.may_write(repo):
            return False
        if repo not in self.repos:
            self.refuse(404, "RepoNotFound", "Repository not found")
        elif branch not in ("main", "refs/pr/1"):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {branch}")
        else:
            return True
        return False

    def preupload(self, repo, branch):
        asked = json.loads(self.body())
        if not self.writable(repo, branch):
            return None
        files = []
        for file in asked["files"]:
            assert len(base64.b64decode(file["sample"], validate=True)) == min(512, file["size"])
            large = self.is_lfs(file["path"])
            have = self.repos[repo].get(file["path"])
            oid = None if have is None else sha256(have) if large else self.git_sha1(have)
            files.append({"path": file["path"], "uploadMode": "lfs" if large else "regular",
                          "shouldIgnore": file["path"].endswith(".tmp"), "oid": oid})
        return self.json(200, {"files": files})

    def batch(self, repo):
        asked = json.loads(self.body())
        if not self.writable(repo, asked["ref"]["name"]):
            return None
        assert asked["operation"] == "upload" and asked["hash_algo"] == "sha256"
        return self.json(200, {"transfer": "basic", "objects": [self.instructions(o) for o in asked["objects"]]})

    def instructions(self, wanted):
        oid, size = wanted["oid"], wanted["size"]
        known = {"oid": oid, "size": size}
        if "lfserror" in self.modes:
            return {**known, "error": {"code": 422, "message": "quota exceeded"}}
        if oid in self.state.stored:
            return known
        port = self.server.server_address[1]
        hub, storage = f"http://127.0.0.1:{port}{self.prefix}", f"http://127.0.0.2:{port}{self.prefix}"
        upload = {"href": f"{storage}/upload/{oid}"}
        if part := self.modes.get("multipart"):
            count = -(-size // part)
            header = {"chunk_size": str(part), **{str(i + 1): f"{storage}/upload/{oid}.{i + 1}" for i in range(count)}}
            if "noparts" in self.modes:
                header.pop(str(count))
            upload = {"href": f"{hub}/complete/{oid}", "header": header}
        verify = storage if "unverified" in self.modes else hub
        return {**known, "actions": {"upload": upload, "verify": {"href": f"{verify}/verify/{oid}"}}}

    def put(self, path):
        key = path[len("/upload/"):]
        data = self.body()
        if self.strikes(f"put {key}"):
            return None
        if "." in key:
            self.state.parts[key] = data
        elif sha256(data) != key:
            return self.refuse(400, "", "the content is not what its name says")
        else:
            self.state.stored[key] = data
        return self.reply(200, b"", [] if "forgets" in self.modes else [("ETag", f'"{sha256(data)}"')])

    def complete(self, oid):
        asked = json.loads(self.body())
        data = b""
        for i, part in enumerate(asked["parts"]):
            piece = self.state.parts[f"{oid}.{i + 1}"]
            if part != {"partNumber": i + 1, "etag": f'"{sha256(piece)}"'}:
                return self.refuse(400, "", f"part {i + 1} is another")
            data += piece
        if asked["oid"] != oid or sha256(data) != oid:
            return self.refuse(400, "", "the parts are not the file")
        self.state.stored[oid] = data
        return self.json(200, {})

    def verify(self, oid):
        asked = json.loads(self.body())
        if asked["oid"] != oid or len(self.state.stored.get(oid, b"")) != asked["size"]:
            return self.refuse(404, "", "there is no such object")
        return self.json(200, {})

    def commit(self, repo, branch):
        body = self.body()
        if not self.writable(repo, branch):
            return None
        lines = [json.loads(line) for line in body.splitlines()]
        assert lines[0]["key"] == "header" and lines[0]["value"]["summary"]
        changed = {}
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                assert value["encoding"] == "base64"
                changed[value["path"]] = base64.b64decode(value["content"], validate=True)
            elif value["oid"] in self.state.stored:
                changed[value["path"]] = self.state.stored[value["oid"]]
            else:
                return self.refuse(400, "", f"{value['path']}: its content is not in the storage")
        self.repos[repo].update(changed)
        commit = hashlib.sha1(body).hexdigest()
        self.state.summaries.append(lines[0]["value"]["summary"])
        return self.json(200, {"commitOid": commit, "commitUrl": f"http://{self.headers['Host']}/{repo}/commit/{commit}"})
