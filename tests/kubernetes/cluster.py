"""A fake API server: list, watch from a resourceVersion, bookmarks, 410 Gone, conflicts, TLS, tokens and RBAC.

It is held against the official client in `test_cluster`, so that what passes here passes there.
"""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from proxy.kubernetes.api import Access

Object = dict[str, Any]
TOKEN = "the-token-of-the-pod"
NAMESPACE = "shunt"


class Key(NamedTuple):
    """Where objects of one kind live."""

    group: str
    namespace: str
    resource: str


class Change(NamedTuple):
    """One entry of the history that watches read."""

    version: int
    kind: str
    key: Key
    object: Object


class Cluster:
    """The server, its objects and its history."""

    def __init__(self, directory: Path, rules: list[Object]) -> None:
        self._directory = directory
        self.rules = rules
        """What the pod's token may do, as a Role says it."""
        self.objects: dict[Key, dict[str, Object]] = {}
        self.history: list[Change] = []
        self.version = 100
        self.oldest = 100
        """Watches from before this are answered 410 Gone."""
        self.says_gone_by_event = True
        self.asked: list[str] = []
        """Every request as `verb resource name`."""
        self.watching = 0
        self._changed = asyncio.Event()
        self._cuts = 0
        self._runner: web.AppRunner | None = None
        self._port = 0

    # --- its life ------------------------------------------------------------------------

    async def start(self) -> Access:
        """Serve, on the same port as before; how to reach it."""
        certificate, key = self._directory / "ca.crt", self._directory / "ca.key"
        if not certificate.exists():
            make_certificate(certificate, key)
            (self._directory / "token").write_text(TOKEN)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        await web.SockSite(self._runner, listener, ssl_context=context).start()
        self._port = listener.getsockname()[1]
        return self.access

    @property
    def access(self) -> Access:
        return Access(
            url=f"https://127.0.0.1:{self._port}",
            token_file=self._directory / "token",
            ca_file=self._directory / "ca.crt",
            namespace=NAMESPACE,
        )

    async def stop(self) -> None:
        """Be gone: connections are cut, new ones refused."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> None:
        """End every watch in the middle."""
        self._cuts += 1
        self._wake()

    def forget(self) -> None:
        """Compact the history: whoever watches from before now gets 410."""
        self.oldest = self.version + 1
        self.version += 1
        self.history.clear()

    # --- its objects ---------------------------------------------------------------------

    def put(self, group: str, resource: str, new: Object) -> Object:
        """Create or replace, as somebody with kubectl would."""
        key = Key(group, new["metadata"].setdefault("namespace", NAMESPACE), resource)
        kind = "MODIFIED" if new["metadata"]["name"] in self.objects.get(key, {}) else "ADDED"
        return self._store(key, new, kind)

    def delete(self, group: str, resource: str, name: str) -> None:
        key = Key(group, NAMESPACE, resource)
        gone = self.objects[key].pop(name)
        self._record(key, "DELETED", gone)

    def configmap(self, name: str, **data: str) -> Object:
        """Create or replace a ConfigMap; keys come with `_` for `.`."""
        written = {key.replace("_", "."): text for key, text in data.items()}
        return self.put(
            "v1", "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": written}
        )

    def _store(self, key: Key, new: Object, kind: str) -> Object:
        stored = copy.deepcopy(new)
        self.objects.setdefault(key, {})[stored["metadata"]["name"]] = stored
        self._record(key, kind, stored)
        return stored

    def _record(self, key: Key, kind: str, changed: Object) -> None:
        self.version += 1
        changed["metadata"]["resourceVersion"] = str(self.version)
        self.history.append(Change(self.version, kind, key, copy.deepcopy(changed)))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # --- its answers ---------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        at = parts.index("namespaces") if "namespaces" in parts else -1
        if at < 0:
            return status(404, "NotFound", "the server could not find the requested resource")
        key = Key("/".join(parts[1:at]), parts[at + 1], parts[at + 2])
        name = parts[at + 3] if len(parts) > at + 3 else ""
        selected = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        verb = self._verb(request, name)
        self.asked.append(f"{verb} {key.resource} {name or selected}".strip())
        refused = self._refused(request, verb, key, name or selected)
        if refused is not None:
            return refused
        if verb == "watch":
            return await self._watch(request, key, selected)
        body = await request.json() if request.can_read_body else {}
        return self._do(verb, key, name or body.get("metadata", {}).get("name", ""), body, request, selected)

    def _verb(self, request: web.Request, name: str) -> str:
        if request.method == "GET":
            return "watch" if request.query.get("watch") in ("true", "True", "1") else "get" if name else "list"
        return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]

    def _refused(self, request: web.Request, verb: str, key: Key, name: str) -> web.Response | None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return status(401, "Unauthorized", "Unauthorized")
        group = key.group.partition("/")[0] if "/" in key.group else ""
        for rule in self.rules:
            names = rule.get("resourceNames")
            is_said = group in rule["apiGroups"] and key.resource in rule["resources"] and verb in rule["verbs"]
            # A create has no name to compare; a list or watch has one only with a field selector.
            if is_said and (names is None or (name in names and verb != "create")):
                return None
        said = f'{key.resource} "{name}" is forbidden: User "system:serviceaccount:{NAMESPACE}:shunt" cannot {verb}'
        return status(403, "Forbidden", said)

    def _do(self, verb: str, key: Key, name: str, body: Object, request: web.Request, selected: str) -> web.Response:
        known = self.objects.get(key, {})
        if verb == "list":
            return self._list(key, request, selected)
        if verb == "create":
            if name in known:
                return status(409, "AlreadyExists", f'{key.resource} "{name}" already exists')
            return web.json_response(self._store(key, body, "ADDED"), status=201)
        if name not in known:
            return status(404, "NotFound", f'{key.resource} "{name}" not found')
        if verb == "get":
            return web.json_response(known[name])
        if verb == "delete":
            self.delete(key.group, key.resource, name)
            return status(200, "", "")
        changed = merged(known[name], body) if verb == "patch" else body
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != known[name]["metadata"]["resourceVersion"]:
            said = f'Operation cannot be fulfilled on {key.resource} "{name}": the object has been modified'
            return status(409, "Conflict", said)
        return web.json_response(self._store(key, changed, "MODIFIED"))

    def _list(self, key: Key, request: web.Request, selected: str) -> web.Response:
        wanted = request.query.get("labelSelector", "")
        items = [each for each in self.objects.get(key, {}).values() if _is_meant(each, selected, wanted)]
        kind = {"configmaps": "ConfigMapList", "endpointslices": "EndpointSliceList"}.get(key.resource, "List")
        metadata = {"resourceVersion": str(self.version)}
        return web.json_response({"apiVersion": key.group, "kind": kind, "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, key: Key, selected: str) -> web.StreamResponse:
        since, wanted = int(request.query["resourceVersion"]), request.query.get("labelSelector", "")
        is_gone = since < self.oldest
        if is_gone and not self.says_gone_by_event:
            return status(410, "Expired", f"too old resource version: {since}")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if is_gone:
            gone = {
                "kind": "Status",
                "status": "Failure",
                "code": 410,
                "reason": "Expired",
                "message": "too old resource version",
            }
            await _line(response, "ERROR", gone)
            return response
        self.watching += 1
        try:
            await self._tell(response, key, since, selected, wanted)
        finally:
            self.watching -= 1
        if request.transport is not None:
            # Cut in the middle, as by a load balancer: no end of the chunked body.
            request.transport.abort()
        return response

    async def _tell(self, response: web.StreamResponse, key: Key, since: int, selected: str, wanted: str) -> None:
        cuts = self._cuts
        while self._cuts == cuts:
            woken = self._changed
            for change in [each for each in self.history if each.version > since]:
                since = change.version
                if change.key == key and _is_meant(change.object, selected, wanted):
                    await _line(response, change.kind, change.object)
            await _line(response, "BOOKMARK", {"metadata": {"resourceVersion": str(max(since, self.version))}})
            since = max(since, self.version)
            await woken.wait()


def _is_meant(found: Object, name: str, labels: str) -> bool:
    carried = found["metadata"].get("labels", {})
    pairs = [pair.partition("=") for pair in labels.split(",") if pair]
    return (not name or found["metadata"]["name"] == name) and all(carried.get(key) == value for key, _, value in pairs)


async def _line(response: web.StreamResponse, kind: str, changed: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": changed}).encode() + b"\n")


def merged(found: Any, patch: Any) -> Any:
    """RFC 7386: what a merge patch makes of an object."""
    if not isinstance(patch, dict):
        return patch
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def status(code: int, reason: str, message: str) -> web.Response:
    """A Status object, as the API server answers a failure."""
    said = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return web.json_response({**said, "status": "Success" if code < 300 else "Failure"}, status=code)


def make_certificate(certificate: Path, key: Path) -> None:
    """A certificate authority of its own for 127.0.0.1."""
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=fake-kubernetes")
    meant = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", *made, *meant], check=True, capture_output=True, timeout=60)
