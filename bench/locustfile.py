"""A user with something to lose: a session, uploads, a WebSocket; the run fails when Shunt moves him about.

    locust -f bench/locustfile.py --host http://127.0.0.1:8080 --shares v1=80,v2=20

Every answer names the version that gave it. A session must stay with the version that it drew first, and
over all sessions the versions must get the shares that the rules give them, as far as chance allows.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from locust import FastHttpUser, between, events, task
from simple_websocket import Client, ConnectionClosed

VERSION = "x-shunt-version"
"""The response header that the rules' `expose_version` sets."""
SIGMAS = 5.0
"""A share is off when chance would do that in less than one of a million runs."""
REQUESTS_PER_SESSION = 12
MAX_UPLOAD_BYTES = 256 << 10
WEBSOCKET_SECONDS = 5.0


class Arguments(Protocol):
    """The part of locust's argument parser that is used here."""

    def add_argument(self, *names: str, **options: object) -> object: ...


class Environment(Protocol):
    """The part of locust's environment that is used here."""

    host: str | None
    parsed_options: Namespace
    process_exit_code: int | None
    stats: Any


draws: Counter[str] = Counter()
"""How many sessions drew each version."""
strayed: Counter[str] = Counter()
"""How many answers came from another version than the session's, by `drawn to answered`."""


def expected(written: str) -> dict[str, float]:
    """Shares of 1 by version, from `v1=80,v2=20`."""
    weights = {name: float(weight) for name, _, weight in (each.partition("=") for each in written.split(",") if each)}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def off(seen: Mapping[str, int], shares: Mapping[str, float]) -> list[str]:
    """The versions whose number of sessions no chance explains, in words."""
    sessions = sum(seen.values())
    found = [f"{name} answered, and no share is expected of it" for name in seen if name not in shares]
    for name, share in shares.items():
        deviation = math.sqrt(share * (1 - share) * sessions)
        if abs(seen.get(name, 0) - share * sessions) > SIGMAS * deviation:
            found.append(f"{name} has {seen.get(name, 0)} of {sessions} sessions, expected are {share:.1%}")
    return found


class Shopper(FastHttpUser):
    """Looks around, uploads, talks, and comes back as somebody else."""

    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        self.drawn = ""
        self.asked = 0

    @task(10)
    def look(self) -> None:
        """A page."""
        self._ask("GET", f"/item/{random.randrange(1000)}", "/item/…")

    @task(2)
    def upload(self) -> None:
        """A body that must arrive whole."""
        body = random.randbytes(random.randrange(1, MAX_UPLOAD_BYTES))
        self._ask("POST", "/upload", "/upload", body)

    @task(1)
    def talk(self) -> None:
        """A WebSocket, which must stay open and lead to the session's version."""
        if not self.drawn:
            return
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookiejar)
        began, fault = time.perf_counter(), None
        try:
            self._note(talked(f"{self.host}/ws".replace("http", "ws", 1), cookies))
        except (ConnectionClosed, OSError, ValueError) as broken:
            fault = broken
        milliseconds = (time.perf_counter() - began) * 1000
        report = {"request_type": "WS", "name": "/ws", "response_time": milliseconds, "response_length": 0}
        events.request.fire(**report, exception=fault, context={})

    def _ask(self, method: str, path: str, name: str, body: bytes | None = None) -> None:
        if self.asked >= REQUESTS_PER_SESSION:
            self.client.cookiejar.clear()
            self.drawn, self.asked = "", 0
        self.asked += 1
        with self.client.request(method, path, name=name, data=body, catch_response=True) as response:
            answered = response.headers.get(VERSION) if response.headers else None
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif answered is None:
                response.failure(f"no {VERSION}: set expose_version in the rules")
            elif body is not None and json.loads(response.text or "{}").get("bytes") != len(body):
                response.failure("the upload did not arrive whole")
            else:
                self._note(answered)

    def _note(self, answered: str) -> None:
        if not self.drawn:
            self.drawn = answered
            draws[answered] += 1
        elif answered != self.drawn:
            strayed[f"{self.drawn} to {answered}"] += 1


def talked(url: str, cookies: str) -> str:
    """Say a few things and hear them back; the version that said them, ValueError if one was lost."""
    socket = Client.connect(url, headers={"Cookie": cookies})
    try:
        version = ""
        for number in range(3):
            socket.send(f"message {number}")
            version, _, heard = (socket.receive(timeout=WEBSOCKET_SECONDS) or "").partition(": ")
            if heard != f"message {number}":
                raise ValueError(f"said message {number}, heard {heard!r}")
            time.sleep(random.uniform(0.05, 0.2))
        return version
    finally:
        socket.close()


# --- the verdict -------------------------------------------------------------------------


@events.init_command_line_parser.add_listener
def add_arguments(parser: Arguments) -> None:
    """What the rules promise, so that the run can check it."""
    parser.add_argument("--shares", env_var="SHUNT_SHARES", default="", help="Expected shares, such as v1=80,v2=20.")
    parser.add_argument(
        "--may-stray",
        env_var="SHUNT_MAY_STRAY",
        type=int,
        default=0,
        help="How many answers may come from another version than the session's: more than 0 while weights move.",
    )


@events.report_to_master.add_listener
def report(client_id: str, data: dict[str, object]) -> None:
    """Send the counts along when many processes make the load."""
    data["draws"], data["strayed"] = dict(draws), dict(strayed)
    draws.clear()
    strayed.clear()


@events.worker_report.add_listener
def add_report(client_id: str, data: dict[str, dict[str, int]]) -> None:
    """Add up what the others counted."""
    draws.update(data.get("draws", {}))
    strayed.update(data.get("strayed", {}))


@events.quitting.add_listener
def judge(environment: Environment) -> None:
    """Fail the run when anybody failed, strayed, or the shares are off."""
    wrong = []
    options = environment.parsed_options
    if environment.stats.total.num_failures:
        wrong.append(f"{environment.stats.total.num_failures} requests failed")
    if sum(strayed.values()) > options.may_stray:
        wrong.append(f"sessions strayed: {dict(strayed)}")
    if options.shares:
        wrong += off(draws, expected(options.shares))
    if not draws and not getattr(options, "worker", False):
        wrong.append("nobody got an answer")
    sys.stderr.write(f"sessions by version: {dict(draws)}\n")
    for each in wrong:
        sys.stderr.write(f"FAILED: {each}\n")
    if wrong:
        environment.process_exit_code = 1
