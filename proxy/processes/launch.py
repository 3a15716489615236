"""A launch: what the supervisor is told, and the sockets that it opens for it.

Standard library only: the supervisor loads this.
"""

from __future__ import annotations

import json
import os
import socket
from typing import NamedTuple

from proxy.processes import listeners


class Launch(NamedTuple):
    """What the supervisor must know; `settings` and `memory` are descriptors that it only passes on."""

    listen: list[str]
    admin: str
    telemetry: str
    workers: int
    grace_seconds: float
    bound_seconds: float
    settings: int
    memory: list[int]
    name: str = ""
    """The instance's pseudonym, which stays through every upgrade."""
    ofrep: str = ""
    """Where applications ask for flags; "" for nowhere."""
    origin: str = ""
    """Where the settings came from, as JSON of the command line's own; only the command line's code reads it."""

    @classmethod
    def read(cls, number: int) -> Launch:
        """The launch that was written as JSON to a descriptor."""
        with open(number, encoding="utf-8") as file:
            file.seek(0)
            launch = cls(**json.load(file))
        for held in (launch.settings, *launch.memory):
            os.set_inheritable(held, False)  # they had to survive exec; children get them through their lifelines
        return launch


class Sockets:
    """Every listening socket: one group per address for clients, two for operators, perhaps one for applications."""

    __slots__ = ("admin", "groups", "ofrep", "telemetry")

    def __init__(
        self,
        groups: list[list[socket.socket]],
        admin: socket.socket,
        telemetry: socket.socket,
        ofrep: socket.socket | None = None,
    ) -> None:
        self.groups = groups
        self.admin = admin
        self.telemetry = telemetry
        self.ofrep = ofrep

    @classmethod
    def open(cls, launch: Launch) -> Sockets:
        """Open what the launch names, or raise Taken."""
        groups = [listeners.open_group(address, launch.workers) for address in launch.listen]
        ofrep = listeners.open_private(launch.ofrep) if launch.ofrep else None
        return cls(groups, listeners.open_private(launch.admin), listeners.open_private(launch.telemetry), ofrep)

    @classmethod
    def inherit(cls, groups: list[list[int]], admin: int, telemetry: int, ofrep: int | None) -> Sockets:
        """Those that a former supervisor opened, by their descriptors."""
        opened = [[socket.socket(fileno=number) for number in group] for group in groups]
        asked = None if ofrep is None else socket.socket(fileno=ofrep)
        return cls(opened, socket.socket(fileno=admin), socket.socket(fileno=telemetry), asked)

    def of_slot(self, slot: int) -> list[int]:
        """The descriptors that the worker of this slot accepts on; a shared socket belongs to every slot."""
        return [group[slot % len(group)].fileno() for group in self.groups]

    def only_of_slot(self, slot: int) -> list[int]:
        """Those that nobody serves when the slot has no owner."""
        return [group[slot].fileno() for group in self.groups if slot < len(group) > 1]

    def close_to_clients(self) -> None:
        """Leave the clients' sockets to the workers, who empty them before they close."""
        for group in self.groups:
            for listener in group:
                listeners.forget_path(listener)
                listener.close()
        self.groups = []

    def close(self) -> None:
        """Close everything and remove the files of Unix listeners."""
        self.close_to_clients()
        for listener in (self.admin, self.telemetry, self.ofrep):
            if listener is not None:
                listeners.forget_path(listener)
                listener.close()
