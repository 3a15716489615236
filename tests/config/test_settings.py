"""Settings come from file, environment and command line; the later wins, and nothing wrong passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import Faults, check, load_settings
from proxy.config.environment import variables
from proxy.settings import Settings


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings(None, {}) == Settings()


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "shunt.yaml"
    path.write_text("admin: 127.0.0.1:1\ntelemetry: 127.0.0.1:1\nstate: /one\nlimits: {head_bytes: 64KiB}\n")
    environ = {"SHUNT_TELEMETRY": "127.0.0.1:2", "SHUNT_STATE": "/two", "SHUNT_LIMITS_HEAD_FIELDS": "7"}
    found = load_settings(path, environ, {"state": "/three", "log.level": "debug", "workers": None})
    assert (found.admin, found.telemetry, found.state) == ("127.0.0.1:1", "127.0.0.1:2", "/three")
    assert (found.limits.head_bytes, found.limits.head_fields, found.log.level) == (65536, 7, "debug")


def test_every_setting_has_a_variable_and_lists_are_split_at_commas() -> None:
    assert variables()["SHUNT_DRAIN_TUNNEL_GRACE"] == ("drain", "tunnel_grace")
    found = load_settings(None, {"SHUNT_LISTEN": "127.0.0.1:0, unix:/run/s", "SHUNT_TRUSTED_PROXIES": "10.0.0.0/8"})
    assert found.listen == ("127.0.0.1:0", "unix:/run/s")
    assert found.trusted_proxies == ("10.0.0.0/8",)


def test_no_two_settings_share_a_variable() -> None:
    assert len(set(variables().values())) == len(variables())


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings(None, {"SHUNT_WORKERS": "", "SHUNT_LISTEN": ""}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    environ = {
        "SHUNT_ADMIN_TOKEN": "t",
        "SHUNT_OUTPUT": "json",
        "SHUNT_SERVICE_HOST": "10.0.0.1",
        "SHUNT_SERVICE_PORT": "80",
        "SHUNT_SERVICE_PORT_HTTP": "80",
        "SHUNT_PORT": "tcp://10.0.0.1:80",
        "SHUNT_PORT_80_TCP_ADDR": "10.0.0.1",
        "SHUNT_ADMIN_PORT_9901_TCP_PROTO": "tcp",
        "SHUNT_ADMIN_SERVICE_HOST": "10.0.0.1",
        "PATH": "/bin",
    }
    assert load_settings(None, environ) == Settings()


@pytest.mark.parametrize(
    ("name", "cure"),
    [("SHUNT_LISTN", "SHUNT_LISTEN?"), ("SHUNT_LIMITS_NO_SUCH", "take it out"), ("SHUNT_WORKER", "SHUNT_WORKERS")],
)  # fmt: skip
def test_a_misspelt_variable_is_a_fault(name: str, cure: str) -> None:
    with pytest.raises(Faults, match=f"environment: {name}: there is no such setting") as caught:
        load_settings(None, {name: "1"})
    assert cure in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:80", "localhost:65535", "unix:/run/shunt.sock", ":8080"])
def test_addresses(address: str) -> None:
    if address.startswith(":"):
        with pytest.raises(Faults, match="is not an address"):
            load_settings(None, {}, {"listen": address})
    else:
        assert load_settings(None, {}, {"listen": [address]}).listen == (address,)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("listen: []", "shunt.yaml:1: listen: is an empty list"),
        ("listen: [a:1, a:1]", "listen[1]: a:1 stands there twice"),
        ("listen: 127.0.0.1", "listen[0]: '127.0.0.1' is not an address"),
        ("admin: ::1:80", "admin: '::1:80' is not an address"),
        ("admin: unix:run.sock", "admin: unix:run.sock is not an address"),
        ("admin: localhost:70000", "admin:"),
        ("workers: 0", "workers: 0 is below 1"),
        ("workers: some", "workers: some is not a whole number"),
        ("trusted_proxies: [10.0.0.0/33]", "trusted_proxies[0]: '10.0.0.0/33' is not a network"),
        ("name: a b", "name: 'a b' is not a pseudonym"),
        ("dns: {min: 1m, max: 1s}", "dns.max: dns.max, 1 s, is below dns.min, 60 s"),
        ("dns: {server: 10.0.0.1}", "dns.server: '10.0.0.1' is not an address"),
        ("log: {level: loud}", "log.level: loud is not possible here; use one of debug"),
        ("limits: {head_bytes: 1}", "limits.head_bytes: 1 is below 1024"),
        ("limts: {}", "limts: unknown key; did you mean 'limits'?"),
        ("drain: {grace: x}", "drain.grace: 'x' is not a duration"),
        ("max_hops:", ""),
    ],
)
def test_a_fault_of_the_file_is_named_with_line_and_cure(written: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "shunt.yaml"
    path.write_text(written)
    found = check([path])
    assert bool(found) == bool(expected)
    assert all(f"{path}:1: " in fault and "; " in fault for fault in found)
    assert expected in "\n".join(found)


def test_faults_of_all_sources_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shunt.yaml"
    path.write_text("admin: x\n")
    with pytest.raises(Faults) as caught:
        load_settings(path, {"SHUNT_WORKERS": "x", "SHUNT_LISTN": "x"}, {"log.level": "loud"})
    files = [fault.file for fault in caught.value.faults]
    assert files == [str(path), "command line", "environment", "environment SHUNT_WORKERS"]


def test_a_directory_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(Faults, match="is a directory"):
        load_settings(tmp_path, {})


def test_flags_in_the_environment_are_no_settings() -> None:
    assert load_settings(None, {"SHUNT_FLAG_S": "true", "SHUNT_FLAG_NEW_CHECKOUT": "true"}) == Settings()
