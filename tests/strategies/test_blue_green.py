"""Blue-green: one colour answers everything, the other only those who may look."""

from __future__ import annotations

from random import Random

from proxy.conditions import Text, When
from proxy.model import Choice, Request
from proxy.strategies.blue_green import BlueGreen, Preview, chooser, previewer
from proxy.strategies.sticky import Ground

GROUND = Ground("shop")
DICE = Random(1)
PREVIEW = Preview(version="green", when=When(header={"x-preview": Text(exact="1")}))


def test_the_active_colour_answers_everything() -> None:
    choose = chooser(BlueGreen(active="blue"))
    assert choose is not None
    assert choose(Request.of("POST", "/any"), None, DICE) == Choice("blue", "active")


def test_only_who_may_look_sees_the_other_colour() -> None:
    choose = previewer(BlueGreen(active="blue", preview=PREVIEW), GROUND)
    assert choose is not None
    assert choose(Request.of(headers=[("X-Preview", "1")]), None, DICE) == Choice("green", "preview")
    assert choose(Request.of(), None, DICE) is None


def test_without_preview_nobody_is_asked() -> None:
    assert previewer(BlueGreen(active="blue"), GROUND) is None
    assert previewer(None, GROUND) is None
    assert chooser(None) is None
