"""What do many routes and many hosts cost?

Bar: instructions per request grow by at most 5 % from 1 to 10,000 routes and hosts. Envoy's CPU stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench import counts, peers, traffic
from bench.figures import ratio, shown
from bench.peers import Peer
from bench.questions import Answer, under_load
from bench.rounds import Options, Sample
from bench.stage import Stage

_ROUTES = (1, 100, 10_000)
_SERVICES, _HOSTS_EACH = 1000, 10
_RUNS = (1000, 3000)
_ENVOY_ROUTE = "                        - match: {prefix: /}\n"


def rules_with_routes(count: int) -> str:
    """The split behind `count` routes by path, all of which get requests."""
    routes = "".join(
        f"      - {{name: r{number}, match: {{path: {{prefix: {path}}}}}}}\n" for number, path in _paths(count)
    )
    return f"{peers.template('rules.yaml')}    routes:\n{routes}"


def rules_with_hosts() -> str:
    """The split in many services, each with some hosts of its own."""
    _, _, service = peers.template("rules.yaml").partition("  bench:\n")
    services = (
        f"  s{number}:\n" + service.replace('["*"]', f"[{', '.join(_hosts(number))}]") for number in range(_SERVICES)
    )
    return "services:\n" + "".join(services) + "  bench:\n" + service


def ask(on: Stage, options: Options) -> Answer:
    """Shunt's instructions and CPU, Envoy's CPU, each with requests spread over all routes or hosts."""
    cases = [
        (f"{count} routes, the last", rules_with_routes(count), _requests(_asked(count)[-1:])) for count in _ROUTES
    ]
    cases += [(f"{count} routes, all", rules_with_routes(count), _requests(_asked(count))) for count in _ROUTES[1:]]
    hosts = [host for number in range(_SERVICES) for host in _hosts(number)]
    cases.append((f"{len(hosts)} hosts, all", rules_with_hosts(), traffic.requests(hosts=hosts)))
    rows: list[tuple[str, ...]] = []
    figures: dict[str, object] = {}
    base = math.nan
    for title, rules, requests in cases:
        counted = math.nan
        if counts.has_callgrind() and not options.is_quick:
            counted = counts.instructions(on, peers.shunt(rules=rules), requests, _RUNS, options.connections)
        base = counted if math.isnan(base) else base
        roster = [peers.shunt("shunt", rules), *_envoy(title)]
        samples = under_load(on, options, roster, requests)
        cpu = {name: Sample.middle(of).cpu_us for name, of in samples.items()}
        rows.append(
            (
                title,
                shown(counted, 0),
                shown(100 * (ratio(counted, base) - 1)),
                shown(cpu.get("shunt", math.nan)),
                shown(cpu.get("envoy", math.nan)),
            )
        )
        figures[title] = {"shunt_instructions": counted, "cpu_us": cpu}
    head = ("rules", "shunt: instructions", "growth %", "shunt: CPU µs", "envoy: CPU µs")
    return Answer(
        head,
        rows,
        figures,
        ["Requests ask for the last route only (look-up), or for all with the same chance (statistics too)."],
    )


def _envoy(title: str) -> Sequence[Peer]:
    """Envoy with as many routes; left out for hosts, which both look up in a hash table."""
    count, _, kind = title.partition(" ")
    if not kind.startswith("routes"):
        return ()
    routes = "".join(
        f"                        - {{match: {{path_separated_prefix: {path}}}, route: {{cluster: stable}}}}\n"
        for _, path in _paths(int(count))
    )
    return (peers.envoy(conf=peers.template("envoy.yaml").replace(_ENVOY_ROUTE, routes + _ENVOY_ROUTE)),)


def _paths(count: int) -> list[tuple[int, str]]:
    return [(number, f"/items/{number}") for number in range(count)]


def _requests(paths: list[str]) -> list[bytes]:
    return traffic.requests(paths=paths)


def _asked(count: int) -> list[str]:
    return [path for _, path in _paths(count)]


def _hosts(service: int) -> list[str]:
    return [f"h{number}.s{service}.{traffic.HOST}" for number in range(_HOSTS_EACH)]
