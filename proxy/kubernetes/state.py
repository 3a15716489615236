"""State that all replicas share: each section in a ConfigMap of its own, written only over what was read.

The section of overrides is written first and decides: whoever loses there has written nothing. So two
replicas that change traffic at the same moment cannot both believe that they did.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

from proxy.control.state import KEPT, LEDGER, ROLLOUTS, Json, Loaded
from proxy.errors import Conflict
from proxy.kubernetes.api import Api
from proxy.kubernetes.faults import ApiError, Missing, Overtaken
from proxy.kubernetes.following import Follower
from proxy.kubernetes.objects import Collection, Object, mapping, texts, version_of

SECTIONS = (KEPT, ROLLOUTS, LEDGER)
"""In the order of writing."""
KEY = "section.json"
MAX_BYTES = 768 << 10
"""A ConfigMap holds 1 MiB with its metadata; a section that grows beyond this is refused, not cut."""


class KubernetesState:
    """A StateStore in ConfigMaps `shunt-kept`, `shunt-rollouts` and `shunt-ledger`, which must be there."""

    def __init__(self, api: Api, prefix: str = "shunt") -> None:
        self._api = api
        self._prefix = prefix
        self._where = Collection(group="v1", resource="configmaps", namespace=api.access.namespace)
        self._read: dict[str, Object] = {}
        """The objects as they were read or written last."""

    async def load(self) -> Loaded:
        """The present document; what cannot be read is reported as lost."""
        lost: list[str] = []
        sections: dict[str, Json] = {}
        for section in SECTIONS:
            try:
                self._read[section] = await self._api.get(self._where, self._name(section))
                written = texts(self._read[section].get("data")).get(KEY, "")
                if written:
                    sections[section] = json.loads(written)
            except Missing:
                lost.append(f"{section}: there is no ConfigMap {self._name(section)}; apply the manifests")
            except (ApiError, ValueError) as fault:
                lost.append(f"{section}: {fault}")
        return Loaded(sections, self._token() if sections else "", tuple(lost))

    async def save(self, sections: Mapping[str, Json], token: str) -> str:
        """Write what has changed; Conflict when another replica was faster, OSError when it cannot be written."""
        if token != (self._token() if self._has_content() else ""):
            raise Conflict("another replica has written the state since it was loaded")
        for section in SECTIONS:
            if section in sections:
                await self._write(section, sections[section])
        return self._token()

    async def watch(self, token: str) -> AsyncIterator[Loaded]:
        """Each document that another replica wrote and that differs from the one named by `token`."""
        where = Collection(group="v1", resource="configmaps", namespace=self._where.namespace, name=self._name(KEPT))
        async for objects in Follower(self._api, where).states():
            kept = objects.get(self._name(KEPT))
            if kept is None or version_of(kept) == version_of(self._read.get(KEPT, {})):
                continue
            loaded = await self.load()
            if loaded.token != token:
                token = loaded.token
                yield loaded

    async def _write(self, section: str, value: Json) -> None:
        content = json.dumps(value, separators=(",", ":"), sort_keys=True)
        if len(content) > MAX_BYTES:
            raise OSError(f"{section} has {len(content) >> 10} KiB, more than fits into a ConfigMap")
        read = self._read.get(section, {})
        if texts(read.get("data")).get(KEY) == content and section != KEPT:
            return
        metadata = {"name": self._name(section)} | mapping(read.get("metadata"))
        changed: Object = {**read, "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        try:
            self._read[section] = await self._api.replace(self._where, changed | {"data": {KEY: content}})
        except Overtaken as fault:
            raise Conflict("another replica has written the state at the same moment") from fault
        except ApiError as fault:
            raise OSError(f"the state cannot be written: {fault}") from fault

    def _name(self, section: str) -> str:
        return f"{self._prefix}-{section}"

    def _token(self) -> str:
        """Names this very content: the version of the section that is written first."""
        return version_of(self._read.get(KEPT, {}))

    def _has_content(self) -> bool:
        return bool(texts(self._read.get(KEPT, {}).get("data")))
