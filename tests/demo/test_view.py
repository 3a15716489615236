"""The view: every version has its line, whatever happened to it."""

from __future__ import annotations

import io

from rich.console import Console

from proxy.demo.readings import Figures, Name
from proxy.demo.script import Stage
from proxy.demo.view import Clients, line, playbill, table

FIGURES = {
    Name("shop", "v1"): Figures(0.8, 16.0, 0.006, 0.25, 0, 0, 0),
    Name("shop", "v2"): Figures(0.2, 4.0, 0.004, 0.01, 2, 7, 0),
    Name("shop", "next"): Figures(0.0, 0.0, None, None, 0, 0, 9),
}
CLIENTS = Clients(20.0, 0.251, 3)


def test_the_table_shows_share_latency_errors_rescues_and_copies() -> None:
    text = io.StringIO()
    Console(file=text, width=120).print(table(FIGURES, CLIENTS))
    shown = text.getvalue()
    for expected in ("80%", "16.0", "6.0 ms", "250 ms", "20 requests/s", "3 failed"):
        assert expected in shown


def test_the_line_leaves_out_versions_that_nobody_asked() -> None:
    assert line(4.0, FIGURES, CLIENTS) == (
        "4 s | shop: v1 80% p99 250 ms 5xx 0, v2 20% p99 10.0 ms 5xx 2"
        " | clients: 20 requests/s, slowest 251 ms, 3 failed since the start"
    )
    assert "clients" not in line(4.0, FIGURES, None)


def test_the_playbill_has_a_command_for_each_strategy() -> None:
    text = playbill(Stage("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "/tmp/r.yaml", "shunt"))
    for expected in ("weight shop", "x-beta", "switch account green", "x-preview", "hold shop", "sed -i", "explain"):
        assert expected in text
