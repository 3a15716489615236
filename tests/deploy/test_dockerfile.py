"""The image: small, without tools, and never root."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from proxy.config.environment import variables

ROOT = Path(__file__).parents[2]
_JOINED = re.compile(r"\\\n\s*")


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, as (word, rest)."""
    text = _JOINED.sub(" ", re.sub(r"^#.*\n", "", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE))
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest.strip()))
    return found


def said(word: str) -> list[str]:
    """What the final stage says with that instruction."""
    return [rest for each, rest in stages()[-1] if each == word]


def test_building_and_running_are_two_stages_of_the_same_slim_base() -> None:
    first, last = (stage[0][1] for stage in stages())
    assert first.endswith(" AS build")
    assert last == first.removesuffix(" AS build")
    assert "-slim-" in last


def test_nothing_is_installed_in_the_final_stage() -> None:
    assert said("RUN") == []
    assert said("ADD") == []
    assert all(copied.startswith("--from=build ") for copied in said("COPY"))


def test_it_never_runs_as_root_and_kubernetes_can_see_that() -> None:
    (user,) = said("USER")
    assert all(part.isdecimal() and int(part) > 0 for part in user.split(":"))


def test_it_is_the_proxy_and_knows_whether_it_is_well() -> None:
    assert said("ENTRYPOINT") == ['["shunt", "run"]']
    (check,) = said("HEALTHCHECK")
    assert "/readyz" in check
    assert said("STOPSIGNAL") == ["SIGTERM"]


def test_it_says_what_it_is() -> None:
    (labels,) = said("LABEL")
    named = {word.partition("=")[0].rpartition(".")[2] for word in shlex.split(labels)}
    assert {"title", "description", "licenses", "version", "revision", "created"} <= named


def test_its_settings_exist() -> None:
    (environment,) = said("ENV")
    names = {word.partition("=")[0] for word in shlex.split(environment)}
    assert {name for name in names if name.startswith("SHUNT_")} <= variables().keys()


def test_the_builder_gets_nothing_that_the_image_is_not_made_of() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = {name for word, rest in stages()[0] if word == "COPY" for name in rest.split()[:-1]}
    assert {f"!{name.removeprefix('./')}" for name in copied} <= set(ignored)
