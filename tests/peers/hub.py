#!/usr/bin/env python3
"""Shows that tests/hub/server.py speaks the hub's protocol: the hub's own client, huggingface_hub, is pointed at it by
HF_ENDPOINT, fetches the same repositories and sends files. Then `linnet` resolves the cache that the client wrote, in
place, and the client fetches what `linnet` sent.
Prints "PASS name" or "FAIL name: why" a line."""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "hub"))
import server as hub_server  # noqa: E402

FAILED = []


def case(name, problem):
    print(f"FAIL {name}: {problem}" if problem else f"PASS {name}", flush=True)
    if problem:
        FAILED.append(name)


def compare(folder, repo, wanted):
    for name in wanted:
        have = (Path(folder) / name).read_bytes()
        if have != hub_server.REPOS[repo][name]:
            return f"{name} differs"
    return None


@contextlib.contextmanager
def changed(path):
    """The file with one bit turned, for as long as this lasts."""
    right = path.read_bytes()
    path.write_bytes(bytes([right[0] ^ 1]) + right[1:])
    try:
        yield
    finally:
        path.write_bytes(right)


def client_cases(work):
    # Imported late: the library reads HF_ENDPOINT and HF_HOME once, when it is loaded.
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.errors import (EntryNotFoundError, GatedRepoError, RepositoryNotFoundError,
                                        RevisionNotFoundError)

    folder = Path(snapshot_download("org/folder"))
    case("the client fetches a whole repository", compare(folder, "org/folder", hub_server.REPOS["org/folder"]))
    with changed(folder / "config.json"):
        case("one wrong byte is noticed", None if compare(folder, "org/folder", ["config.json"]) else "it is not")
    path = hf_hub_download("org/tiny", "tiny-Q4_0.gguf")
    case("the client fetches one large file through the redirect", compare(Path(path).parent, "org/tiny", ["tiny-Q4_0.gguf"]))
    case("the client pins the commit", None if Path(path).parent.name == hub_server.COMMIT else path)
    path = hf_hub_download("org/tiny", "tiny-Q8_0.gguf", revision="v1", local_dir=work / "tagged")
    case("the client fetches a tag", compare(Path(path).parent, "org/tiny", ["tiny-Q8_0.gguf"]))
    info = HfApi().model_info("org/tiny", files_metadata=True)
    sizes = {s.rfilename: (s.size, s.lfs.sha256 if s.lfs else None) for s in info.siblings}
    truth = {n: (len(d), hub_server.sha256(d) if hub_server.is_lfs(n) else None) for n, d in hub_server.REPOS["org/tiny"].items()}
    case("the client reads sizes and hashes", None if sizes == truth and info.sha == hub_server.COMMIT else f"{sizes} {info.sha}")
    for name, kind, call in [
        ("a missing repository", RepositoryNotFoundError, lambda: HfApi().model_info("org/none")),
        ("a private repository", RepositoryNotFoundError, lambda: hf_hub_download("org/private", "private-Q4_0.gguf")),
        ("a missing revision", RevisionNotFoundError, lambda: HfApi().model_info("org/tiny", revision="v9")),
        ("a missing file", EntryNotFoundError, lambda: hf_hub_download("org/tiny", "none.gguf")),
        ("a gated repository", GatedRepoError, lambda: hf_hub_download("org/gated", "gated-Q4_0.gguf")),
    ]:
        try:
            call()
            case(f"the client refuses {name}", "it did not")
        except kind:
            case(f"the client refuses {name}", None)
        except Exception as error:  # noqa: BLE001
            case(f"the client refuses {name}", f"{type(error).__name__}: {error}")
    path = hf_hub_download("org/gated", "gated-Q4_0.gguf", token=hub_server.TOKEN)
    case("the client fetches a gated file with a token", compare(Path(path).parent, "org/gated", ["gated-Q4_0.gguf"]))


def sent_files(work):
    """What is sent to the hub: a large file, small ones, one in a folder."""
    folder = work / "to-send"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "model.safetensors").write_bytes(hub_server.safetensors("sent"))
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("# sent\n")
    return folder


def arrived(repo, folder, work):
    """Why what the client fetches of `repo` is not what lies in `folder`; None where it is."""
    from huggingface_hub import snapshot_download

    got = Path(snapshot_download(repo, token=hub_server.TOKEN, local_dir=work / "fetched" / repo))
    for path in folder.rglob("*"):
        if path.is_file() and (got / path.relative_to(folder)).read_bytes() != path.read_bytes():
            return f"{path.name} differs"
    return None


def sending_client_cases(work, folder):
    """The server takes what the client sends, in one piece and in parts, so it may judge what linnet sends."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    for name, modes in (("client", ""), ("parts", "/~multipart=20000")):
        api = HfApi(endpoint=os.environ["HF_ENDPOINT"] + modes, token=hub_server.TOKEN)
        api.create_repo(f"me/{name}", private=True)
        api.upload_folder(repo_id=f"me/{name}", folder_path=folder, commit_message="sent")
        case(f"the client sends a folder ({name})", arrived(f"me/{name}", folder, work))
    api = HfApi(token="hf_wrong")
    try:
        api.create_repo("me/other")
        case("the server refuses a wrong token", "it did not")
    except HfHubHTTPError as error:
        case("the server refuses a wrong token", None if error.response.status_code == 401 else str(error))


def sending_linnet_cases(work, folder):
    linnet = ROOT / "build" / "release" / "linnet"
    if not linnet.exists():
        print("SKIP linnet sends a folder: build/release/linnet is not built")
        return
    for name, modes in (("linnet", ""), ("linnet-parts", "/~multipart=20000")):
        environment = {**os.environ, "XDG_DATA_HOME": str(work / "data"), "HF_TOKEN": hub_server.TOKEN,
                       "HF_ENDPOINT": os.environ["HF_ENDPOINT"] + modes}
        done = subprocess.run([linnet, "push", folder, f"hf:me/{name}"], env=environment, capture_output=True, text=True,
                              timeout=60, check=False)
        case(f"linnet sends a folder ({name})", arrived(f"me/{name}", folder, work) if done.returncode == 0 else done.stderr)
    (folder / "config.json").write_text("{ }")
    case("a file that did not arrive is noticed", None if arrived("me/linnet", folder, work) else "it is not")


def linnet_cases(work):
    """What the client put into its cache is used where it lies."""
    linnet = ROOT / "build" / "release" / "linnet"
    if not linnet.exists():
        print("SKIP linnet reads the client's cache: build/release/linnet is not built")
        return
    environment = {**os.environ, "XDG_DATA_HOME": str(work / "data"), "HF_HUB_OFFLINE": "1"}
    for name in ("hf:org/folder", "hf:org/tiny:q4_0"):
        done = subprocess.run([linnet, "verify", name], env=environment, capture_output=True, text=True, timeout=60, check=False)
        case(f"linnet verifies {name} in the client's cache", None if done.returncode == 0 else done.stdout + done.stderr)
    for name in ("config.json", "model-00001-of-00002.safetensors"):  # known by its git SHA-1, and by its SHA-256
        with changed(next((work / "hf").rglob(f"models--org--folder/snapshots/*/{name}"))):
            done = subprocess.run([linnet, "verify", "hf:org/folder"], env=environment, capture_output=True, text=True,
                                  timeout=60, check=False)
        case(f"linnet notices a wrong byte of {name}", None if done.returncode == 1 and name in done.stdout else done.stdout)
    stored = [p for p in (work / "data").rglob("*") if p.is_file() and ".locks" not in p.parts]
    case("linnet copies nothing out of the client's cache", None if not stored else str(stored))


def main():
    work = Path(tempfile.mkdtemp(prefix="linnet-hub-"))
    process = subprocess.Popen([sys.executable, ROOT / "tests" / "hub" / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().split()[1]
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HF_TOKEN"):
            os.environ.pop(name, None)
        os.environ.update(HF_ENDPOINT=f"http://127.0.0.1:{port}", HF_HOME=str(work / "hf"), HF_HUB_DISABLE_TELEMETRY="1",
                          HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
        client_cases(work)
        linnet_cases(work)
        folder = sent_files(work)
        sending_client_cases(work, folder)
        sending_linnet_cases(work, folder)
    finally:
        process.stdin.close()
        process.wait(10)
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
