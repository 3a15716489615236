"""The demo's script: the rules that it runs, and what to try from another terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.demo.backends import Backend

DEFAULT_ADMIN = "http://127.0.0.1:9901"
RULES = """\
# Edit me while the demo runs: a good file is in force at once, a bad one changes nothing and says why.
services:
  shop: # canary, flags and shadow
    hosts: [shop.localhost, "*"]
    identity: [header:x-user-id, cookie:session]
    versions: {{v1: {shop_v1}, v2: {shop_v2}, next: {shop_next}}}
    canary: {{stable: v1, candidate: v2, weight: 20}}
    flags:
      - {{name: beta-testers, when: {{header: {{x-beta: "true"}}}}, version: next}}
    shadow:
      - {{version: next, percent: 50}}

  account: # blue-green
    hosts: [account.localhost]
    versions: {{blue: {account_blue}, green: {account_green}}}
    blue_green: {{active: blue, preview: {{version: green, when: {{header: {{x-preview: "1"}}}}}}}}

  search: # a bad candidate: its failures are rescued by stable, no client sees them
    hosts: [search.localhost]
    versions: {{stable: {search_stable}, flaky: {search_flaky}}}
    canary: {{stable: stable, candidate: flaky, weight: 30}}

  reports: # shares by weight, one version slow
    hosts: [reports.localhost]
    versions: {{fast: {reports_fast}, slow: {reports_slow}}}
    canary: {{weights: {{fast: 75, slow: 25}}}}

  news: # rolling: the demo restarts these targets one after the other, all the time
    hosts: [news.localhost]
    versions: {{v1: {{targets: [{news_v1}]}}}}
    rolling: v1
    health: {{path: /healthz, every: 1s}}

  echo: # says the request back; a WebSocket page for browsers
    hosts: [echo.localhost]
    versions: {{v1: {echo_v1}}}
"""


class Stage(NamedTuple):
    """Where everything is, for the commands that people copy."""

    proxy: str
    """`http://127.0.0.1:8080`"""
    admin: str
    telemetry: str
    rules: str
    """The path of the rules file."""
    shunt: str
    """How to call this program from the same directory."""


def rules_text(backends: Iterable[Backend]) -> str:
    """`rules.yaml` for these backends."""
    targets: dict[str, list[str]] = {}
    for backend in backends:
        targets.setdefault(f"{backend.service}_{backend.version}", []).append(f'"{backend.address}"')
    return RULES.format_map({name: ", ".join(addresses) for name, addresses in targets.items()})


def acts(stage: Stage) -> list[tuple[str, list[str]]]:
    """What to try, by strategy, as commands for a shell."""
    shop, account, search, echo = (
        f"curl -s -H 'Host: {name}.localhost'" for name in ("shop", "account", "search", "echo")
    )
    shunt = stage.shunt
    at = "" if stage.admin == DEFAULT_ADMIN else f" --admin {stage.admin.removeprefix('http://')}"
    return [
        (
            "Canary: the same user always gets the same version",
            [
                f'for user in $(seq 10); do {shop} -H "x-user-id: $user" {stage.proxy}/; done',
                f"{shunt} weight shop 60{at}",
            ],
        ),
        ("Flag: testers get the next version", [f"{shop} -H 'x-beta: true' {stage.proxy}/"]),
        (
            "Blue-green: look at green first, then switch, then take it back",
            [
                f"{account} -H 'x-preview: 1' {stage.proxy}/",
                f"{shunt} switch account green{at}",
                f"{shunt} undo{at}",
            ],
        ),
        ("Rescue: flaky fails 30 % of its requests, clients see none of it", [f"{search} -i {stage.proxy}/"]),
        ("Hold: requests wait in the proxy while you migrate", [f"{shunt} hold shop --max 5s --for 10s{at}"]),
        ("Hot reload: edit the rules", [f"sed -i 's/weight: 20/weight: 50/' {stage.rules}"]),
        (
            "Ask why",
            [
                f"{shunt} explain --host shop.localhost --path / -H 'x-beta: true'{at}",
                f"{shunt} status{at}",
                f"{echo} '{stage.proxy}/anything?at=all'",
                f"curl -s {stage.telemetry}/metrics | grep shunt_requests_total",
            ],
        ),
    ]
