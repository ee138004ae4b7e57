"""A stand-in for the Hugging Face Hub on loopback, which refuses what the Hub refuses.

It has the part of the API that pushing and loading a model use, with files in large-file storage by
LFS; the Hub's Xet storage is left out.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_" + "a" * 34
LICENSES = ("apache-2.0", "mit", "cc-by-4.0", "other")


@dataclass
class Repository:
    private: bool
    # {branch: {path: content}}; a new repository has one commit.
    branches: dict = field(default_factory=lambda: {"main": {".gitattributes": b"*.h5 lfs\n"}})
    messages: list = field(default_factory=list)

    def commit(self, branch):
        """Returns the identifier of a branch's commit, which depends on its files alone."""
        files = self.branches[branch]
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def files(self, revision):
        """Returns the files of a branch or of its commit, or None."""
        names = [name for name in self.branches if revision in (name, self.commit(name))]
        return self.branches[names[0]] if names else None


class Hub:
    """The state of the stand-in, and its server.

    Attributes:
        tokens: {token: (user, whether it may write)}.
        repositories: {OWNER/NAME: Repository}.
        failing: a part of the paths that are answered with status 500.
    """

    def __init__(self):
        self.tokens = {}
        self.repositories = {}
        self.large_files = {}
        self.requests = []
        self.failing = None
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class Refused(Exception):
    def __init__(self, status, message, code=None):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_):
        pass

    def _answer(self):
        length = int(self.headers.get("Content-Length", 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = iter(lambda: self._chunk(), b"")
            self.body = b"".join(chunks)
        else:
            self.body = self.rfile.read(length)
        self.hub.requests.append((self.command, self.path))
        path = urllib.parse.urlsplit(self.path).path
        try:
            if self.hub.failing and self.hub.failing in path:
                raise Refused(500, "Internal Error - We're working hard to fix this")
            for pattern, methods, answer in _ROUTES:
                found = re.fullmatch(pattern, path)
                if found and self.command in methods:
                    answer(self, *map(urllib.parse.unquote, found.groups()))
                    return
            raise Refused(404, "Not Found")
        except Refused as refused:
            headers = {"X-Error-Message": refused.message}
            if refused.code:
                headers["X-Error-Code"] = refused.code
            self._send({"error": refused.message}, refused.status, headers)

    def _chunk(self):
        size = int(self.rfile.readline(), 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _send(self, content, status=200, headers=()):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    # What a request may do.

    def _user(self):
        """Returns the user of the request's token, or None without a token."""
        authorization = self.headers.get("Authorization")
        if authorization is None:
            return None, False
        token = authorization.removeprefix("Bearer ")
        if token not in self.hub.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.hub.tokens[token]

    def _repository(self, repo_id):
        user, _ = self._user()
        repository = self.hub.repositories.get(repo_id)
        if repository is None or (repository.private and user != repo_id.partition("/")[0]):
            # Without a token the Hub does not say that a repository is missing.
            status = 401 if user is None else 404
            raise Refused(status, "Repository not found", "RepoNotFound")
        return repository

    def _files(self, repo_id, revision):
        files = self._repository(repo_id).files(revision)
        if files is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return files

    def _check_may_write(self, owner, what):
        user, writes = self._user()
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if user != owner or not writes:
            raise Refused(403, what)

    def _writable(self, repo_id):
        repository = self._repository(repo_id)
        owner = repo_id.partition("/")[0]
        self._check_may_write(owner, "you must use a write token to upload to a repository.")
        return repository

    # The answers.

    def whoami(self):
        user, writes = self._user()
        if user is None:
            raise Refused(401, "Invalid username or password.")
        token = {"displayName": "test", "role": "write" if writes else "read"}
        self._send({"type": "user", "name": user, "auth": {"accessToken": token}})

    def create(self):
        asked = json.loads(self.body)
        owner = asked.get("organization") or self._user()[0]
        self._check_may_write(
            owner, f'You don\'t have the rights to create a model under the namespace "{owner}"'
        )
        repo_id = f"{owner}/{asked['name']}"
        if repo_id in self.hub.repositories:
            raise Refused(409, "You already created this model repo")
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repositories[repo_id] = Repository(bool(private))
        self._send({"url": f"{self.hub.address}/{repo_id}", "name": repo_id})

    def info(self, repo_id, revision="main"):
        repository = self._repository(repo_id)
        files = self._files(repo_id, revision)
        branch = next(name for name in repository.branches if repository.branches[name] is files)
        self._send(
            {
                "id": repo_id,
                "modelId": repo_id,
                "private": repository.private,
                "sha": repository.commit(branch),
                "siblings": [{"rfilename": name} for name in files],
            }
        )

    def validate(self):
        asked = json.loads(self.body)
        found = re.match(r"---\n(.*?)\n---\n", asked["content"], re.DOTALL)
        metadata = yaml.safe_load(found[1]) if found else {}
        errors = []
        if metadata.get("license", LICENSES[0]) not in LICENSES:
            errors.append(f'"license" must be one of [{", ".join(LICENSES)}]')
        for entry in metadata.get("model-index", ()):
            for result in entry["results"]:
                if {"task", "dataset", "metrics"} - result.keys():
                    errors.append('"model-index[0].results[0]" lacks a field')
        messages = [{"message": message} for message in errors]
        self._send({"errors": messages, "warnings": []}, 400 if errors else 200)

    def branch(self, repo_id, name):
        branches = self._writable(repo_id).branches
        if name in branches:
            raise Refused(409, "Reference already exists")
        branches[name] = dict(branches["main"])
        self._send({})

    def preupload(self, repo_id, revision):
        self._writable(repo_id)
        files = self._files(repo_id, revision)
        answers = []
        for file in json.loads(self.body)["files"]:
            content = files.get(file["path"])
            large = file["path"].endswith((".h5", ".png"))
            oid = None if content is None else _git_oid(content) if not large else _sha256(content)
            mode = "lfs" if large else "regular"
            answers.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        self._send({"files": answers})

    def large_batch(self, repo_id):
        self._writable(repo_id)
        objects = []
        for asked in json.loads(self.body)["objects"]:
            answer = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.large_files:
                upload = f"{self.hub.address}/storage/{asked['oid']}"
                answer["actions"] = {"upload": {"href": upload}}
            objects.append(answer)
        self._send({"transfer": "basic", "objects": objects})

    def large_upload(self, oid):
        if self.headers.get("Authorization"):
            raise Refused(400, "Only one auth mechanism allowed")
        if _sha256(self.body) != oid:
            raise Refused(400, "The content does not have this sha256")
        self.hub.large_files[oid] = self.body
        self._send({})

    def commit(self, repo_id, revision):
        repository = self._writable(repo_id)
        if revision not in repository.branches:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        files = dict(repository.branches[revision])
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.hub.large_files:
                    raise Refused(400, f"LFS pointer to {value['oid']} does not exist")
                files[value["path"]] = self.hub.large_files[value["oid"]]
            elif item["key"] == "deletedFile":
                if value["path"] not in files:
                    raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
                del files[value["path"]]
        repository.branches[revision] = files
        repository.messages.append(message)
        oid = repository.commit(revision)
        url = f"{self.hub.address}/{repo_id}/commit/{oid}"
        self._send({"success": True, "commitOid": oid, "commitUrl": url})

    def tree(self, repo_id, revision):
        entries = []
        for name, content in self._files(repo_id, revision).items():
            entry = {"type": "file", "path": name, "size": len(content), "oid": _git_oid(content)}
            if name.endswith((".h5", ".png")):
                entry["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        self._send(entries)

    def resolve(self, repo_id, revision, name):
        repository = self._repository(repo_id)
        files = self._files(repo_id, revision)
        if name not in files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        branch = next(each for each in repository.branches if repository.branches[each] is files)
        headers = {"X-Repo-Commit": repository.commit(branch), "ETag": f'"{_sha256(files[name])}"'}
        self._send(files[name], headers=headers)


_REPO = r"([^/]+/[^/]+)"
_ROUTES = (
    ("/api/whoami-v2", {"GET"}, _Handler.whoami),
    ("/api/repos/create", {"POST"}, _Handler.create),
    ("/api/validate-yaml", {"POST"}, _Handler.validate),
    (f"/api/models/{_REPO}", {"GET"}, _Handler.info),
    (f"/api/models/{_REPO}/revision/([^/]+)", {"GET"}, _Handler.info),
    (f"/api/models/{_REPO}/branch/([^/]+)", {"POST"}, _Handler.branch),
    (f"/api/models/{_REPO}/preupload/([^/]+)", {"POST"}, _Handler.preupload),
    (f"/api/models/{_REPO}/commit/([^/]+)", {"POST"}, _Handler.commit),
    (f"/api/models/{_REPO}/tree/([^/]+)", {"GET"}, _Handler.tree),
    (rf"/{_REPO}\.git/info/lfs/objects/batch", {"POST"}, _Handler.large_batch),
    ("/storage/([0-9a-f]{64})", {"PUT"}, _Handler.large_upload),
    (f"/{_REPO}/resolve/([^/]+)/(.+)", {"GET", "HEAD"}, _Handler.resolve),
)


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def _git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
