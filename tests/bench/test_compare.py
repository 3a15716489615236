"""The bench's own arithmetic: what it reads from other programs and what it makes of it. Nothing here is timed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench import compare, counts, figures, peers, questions, report, traffic, wrk
from bench.processes import Failed
from bench.rounds import Options, Sample

_WRK = """Running 5s test @ http://127.0.0.1:1/
  1 threads and 64 connections
Requests/sec:  20000.00
measured requests=100000 seconds=5.000000 bytes=115200000 p50_ms=1.2500 p99_ms=4.5000 max_ms=20.1000 errors=3
"""
_STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.600000           1      2000           writev
 40.00    0.400000           1      2020        20 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    1.000000           1      4020        20 total
"""


def test_the_line_that_wrk_ends_with_becomes_a_load() -> None:
    load = wrk.parse(_WRK)
    assert load == wrk.Load(100_000, 5.0, 115_200_000, 1.25, 4.5, 20.1, 3)
    assert load.per_second == 20_000


def test_a_wrk_that_measured_nothing_is_told_with_its_own_words() -> None:
    with pytest.raises(Failed, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_system_calls_are_read_by_name_with_or_without_errors() -> None:
    assert counts.counted_calls(_STRACE) == {"writev": 2000, "recvfrom": 2020}


def test_instructions_are_read_from_a_callgrind_dump() -> None:
    assert counts.counted_instructions("events: Ir\nfn=(1) main\n1 5\n\ntotals: 123456789\n") == 123_456_789


def test_what_two_runs_share_falls_out_of_the_cost_of_a_request() -> None:
    shared, each = 5_000_000, 40_000
    assert figures.per_request((1000, shared + 1000 * each), (4000, shared + 4000 * each)) == each


def test_two_runs_of_one_length_say_nothing() -> None:
    with pytest.raises(ValueError, match="longer run"):
        figures.per_request((1000, 1), (1000, 2))


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert figures.percentile(values, 50) == 50
    assert figures.percentile(values, 99) == 99
    assert figures.percentile(values, 100) == 100
    assert math.isnan(figures.percentile([], 50))


def test_a_missing_figure_is_a_dash_and_never_a_zero() -> None:
    assert figures.shown(math.nan) == "-"
    assert figures.shown(figures.ratio(1.0, math.nan)) == "-"
    assert figures.shown(12345.678, 1) == "12,345.7"


def test_a_table_puts_words_left_and_figures_right() -> None:
    assert figures.table(("proxy", "µs"), [("shunt", "9.5"), ("nginx", "10.0")]).splitlines() == [
        "proxy    µs",
        "-----  ----",
        "shunt   9.5",
        "nginx  10.0",
    ]


def test_medians_are_taken_figure_by_figure_and_errors_add_up() -> None:
    samples = [Sample(cpu, 1000 / cpu, cpu, cpu, 1, 1200.0) for cpu in (30.0, 10.0, 20.0)]
    assert Sample.middle(samples) == Sample(20.0, 50.0, 20.0, 20.0, 3, 1200.0)


def test_requests_differ_from_each_other_and_not_from_run_to_run() -> None:
    requests = traffic.requests(variety=500)
    assert len(set(requests)) == 500
    assert requests == traffic.requests(variety=500)
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.count(b"\r\n") == 9
        assert body == b""
        assert traffic.SEPARATOR not in request


def test_a_body_has_the_length_that_its_head_says() -> None:
    head, _, body = traffic.requests(method="POST", body_bytes=4096, variety=1)[0].partition(b"\r\n\r\n")
    assert b"Content-Length: 4096" in head
    assert len(body) == 4096


def test_only_the_peers_asked_for_are_chosen_and_a_wrong_name_is_an_error() -> None:
    chosen = Options(1, 1.0, 1, ("nginx",)).chosen([*peers.everybody(), peers.nginx("nginx again")])
    assert [peer.name for peer in chosen] == ["nginx", "nginx again"]
    with pytest.raises(Failed, match="no such peer: ngnix"):
        Options(1, 1.0, 1, ("ngnix",)).chosen(peers.everybody())


def test_every_place_of_every_template_is_filled() -> None:
    place = peers.Place(Path("/somewhere"), 1, 2, 3)
    for name in ("nginx.conf", "haproxy.cfg", "envoy.yaml", "rules.yaml"):
        filled = place.fill(peers.template(name))
        assert not [word for word in ("@FOLDER@", "@LISTEN@", "@STABLE@", "@CANDIDATE@") if word in filled]


def test_every_question_opens_with_a_question() -> None:
    for name in questions.NAMES:
        file = Path(questions.__file__).with_name(f"{name}.py")
        assert file.read_text().partition("\n")[0].endswith("?")


def test_the_report_says_what_machine_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "OUT", tmp_path)
    assert '"kernel"' in report.write("nothing", {"figures": {}}).read_text()


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compare.main(["--help"])
    assert ended.value.code == 0
    assert "--no-instructions" in capsys.readouterr().out
